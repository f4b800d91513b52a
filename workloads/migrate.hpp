// SPDX-License-Identifier: MIT
// Pages move to other memory: take all mappings away, copy, give the mappings back to the copy.
//
// Origin: migrate_pages, __unmap_and_move, move_to_new_page, remove_migration_ptes of mm/migrate.c, page_get_anon_vma
//   of mm/rmap.c, Linux 3.12; do_numa_page of mm/memory.c with migrate_misplaced_page, and compaction, are the two that
//   call.
// Differs: pages that several processes map move too on a fault, as from 3.13 on. Whether a page is misplaced is the
//   caller's word: nodes are not modelled. The old page's data is struck out when it has been copied, so that a late
//   reader is found. A page that moved enters the LRU as a new one does, by the batch of its thread.
//
// Locks: the page lock over both walks. Acquisitions of root locks for read, two a try: try_to_unmap by the protocol of
// reclaim (a mapping keeps the anon_vma), and a blocking one to restore, when nothing is mapped any more: so a
// reference on the anon_vma is taken before. Between the walks every fault on the page waits for the page lock.
#pragma once

#include "workloads/reclaim.hpp"

namespace lockbench {

inline constexpr int kMigrateTries = 10;     // of migrate_pages
inline constexpr int kTriesWithoutWait = 3;  // before a caller that may sleep waits for the page lock
inline constexpr std::uint64_t kMovedAway = ~std::uint64_t{0};

// Who asks: a fault never waits for a page lock (MIGRATE_ASYNC), compaction may after some tries.
enum class Patience : unsigned char { none, waits };

// What the first walk leaves: an entry that names the page and keeps the right to write. Young pages move as well.
template <class E>
struct LeaveMigrationEntry {
    static constexpr RmapSite kSite = RmapSite::migrate;
    static constexpr RmapOp kCounted = RmapOp::entry_migrated;
    static constexpr bool kSparesYoung = false;

    std::uint64_t entry(std::uint64_t pte) const { return Pte::migration_of(page, pte); }
    const Page<E>* page;
};

// The page's anon_vma with a reference, or null: the page is not mapped any more (page_get_anon_vma). Until the second
// look the anon_vma may end and its memory be used again.
template <class E, class L, class Q>
AnonVma<E, L>* pin_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, const Page<E>* page) {
    AnonVma<E, L>* anon_vma = nullptr;
    {
        const typename E::P::ReadSection section;
        // acquire (A1, pairs with R1, fault.hpp:R1, fault.hpp:R4): the anon_vma and its count are set up.
        const std::uint64_t mapping = page->mapping.load(acquire);
        if ((mapping & kMappingAnon) == 0 || !page_mapped(page)) {
            return nullptr;
        }
        anon_vma =
            anon_vma_of<E, L>(reinterpret_cast<AnonVmaTag*>(static_cast<std::uintptr_t>(mapping & ~kMappingAnon)));
        if constexpr (!Q::kMovePinsAnonVma) {
            return anon_vma;
        }
        if (!get_unless_zero<typename E::P>(anon_vma->stable.refcount)) {
            return nullptr;
        }
        E::P::fence_after_rmw();
        if (page_mapped(page)) {
            return anon_vma;
        }
    }
    put_anon_vma(rmap, thread, anon_vma);
    return nullptr;
}

// One VMA of the second walk (remove_migration_pte): `old` was there, `now` takes its place.
template <class E>
void restore_entry(Task<E>& task, Vma<E>& vma, const Page<E>* old, Page<E>* now) {
    PteTable<E>* const table = table_of(vma);
    if (table == nullptr) {
        return;
    }
    auto& entry = table->pte(vma.slot(now->index.get()));
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t left = read_locked(entry);
    if (!Pte::migrates<E>(left, old)) {
        return;
    }
    now->count.add(1, relaxed);  // relaxed: who moves the page holds it
    // relaxed: under the PTE lock; nobody acts on the count before the entry stands.
    const std::int32_t before = now->mapcount.fetch_add(1, relaxed);
    check((left & Pte::kWrite) == 0 || before == 0, "a page that may be written has one mapping");
    // release (R2, pairs with fault.hpp:A1, reclaim.hpp:A2): the page's fields are seen by who finds it here.
    entry.store(Pte::of(now, left & Pte::kWrite), release);
    task.count(RmapOp::entry_restored);
}

