// SPDX-License-Identifier: MIT
// exit_storm: many children of one process die at the same time, a convoy over the root locks that they share.
//
// Origin: exit_mmap and unlink_anon_vmas, Linux 3.12: the end of a prefork server or of a parallel make by one signal.
//   An exit takes one write section of each of the M roots, in the order of addresses, and up to M more for anon_vmas
//   that end while their root is locked.
// Differs: the storm needs children, so calm turns fork them, in the same window: `exit` counts per second of both,
//   exit / storm_ns is the rate inside storms. The parent forks one child at a time (mmap_sem for write), so what root
//   locks wait for is nearly all storm.
//
//   turn    even: calm, each thread forks its children;  odd: storm, each ends them;  whoever forks or ends the last
//           of all goes on to the next turn. A thread that is done waits for that, a while a step, so that it hears
//           the end of the window.
// I1  While a thread lacks a child in a calm, or has one left in a storm, the turn is the same.
#pragma once

#include "workloads/fork_server.hpp"

namespace lockbench {

namespace detail {
constexpr auto storm_params() {
    auto params = kForkParams;
    own_param(params, RmapParam::children).min = 1;
    own_param(params, RmapParam::children).default_value = 64;
    own_param(params, RmapParam::children).help = "Children of each thread that die in one storm (estimate).";
    own_param(params, RmapParam::generations).default_value = 1;
    return params;
}
inline constexpr auto kStormParams = storm_params();
inline constexpr auto kStormOps =
    select_ops({RmapOp::exit, RmapOp::storm, RmapOp::storm_ns, RmapOp::fork, RmapOp::fault, RmapOp::fork_failed,
                RmapOp::avc_retry, RmapOp::avc_linked, RmapOp::anon_vma_reused});
inline constexpr WorkloadInfo kStormInfo = {
    .name = "exit_storm",
    .summary = "Children of one process die at once, then others are forked: a convoy of writers over its root locks.",
    .origin = "Linux 3.12 mm/mmap.c exit_mmap, mm/rmap.c unlink_anon_vmas",
    .params = kStormParams,
    .roles = kForkServerRoles,
    .share_param = kForkServerShares,
    .ops = kStormOps,
    .sites = std::span(kRmapSiteNames).first<kWriterSites>(),
};
}  // namespace detail

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class ExitStorm {
  public:
    static const WorkloadInfo& info() { return detail::kStormInfo; }

    explicit ExitStorm(const TrialSetup& setup)
        : trial_(rmap_config(info(), setup.params), setup),
          most_(setup.threads * trial_.config().children),
          turn_(0),
          alive_(0) {}

    class Thread {
      public:
        Thread(ExitStorm& storm, Ctx<P>& ctx, RoleId) : family(storm.trial_, ctx) {}
        Family<E, L, Q> family;
    };

    void step(Thread& thread) {
        // acquire (A1, pairs with R1): what was done in the last turn is done.
        const std::uint32_t turn = turn_.load(acquire);
        if (is_storm(turn)) {
            if (thread.family.children() != 0) {
                end_one(thread, turn);
                return;
            }
        } else if (thread.family.children() < trial_.config().children) {
            fork_one(thread, turn);
            return;
        }
        wait_for_turn(turn);
    }
    void finish(Thread& thread) {
        alive_.sub(thread.family.children(), relaxed);  // relaxed: a count that no turn is decided by any more
        thread.family.finish();
    }
    void verify(Verdict& verdict) {
        verdict.expect_equal(alive_.peek(), 0, "children that no storm ended");
        trial_.verify(verdict);
    }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(std::forward<F>(f));
    }

  private:
    static constexpr Nanoseconds kPatience = 5'000;  // of one step that waits, before it gives the CPU away

    static bool is_storm(std::uint32_t turn) { return turn % 2 != 0; }

    void fork_one(Thread& thread, std::uint32_t turn) {
        if (!thread.family.fork_one()) {
            return;
        }
        expect_turn(turn);
        // acq_rel (A2, R2: pairs with R2, A2): the last one has seen what all did in this turn.
        if (alive_.fetch_add(1, acq_rel) + 1 == most_) {
            thread.family.thread().task.count(RmapOp::storm);
            begin_turn(turn + 1);
        }
    }
    void end_one(Thread& thread, std::uint32_t turn) {
        const Nanoseconds begin = P::now();
        thread.family.end_oldest();
        thread.family.thread().task.count(RmapOp::storm_ns, P::now() - begin);
        expect_turn(turn);
        // acq_rel (A2, R2): as above.
        if (alive_.fetch_sub(1, acq_rel) == 1) {
            begin_turn(turn + 1);
        }
    }
    // I1.
    void expect_turn(std::uint32_t turn) const {
        check(read_hint(turn_) == turn, "a turn lasts until all have forked, or ended, their children");
    }
    void begin_turn(std::uint32_t turn) {
        // release (R1, pairs with A1, A3): the turn before is over.
        turn_.store(turn, release);
    }
    void wait_for_turn(std::uint32_t turn) {
        const auto is_over = [turn](std::uint32_t now) { return now != turn; };
        // acquire (A3, pairs with R1): as A1, which reads it again.
        if (turn_.await_until(is_over, acquire, P::after(kPatience)) != 0) {
            P::yield();
        }
    }

    ProcessTrial<E, L, Q> trial_;
    std::uint32_t most_;  // children of all threads
    alignas(kCacheLine) typename E::template Atomic<std::uint32_t> turn_;
    alignas(kCacheLine) typename E::template Atomic<std::uint32_t> alive_;
};

}  // namespace lockbench
