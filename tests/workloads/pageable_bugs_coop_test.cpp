// SPDX-License-Identifier: MIT
// Faults of reclaim on pages that a device maps, put in one at a time: each must be found within some schedules, and
// the right form must pass all of the same ones.
#include <gtest/gtest.h>

#include "locks/rwsem_3_10.hpp"
#include "locks/ticket.hpp"
#include "tests/workloads/pageable_scene.hpp"
#include "tests/workloads/rule_search.hpp"

namespace lockbench {
namespace {

using Env = PageableEnv<Coop>;

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

template <class L, class Q>
Scenario scene(CallPolicy policy, DeviceKind client, std::int64_t write_permille = 1000) {
    using W = PageableReclaim<Coop, L, Env, Q>;
    return [policy, client, write_permille](std::uint64_t seed) {
        ParamValues params = few_mirrored_pages<W>(policy, client, seed);
        params[detail::place_in_params(PageableParam::write_permille)] = write_permille;
        return run_coop_trial<W>(rmap_options(seed, 3), params, 4);
    };
}

// A child of the shared parent has a device and exits while others reclaim its pages.
template <class L, class Q>
class ExitingChild {
  public:
    using Thread = RmapThread<Env, L>;
    static constexpr std::uint32_t kPages = 2;

    static CoopTrial run(std::uint64_t seed, CallPolicy policy) {
        return run_scene<ExitingChild, Thread>(
            rmap_options(seed, 2),
            [policy](ExitingChild& scene, Thread& thread, ThreadId tid) { scene.act(thread, tid, policy); },
            [](ExitingChild& scene, Verdict& verdict) { verify_empty(scene.trial_.rmap(), verdict); });
    }

    ExitingChild()
        : trial_(one_mirrored_vma(kPages), {}),
          store_({.kind = DeviceKind::gru, .typical_ns = 20, .threads = 2}, kAnyNode) {
        child_ = fork_mm(trial_.rmap(), trial_.host(), trial_.parent());
        Vma<Env>& vma = *child_->first.get();
        for (std::uint64_t page = 0; page < kPages; ++page) {
            touch_page(trial_.rmap(), trial_.host(), vma, vma.pgoff.get() + page);
        }
        flush_added(trial_.rmap().memory, trial_.host().task);
        attach_device(store_, *child_, 1);
    }

    const RmapConfig& config() { return trial_.config(); }

  private:
    void act(Thread& thread, ThreadId tid, CallPolicy policy) {
        if (tid == 0) {
            Device<Env>& device = *child_->second.device.load(seq_cst);
            Vma<Env>& vma = *child_->first.get();
            for (std::uint64_t page = 0; page < kPages; ++page) {
                device_use(trial_.rmap(), thread, device, vma, vma.pgoff.get() + page);
            }
            flush_added(trial_.rmap().memory, thread.task);
            exit_mm(trial_.rmap(), thread, child_);
            exit_mm(trial_.rmap(), thread, &trial_.parent());
            return;
        }
        calls_.policy = policy;
        calls_.store = &store_;
        for (int turn = 0; turn < 3; ++turn) {
            level_lists(trial_.rmap(), thread);
            CallingShrink<Env, L, Q>(trial_.rmap(), thread, calls_).run();
        }
    }

    ProcessTrial<Env, L, Q> trial_;
    DeviceStore<Env> store_;
    CallState<Env> calls_;  // of the one that reclaims
    Mm<Env>* child_;
};

template <class L, class Q>
Scenario exit_scene(CallPolicy policy) {
    return [policy](std::uint64_t seed) { return ExitingChild<L, Q>::run(seed, policy); };
}

template <class L>
class PageableFaults : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(PageableFaults, BothKinds);

constexpr std::string_view kClient = "device, reclaim and fork, 3 threads";
constexpr std::uint64_t kFewer = 800;  // schedules of the right form: all cells run it besides

template <class L>
std::string named(std::string_view fault) {
    return std::string(fault) + ", " + std::string(L::kInfo.name);
}

TYPED_TEST(PageableFaults, B12AddressSpaceNotKept) {
    expect_found_as("B12", named<TypeParam>("the call after unlock keeps no reference on the address space (R1)"),
                    exit_scene<TypeParam, MmNotPinned>(CallPolicy::a3),
                    exit_scene<TypeParam, FaithfulPageable>(CallPolicy::a3), CoopFailure::use_after_free,
                    "device, reclaim and exit, 2 threads", kFewer);
}
// The device only reads, so that there is no write to be lost as well.
TYPED_TEST(PageableFaults, B12PageFreedBeforeTheCall) {
    expect_found_as("B12", named<TypeParam>("the page is freed before the call (R2)"),
                    scene<TypeParam, FreedFirst>(CallPolicy::a3, DeviceKind::rdma, 0),
                    scene<TypeParam, FaithfulPageable>(CallPolicy::a3, DeviceKind::rdma, 0),
                    CoopFailure::use_after_free, kClient, kFewer);
}
TYPED_TEST(PageableFaults, B12PageCopiedBeforeTheCall) {
    expect_found_as("B12", named<TypeParam>("the page is copied before the call (R3)"),
                    scene<TypeParam, CopiedFirst>(CallPolicy::a3, DeviceKind::rdma),
                    scene<TypeParam, FaithfulPageable>(CallPolicy::a3, DeviceKind::rdma), CoopFailure::race, kClient,
                    kFewer);
}
TYPED_TEST(PageableFaults, B13CallUnderThePteLock) {
    expect_found_as("B13", named<TypeParam>("a callback that sleeps is made under the PTE lock"),
                    scene<TypeParam, FaithfulPageable>(CallPolicy::pte, DeviceKind::rdma),
                    scene<TypeParam, FaithfulPageable>(CallPolicy::pte, DeviceKind::kvm),
                    CoopFailure::sleeping_in_atomic, kClient, kFewer);
}
TYPED_TEST(PageableFaults, B14FaultIgnoresInvalidations) {
    expect_found_as("B14", named<TypeParam>("the device's fault looks at neither count nor sequence"),
                    scene<TypeParam, FaultLooksOnce>(CallPolicy::a3, DeviceKind::rdma, 0),
                    scene<TypeParam, FaithfulPageable>(CallPolicy::a3, DeviceKind::rdma, 0),
                    CoopFailure::use_after_free, kClient, kFewer);
}

}  // namespace
}  // namespace lockbench
