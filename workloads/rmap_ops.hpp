// SPDX-License-Identifier: MIT
// What the rmap workloads count and where they take the lock under test, as data.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "workloads/workload.hpp"

namespace lockbench {

// Places that acquire the root lock. Their numbers are indices of ThreadStats::sites; those of forks and exits come
// first.
enum class RmapSite : std::uint32_t {
    prepare,            // anon_vma_prepare
    clone,              // anon_vma_clone
    fork_own,           // anon_vma_fork, the child's own anon_vma
    expand,             // expand_stack
    unlink,             // unlink_anon_vmas
    drain,              // anon_vma_free
    adjust,             // vma_adjust
    referenced_active,  // page_referenced from shrink_active_list
    referenced,         // page_referenced from shrink_page_list
    unmap,              // try_to_unmap from shrink_page_list
    migrate,            // try_to_unmap from __unmap_and_move
    restore,            // remove_migration_ptes
    move_entries,       // move_ptes of mremap
    kCount
};
inline constexpr std::size_t kWriterSites = 6;  // of forks and exits
inline constexpr std::size_t kAllWriterSites = 7;
inline constexpr std::size_t kReclaimSites = 10;
inline constexpr std::size_t kMigrationSites = 12;
inline constexpr std::array<std::string_view, static_cast<std::size_t>(RmapSite::kCount)> kRmapSiteNames = {
    "prepare",           "clone",      "fork_own", "expand",  "unlink",  "drain",       "adjust",
    "referenced_active", "referenced", "unmap",    "migrate", "restore", "move_entries"};

// Operations of all rmap workloads. Each lists those that it makes; their places there are indices of
// ThreadStats::ops.
enum class RmapOp : std::uint32_t {
    fork,
    exit,
    fault,
    fork_failed,
    avc_retry,
    avc_linked,
    anon_vma_reused,
    swap_in,  // from here on only where pages are reclaimed
    page_reclaimed,
    page_scanned,
    page_deactivated,
    page_activated,
    page_kept,
    walk_missed,
    swap_failed,
    entry_cleared,
    tlb_flush,
    walk_given_up,
    page_rotated,
    rotated_unused,
    page_migrated,  // from here on only where pages are migrated
    migration_failed,
    migration_retry,
    page_skipped,
    migration_wait,
    entry_migrated,
    entry_restored,
    storm,  // where many exit at once
    storm_ns,
    brk,  // where processes change their address space
    unmap,
    vma_changed,
    vma_split,
    boundary_moved,
    vma_merged,
    vma_moved,
    vma_moved_back,
    vma_replaced,
    stack_grown,
    page_written,
    page_clean,
    entry_cleaned,
    truncation,
    page_truncated,
    store,
    kCount
};
inline constexpr std::size_t kRmapOpCount = static_cast<std::size_t>(RmapOp::kCount);
inline constexpr auto kForkOps = static_cast<std::size_t>(RmapOp::swap_in);
inline constexpr auto kReclaimOps = static_cast<std::size_t>(RmapOp::page_migrated);
inline constexpr std::array<OpInfo, kRmapOpCount> kRmapOps = {{
    {"fork", "forks", true},
    {"exit", "exits", false},
    {"fault", "faults", false},
    {"fork_failed", "forks given up for lack of memory", false},
    {"avc_retry", "allocations repeated outside the lock", false},
    {"avc_linked", "trees that forked VMAs joined", false},
    {"anon_vma_reused", "forked VMAs that adopted an ancestor's anon_vma", false},
    {"swap_in", "pages read from swap", false},
    {"page_reclaimed", "pages", true},
    {"page_scanned", "pages asked in shrink_page_list", true},
    {"page_deactivated", "pages moved to the inactive list", false},
    {"page_activated", "pages found young and moved back", false},
    {"page_kept", "pages kept because locked, contended, referenced or mapped anew", false},
    {"walk_missed", "walks that found the page unmapped before they had the lock", false},
    {"swap_failed", "pages kept for lack of swap", false},
    {"entry_cleared", "entries replaced by swap entries", false},
    {"tlb_flush", "flushes sent", false},
    {"walk_given_up", "walks given up because the root was locked", false},
    {"page_rotated", "pages kept because their walk was given up", false},
    {"rotated_unused", "of those, the ones that the next walk found used by nobody since", false},
    {"page_migrated", "pages", true},
    {"migration_failed", "pages left where they were after the last try", false},
    {"migration_retry", "tries repeated because somebody else used the page", false},
    {"page_skipped", "pages on no list, so that nobody may move them now", false},
    {"migration_wait", "faults that waited for a page that moved", false},
    {"entry_migrated", "entries replaced by migration entries", false},
    {"entry_restored", "migration entries replaced by the page", false},
    {"storm", "storms", false},
    {"storm_ns", "ns of threads inside the exits of storms", false},
    {"brk", "steps by which heaps grew", false},
    {"unmap", "buffers mapped, used and unmapped", false},
    {"vma_changed", "changes of a VMA", true},
    {"vma_split", "VMAs split by mprotect", false},
    {"boundary_moved", "boundaries between two VMAs moved by mprotect", false},
    {"vma_merged", "VMAs merged by mprotect", false},
    {"vma_moved", "VMAs moved by mremap", false},
    {"vma_moved_back", "VMAs moved back by mremap and merged", false},
    {"vma_replaced", "VMAs unmapped and mapped anew in their place", false},
    {"stack_grown", "stacks made longer", false},
    {"page_written", "pages", true},
    {"page_clean", "pages looked at that were clean", false},
    {"entry_cleaned", "entries that lost the right to write", false},
    {"truncation", "truncations of a file", false},
    {"page_truncated", "pages that a truncation has cut off", false},
    {"store", "stores to mapped pages", false},
}};
// Some of the operations, for a workload that does not make the others; the first is its headline.
template <std::size_t kSome>
constexpr std::array<OpInfo, kSome> select_ops(const RmapOp (&which)[kSome]) {
    std::array<OpInfo, kSome> ops{};
    std::transform(which, which + kSome, ops.begin(), [&which](RmapOp op) {
        OpInfo info = kRmapOps[static_cast<std::size_t>(op)];
        info.headline = op == which[0];
        return info;
    });
    return ops;
}

}  // namespace lockbench
