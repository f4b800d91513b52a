// SPDX-License-Identifier: MIT
// fork_server: processes are forked, work a little and exit, all below one ancestor whose roots they share.
//
// Origin: the kernel paths of dup_mmap, exit_mmap and handle_mm_fault, Linux 3.12; the pattern of AIM7's fork_test, of
//   exim and of prefork servers: almost pure writers, short sections, a moving convoy over the same M root locks.
//   M = anon_vmas. A fork takes 2 M write sections, an exit M and up to M more for anon_vmas that end while their root
//   is locked; the child's first touches take one for each fresh VMA. Today a fork takes one section only of a root of
//   whose family it adopts an anon_vma.
#pragma once

#include "workloads/processes.hpp"

namespace lockbench {

namespace detail {
constexpr auto fork_server_params() {
    std::array<ParamInfo, kForkParamCount + 1> params{};
    std::copy_n(kForkParams.begin(), kForkParamCount, params.begin());
    params.back() = kRmapParams[static_cast<std::size_t>(RmapParam::succeed)];
    return params;
}
inline constexpr auto kForkServerParams = fork_server_params();
inline constexpr std::array<std::string_view, 1> kForkServerRoles = {"fork"};
inline constexpr std::array<std::size_t, 1> kForkServerShares = {static_cast<std::size_t>(RmapParam::fork_share)};
inline constexpr WorkloadInfo kForkServerInfo = {
    .name = "fork_server",
    .summary = "Threads fork children of one ancestor, let them touch pages and exit: writers of shared root locks.",
    .origin = "Linux 3.12 kernel/fork.c dup_mmap, mm/mmap.c exit_mmap, mm/rmap.c anon_vma_fork and unlink_anon_vmas",
    .params = kForkServerParams,
    .roles = kForkServerRoles,
    .share_param = kForkServerShares,
    .ops = std::span(kRmapOps).first<kForkOps>(),
    .sites = std::span(kRmapSiteNames).first<kWriterSites>(),
    .quick = true,
};
}  // namespace detail

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class ForkServer {
  public:
    static const WorkloadInfo& info() { return detail::kForkServerInfo; }

    explicit ForkServer(const TrialSetup& setup) : trial_(rmap_config(info(), setup.params), setup) {}

    class Thread {
      public:
        Thread(ForkServer& server, Ctx<P>& ctx, RoleId) : family(server.trial_, ctx) {}
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
