// SPDX-License-Identifier: MIT
// A process moves a VMA to other addresses and back, and replaces one in its place.
//
// Origin: move_vma and move_page_tables of mm/mremap.c, copy_vma and do_munmap of mm/mmap.c, Linux 3.12.
// Differs: a VMA moves away as a whole, behind all others, and comes back to where its neighbour can take its pages. No
//   TLB flush: the process has one thread.
//
// Locks: mmap_sem for write, the PTE locks of both page tables. A VMA keeps its indices when it moves. The copy joins
// all trees behind the old VMA, so a walk that misses an entry in the old one finds it in the new one: the move takes
// no root lock, and two write sections in all (clone, unlink). Where the pages go to a VMA with a lower index, which
// walks meet first (copy_vma: need_rmap_locks), each chunk of 64 pages moves in a write section of its own; with it go
// one for the neighbour's new bounds (adjust) and one for the VMA that goes (unlink).
// Between leaving one page table and entering the other an entry is in none: a walk that looks without the PTE lock, as
// those that unmap do, may miss it once and keeps the page; one that restores migration entries takes each PTE lock.
#pragma once

#include <algorithm>

#include "workloads/split.hpp"

namespace lockbench {

inline constexpr std::uint64_t kMoveChunk = 64;  // pages (LATENCY_LIMIT)

// Moves the entries of some pages (move_ptes).
template <class E>
void move_chunk(Task<E>& task, Vma<E>& from, Vma<E>& to, std::uint64_t index, std::uint64_t end) {
    PteTable<E>* const source = table_of(from);
    PteTable<E>* const target = table_of(to);
    const SpinHold<E> hold_source(task, source->lock, Rank::pte);
    const SpinHold<E> hold_target(task, target->lock, Rank::pte);
    for (; index < end; ++index) {
        // release (R2, pairs with reclaim.hpp:A2): a walk that finds nothing here finds the move counted. An exchange,
        // as the hardware may set the young bit meanwhile.
        const std::uint64_t pte = source->pte(from.slot(index)).exchange(0, release);
        if (pte != 0) {
            // release (R1, pairs with fault.hpp:A1, reclaim.hpp:A2): the page's fields are seen by who finds it here.
            target->pte(to.slot(index)).store(pte, release);
        }
    }
}

// Moves the entries of all pages of `from` (move_page_tables).
template <bool kLocked, class E, class L>
void move_entries(RmapThread<E, L>& thread, Vma<E>& from, Vma<E>& to) {
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(anon_vma_tag(from)));
    const std::uint64_t first = from.pgoff.get();
    const std::uint64_t end = first + from.pages();
    for (std::uint64_t index = first; index < end; index += kMoveChunk) {
        if constexpr (kLocked) {
            lock_root_write<RmapSite::move_entries>(thread, root);
        }
        move_chunk(thread.task, from, to, index, std::min(index + kMoveChunk, end));
        if constexpr (kLocked) {
            unlock_root_write(thread, root);
        }
    }
}

// Moves a VMA that has pages behind all others of its process. Returns what it is now; null: no memory, and it is where
// it was. With mmap_sem for write.
template <class E, class L, class Q>
Vma<E>* move_vma_away(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    constexpr std::uint64_t kGap = 16;  // pages; next to no other
    Mm<E>& mm = *vma.mm.get();
    const Vma<E>* const last = mm.last.get();
    const std::uint64_t start = last->end.get() + kGap;
    Vma<E>* const copy = make_twin(rmap.memory, vma, start, start + vma.pages(), vma.pgoff.get());
    need_table(rmap.memory, thread.task, *copy);
    if (!enter_twin(rmap, thread, copy, vma)) {
        return nullptr;
    }
    append_vma(mm, copy);
    rmap.memory.moves_begun.add(1, relaxed);  // relaxed: ordered by the release of each entry (R2)
    move_entries<false>(thread, vma, *copy);
    // release (R3, pairs with reclaim.hpp:A4): the last one has moved.
    rmap.memory.moves_ended.add(1, release);
    drop_vma(rmap, thread, vma);
    return copy;
}

// Moves it back behind `head`, whose neighbour it was; `head` takes its pages. With mmap_sem for write.
template <class E, class L, class Q>
void move_vma_back(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& head, Vma<E>& vma) {
    check(head.origin.get() == vma.origin.get() && head.pgoff.get() + head.pages() == vma.pgoff.get() &&
              anon_vma_tag(head) == anon_vma_tag(vma),
          "the two were neighbours");
    extend_vma(rmap, thread, head, vma.pages());
    move_entries<Q::kMoveBackLocked>(thread, vma, head);
    drop_vma(rmap, thread, vma);
}

// Unmaps `head` and maps as much in its place, next to `tail`, whose page table it shares. With mmap_sem for write.
template <class E, class L, class Q>
Vma<E>* replace_head(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& head, Vma<E>& tail) {
    Vma<E>* const fresh = make_twin(rmap.memory, head, head.start.get(), head.end.get(), head.pgoff.get());
    // Pages that wait to enter a list are given to it first, as lru_add_drain does.
    flush_added(rmap.memory, thread.task);
    zap_vma(rmap.memory, thread.task, head);
    drop_vma(rmap, thread, head);
    share_table(*fresh, table_of(tail));
    insert_vma_before(*tail.mm.get(), tail, fresh);
    return fresh;
}

}  // namespace lockbench
