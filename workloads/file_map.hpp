// SPDX-License-Identifier: MIT
// Processes that share mapped files: page cache, faults, stores, fork and exit. The lock under test is that of a file's
// tree of VMAs (i_mmap).
//
// Origin: filemap_fault of mm/filemap.c, do_shared_fault and zap_pte_range of mm/memory.c, dup_mmap of kernel/fork.c,
//   unlink_file_vma of mm/mmap.c, Linux 3.12.
// Differs: shared mappings alone, each of a whole file. The data of a page is a count of stores, kept beside the page
//   cache; so is what is on disk. A store is made under the PTE lock: on hardware it ends before the flush returns that
//   takes its right. A fork copies no entries, as 3.12's does not for such VMAs: the child faults.
//
// Locks, outer first: mmap_sem; page lock; i_mmap; PTE lock. A VMA joins and leaves its file's tree in one write
// section each (dup, unlink). Faults take no i_mmap lock: the page lock holds page and file together.
#pragma once

#include <vector>

#include "workloads/fork.hpp"

namespace lockbench {

template <Platform P, class L>
using FileEnv = RmapEnv<P, Rwsem310<P>, L>;

// Places that acquire the lock of a file.
enum class FileSite : std::uint32_t { dup, unlink, mkclean, truncate, kCount };
inline constexpr std::array<std::string_view, static_cast<std::size_t>(FileSite::kCount)> kFileSiteNames = {
    "dup", "unlink", "mkclean", "truncate"};

// Rules that tests take away one by one.
struct FaithfulFiles {
    static constexpr bool kRecheckMapping = true;    // a page may have left its file before it was locked
    static constexpr bool kCleanUnderLock = true;    // VMAs come and go
    static constexpr bool kUnmapLockedPage = true;   // a fault may have mapped the page after the first round
    static constexpr bool kCleanBeforeWrite = true;  // what is stored after the copy is lost
};

// One page of a file.
template <class E>
struct CacheSlot {
    CacheSlot() : page(nullptr), data(0), disk(0), writable(0) {}

    typename E::template Plain<Page<E>*> page;           // null: not in memory
    typename E::template Atomic<std::uint64_t> data;     // stores made to it
    typename E::template Atomic<std::uint64_t> disk;     // those written back
    typename E::template Atomic<std::int32_t> writable;  // entries with the right to write; under their PTE locks
};

template <class E>
struct CachedFile {
    explicit CachedFile(File<E>* which, std::uint64_t pages) : mapping(which), size(pages) {}

    File<E>* const mapping;
    std::vector<CacheSlot<E>*> slots;                 // fixed when it is built
    typename E::template Atomic<std::uint64_t> size;  // in pages; none behind may be mapped
    PteLock<typename E::P> tree_lock;                 // of the pages in the slots
    Mutex310<typename E::P> i_mutex;                  // one truncates at a time
};

// The shared state.
template <class E>
struct FileWorld {
    using P = typename E::P;

    FileWorld(const RmapConfig& config, const Homes& homes)
        : memory(config, homes.data), files(homes.lock), slots(homes.data), cached_files(homes.data) {}

    // By its number; the files of all VMAs are known.
    CachedFile<E>& cached(const File<E>& file) { return *caches[file.number.get()]; }

