// SPDX-License-Identifier: MIT
// A device, reclaim that calls it, forks and exits on the explorer, under C++'s memory model: the clients pass by every
// policy, and the faults of calls to devices are found.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "locks/rwsem_3_10.hpp"
#include "locks/ticket.hpp"
#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "tests/support/effort.hpp"
#include "workloads/pageable_reclaim.hpp"

namespace lockbench {
namespace {

using explore::Failure;

// What one thread does to a process of two pages that has a device.
//   device    the device uses both pages
//   reclaim   both pages are taken away, by the policy of the client
//   fork      the process forks, the child exits
//   exit      the process exits
enum class Action { device, reclaim, fork, exit };

struct Client {
    std::vector<Action> actions;
    CallPolicy policy = CallPolicy::a0;
    DeviceKind kind = DeviceKind::rdma;
};

template <class L, class Q>
class PageableProgram {
    using P = Explore;
    using E = PageableEnv<P>;
    static constexpr std::uint32_t kPages = 2;

  public:
    explicit PageableProgram(Client client) : client_(std::move(client)), stats_(client_.actions.size()) {
        for (ThreadId tid = 0; tid < client_.actions.size(); ++tid) {
            ctxs_.push_back(std::make_unique<Ctx<P>>(tid, 1, 0, stats_[tid], nullptr));
        }
    }

    explore::Program program() {
        explore::Program program;
        program.threads = static_cast<ThreadId>(client_.actions.size());
        program.setup = [this](explore::Arena& arena) { set_up(arena); };
        program.body = [this](ThreadId tid) { act(client_.actions[tid], tid); };
        program.verify = [this] { verify(); };
        return program;
    }

  private:
    struct World {
        // A process that exits is a child: the first one keeps the roots.
        World(const RmapConfig& config, const DeviceSettings& settings, bool exits)
            : trial(config, {}),
              store(settings, kAnyNode),
              owner(exits ? fork_mm(trial.rmap(), trial.host(), trial.parent()) : &trial.parent()) {
            Vma<E>& vma = *owner->first.get();
            for (std::uint64_t page = 0; page < kPages; ++page) {
                touch_page(trial.rmap(), trial.host(), vma, vma.pgoff.get() + page);
            }
            flush_added(trial.rmap().memory, trial.host().task);
            attach_device(store, *owner, 1);
            device = owner->second.device.load(relaxed);  // relaxed: before all threads
        }
        ProcessTrial<E, L, Q> trial;
        DeviceStore<E> store;
        Mm<E>* owner;  // of the device
        Device<E>* device = nullptr;
        RmapThread<E, L>* threads[explore::kMaxFibers] = {};
        CallState<E>* calls[explore::kMaxFibers] = {};
    };

    static RmapConfig config() {
        RmapConfig config = rmap_config(detail::kPageableInfo, default_params(detail::kPageableInfo));
        config.anon_vmas = 1;
        config.fresh_vmas = 0;
        config.file_vmas = 0;
        config.pages = kPages;
        config.batch = 2;
        return config;
    }
    [[nodiscard]] bool exits() const {
        return std::find(client_.actions.begin(), client_.actions.end(), Action::exit) != client_.actions.end();
    }

    void set_up(explore::Arena& arena) {
        const auto threads = static_cast<std::uint32_t>(client_.actions.size());
        world_ = &arena.make<World>(
            config(), DeviceSettings{.kind = client_.kind, .typical_ns = 20, .threads = threads}, exits());
        for (ThreadId tid = 0; tid < threads; ++tid) {
            world_->threads[tid] = &arena.make<RmapThread<E, L>>(*ctxs_[tid], world_->trial.config());
            world_->calls[tid] = &arena.make<CallState<E>>();
            world_->calls[tid]->policy = client_.policy;
            world_->calls[tid]->store = &world_->store;
        }
    }

    void act(Action action, ThreadId tid) {
        Rmap<E, L, Q>& rmap = world_->trial.rmap();
        RmapThread<E, L>& thread = *world_->threads[tid];
        switch (action) {
            case Action::device: {
                Vma<E>& vma = *world_->owner->first.get();
                for (std::uint64_t page = 0; page < kPages; ++page) {
                    device_use(rmap, thread, *world_->device, vma, vma.pgoff.get() + page);
                }
                break;
            }
            case Action::reclaim:
                for (int turn = 0; turn < 2; ++turn) {  // a page is deactivated in one and goes in the next
                    level_lists(rmap, thread);
                    CallingShrink<E, L, Q>(rmap, thread, *world_->calls[tid]).run();
                }
                break;
            case Action::fork:
                exit_mm(rmap, thread, fork_mm(rmap, thread, *world_->owner));
                break;
            case Action::exit:
                exit_mm(rmap, thread, world_->owner);
                break;
        }
        flush_added(rmap.memory, thread.task);
    }

