// SPDX-License-Identifier: MIT
// The memory manager around the reverse map: slabs, page tables, the LRU lists with their batches, and what a thread
// carries through a kernel path. Nothing here depends on the lock under test.
//
// Origin: mm/swap.c (pagevecs of 14 pages, release_pages), mm/vmscan.c (isolate_lru_pages), mm/memory.c (__pte_alloc)
//   of Linux 3.12.
// Differs: one zone, one pair of lists. The lru lock yields after a while where that is allowed.
#pragma once

#include <array>
#include <cstdint>

#include "workloads/rmap.hpp"
#include "workloads/rmap_params.hpp"

namespace lockbench {

inline constexpr std::size_t kPagevec = 14;    // pages a CPU gathers before it takes the lru lock (PAGEVEC_SIZE)
inline constexpr std::size_t kPageBatch = 32;  // pages given up or taken at a time (SWAP_CLUSTER_MAX)

// Ranks of locks, outer first; a checked platform holds every thread to them.
enum class Rank : std::uint32_t { mmap_sem, page, i_mmap, anon_vma, pte, lru, kCount };

template <bool kChecked>
class HeldRanks {
  public:
    void take(Rank rank) {
        if constexpr (kChecked) {
            const auto mine = static_cast<std::size_t>(rank);
            // A fork holds the semaphores and the page tables of parent and child.
            const std::uint32_t most = rank == Rank::mmap_sem || rank == Rank::pte ? 1 : 0;
            check(held_[mine] <= most, "two locks of one rank are held");
            for (std::size_t inner = mine + 1; inner < held_.size(); ++inner) {
                check(held_[inner] == 0, "locks are taken in the order of their ranks");
            }
            ++held_[mine];
        }
    }
    void drop(Rank rank) {
        if constexpr (kChecked) {
            --held_[static_cast<std::size_t>(rank)];
        }
    }

  private:
    std::array<std::uint32_t, static_cast<std::size_t>(Rank::kCount)> held_{};
};

// What one thread carries through the paths. Built by that thread.
template <class E>
struct Task {
    using P = typename E::P;

    Task(Ctx<P>& context, const RmapConfig& settings)
        : ctx(context), config(settings), mmap_token(context), child_token(context), file_token(context) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    // True when an allocation is made to fail.
    bool fails(std::uint32_t permille) { return permille != 0 && ctx.random.chance(permille); }
    void count(RmapOp op, std::uint64_t times = 1) {
        const std::size_t at = config.op_index[static_cast<std::size_t>(op)];
        check(at < kMaxOps, "a workload lists the operations that it makes");
        ctx.stats.ops[at] += times;
    }

    Ctx<P>& ctx;
    const RmapConfig& config;
    typename E::MmapSem::Token mmap_token;
    typename E::MmapSem::Token child_token;
    typename E::FileMutex::Token file_token;
    Waiting waiting = Waiting::yield;  // how spinlocks wait here: a plain spin inside a spinning lock under test
    HeldRanks<P::kChecked> ranks;
    std::array<Page<E>*, kPagevec> added{};  // new pages that are not on a list yet; each is referenced
    std::size_t added_count = 0;
    std::array<Page<E>*, kPageBatch> dropped{};  // references to give up
    std::size_t dropped_count = 0;
};

template <class E>
class SpinHold {
  public:
    SpinHold(Task<E>& task, PteLock<typename E::P>& lock, Rank rank) : task_(task), lock_(lock), rank_(rank) {
        task_.ranks.take(rank_);
        lock_.lock(task_.waiting);
    }
    ~SpinHold() {
        lock_.unlock();
        task_.ranks.drop(rank_);
    }
    SpinHold(const SpinHold&) = delete;
    SpinHold& operator=(const SpinHold&) = delete;

  private:
    Task<E>& task_;
    PteLock<typename E::P>& lock_;
    Rank rank_;
};

template <class E>
void mmap_lock(Task<E>& task, Mm<E>& mm, Mode mode, typename E::MmapSem::Token& token) {
    task.ranks.take(Rank::mmap_sem);
    if (mode == Mode::write) {
        mm.mmap_sem.lock(token);
    } else {
        lock_for_read(mm.mmap_sem, token);
    }
}
template <class E>
void mmap_unlock(Task<E>& task, Mm<E>& mm, Mode mode, typename E::MmapSem::Token& token) {
    if (mode == Mode::write) {
        mm.mmap_sem.unlock(token);
    } else {
        unlock_for_read(mm.mmap_sem, token);
    }
    task.ranks.drop(Rank::mmap_sem);
}

// Takes a reference unless there is none left.
template <class P>
bool get_unless_zero(typename P::template Atomic<std::int32_t>& count) {
    for (typename P::Retry loop;; loop.again()) {
        const std::int32_t seen = count.load(relaxed);  // relaxed: a guess that the exchange checks
        if (seen == 0) {
            return false;
        }
        // relaxed: what the reference protects was reached through a pointer that was read with acquire.
        if (count.try_cas(seen, seen + 1, relaxed)) {
            return true;
        }
    }
}
// True when this was the last reference.
template <class A>
bool drop_reference(A& count) {
    // acq_rel (A1, R1: pairs with R1, A1, migrate.hpp:A2): all users' accesses come before the end of the object.
    return count.fetch_sub(1, acq_rel) == 1;
}

template <class E>
struct LruList {
    LruList() : newest(nullptr), oldest(nullptr), size(0) {}

