// SPDX-License-Identifier: MIT
// numa_migration: threads of one process fault on its pages and move them to their own nodes, all under one root.
//
// Origin: automatic NUMA balancing, do_numa_page of mm/memory.c and migrate_pages of mm/migrate.c, Linux 3.12: the case
//   for which the walks took the lock for read (commit 4fc3f1d66b1e, 3.8). Two read sections a page, no writer: what
//   counts is how the readers of one lock scale. Every fault finds its page misplaced, the worst case.
// With children each page has more mappings and the tree more members. fork_permille brings writers, compact_permille
// migration beside forks of the same process: then forks copy migration entries.
#pragma once

#include "workloads/migrate.hpp"
#include "workloads/processes.hpp"

namespace lockbench {

namespace detail {
constexpr auto migration_params() {
    using enum RmapParam;
    auto params = select_params({form,         fork_reuse,   anon_vmas,      pages,         children,
                                 generations,  touch,        write_hold_ns,  read_hold_ns,  layout,
                                 nowait_fail,  alloc_fail,   batch,          tlb,           ipi_ns,
                                 running,      page_copy_ns, write_permille, fork_permille, compact_permille,
                                 migrate_share});
    own_param(params, anon_vmas).default_value = 1;
    own_param(params, anon_vmas).help =
        "Anonymous VMAs of the process, each with a root lock of its own; one as in a process that balancing moves.";
    own_param(params, pages).default_value = 256;
    own_param(params, children).default_value = 0;
    own_param(params, children).help =
        "Children that each thread forks before it starts and keeps: members of the trees, mappings of a page; 0: one "
        "process alone.";
    own_param(params, generations).default_value = 1;
    own_param(params, running).default_value = 1000;
    own_param(params, running).help =
        "Share of the processes that run on another CPU when one of their entries is cleared; a single one does.";
    return params;
}
inline constexpr auto kMigrationParams = migration_params();
inline constexpr auto kMigrationOps = select_ops(
    {RmapOp::page_migrated, RmapOp::fault, RmapOp::migration_wait, RmapOp::migration_retry, RmapOp::migration_failed,
     RmapOp::page_skipped, RmapOp::entry_migrated, RmapOp::entry_restored, RmapOp::tlb_flush, RmapOp::walk_missed,
     RmapOp::fork, RmapOp::exit, RmapOp::fork_failed, RmapOp::avc_retry, RmapOp::avc_linked, RmapOp::anon_vma_reused});
inline constexpr std::array<std::string_view, 1> kMigrationRoles = {"migrate"};
inline constexpr std::array<std::size_t, 1> kMigrationShares = {kMigrationParams.size() - 1};
inline constexpr WorkloadInfo kMigrationInfo = {
    .name = "numa_migration",
    .summary = "Threads of one process move its pages between nodes, two walks a page: readers of one root lock.",
    .origin = "Linux 3.12 mm/migrate.c migrate_misplaced_page and remove_migration_ptes, mm/rmap.c try_to_unmap",
    .params = kMigrationParams,
    .roles = kMigrationRoles,
    .share_param = kMigrationShares,
    .ops = kMigrationOps,
    .sites = std::span(kRmapSiteNames).first<kMigrationSites>(),
};
}  // namespace detail

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class NumaMigration {
  public:
    static const WorkloadInfo& info() { return detail::kMigrationInfo; }

    explicit NumaMigration(const TrialSetup& setup) : trial_(rmap_config(info(), setup.params), setup) {}

    class Thread {
      public:
        Thread(NumaMigration& migration, Ctx<P>& ctx, RoleId)
            : family(migration.trial_, ctx), used(family.make_cursor(migration.trial_.parent())) {
            family.fork_children();
        }
        Family<E, L, Q> family;
        PageCursor<E> used;  // over the process's pages
    };

    void step(Thread& thread) {
        const RmapConfig& config = trial_.config();
        RandomStream& random = thread.family.thread().task.ctx.random;
        if (config.fork_permille != 0 && random.chance(config.fork_permille)) {
            thread.family.fork_step();
        } else if (config.compact_permille != 0 && random.chance(config.compact_permille)) {
            compact(trial_.rmap(), thread.family.thread());
        } else {
            use_page(thread);
        }
    }
    void finish(Thread& thread) { thread.family.finish(); }
    void verify(Verdict& verdict) { trial_.verify(verdict); }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(std::forward<F>(f));
    }

  private:
    static constexpr std::uint32_t kLongestStride = 16;  // pages

    // Goes on to another page, writes to it perhaps, and moves it.
    void use_page(Thread& thread) {
        RmapThread<E, L>& walker = thread.family.thread();
        RandomStream& random = walker.task.ctx.random;
        for (std::uint32_t skip = random.below(kLongestStride); skip > 0; --skip) {
            thread.used.advance();
        }
        Vma<E>& vma = thread.used.vma();
        const std::uint64_t index = thread.used.index();
        if (random.chance(trial_.config().write_permille)) {
            touch_page(trial_.rmap(), walker, vma, index);
        }
        fault_misplaced(trial_.rmap(), walker, vma, index);
        thread.used.advance();
    }

    ProcessTrial<E, L, Q> trial_;
};

}  // namespace lockbench