    Memory<E> memory;
    typename P::template Slab<File<E>> files;
    typename P::template Slab<CacheSlot<E>> slots;
    typename P::template Slab<CachedFile<E>> cached_files;
    std::vector<CachedFile<E>*> caches;  // fixed when the trial is built
};

template <FileSite kSite, Mode kMode, class E>
void lock_file(Task<E>& task, File<E>& file) {
    task.ranks.take(Rank::i_mmap);
    acquire_lock<kSite, kMode>(task.ctx, file.i_mmap_mutex, task.file_token, file.last_writer);
    task.waiting = E::FileMutex::kInfo.kind == WaitKind::spin ? Waiting::spin : Waiting::yield;
}
template <Mode kMode, class E>
void unlock_file(Task<E>& task, File<E>& file) {
    const Nanoseconds hold = kMode == Mode::write ? task.config.write_hold_ns : task.config.read_hold_ns;
    if (hold != 0) {
        E::P::compute(hold);
    }
    task.waiting = Waiting::yield;
    release_lock<kMode, typename E::P>(file.i_mmap_mutex, task.file_token);
    task.ranks.drop(Rank::i_mmap);
}

// A reference on the page at `index`, or null: it is not in memory.
template <class E>
Page<E>* find_page(Task<E>& task, CachedFile<E>& file, std::uint64_t index) {
    const SpinHold<E> hold(task, file.tree_lock, Rank::lru);
    Page<E>* const page = file.slots[index]->page.get();
    if (page != nullptr) {
        page->count.add(1, relaxed);  // relaxed: the cache holds the page
    }
    return page;
}

// Reads the page from disk if it is not in memory.
template <class E>
Page<E>* find_or_read(FileWorld<E>& world, Task<E>& task, CachedFile<E>& file, std::uint64_t index) {
    if (Page<E>* const page = find_page(task, file, index); page != nullptr) {
        return page;
    }
    Page<E>* const fresh = world.memory.pages.make(index, std::uint64_t{0});
    fresh->mapping.store(reinterpret_cast<std::uintptr_t>(file.mapping),
                         relaxed);  // relaxed: the cache's lock orders it
    {
        const SpinHold<E> hold(task, file.tree_lock, Rank::lru);
        auto& slot = file.slots[index]->page;
        if (slot.get() == nullptr) {
            fresh->count.add(1, relaxed);  // relaxed: nobody else knows it; one for the cache, one for the caller
            slot.set(fresh);
            return fresh;
        }
    }
    put_page(world.memory, task, fresh);
    return find_page(task, file, index);
}

enum class StoreMode : unsigned char { load, store };

// Under the page lock: maps the page, or gives its entry the right to write. The page is dirty before it may be
// written.
template <class E>
void map_file_page(FileWorld<E>& world, Task<E>& task, Vma<E>& vma, Page<E>* page, CacheSlot<E>& slot, StoreMode mode) {
    const bool store = mode == StoreMode::store;
    if (store) {
        page->flags.or_(kPageDirty, relaxed);  // relaxed: under the page lock
    }
    PteTable<E>* const table = need_table(world.memory, task, vma);
    auto& entry = table->pte(vma.slot(page->index.get()));
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t pte = read_locked(entry);
    const bool gains = store && (pte & Pte::kWrite) == 0;
    if (gains) {
        slot.writable.add(1, relaxed);  // relaxed: looked at under the page lock
    }
    if (pte == 0) {
        page->count.add(1, relaxed);     // relaxed: the caller holds the page
        page->mapcount.add(1, relaxed);  // relaxed: under the PTE lock
        // relaxed: under the PTE lock, with which all look at the entries of a file.
        entry.store(Pte::of(page, Pte::kYoung | (store ? Pte::kWrite : 0)), relaxed);
    } else if (gains) {
        check(Pte::maps<E>(pte, page), "an entry of a file maps the page at its place");
        entry.or_(Pte::kWrite, relaxed);  // relaxed: under the PTE lock
    }
}

// One fault on a file (filemap_fault). False: the address lies behind the end of the file, which is SIGBUS.
template <class E, class Q>
bool fault_file(FileWorld<E>& world, Task<E>& task, Vma<E>& vma, std::uint64_t index, StoreMode mode) {
    using P = typename E::P;
    CachedFile<E>& file = world.cached(*vma.file.get());
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::read, task.mmap_token);
    bool inside = index < read_hint(file.size);
    if (inside) {
        Page<E>* const page = find_or_read(world, task, file, index);
        if (page != nullptr) {
            task.ranks.take(Rank::page);
            PageLock<P>::lock(page->flags);
            // relaxed: under the page lock, which the truncation takes for each page after it has set the size.
            const bool still = page->mapping.load(relaxed) != 0 && index < file.size.load(relaxed);
            if (still || !Q::kRecheckMapping) {
                map_file_page(world, task, vma, page, *file.slots[index], mode);
            }
            PageLock<P>::unlock(page->flags);
            task.ranks.drop(Rank::page);
            put_page(world.memory, task, page);
        }
    }
    mmap_unlock(task, mm, Mode::read, task.mmap_token);
    task.count(RmapOp::fault);
    return inside;
}