    void push(Page<E>* page) {
        Page<E>* const next = newest.get();
        page->newer.set(nullptr);
        page->older.set(next);
        if (next == nullptr) {
            oldest.set(page);
        } else {
            next->newer.set(page);
        }
        newest.set(page);
        size.add(1, relaxed);  // relaxed: under the lru lock; others read it as a hint
    }
    void remove(Page<E>* page) {
        Page<E>* const newer = page->newer.get();
        Page<E>* const older = page->older.get();
        if (newer == nullptr) {
            newest.set(older);
        } else {
            newer->older.set(older);
        }
        if (older == nullptr) {
            oldest.set(newer);
        } else {
            older->newer.set(newer);
        }
        size.sub(1, relaxed);  // relaxed: under the lru lock; others read it as a hint
    }

    typename E::template Plain<Page<E>*> newest;
    typename E::template Plain<Page<E>*> oldest;
    typename E::template Atomic<std::uint64_t> size;
};

// All shared memory of a trial but the anon_vmas.
template <class E>
struct Memory {
    using P = typename E::P;
    template <class T>
    using Slab = typename P::template Slab<T>;

    Memory(const RmapConfig& settings, NodeId home)
        : config(settings),
          avcs(home, settings.layout),
          uses(home, settings.layout),
          vmas(home),
          mms(home),
          pages(home),
          slots(home),
          tables(home),
          chunks(home),
          files(home),
          first_file(nullptr),
          next_mm_id(1),
          moves_begun(0),
          moves_ended(0) {}

    template <class F>
    void for_each_chunk(F&& f) const {
        avcs.for_each_chunk(f);
        uses.for_each_chunk(f);
        vmas.for_each_chunk(f);
        mms.for_each_chunk(f);
        pages.for_each_chunk(f);
        slots.for_each_chunk(f);
        tables.for_each_chunk(f);
        chunks.for_each_chunk(f);
        files.for_each_chunk(f);
    }

    LruList<E>& list_of(std::uint32_t flags) { return (flags & kPageActive) != 0 ? active : inactive; }

    RmapConfig config;
    Slab<Avc<E>> avcs;
    Slab<AnonVmaUse<E>> uses;
    Slab<Vma<E>> vmas;
    Slab<Mm<E>> mms;
    Slab<Page<E>> pages;
    Slab<SwapSlot<E>> slots;
    Slab<PteTable<E>> tables;
    Slab<PteChunk<E>> chunks;
    Slab<File<E>> files;
    typename E::template Plain<File<E>*> first_file;
    typename E::template Atomic<std::uint64_t> next_mm_id;
    // Moves of entries without the root lock: a walk beside one may miss what moves (mremap.hpp).
    alignas(kCacheLine) typename E::template Atomic<std::uint64_t> moves_begun;
    typename E::template Atomic<std::uint64_t> moves_ended;
    alignas(kCacheLine) PteLock<P> lru_lock;
    LruList<E> active;
    LruList<E> inactive;
};

// Gives up `count` references. Pages that nobody uses any more leave their list under one hold of the lru lock.
template <class E>
void release_pages(Memory<E>& memory, Task<E>& task, Page<E>** pages, std::size_t count) {
    std::size_t dying = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (drop_reference(pages[i]->count)) {
            pages[dying++] = pages[i];
        }
    }
    if (dying == 0) {
        return;
    }
    {
        const SpinHold<E> hold(task, memory.lru_lock, Rank::lru);
        for (std::size_t i = 0; i < dying; ++i) {
            const std::uint32_t flags = read_locked(pages[i]->flags);
            if ((flags & kPageLru) != 0) {
                memory.list_of(flags).remove(pages[i]);
            }
        }
    }
    for (std::size_t i = 0; i < dying; ++i) {
        check(read_locked(pages[i]->mapcount) == 0, "a page that is freed is not mapped");
        check((read_locked(pages[i]->flags) & kPageLocked) == 0, "a page that is freed is not locked");
        memory.pages.destroy(pages[i]);
    }
}

