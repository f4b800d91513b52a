// SPDX-License-Identifier: MIT
// A process gives a part of a VMA other rights: the VMA is split, the boundary moves, both become one again.
//
// Origin: mprotect_fixup and change_protection of mm/mprotect.c, __split_vma, vma_merge with is_mergeable_anon_vma, and
//   vma_adjust of mm/mmap.c, anon_vma_merge of include/linux/rmap.h, Linux 3.12.
// Differs: VMAs that were one share its page table, as neighbours do in the kernel, and only such are merged. No TLB
//   flush: the process has one thread. Of the rights only the loss of the right to write is modelled: entries get it
//   back by faults, as those of private mappings do.
//
// Locks: mmap_sem for write. Write sections of the root lock: two for a split (clone: the new VMA joins all trees
// beside the old one; adjust: the old one leaves them all and comes back smaller), one for a boundary that moves
// (adjust: both VMAs leave and come back), two for a merge (adjust, and unlink of the one that goes). Between two
// sections both VMAs cover the same pages: a walk may come to an entry twice, and never to none.
#pragma once

#include "workloads/adjust.hpp"

namespace lockbench {

// A VMA that is like `vma` but for its bounds. It is in no tree and no list yet.
template <class E>
Vma<E>* make_twin(Memory<E>& memory, const Vma<E>& vma, std::uint64_t start, std::uint64_t end, std::uint64_t pgoff) {
    VmaShape<E> shape = vma.shape();
    shape.start = start;
    shape.end = end;
    shape.pgoff = pgoff;
    return memory.vmas.make(vma.mm.get(), shape);
}

// The twin joins all trees that the VMA is in, with the same anon_vma as its own. False: no memory, and the twin is
// gone.
template <class E, class L, class Q>
bool enter_twin(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>* twin, const Vma<E>& vma) {
    AnonVmaTag* const tag = anon_vma_tag(vma);
    // release (R1, pairs with prepare.hpp:A3): the anon_vma is set up.
    twin->anon_vma.store(tag, release);
    if (tag == nullptr || clone_anon_vmas(rmap, thread, *twin, vma)) {
        return true;
    }
    free_vma(rmap.memory, *twin);
    return false;
}

// The first `pages` pages become a VMA of their own, which is returned; null: no memory. With mmap_sem for write.
template <class E, class L, class Q>
Vma<E>* split_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t pages) {
    check(pages > 0 && pages < vma.pages(), "a VMA is split inside");
    PteTable<E>* const table = need_table(rmap.memory, thread.task, vma);
    const std::uint64_t start = vma.start.get();
    const std::uint64_t pgoff = vma.pgoff.get();
    Vma<E>* const head = make_twin(rmap.memory, vma, start, start + pages, pgoff);
    share_table(*head, table);
    if (!enter_twin(rmap, thread, head, vma)) {
        return nullptr;
    }
    adjust_bounds(rmap, thread, vma, static_cast<Vma<E>*>(nullptr), [&vma, start, pgoff, pages] {
        vma.start.set(start + pages);
        vma.pgoff.set(pgoff + pages);
    });
    insert_vma_before(*vma.mm.get(), vma, head);
    return head;
}

// May the two, one behind the other, be one? (is_mergeable_anon_vma: the same anon_vma stands for the same chain.)
template <class E>
bool mergeable(const Vma<E>& head, const Vma<E>& tail) {
    AnonVmaTag* const tag = anon_vma_tag(head);
    return adjacent_and_alike(head, tail) && tag != nullptr && tag == anon_vma_tag(tail) &&
           table_of(head) == table_of(tail);
}

// Moves the boundary between two VMAs that may be merged to `end`. With mmap_sem for write.
template <class E, class L, class Q>
void move_boundary(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& head, Vma<E>& tail, std::uint64_t end) {
    check(end > head.start.get() && end < tail.end.get(), "no VMA becomes empty");
    adjust_bounds(rmap, thread, head, &tail, [&head, &tail, end] {
        const std::uint64_t start = tail.start.get();
        const std::uint64_t pgoff = tail.pgoff.get();
        head.end.set(end);
        tail.start.set(end);
        tail.pgoff.set(pgoff + end - start);
    });
}

// Takes a VMA that another one covers out of its process.
template <class E, class L, class Q>
void drop_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    unlink_anon_vmas(rmap, thread, vma);
    remove_vma(*vma.mm.get(), vma);
    free_vma(rmap.memory, vma);
}

// `head` takes the pages of `tail`, which goes. With mmap_sem for write.
template <class E, class L, class Q>
void merge_vmas(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& head, Vma<E>& tail) {
    extend_vma(rmap, thread, head, tail.pages());
    drop_vma(rmap, thread, tail);
}

// The pages lose the right to be written (change_protection). With mmap_sem for write; the hardware may still mark an
// entry young.
template <class E>
void protect_pages(Task<E>& task, Vma<E>& vma) {
    PteTable<E>* const table = table_of(vma);
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    for (std::size_t at = vma.first_slot(); at < vma.end_slot(); ++at) {
        auto& entry = table->pte(at);
        const std::uint64_t pte = read_locked(entry);
        if ((Pte::present(pte) || Pte::migrating(pte)) && (pte & Pte::kWrite) != 0) {
            entry.and_(~Pte::kWrite, relaxed);  // relaxed: under the PTE lock
        }
    }
}

}  // namespace lockbench
