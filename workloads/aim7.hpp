// SPDX-License-Identifier: MIT
// aim7: fork_server with children that live: they grow stack and heap, map and unmap buffers, two or three generations
// below the ancestor whose roots all share.
//
// Origin: the mix of AIM7's fork_test, brk_test, page_test and exec_test on the paths of Linux 3.12: dup_mmap,
//   exit_mmap, expand_stack, brk, mmap and munmap. Writers of all kinds: on the roots that all processes share the 2 M
//   sections of a fork, the M of an exit and one for the growth of the stack (expand); on roots of the child's own
//   three for its heap, which grows in two steps (prepare, adjust, unlink: adjust.hpp), and two for each buffer
//   (prepare, unlink).
// Differs: AIM7's users also compute, read and write files; process_ns stands for that.
#pragma once

#include "workloads/fork_server.hpp"

namespace lockbench {

namespace detail {
constexpr auto aim7_params() {
    using enum RmapParam;
    auto params =
        select_params({form,        fork_reuse,    anon_vmas,    fresh_vmas, file_vmas,   pages,      children,
                       generations, touch,         source_touch, grow_pages, brk_pages,   buffers,    process_ns,
                       copy_ns,     write_hold_ns, read_hold_ns, layout,     nowait_fail, alloc_fail, fork_share});
    own_param(params, generations).default_value = 3;
    own_param(params, pages).max = kMaxPagesOfHeap;
    own_param(params, grow_pages).default_value = 2;
    own_param(params, grow_pages).help = "Pages by which each child grows its stack, by expand_stack (estimate).";
    return params;
}
inline constexpr auto kAim7Params = aim7_params();
inline constexpr auto kAim7Ops =
    select_ops({RmapOp::fork, RmapOp::exit, RmapOp::brk, RmapOp::unmap, RmapOp::fault, RmapOp::fork_failed,
                RmapOp::avc_retry, RmapOp::avc_linked, RmapOp::anon_vma_reused});
inline constexpr std::array<std::size_t, 1> kAim7Shares = {kAim7Params.size() - 1};
inline constexpr WorkloadInfo kAim7Info = {
    .name = "aim7",
    .summary = "Children of several generations grow stack and heap, map buffers and exit: writers of all kinds.",
    .origin = "Linux 3.12 kernel/fork.c dup_mmap, mm/mmap.c exit_mmap, expand_downwards, vma_adjust and do_munmap",
    .params = kAim7Params,
    .roles = kForkServerRoles,
    .share_param = kAim7Shares,
    .ops = kAim7Ops,
    .sites = std::span(kRmapSiteNames).first<kAllWriterSites>(),
};
}  // namespace detail

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class Aim7 {
  public:
    static const WorkloadInfo& info() { return detail::kAim7Info; }

    explicit Aim7(const TrialSetup& setup) : trial_(rmap_config(info(), setup.params), setup) {}

    class Thread {
      public:
        Thread(Aim7& aim, Ctx<P>& ctx, RoleId) : family(aim.trial_, ctx) {}
        Family<E, L, Q> family;
    };

    void step(Thread& thread) { thread.family.fork_step(); }
    void finish(Thread& thread) { thread.family.finish(); }
    void verify(Verdict& verdict) { trial_.verify(verdict); }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(std::forward<F>(f));
    }

  private:
    ProcessTrial<E, L, Q> trial_;
};

}  // namespace lockbench
