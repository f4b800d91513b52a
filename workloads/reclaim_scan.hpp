// SPDX-License-Identifier: MIT
// reclaim_scan: page reclaim walks the trees of shared roots while processes are forked and exit below them.
//
// Origin: kswapd and direct reclaim over shrink_lruvec of mm/vmscan.c, Linux 3.12, with fork_server in the background:
//   the case of long readers against many short writers, which Android's reports of 2024 and 2025 describe.
// Each turn of a reclaiming thread takes a batch from the lists. What it frees comes back by its own hand: like a task
// in direct reclaim it then goes on with its work, here as a thread of the parent that touches pages which are not in
// memory, one for each that was freed, and uses some that are. So the supply of pages stays level, whatever the mix of
// threads is.
#pragma once

#include "workloads/fork_server.hpp"
#include "workloads/page_supply.hpp"

namespace lockbench {

namespace detail {
inline constexpr std::array<std::string_view, 2> kReclaimRoles = {"reclaim", "fork"};
inline constexpr std::array<std::size_t, 2> kReclaimShares = {static_cast<std::size_t>(RmapParam::reclaim_share),
                                                              static_cast<std::size_t>(RmapParam::fork_share)};
inline constexpr WorkloadInfo kReclaimInfo = {
    .name = "reclaim_scan",
    .summary = "Reclaim walks the reverse map of shared pages, two read sections a page, while others fork and exit.",
    .origin = "Linux 3.12 mm/vmscan.c shrink_page_list, mm/rmap.c page_referenced and try_to_unmap",
    .params = kReclaimParams,
    .roles = kReclaimRoles,
    .share_param = kReclaimShares,
    .ops = std::span(kRmapOps).first<kReclaimOps>(),
    .sites = std::span(kRmapSiteNames).first<kReclaimSites>(),
    .quick = true,
};
}  // namespace detail

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class ReclaimScan {
  public:
    static const WorkloadInfo& info() { return detail::kReclaimInfo; }

    explicit ReclaimScan(const TrialSetup& setup)
        : trial_(rmap_config(info(), setup.params), setup),
          shares_{setup.params[detail::kReclaimShares[0]], setup.params[detail::kReclaimShares[1]]} {}

    class Thread {
      public:
        Thread(ReclaimScan& scan, Ctx<P>& ctx, RoleId with_role)
            : role(with_role), family(scan.trial_, ctx), supply(scan.trial_, family) {}
        RoleId role;
        Family<E, L, Q> family;
        PageSupply<E, L, Q> supply;
    };

    void step(Thread& thread) {
        const RoleId role =
            thread.role == kEveryRole ? draw_role(thread.family.thread().task.ctx.random, shares_) : thread.role;
        if (role == kReclaim) {
            thread.supply.fault_in(shrink_lists(trial_.rmap(), thread.family.thread()));
            thread.supply.use_again();
        } else {
            thread.family.fork_step();
        }
    }
    void finish(Thread& thread) { thread.family.finish(); }
    void verify(Verdict& verdict) { trial_.verify(verdict); }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(std::forward<F>(f));
    }

  private:
    static constexpr RoleId kReclaim = 0;

    ProcessTrial<E, L, Q> trial_;
    std::array<std::int64_t, 2> shares_;
};

}  // namespace lockbench