// remove_migration_ptes. The caller holds the lock of `old` and the anon_vma.
template <class E, class L, class Q>
void restore_entries(RmapThread<E, L>& thread, AnonVma<E, L>* anon_vma, const Page<E>* old, Page<E>* now) {
    const LockedAnonVma<E, L> locked{anon_vma, root_of<E, L>(anon_vma)};
    if constexpr (Q::kRestoreUnderLock) {
        thread.task.ranks.take(Rank::anon_vma);
        acquire_lock<RmapSite::restore, Mode::read>(thread.task.ctx, locked.root->stable.lock, thread.token,
                                                    locked.root->stable.last_writer);
        thread.task.waiting = kWaitingInside<L>;
    }
    walk_anon_vma(locked, now->index.get(), [&](Vma<E>& vma) {
        restore_entry(thread.task, vma, old, now);
        return true;
    });
    if constexpr (Q::kRestoreUnderLock) {
        unlock_anon_vma_read<Q>(thread, locked);
    }
}

// Copies a page that nothing maps (move_to_new_page). False: others use it, by a reference from before its entries
// went.
template <class E, class Q>
bool copy_to(const Task<E>& task, Page<E>* page, Page<E>* fresh) {
    // acquire (A2, pairs with rmap_memory.hpp:R1): who gave its reference up has read what it wanted.
    if (Q::kMoveCountsUsers && page->count.load(acquire) != 1) {
        return false;
    }
    // release (R1, pairs with A1, reclaim.hpp:A1): a walker that finds the anon_vma here finds it set up.
    fresh->mapping.store(page->mapping.load(relaxed), release);  // relaxed: under the page lock
    if (task.config.page_copy_ns != 0) {
        E::P::compute(task.config.page_copy_ns);
    }
    fresh->stamp.set(page->stamp.get());
    page->stamp.set(kMovedAway);
    return true;
}

// One try with the page locked. On success the entries are those of `fresh`, else they are the page's again.
template <class E, class L, class Q>
bool move_locked_page(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, Page<E>* fresh) {
    AnonVma<E, L>* const pinned = pin_anon_vma(rmap, thread, page);
    if (pinned == nullptr) {
        thread.task.count(RmapOp::walk_missed);
        return false;
    }
    bool flush_later = false;
    const Unmap outcome = try_to_unmap(rmap, thread, page, LeaveMigrationEntry<E>{page}, flush_later);
    if (flush_later) {
        flush_tlb(thread.task);  // before the copy
    }
    const bool moved = outcome != Unmap::some && copy_to<E, Q>(thread.task, page, fresh);
    if constexpr (!Q::kRestoreBeforeUnlock) {
        PageLock<typename E::P>::unlock(page->flags);
    }
    restore_entries<E, L, Q>(thread, pinned, page, moved ? fresh : page);
    if constexpr (!Q::kRestoreBeforeUnlock) {
        PageLock<typename E::P>::lock(page->flags);
    }
    if constexpr (Q::kMovePinsAnonVma) {
        put_anon_vma(rmap, thread, pinned);
    }
    return moved;
}

// One try (__unmap_and_move).
template <class E, class L, class Q>
bool try_to_move(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, Page<E>* fresh, Patience patience) {
    using P = typename E::P;
    Task<E>& task = thread.task;
    task.ranks.take(Rank::page);
    if (!PageLock<P>::try_lock(page->flags)) {
        if (patience == Patience::none) {
            task.ranks.drop(Rank::page);
            return false;
        }
        PageLock<P>::lock(page->flags);
    }
    // Locked too until its mappings are all there; nobody else knows it yet, so it has no rank.
    check(PageLock<P>::try_lock(fresh->flags), "a new page is not locked");
    const bool moved = move_locked_page(rmap, thread, page, fresh);
    PageLock<P>::unlock(fresh->flags);
    PageLock<P>::unlock(page->flags);
    task.ranks.drop(Rank::page);
    return moved;
}