    void verify() {
        Verdict verdict;
        for (const auto& fault : world_->store.faults) {
            verdict.expect_equal(static_cast<std::int64_t>(fault.peek()), 0, "accesses of the device that are illegal");
        }
        if (exits()) {
            verdict.expect_equal(world_->store.devices.live(), 0, "devices alive");
        }
        RmapVerifier<E, L, Q>(world_->trial.rmap(), world_->trial.parent(), verdict).run();
        if (!verdict.passed()) {
            explore::core->engine().fail(Failure::check_failed, verdict.failures.front());
        }
    }

    Client client_;
    std::vector<ThreadStats> stats_;
    std::vector<std::unique_ptr<Ctx<P>>> ctxs_;
    World* world_ = nullptr;
};

template <class L, class Q = FaithfulPageable>
explore::Verdict drawn(const Client& client, std::uint64_t executions, const std::string& replay = "") {
    explore::Options options;
    options.engine = &explore::explore_random;
    options.max_executions = executions;
    options.replay = replay;
    PageableProgram<L, Q> program(client);
    return options.engine(program.program(), options);
}

struct MmNotPinned : FaithfulPageable {
    static constexpr bool kPinsMm = false;
};
struct FreedFirst : FaithfulPageable {
    static constexpr bool kFreeAfterCalls = false;
};
struct CopiedFirst : FaithfulPageable {
    static constexpr bool kCopyAfterCalls = false;
};
struct FaultLooksOnce : FaithfulPageable {
    static constexpr bool kFaultLooksAgain = false;
};

using Spins = TicketLock<Explore>;
using Sleeps = Rwsem310<Explore>;
using enum Action;

template <class L>
void clients_pass() {
    const std::uint64_t executions = test::seeds(60, 10);
    for (std::size_t policy = 0; policy < kCallPolicies; ++policy) {
        for (const DeviceKind kind : {DeviceKind::kvm, DeviceKind::rdma}) {
            if (!illegal_because(static_cast<CallPolicy>(policy), kind, L::kInfo.kind).empty()) {
                continue;
            }
            for (const std::vector<Action>& actions :
                 {std::vector<Action>{device, reclaim}, {device, reclaim, fork}, {reclaim, exit}}) {
                const explore::Verdict verdict = drawn<L>({actions, static_cast<CallPolicy>(policy), kind}, executions);
                EXPECT_TRUE(verdict.passed()) << kCallPolicyNames[policy] << " " << info_of(kind).name << " "
                                              << to_string(verdict.failure) << ": " << verdict.message << "\n"
                                              << verdict.trace;
                EXPECT_EQ(verdict.counts.complete, executions);
            }
        }
    }
}
TEST(RandomPageable, ClientsPass) {
    clients_pass<Spins>();
    clients_pass<Sleeps>();
}

template <class L, class Q>
void expect_found(const std::vector<Action>& actions, std::initializer_list<Failure> failures) {
    const Client client{actions, CallPolicy::a3, DeviceKind::rdma};
    const explore::Verdict wrong = drawn<L, Q>(client, 4000);
    EXPECT_NE(std::find(failures.begin(), failures.end(), wrong.failure), failures.end())
        << to_string(wrong.failure) << ": " << wrong.message << "\n"
        << wrong.trace;
    EXPECT_EQ((drawn<L, Q>(client, 1, wrong.replay).message), wrong.message) << wrong.replay;
}
TEST(RandomPageable, B12AddressSpaceNotKept) {
    expect_found<Spins, MmNotPinned>({reclaim, exit}, {Failure::use_after_free});
    expect_found<Sleeps, MmNotPinned>({reclaim, exit}, {Failure::use_after_free});
}
TEST(RandomPageable, B12PageFreedOrCopiedFirst) {
    expect_found<Spins, FreedFirst>({device, reclaim}, {Failure::use_after_free, Failure::race});
    expect_found<Sleeps, CopiedFirst>({device, reclaim}, {Failure::race, Failure::check_failed});
}
TEST(RandomPageable, B14FaultIgnoresInvalidations) {
    expect_found<Spins, FaultLooksOnce>({device, reclaim, reclaim}, {Failure::use_after_free, Failure::race});
}

}  // namespace
}  // namespace lockbench
