// SPDX-License-Identifier: MIT
// A process changes its address space while it runs: the heap grows, buffers are mapped and unmapped.
//
// Origin: do_brk with vma_merge and vma_adjust, mmap_region, do_munmap with unmap_region of mm/mmap.c, Linux 3.12.
// Differs: the heap only grows and a buffer is unmapped as a whole: no VMA is split. The heap's page table has room for
//   its growth from the start. No TLB flush after munmap: the process has one thread.
//
// Locks: mmap_sem for write. Growth takes one write section of the root lock, in which the VMA leaves all trees of its
// chain and comes back with its new bounds; mapping takes none (the first touch does, prepare); unmapping one, and one
// more if the anon_vma that ends is locked (drain).
#pragma once

#include "workloads/fault.hpp"
#include "workloads/fork.hpp"

namespace lockbench {

static_assert(kMaxPagesOfHeap + 2 * kMaxGrowth <= std::int64_t{kMaxPagesPerVma}, "a VMA has one page table");

// Grows the VMA by `pages` at its upper end (brk). False: no room.
template <class E, class L, class Q>
bool grow_heap(Rmap<E, L, Q>&, RmapThread<E, L>& thread, Vma<E>& vma, std::uint32_t pages) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::write, task.mmap_token);
    const std::uint64_t pgoff = vma.pgoff.get();
    const bool fits = pgoff + vma.pages() + pages <= vma.limit.get();
    if (fits) {
        const auto grow = [&vma, pages] {
            const std::uint64_t end = vma.end.get();
            vma.end.set(end + pages);
        };
        if (AnonVmaTag* const tag = anon_vma_tag(vma); tag == nullptr) {
            grow();  // it is in no tree
        } else {
            AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(tag));
            lock_root_write<RmapSite::adjust>(thread, root);
            change_bounds<E, L, Q::kReinsertOnAdjust>(vma, grow);
            unlock_root_write(thread, root);
        }
    }
    mmap_unlock(task, mm, Mode::write, task.mmap_token);
    return fits;
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