// migrate_pages for one page, which is isolated: one reference is the caller's and is given up. False: it stays where
// it is.
template <class E, class L, class Q>
bool migrate_page(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, Patience patience) {
    Memory<E>& memory = rmap.memory;
    Task<E>& task = thread.task;
    bool moved = false;
    if (!task.fails(task.config.alloc_fail)) {
        Page<E>* const fresh = memory.pages.make(page->index.get(), kMovedAway);
        // A page with no reference but ours has lost its last mapping: there is nothing to move.
        for (int tries = 0; !moved && tries < kMigrateTries && read_hint(page->count) != 1; ++tries) {
            task.count(RmapOp::migration_retry, tries == 0 ? 0 : 1);
            moved = try_to_move(rmap, thread, page, fresh, tries < kTriesWithoutWait ? Patience::none : patience);
        }
        if (moved) {
            add_to_lru(memory, task, fresh);
        }
        put_page(memory, task, fresh);
    }
    if (moved) {
        check(!page_mapped(page), "a page that moved away is not mapped");
        put_page(memory, task, page);
    } else {
        putback_pages(memory, task, &page, 1);
    }
    task.count(moved ? RmapOp::page_migrated : RmapOp::migration_failed);
    return moved;
}

// Takes a page off its list; the caller's reference becomes that of the isolation (numamigrate_isolate_page). False: it
// is on none, as it is new or others have isolated it.
template <class E>
bool isolate_page(Memory<E>& memory, Task<E>& task, Page<E>* page) {
    const SpinHold<E> hold(task, memory.lru_lock, Rank::lru);
    const std::uint32_t flags = read_locked(page->flags);
    if ((flags & kPageLru) == 0) {
        return false;
    }
    memory.list_of(flags).remove(page);
    page->flags.and_(~kPageLru, relaxed);  // relaxed: under the lru lock
    return true;
}

// The page that the entry maps, with a reference, used just now; null if there is none. Its data is what belongs there.
template <class E>
Page<E>* use_mapped_page(Task<E>& task, Vma<E>& vma, std::uint64_t index) {
    PteTable<E>* const table = table_of(vma);
    auto& entry = table->pte(vma.slot(index));
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t pte = read_locked(entry);
    if (!Pte::present(pte)) {
        return nullptr;
    }
    entry.or_(Pte::kYoung, relaxed);  // relaxed: a bit that orders nothing
    Page<E>* const page = Pte::page<E>(pte);
    check(page->stamp.get() == stamp_of(vma, index), "a process finds its own data in a page that may have moved");
    page->count.add(1, relaxed);  // relaxed: the mapping holds the page
    return page;
}

// The process uses its page and finds it on another node (do_numa_page): the fault moves the page, with mmap_sem held
// for read.
template <class E, class L, class Q>
void fault_misplaced(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::read, task.mmap_token);
    if (Page<E>* page = use_mapped_page(task, vma, index); page == nullptr) {
        wait_for_migration(rmap, thread, vma, index);
    } else if (isolate_page(rmap.memory, task, page)) {
        migrate_page(rmap, thread, page, Patience::none);
    } else {
        put_page(rmap.memory, task, page);
        task.count(RmapOp::page_skipped);
    }
    mmap_unlock(task, mm, Mode::read, task.mmap_token);
    task.count(RmapOp::fault);
}

// Moves a batch of the list's oldest pages, as compaction does: it finds pages by themselves and holds no mmap_sem, so
// forks, exits and faults of all their users go on.
template <class E, class L, class Q>
void compact(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    Memory<E>& memory = rmap.memory;
    std::array<Page<E>*, kPageBatch> pages{};
    flush_added(memory, thread.task);
    const std::size_t count = isolate_pages(memory, thread.task, memory.active, pages.data(), thread.task.config.batch);
    for (std::size_t i = 0; i < count; ++i) {
        migrate_page(rmap, thread, pages[i], Patience::waits);
    }
}

}  // namespace lockbench