template <class E>
void flush_dropped(Memory<E>& memory, Task<E>& task) {
    release_pages(memory, task, task.dropped.data(), task.dropped_count);
    task.dropped_count = 0;
}
template <class E>
void drop_later(Memory<E>& memory, Task<E>& task, Page<E>* page) {
    task.dropped[task.dropped_count++] = page;
    if (task.dropped_count == task.dropped.size()) {
        flush_dropped(memory, task);
    }
}
template <class E>
void put_page(Memory<E>& memory, Task<E>& task, Page<E>* page) {
    release_pages(memory, task, &page, 1);
}

// Puts the gathered new pages on the active list, as 3.12 does with new anonymous pages.
template <class E>
void flush_added(Memory<E>& memory, Task<E>& task) {
    if (task.added_count == 0) {
        return;
    }
    {
        const SpinHold<E> hold(task, memory.lru_lock, Rank::lru);
        for (std::size_t i = 0; i < task.added_count; ++i) {
            task.added[i]->flags.or_(kPageLru | kPageActive, relaxed);  // relaxed: under the lru lock
            memory.active.push(task.added[i]);
        }
    }
    release_pages(memory, task, task.added.data(), task.added_count);
    task.added_count = 0;
}
template <class E>
void add_to_lru(Memory<E>& memory, Task<E>& task, Page<E>* page) {
    page->count.add(1, relaxed);  // relaxed: the caller holds a reference
    task.added[task.added_count++] = page;
    if (task.added_count == task.added.size()) {
        flush_added(memory, task);
    }
}

// Takes up to `want` of the oldest pages off `list`; each gets a reference. Pages on their way out are left alone.
template <class E>
std::size_t isolate_pages(Memory<E>& memory, Task<E>& task, LruList<E>& list, Page<E>** pages, std::size_t want) {
    const SpinHold<E> hold(task, memory.lru_lock, Rank::lru);
    std::size_t got = 0;
    std::size_t looked = 0;
    Page<E>* page = list.oldest.get();
    while (page != nullptr && got < want && looked < 2 * want) {
        Page<E>* const next = page->newer.get();
        ++looked;
        if (get_unless_zero<typename E::P>(page->count)) {
            list.remove(page);
            page->flags.and_(~kPageLru, relaxed);  // relaxed: under the lru lock
            pages[got++] = page;
        }
        page = next;
    }
    return got;
}

// Puts isolated pages back on the list that their active flag names and gives their reference up.
template <class E>
void putback_pages(Memory<E>& memory, Task<E>& task, Page<E>** pages, std::size_t count) {
    {
        const SpinHold<E> hold(task, memory.lru_lock, Rank::lru);
        for (std::size_t i = 0; i < count; ++i) {
            pages[i]->flags.or_(kPageLru, relaxed);  // relaxed: under the lru lock
            memory.list_of(read_locked(pages[i]->flags)).push(pages[i]);
        }
    }
    release_pages(memory, task, pages, count);
}

template <class E>
void put_slot(Memory<E>& memory, SwapSlot<E>* slot) {
    if (drop_reference(slot->count)) {
        memory.slots.destroy(slot);
    }
}

template <class E>
PteTable<E>* table_of(const Vma<E>& vma) {
    // acquire (A2, pairs with R2, fork.hpp:R4): the table's chunks and empty entries are seen.
    return vma.table.load(acquire);
}

template <class E>
void free_table(Memory<E>& memory, PteTable<E>* table, std::uint64_t entries) {
    for (std::size_t at = 0; at < entries; at += kPtesInChunk) {
        memory.chunks.destroy(table->chunk[at / kPtesInChunk].get());
    }
    memory.tables.destroy(table);
}

// Entries that the page table of a VMA has room for: its pages and those it may grow by.
template <class E>
std::uint64_t table_entries(const Vma<E>& vma) {
    const std::uint64_t limit = vma.limit.get();
    return limit - vma.origin.get();
}

// Makes sure that the VMA has a page table. Threads of one mm may race.
template <class E>
PteTable<E>* need_table(Memory<E>& memory, Task<E>& task, Vma<E>& vma) {
    if (PteTable<E>* const table = table_of(vma); table != nullptr) {
        return table;
    }
    PteTable<E>* const fresh = memory.tables.make();
    const std::uint64_t entries = table_entries(vma);
    for (std::size_t at = 0; at < entries; at += kPtesInChunk) {
        fresh->chunk[at / kPtesInChunk].set(memory.chunks.make());
    }
    {
        const SpinHold<E> hold(task, vma.mm.get()->page_table_lock, Rank::pte);
        if (read_locked(vma.table) == nullptr) {
            // release (R2, pairs with A2): walkers see chunks and entries.
            vma.table.store(fresh, release);
            return fresh;
        }
    }
    free_table(memory, fresh, entries);
    return table_of(vma);
}

}  // namespace lockbench
