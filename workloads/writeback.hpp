// SPDX-License-Identifier: MIT
// Walks of a file's tree: writeback takes the right to write a page away from all who map it; truncation unmaps what
// lies behind a file's new end.
//
// Origin: write_cache_pages and clear_page_dirty_for_io of mm/page-writeback.c, page_mkclean of mm/rmap.c,
//   truncate_pagecache and truncate_inode_page of mm/truncate.c, unmap_mapping_range of mm/memory.c, Linux 3.12.
// Differs: a page is written out while it is locked. No nonlinear mappings.
//
// Acquisitions of the file's lock: one for each page that is cleaned; two for each truncation (before and after its
// pages leave the cache) and one for each page that was mapped anew between. In 3.12 the lock is a mutex: all sections
// exclude. Today (form) walks are readers (3dec0ba0be6a, 3.19; truncation's later).
#pragma once

#include "workloads/file_map.hpp"
#include "workloads/reclaim.hpp"

namespace lockbench {

// One VMA of page_mkclean (page_mkclean_one). True: it had the right to write, or had written.
template <class E>
bool clean_entry(Task<E>& task, Vma<E>& vma, const Page<E>* page, CacheSlot<E>& slot, bool& flush_later) {
    PteTable<E>* const table = table_of(vma);
    if (table == nullptr) {
        return false;
    }
    auto& entry = table->pte(vma.slot(page->index.get()));
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t pte = read_locked(entry);
    if (!Pte::maps<E>(pte, page) || (pte & (Pte::kWrite | Pte::kDirty)) == 0) {
        return false;
    }
    entry.and_(~(Pte::kWrite | Pte::kDirty), relaxed);  // relaxed: under the PTE lock
    if ((pte & Pte::kWrite) != 0) {
        slot.writable.sub(1, relaxed);  // relaxed: looked at under the page lock
    }
    if (task.config.tlb != TlbModel::off && runs_elsewhere(task, vma)) {
        if (task.config.tlb == TlbModel::per_pte_ipi) {
            flush_tlb(task);
        } else {
            flush_later = true;
        }
    }
    task.count(RmapOp::entry_cleaned);
    return true;
}

template <Mode kMode, class E, class Q>
bool clean_page_in(Task<E>& task, CachedFile<E>& file, const Page<E>* page) {
    const std::uint64_t index = page->index.get();
    bool cleaned = false;
    bool flush_later = false;
    if constexpr (Q::kCleanUnderLock) {
        lock_file<FileSite::mkclean, kMode>(task, *file.mapping);
    }
    auto& tree = file.mapping->tree;
    for (Vma<E>* vma = FileTree<E>::first(tree, index, index); vma != nullptr;
         vma = FileTree<E>::next(vma, index, index)) {
        cleaned = clean_entry(task, *vma, page, *file.slots[index], flush_later) || cleaned;
    }
    if constexpr (Q::kCleanUnderLock) {
        unlock_file<kMode>(task, *file.mapping);
    }
    if (flush_later) {
        flush_tlb(task);  // before the page is written out
    }
    return cleaned;
}

// page_mkclean, with the page lock held: nobody can get the right to write meanwhile.
template <class E, class Q>
bool page_mkclean(Task<E>& task, CachedFile<E>& file, const Page<E>* page) {
    const bool cleaned = task.config.form == RmapForm::today ? clean_page_in<Mode::read, E, Q>(task, file, page)
                                                             : clean_page_in<Mode::write, E, Q>(task, file, page);
    // relaxed: the PTE locks order it: who took a right away, or a mapping, was seen there or has left the tree.
    check(file.slots[page->index.get()]->writable.load(relaxed) == 0, "no entry of a page that was cleaned may write");
    return cleaned;
}

// Writes the page at `index` back, if it is dirty.
template <class E, class Q>
void write_back(FileWorld<E>& world, Task<E>& task, CachedFile<E>& file, std::uint64_t index) {
    using P = typename E::P;
    Page<E>* const page = find_page(task, file, index);
    if (page == nullptr) {
        return;
    }
    task.ranks.take(Rank::page);
    PageLock<P>::lock(page->flags);
    // relaxed: both under the page lock.
    if (page->mapping.load(relaxed) != 0 && (page->flags.load(relaxed) & kPageDirty) != 0) {
        if constexpr (Q::kCleanBeforeWrite) {
            page_mkclean<E, Q>(task, file, page);
        }
        CacheSlot<E>& slot = *file.slots[index];
        // relaxed: each store was made under a PTE lock that the walk took after it; the disk is under the page lock.
        slot.disk.store(slot.data.load(relaxed), relaxed);
        if (task.config.swap_ns != 0) {
            P::compute(task.config.swap_ns);
        }
        if constexpr (!Q::kCleanBeforeWrite) {
            page_mkclean<E, Q>(task, file, page);
        }
        page->flags.and_(~kPageDirty, relaxed);  // relaxed: under the page lock; nobody could write meanwhile
        task.count(RmapOp::page_written);
    } else {
        task.count(RmapOp::page_clean);
    }
    PageLock<P>::unlock(page->flags);
    task.ranks.drop(Rank::page);
    put_page(world.memory, task, page);
}

template <Mode kMode, class E>
void unmap_range_in(FileWorld<E>& world, Task<E>& task, CachedFile<E>& file, std::uint64_t index, std::uint64_t end) {
    lock_file<FileSite::truncate, kMode>(task, *file.mapping);
    auto& tree = file.mapping->tree;
    for (Vma<E>* vma = FileTree<E>::first(tree, index, end - 1); vma != nullptr;
         vma = FileTree<E>::next(vma, index, end - 1)) {
        if (zap_file_pages(world, task, *vma, index, end) && task.config.tlb != TlbModel::off &&
            runs_elsewhere(task, *vma)) {
            flush_tlb(task);  // one for each process
        }
    }
    unlock_file<kMode>(task, *file.mapping);
}
// unmap_mapping_range. All VMAs map the whole file.
template <class E>
void unmap_range(FileWorld<E>& world, Task<E>& task, CachedFile<E>& file, std::uint64_t index, std::uint64_t end) {
    if (task.config.form == RmapForm::today) {
        unmap_range_in<Mode::read>(world, task, file, index, end);
    } else {
        unmap_range_in<Mode::write>(world, task, file, index, end);
    }
}

// Takes a page out of its file (truncate_inode_page).
template <class E, class Q>
void cut_page(FileWorld<E>& world, Task<E>& task, CachedFile<E>& file, std::uint64_t index) {
    using P = typename E::P;
    Page<E>* const page = find_page(task, file, index);
    if (page == nullptr) {
        return;
    }
    task.ranks.take(Rank::page);
    PageLock<P>::lock(page->flags);
    if (Q::kUnmapLockedPage && page_mapped(page)) {
        unmap_range(world, task, file, index, index + 1);
    }
    // acquire (A1, pairs with exit.hpp:R1): whoever cleared an entry has counted it.
    check(page->mapcount.load(acquire) == 0, "no page that is cut off is mapped");
    CacheSlot<E>& slot = *file.slots[index];
    {
        const SpinHold<E> hold(task, file.tree_lock, Rank::lru);
        slot.page.set(nullptr);
    }
    page->mapping.store(0, relaxed);         // relaxed: under the page lock
    page->flags.and_(~kPageDirty, relaxed);  // relaxed: under the page lock
    slot.data.store(0, relaxed);             // relaxed: nobody maps the page
    slot.disk.store(0, relaxed);             // relaxed: as above
    PageLock<P>::unlock(page->flags);
    task.ranks.drop(Rank::page);
    put_page(world.memory, task, page);  // the cache's reference
    put_page(world.memory, task, page);
    task.count(RmapOp::page_truncated);
}

// Cuts the file at `size` and lets it grow to what it was, with holes (truncate_pagecache).
template <class E, class Q>
void truncate_file(FileWorld<E>& world, Task<E>& task, typename Mutex310<typename E::P>::Token& token,
                   CachedFile<E>& file, std::uint64_t size) {
    file.i_mutex.lock(token);
    const std::uint64_t whole = file.slots.size();
    file.size.store(size, relaxed);  // relaxed: faults look again under the page lock
    unmap_range(world, task, file, size, whole);
    for (std::uint64_t index = size; index < whole; ++index) {
        cut_page<E, Q>(world, task, file, index);
    }
    unmap_range(world, task, file, size, whole);
    file.size.store(whole, relaxed);  // relaxed: as above
    file.i_mutex.unlock(token);
    task.count(RmapOp::truncation);
}

}  // namespace lockbench
