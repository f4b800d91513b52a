// SPDX-License-Identifier: MIT
// Page reclaim: pages go from the active list to the inactive one and from there to swap, in batches.
//
// Origin: shrink_active_list, shrink_inactive_list, shrink_page_list and inactive_anon_is_low of mm/vmscan.c,
//   Linux 3.12.
// Differs: no swap cache: a page that was unmapped everywhere is written out (swap_ns) and freed at once. The active
//   list is scanned whenever it is the longer one, the kernel's rule for zones below 1 GB; larger ones let it be longer
//   by the square root of ten times their gigabytes.
// Today (gives_up): a page whose walk was given up stays on its list, as its newest (rotated); on the active list it is
//   deactivated all the same, its young bits as they are. Whether it was rotated for nothing is asked of the next walk,
//   as that disturbs nobody: where it finds no young bit there was none before, unless a process that had used the page
//   exited or copied it meanwhile.
//
// Locks: the page lock for shrink_page_list, none for shrink_active_list. Acquisitions of root locks for read: one for
// each page on its way through the active list, two for each page that is reclaimed (referenced, unmap).
#pragma once

#include "workloads/reclaim.hpp"

namespace lockbench {

// Asks a batch of the active list's oldest pages whether they were used and moves them to the inactive list: an
// anonymous page gets its second chance there.
template <class E, class L, class Q>
void shrink_active(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    Memory<E>& memory = rmap.memory;
    std::array<Page<E>*, kPageBatch> pages{};
    const std::size_t count = isolate_pages(memory, thread.task, memory.active, pages.data(), thread.task.config.batch);
    for (std::size_t i = 0; i < count; ++i) {
        page_referenced<RmapSite::referenced_active>(rmap, thread, pages[i]);
        pages[i]->flags.and_(~kPageActive, relaxed);  // relaxed: the page is isolated
    }
    thread.task.count(RmapOp::page_deactivated, count);
    putback_pages(memory, thread.task, pages.data(), count);
}

// The isolated page has no mapping left: if the caller's reference is the only one, the page is the caller's alone.
template <class E>
bool freeze_page(Page<E>* page) {
    // acq_rel (A1, R1: pairs with R1, A1): all users' accesses come before the end of the page, see drop_reference.
    return page->count.try_cas(1, 0, acq_rel);
}

enum class PageFate : unsigned char { reclaimed, activated, kept };

// What the walk has found is held against the rotation before, if there was one. The caller has isolated the page.
template <class E>
void judge_rotation(Task<E>& task, Page<E>* page, std::uint32_t referenced) {
    if (referenced == kUnknownReferences) {
        page->flags.or_(kPageRotated, relaxed);  // relaxed: the page is isolated
        task.count(RmapOp::page_rotated);
    } else if ((read_locked(page->flags) & kPageRotated) != 0) {
        page->flags.and_(~kPageRotated, relaxed);  // relaxed: as above
        task.count(RmapOp::rotated_unused, referenced == 0 && page_mapped(page) ? 1 : 0);
    }
}

// One page of shrink_page_list, with the page lock held.
template <class E, class L, class Q>
PageFate shrink_locked_page(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, bool& flush_later) {
    Task<E>& task = thread.task;
    if (page_mapped(page)) {
        const std::uint32_t referenced = page_referenced<RmapSite::referenced>(rmap, thread, page);
        if (task.config.gives_up) {
            judge_rotation(task, page, referenced);
        }
        if (referenced != 0) {
            return referenced == kUnknownReferences ? PageFate::kept : PageFate::activated;
        }
        if (task.fails(task.config.alloc_fail)) {
            task.count(RmapOp::swap_failed);
            return PageFate::activated;
        }
        SwapSlot<E>* const slot = rmap.memory.slots.make(page->stamp.get());
        const Unmap outcome = try_to_unmap(rmap, thread, page, LeaveSwapEntry<E>{slot}, flush_later);
        put_slot(rmap.memory, slot);
        if (outcome == Unmap::young) {
            return PageFate::activated;
        }
        if (outcome == Unmap::some) {
            return PageFate::kept;
        }
        if (outcome == Unmap::all && task.config.swap_ns != 0) {
            E::P::compute(task.config.swap_ns);
        }
    }
    return freeze_page(page) ? PageFate::reclaimed : PageFate::kept;
}

template <class E, class L, class Q>
PageFate shrink_page(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, bool& flush_later) {
    using P = typename E::P;
    Task<E>& task = thread.task;
    task.count(RmapOp::page_scanned);
    if (!PageLock<P>::try_lock(page->flags)) {
        return PageFate::kept;
    }
    task.ranks.take(Rank::page);
    const PageFate fate = shrink_locked_page(rmap, thread, page, flush_later);
    if (fate == PageFate::activated) {
        page->flags.or_(kPageActive, relaxed);  // relaxed: the page is isolated
    }
    // A reclaimed page has no other user, so nobody waits for its lock.
    PageLock<P>::unlock(page->flags);
    task.ranks.drop(Rank::page);
    return fate;
}

// Takes a batch of the inactive list's oldest pages away from all who map them. Returns how many were freed.
template <class E, class L, class Q>
std::size_t shrink_inactive(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    Memory<E>& memory = rmap.memory;
    Task<E>& task = thread.task;
    std::array<Page<E>*, kPageBatch> pages{};
    std::array<Page<E>*, kPageBatch> dead{};
    const std::size_t count = isolate_pages(memory, task, memory.inactive, pages.data(), task.config.batch);
    std::size_t kept = 0;
    std::size_t freed = 0;
    bool flush_later = false;
    for (std::size_t i = 0; i < count; ++i) {
        switch (shrink_page(rmap, thread, pages[i], flush_later)) {
            case PageFate::reclaimed:
                dead[freed++] = pages[i];
                continue;
            case PageFate::activated:
                task.count(RmapOp::page_activated);
                break;
            case PageFate::kept:
                task.count(RmapOp::page_kept);
                break;
        }
        pages[kept++] = pages[i];
    }
    if (flush_later) {
        flush_tlb(task);  // before the memory is used again
    }
    for (std::size_t i = 0; i < freed; ++i) {
        check(read_locked(dead[i]->mapcount) == 0, "a page that is reclaimed is not mapped");
        memory.pages.destroy(dead[i]);
    }
    task.count(RmapOp::page_reclaimed, freed);
    putback_pages(memory, task, pages.data(), kept);
    return freed;
}

// Brings both lists to one length.
template <class E, class L, class Q>
void level_lists(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    constexpr int kMostBatches = 8;  // of the active list in one turn
    Memory<E>& memory = rmap.memory;
    flush_added(memory, thread.task);
    for (int batches = 0; batches < kMostBatches; ++batches) {
        const std::uint64_t active = read_hint(memory.active.size);
        if (active <= read_hint(memory.inactive.size)) {
            break;
        }
        shrink_active(rmap, thread);
    }
}

// One turn of reclaim on both lists (shrink_lruvec): the lists are brought to one length, then a batch is taken from
// the inactive one. Returns how many pages were freed.
template <class E, class L, class Q>
std::size_t shrink_lists(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    level_lists(rmap, thread);
    return shrink_inactive(rmap, thread);
}

}  // namespace lockbench
