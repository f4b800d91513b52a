// SPDX-License-Identifier: MIT
// lock_loop: threads do nothing but take the lock and give it back. For the simulated machine only.
//
// Origin: the kernel modules and loops with which published tables of locks were measured. rw_mix touches a line under
//   the lock, which they do not, and that line's transfers would be most of what is simulated.
// What a lock promises is checked without any line of the machine: the simulation runs one thread of the host at a
// time, so that who is inside can be counted in the host's own memory.
#pragma once

#include <array>
#include <string_view>

#include "platform/sim/sim.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

namespace detail {
enum class LoopParam : std::size_t { read, apart, hold, think, vary, share };
inline constexpr std::array<ParamInfo, 6> kLoopParams = {{
    {"read_permille", "permille", 500, 0, 1000, "Share of turns, or with apart=1 of threads, that read (estimate)."},
    {"apart", "1", 0, 0, 1, "1: each thread only reads or only writes, as read_permille says; one thread does both."},
    {"hold_ns", "ns", 0, 0, 1'000'000, "Work inside a section; the published loops have none."},
    {"think_ns", "ns", 0, 0, 10'000'000, "Work between two sections; the published loops have none."},
    {"vary", "1", 0, 0, 1, "1: think from nothing to twice as long, all equally likely (estimate)."},
    {"loop_share", "1", 1, 1, 1000, "Weight of the only role."},
}};
inline constexpr std::array<std::string_view, 1> kLoopRoles = {"loop"};
inline constexpr std::array<std::size_t, 1> kLoopShares = {static_cast<std::size_t>(LoopParam::share)};
inline constexpr std::array<OpInfo, 2> kLoopOps = {{{"read", "sections", true}, {"write", "sections", true}}};
inline constexpr std::array<std::string_view, 2> kLoopSites = {"read", "write"};
inline constexpr WorkloadInfo kLoopInfo = {
    .name = "lock_loop",
    .summary = "Takes the lock and gives it back, with nothing of its own under it: the loop of published tables.",
    .origin = "microbenchmark",
    .params = kLoopParams,
    .roles = kLoopRoles,
    .share_param = kLoopShares,
    .ops = kLoopOps,
    .sites = kLoopSites,
};
}  // namespace detail

template <class L>
class LockLoop {
  public:
    static const WorkloadInfo& info() { return detail::kLoopInfo; }

    explicit LockLoop(const TrialSetup& setup)
        : setup_(setup), locks_(setup.homes.lock, Layout::padded), lock_(locks_.make()) {}
    ~LockLoop() { locks_.destroy(lock_); }
    LockLoop(const LockLoop&) = delete;
    LockLoop& operator=(const LockLoop&) = delete;

    class Thread {
      public:
        Thread(LockLoop& loop, Ctx<Sim>& context, RoleId)
            : ctx(context), token(context), read_permille(loop.permille_of(context.tid)) {}
        Ctx<Sim>& ctx;
        typename L::Token token;
        const std::uint32_t read_permille;
    };

    void step(Thread& thread) {
        if (thread.ctx.random.chance(thread.read_permille)) {
            section<Mode::read>(thread);
        } else {
            section<Mode::write>(thread);
        }
        const auto think = value(detail::LoopParam::think);
        Sim::compute(value(detail::LoopParam::vary) == 0
                         ? think
                         : thread.ctx.random.below(static_cast<std::uint32_t>(2 * think + 1)));
    }
    void finish(Thread&) {}
    void verify(Verdict& verdict) {
        verdict.expect_equal(static_cast<std::int64_t>(crowds_), 0, "sections that somebody else was in");
        verdict.expect(lock_->is_constructed(), "the lock is not as it was made");
    }
    template <class F>
    void for_each_home(F&& f) const {
        locks_.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::lock, base, bytes); });
    }

  private:
    [[nodiscard]] Nanoseconds value(detail::LoopParam param) const {
        return static_cast<Nanoseconds>(setup_.params[static_cast<std::size_t>(param)]);
    }
    // Readers are spread over the thread numbers, so that each package has its part of both.
    [[nodiscard]] std::uint32_t permille_of(ThreadId tid) const {
        const auto permille = static_cast<std::uint32_t>(value(detail::LoopParam::read));
        if (value(detail::LoopParam::apart) == 0 || setup_.threads == 1) {
            return permille;
        }
        return (tid + 1) * permille / 1000 > tid * permille / 1000 ? 1000 : 0;
    }

    template <Mode kMode>
    void section(Thread& thread) {
        constexpr auto kPlace = static_cast<std::size_t>(kMode);
        Ctx<Sim>& ctx = thread.ctx;
        Sim::mark(Mark::doorway, lock_, kMode);
        if (ctx.sampler.due()) {
            detail::take_timed<Sim, kMode>(ctx, *lock_, thread.token);
        } else {
            detail::take<Sim, kMode>(*lock_, thread.token);
        }
        Sim::mark(Mark::acquired, lock_, kMode);
        const bool alone = kMode == Mode::write || !L::kInfo.shared;
        crowds_ += writers_ != 0 || (alone && readers_ != 0) ? 1 : 0;
        std::uint32_t& inside = alone ? writers_ : readers_;
        ++inside;
        // Spent and not computed: whoever came in meanwhile is to be seen.
        sim::engine->spend(*sim::self_thread, value(detail::LoopParam::hold) * sim::kPerNs);
        --inside;
        Sim::mark(Mark::released, lock_, kMode);
        if constexpr (kMode == Mode::write) {
            lock_->unlock(thread.token);
        } else {
            unlock_for_read(*lock_, thread.token);
        }
        ++ctx.stats.sites[kPlace][kPlace];
        ctx.count_op(kPlace);
    }

    const TrialSetup setup_;
    typename Sim::Slab<L> locks_;
    L* lock_;
    std::uint32_t readers_ = 0;  // inside, as their own order of events has it
    std::uint32_t writers_ = 0;
    std::uint64_t crowds_ = 0;
};

}  // namespace lockbench