// The process writes to its page, or reads it. A few faults, unless others take the page away again and again.
template <class E, class Q>
void use_file_page(FileWorld<E>& world, Task<E>& task, Vma<E>& vma, std::uint64_t index, StoreMode mode) {
    const std::uint64_t need = mode == StoreMode::store ? Pte::kPresent | Pte::kWrite : Pte::kPresent;
    for (int tries = 0; tries < kTouchTries; ++tries) {
        if (PteTable<E>* const table = table_of(vma); table != nullptr) {
            auto& entry = table->pte(vma.slot(index));
            const SpinHold<E> hold(task, table->lock, Rank::pte);
            if ((read_locked(entry) & need) == need) {
                if (mode == StoreMode::store) {
                    entry.or_(Pte::kDirty | Pte::kYoung, relaxed);                     // relaxed: under the PTE lock
                    world.cached(*vma.file.get()).slots[index]->data.add(1, relaxed);  // relaxed: a count of stores
                    task.count(RmapOp::store);
                }
                return;
            }
        }
        if (!fault_file<E, Q>(world, task, vma, index, mode)) {
            return;
        }
    }
}

// Empties the entries of some pages (zap_pte_range); what was written to is dirty. True: one was not empty.
template <class E>
bool zap_file_pages(FileWorld<E>& world, Task<E>& task, Vma<E>& vma, std::uint64_t index, std::uint64_t end) {
    PteTable<E>* const table = table_of(vma);
    if (table == nullptr) {
        return false;
    }
    CachedFile<E>& file = world.cached(*vma.file.get());
    bool any = false;
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    for (; index < end; ++index) {
        // relaxed: under the PTE lock.
        const std::uint64_t pte = table->pte(vma.slot(index)).exchange(0, relaxed);
        if (pte == 0) {
            continue;
        }
        any = true;
        Page<E>* const page = Pte::page<E>(pte);
        if ((pte & Pte::kDirty) != 0) {
            page->flags.or_(kPageDirty, relaxed);  // relaxed: the page lock orders it for who writes back
        }
        if ((pte & Pte::kWrite) != 0) {
            file.slots[index]->writable.sub(1, relaxed);  // relaxed: looked at under the page lock
        }
        remove_mapping(page);
        put_page(world.memory, task, page);  // the last one, if a truncation has just cut it off
    }
    return any;
}

// dup_mmap. Shared mappings alone, so no entries are copied.
template <class E>
Mm<E>* fork_files(FileWorld<E>& world, Task<E>& task, Mm<E>& parent) {
    Mm<E>* const child = make_mm(world.memory);
    mmap_lock(task, parent, Mode::write, task.mmap_token);
    mmap_lock(task, *child, Mode::write, task.child_token);
    for (Vma<E>* from = parent.first.get(); from != nullptr; from = from->next.get()) {
        Vma<E>* const to = world.memory.vmas.make(child, from->shape());
        File<E>& file = *to->file.get();
        lock_file<FileSite::dup, Mode::write>(task, file);
        FileTree<E>::insert(file.tree, to);
        unlock_file<Mode::write>(task, file);
        append_vma(*child, to);
    }
    mmap_unlock(task, *child, Mode::write, task.child_token);
    mmap_unlock(task, parent, Mode::write, task.mmap_token);
    task.count(RmapOp::fork);
    return child;
}

// exit_mmap: pages first, then the places in the trees: until then walks may meet a VMA.
template <class E>
void exit_files(FileWorld<E>& world, Task<E>& task, Mm<E>* mm) {
    for (Vma<E>* vma = mm->first.get(); vma != nullptr; vma = vma->next.get()) {
        zap_file_pages(world, task, *vma, vma->pgoff.get(), vma->pgoff.get() + vma->pages());
    }
    for (Vma<E>*vma = mm->first.get(), *next = nullptr; vma != nullptr; vma = next) {
        next = vma->next.get();
        File<E>& file = *vma->file.get();
        lock_file<FileSite::unlink, Mode::write>(task, file);
        FileTree<E>::remove(file.tree, vma);
        unlock_file<Mode::write>(task, file);
        free_vma(world.memory, *vma);
    }
    world.memory.mms.destroy(mm);
}

}  // namespace lockbench
