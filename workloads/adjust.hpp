// SPDX-License-Identifier: MIT
// A process changes its address space while it runs: the heap grows, buffers are mapped and unmapped.
//
// Origin: do_brk with vma_merge, is_mergeable_anon_vma and vma_adjust, mmap_region, do_munmap with unmap_region of
//   mm/mmap.c, Linux 3.12.
// Differs: the heap only grows and a buffer is unmapped as a whole: no VMA is split here (split.hpp). The heap's page
// table has room for
//   its growth from the start. No TLB flush after munmap: the process has one thread.
//
// Locks: mmap_sem for write. A heap that was forked grows by a VMA of its own behind the one of the ancestors, so that
// their trees need not know (since 3.0, 965f55dea0e3); that takes no root lock, but the first touch does, prepare, on a
// new root. Other growth takes one write section of the root lock, in which the VMA leaves all trees of its chain and
// comes back with its new bounds. Mapping takes none (prepare, as above); unmapping one, and one more if the anon_vma
// that ends is locked (drain).
#pragma once

#include "workloads/fault.hpp"
#include "workloads/fork.hpp"

namespace lockbench {

static_assert(kMaxPagesOfHeap + 2 * kMaxGrowth <= std::int64_t{kMaxPagesPerVma}, "a VMA has one page table");

// Changes the bounds of a VMA, and of its neighbour if there is one that changes too (vma_adjust): one write section.
template <class E, class L, class Q, class F>
void adjust_bounds(Rmap<E, L, Q>&, RmapThread<E, L>& thread, Vma<E>& vma, Vma<E>* near, F&& change) {
    AnonVmaTag* const tag = anon_vma_tag(vma);
    if (tag == nullptr) {
        change();  // it is in no tree
        return;
    }
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(tag));
    lock_root_write<RmapSite::adjust>(thread, root);
    change_bounds<E, L, Q::kReinsertOnAdjust>(vma, [near, &change] {
        if (near == nullptr) {
            change();
        } else {
            change_bounds<E, L, Q::kReinsertOnAdjust>(*near, change);
        }
    });
    unlock_root_write(thread, root);
}

// Moves the VMA's upper end up by `pages`.
template <class E, class L, class Q>
void extend_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t pages) {
    adjust_bounds(rmap, thread, vma, static_cast<Vma<E>*>(nullptr), [&vma, pages] {
        const std::uint64_t end = vma.end.get();
        vma.end.set(end + pages);
    });
}

// Puts a VMA in front of another one of its process.
template <class E>
void insert_vma_before(Mm<E>& mm, Vma<E>& after, Vma<E>* vma) {
    Vma<E>* const before = after.prev.get();
    vma->prev.set(before);
    vma->next.set(&after);
    after.prev.set(vma);
    if (before == nullptr) {
        mm.first.set(vma);
    } else {
        before->next.set(vma);
    }
}

// Maps `pages` more of the heap behind `top`, its last VMA, as a VMA of their own.
template <class E>
Vma<E>* map_behind(Memory<E>& memory, Mm<E>& mm, Vma<E>& top, std::uint32_t pages) {
    const std::uint64_t start = top.end.get();
    const std::uint64_t pgoff = top.pgoff.get() + top.pages();
    VmaShape<E> shape{.start = start, .end = start + pages, .pgoff = pgoff, .origin = pgoff, .limit = top.limit.get()};
    const Vma<E>* const last = mm.last.get();
    shape.number = last->number.get() + 1;
    Vma<E>* const vma = memory.vmas.make(&mm, shape);
    Vma<E>* const next = top.next.get();
    vma->prev.set(&top);
    vma->next.set(next);
    top.next.set(vma);
    if (next == nullptr) {
        mm.last.set(vma);
    } else {
        next->prev.set(vma);
    }
    return vma;
}

// A VMA that a fork has cloned is in trees of ancestors.
template <class E>
bool was_cloned(const Vma<E>& vma) {
    const Avc<E>* const newest = vma.newest.get();
    return newest != nullptr && newest->older.get() != nullptr;
}

// Grows the heap, whose first VMA is `heap`, by `pages` (brk). Returns the VMA that has the new pages as its last ones;
// null: no room.
template <class E, class L, class Q>
Vma<E>* grow_heap(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& heap, std::uint32_t pages) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *heap.mm.get();
    mmap_lock(task, mm, Mode::write, task.mmap_token);
    const std::uint64_t end = heap.end.get();
    Vma<E>* const next = heap.next.get();
    // Nothing else lies that near.
    Vma<E>* top = next != nullptr && next->start.get() == end ? next : &heap;
    const std::uint64_t pgoff = top->pgoff.get();
    if (pgoff + top->pages() + pages > top->limit.get()) {
        top = nullptr;
    } else if (was_cloned(*top)) {
        top = map_behind(rmap.memory, mm, *top, pages);
    } else {
        extend_vma(rmap, thread, *top, pages);
    }
    mmap_unlock(task, mm, Mode::write, task.mmap_token);
    return top;
}

// Maps an anonymous buffer behind all other VMAs (mmap).
template <class E>
Vma<E>* map_buffer(Memory<E>& memory, Task<E>& task, Mm<E>& mm, std::uint64_t pages) {
    constexpr std::uint64_t kGap = 16;  // pages; not next to another, so no anon_vma is shared
    mmap_lock(task, mm, Mode::write, task.mmap_token);
    const Vma<E>* const last = mm.last.get();
    const std::uint64_t start = last->end.get() + kGap;
    VmaShape<E> shape{.start = start, .end = start + pages, .pgoff = start, .origin = start, .limit = start + pages};
    shape.number = last->number.get() + 1;
    Vma<E>* const vma = memory.vmas.make(&mm, shape);
    append_vma(mm, vma);
    mmap_unlock(task, mm, Mode::write, task.mmap_token);
    return vma;
}

// Takes a whole VMA out of its process (munmap). Its pages go first, then its place in the trees: until then walks may
// meet it.
template <class E, class L, class Q>
void unmap_buffer(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::write, task.mmap_token);
    remove_vma(mm, vma);
    // Pages that wait to enter a list are given to it first, as lru_add_drain does.
    flush_added(rmap.memory, task);
    zap_vma(rmap.memory, task, vma);
    unlink_anon_vmas(rmap, thread, vma);
    free_vma(rmap.memory, vma);
    mmap_unlock(task, mm, Mode::write, task.mmap_token);
}

}  // namespace lockbench
