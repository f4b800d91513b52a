// SPDX-License-Identifier: MIT
// A process touches its pages: first touch, copy on write, return from swap, a page that moves, growth of the stack.
//
// Origin: handle_pte_fault, do_anonymous_page, do_wp_page and do_swap_page of mm/memory.c, migration_entry_wait of
//   mm/migrate.c, page_add_new_anon_rmap, page_add_anon_rmap and page_move_anon_rmap of mm/rmap.c, expand_downwards of
//   mm/mmap.c, Linux 3.12.
// Differs: no zero page: a first touch is a write. A page that comes back from swap is a new one, as there is no swap
//   cache. The touch itself is one step: it marks the entry young and moves no data.
//
// Locks: mmap_sem for read; PTE lock; the page lock where a page may be kept on a write fault. The root lock is taken
// for write only by the first touch of a VMA (prepare) and by growth.
#pragma once

#include "workloads/exit.hpp"

namespace lockbench {

// What belongs into a page: checked at every copy and return, so that a page that was mixed up is found.
inline std::uint64_t stamp_of_number(std::uint32_t number, std::uint64_t index) {
    return (std::uint64_t{number} << 32U) | index;
}
template <class E>
std::uint64_t stamp_of(const Vma<E>& vma, std::uint64_t index) {
    return stamp_of_number(vma.number.get(), index);
}

enum class Ownership : unsigned char { exclusive, shared };

// The page's first mapping (page_add_new_anon_rmap). A page that others will share belongs to the root, the oldest
// anon_vma of all that may map it.
template <class E, class L>
void add_first_mapping(Page<E>* page, const Vma<E>& vma, Ownership ownership) {
    AnonVmaTag* tag = anon_vma_tag(vma);
    if (ownership == Ownership::shared) {
        tag = tag_of(root_of<E, L>(anon_vma_of<E, L>(tag)));
    }
    page->mapcount.add(1, relaxed);  // relaxed: nobody else has the page yet
    // release (R1, pairs with reclaim.hpp:A1): a walker that finds the anon_vma here finds it set up.
    page->mapping.store(reinterpret_cast<std::uintptr_t>(tag) | kMappingAnon, release);
}

// Maps `page`, a new one, in the place of `replaced` (or of nothing) if the entry still is `expected`. The page enters
// the LRU batch under the PTE lock, as it may be unmapped again as soon as that is dropped. False: somebody was faster.
template <class E, class L>
bool map_new_page(Memory<E>& memory, Task<E>& task, Vma<E>& vma, Page<E>* page, std::uint64_t expected,
                  Page<E>* replaced) {
    PteTable<E>* const table = need_table(memory, task, vma);
    auto& entry = table->pte(vma.slot(page->index.get()));
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    if ((read_locked(entry) & ~Pte::kYoung) != (expected & ~Pte::kYoung)) {
        return false;
    }
    add_first_mapping<E, L>(page, vma, Ownership::exclusive);
    add_to_lru(memory, task, page);
    // release (R2, pairs with A1, reclaim.hpp:A2): the page's fields are seen by who finds it here.
    entry.store(Pte::of(page, Pte::kWrite | Pte::kYoung | Pte::kDirty), release);
    if (replaced != nullptr) {
        remove_mapping(replaced);
    }
    return true;
}

// First touch (do_anonymous_page). False: no memory.
template <class E, class L, class Q>
bool fault_anonymous(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    if (!prepare_anon_vma(rmap, thread, vma)) {
        return false;
    }
    Memory<E>& memory = rmap.memory;
    Page<E>* const page = memory.pages.make(index, stamp_of(vma, index));
    if (!map_new_page<E, L>(memory, thread.task, vma, page, 0, nullptr)) {
        put_page(memory, thread.task, page);
    }
    return true;
}

// Return from swap (do_swap_page). If other processes wait for the same data, the page counts as shared: it belongs to
// the root and is not writable yet.
template <class E, class L, class Q>
void fault_swapped(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index,
                   std::uint64_t seen) {
    Memory<E>& memory = rmap.memory;
    Page<E>* const page = memory.pages.make(index, stamp_of(vma, index));
    PteTable<E>* const table = table_of(vma);
    auto& entry = table->pte(vma.slot(index));
    SwapSlot<E>* slot = nullptr;
    SwapSlot<E>* unfilled = nullptr;
    {
        const SpinHold<E> hold(thread.task, table->lock, Rank::pte);
        if (read_locked(entry) == seen && !E::Second::is_filled(*SwapSlot<E>::of(seen))) {
            unfilled = SwapSlot<E>::of(seen);
            unfilled->count.add(1, relaxed);  // relaxed: the entry holds the slot
        } else if (read_locked(entry) == seen) {
            slot = SwapSlot<E>::of(seen);
            E::Second::carry(*slot, *page);
            check(slot->stamp.get() == page->stamp.get(), "swap returns the data that was put there");
            // relaxed: our entry is one; more than one means that others wait, and they may only become fewer.
            const bool shared = slot->count.load(relaxed) > 1;
            add_first_mapping<E, L>(page, vma, shared ? Ownership::shared : Ownership::exclusive);
            add_to_lru(memory, thread.task, page);
            // release (R3, pairs with A1, reclaim.hpp:A2): the page's fields are seen by who finds it here.
            entry.store(Pte::of(page, Pte::kYoung | (shared ? 0 : Pte::kWrite | Pte::kDirty)), release);
        }
    }
    if (slot == nullptr) {
        put_page(memory, thread.task, page);
        if (unfilled != nullptr) {
            E::Second::wait_filled(*unfilled);
            put_slot(memory, unfilled);
        }
        return;
    }
    put_slot(memory, slot);
    thread.task.count(RmapOp::swap_in);
}

// Under the PTE lock and the page lock: a page that only this entry maps stays, and belongs to this VMA from now on
// (reuse_swap_page, page_move_anon_rmap).
template <class E>
bool keep_page(typename E::template Atomic<std::uint64_t>& entry, Page<E>* page, const Vma<E>& vma) {
    // acquire (A2, pairs with exit.hpp:R1): those that gave their mapping up have done so.
    if (page->mapcount.load(acquire) != 1) {
        return false;
    }
    AnonVmaTag* const own = anon_vma_tag(vma);
    // release (R4, pairs with reclaim.hpp:A1): a walker that finds the anon_vma here finds it set up.
    page->mapping.store(reinterpret_cast<std::uintptr_t>(own) | kMappingAnon, release);
    // relaxed: under the PTE lock; the hardware may set the young bit meanwhile.
    entry.or_(Pte::kWrite | Pte::kYoung | Pte::kDirty, relaxed);
    return true;
}

// Takes the page lock with the entry locked before and after; the entry may change while the thread sleeps between.
// Returns true with both locks held if the entry still maps the page; otherwise only the PTE lock is held.
template <class E>
bool lock_mapped_page(Task<E>& task, PteTable<E>& table, typename E::template Atomic<std::uint64_t>& entry,
                      Page<E>* page) {
    using P = typename E::P;
    if (PageLock<P>::try_lock(page->flags)) {
        return true;
    }
    table.lock.unlock();
    task.ranks.drop(Rank::pte);
    task.ranks.take(Rank::page);
    PageLock<P>::lock(page->flags);
    task.ranks.take(Rank::pte);
    table.lock.lock(task.waiting);
    task.ranks.drop(Rank::page);
    const std::uint64_t pte = read_locked(entry);
    if (Pte::maps<E>(pte, page) && (pte & Pte::kWrite) == 0) {
        return true;
    }
    PageLock<P>::unlock(page->flags);
    return false;
}

// Write to a page that may be shared (do_wp_page). False: no memory.
template <class E, class L, class Q>
bool fault_write_protected(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    Memory<E>& memory = rmap.memory;
    Task<E>& task = thread.task;
    PteTable<E>* const table = table_of(vma);
    auto& entry = table->pte(vma.slot(index));
    Page<E>* old = nullptr;
    std::uint64_t pte = 0;
    bool settled = false;
    {
        const SpinHold<E> hold(task, table->lock, Rank::pte);
        // acquire (A1, pairs with R2, R3, fork.hpp:R3, reclaim.hpp:R1, migrate.hpp:R2, mremap.hpp:R1): the page's or
        // the slot's fields are seen.
        pte = entry.load(acquire);
        if (!Pte::present(pte) || (pte & Pte::kWrite) != 0) {
            return true;  // it changed meanwhile: the caller looks again
        }
        old = Pte::page<E>(pte);
        old->count.add(1, relaxed);  // relaxed: the mapping holds the page
        if (!lock_mapped_page(task, *table, entry, old)) {
            settled = true;
        } else {
            settled = keep_page<E>(entry, old, vma);
            PageLock<typename E::P>::unlock(old->flags);
        }
    }
    if (settled || !prepare_anon_vma(rmap, thread, vma)) {
        put_page(memory, task, old);
        return settled;
    }
    check(old->stamp.get() == stamp_of(vma, index), "the page that is copied holds this VMA's data");
    Page<E>* const page = memory.pages.make(index, old->stamp.get());
    E::Second::carry(*old, *page);
    const bool mapped = map_new_page<E, L>(memory, task, vma, page, pte, old);
    put_page(memory, task, mapped ? old : page);  // the lost mapping's reference, or the page nobody needs
    put_page(memory, task, old);
    return true;
}

// The page moves: wait until whoever moves it has unlocked it, and fault again (migration_entry_wait). mmap_sem is held
// for read all the while.
template <class E, class L, class Q>
void wait_for_migration(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    using P = typename E::P;
    Task<E>& task = thread.task;
    PteTable<E>* const table = table_of(vma);
    Page<E>* page = nullptr;
    {
        const SpinHold<E> hold(task, table->lock, Rank::pte);
        const std::uint64_t pte = read_locked(table->pte(vma.slot(index)));
        if (!Pte::migrating(pte)) {
            return;
        }
        check_migration_entry<E>(pte);
        page = Pte::page<E>(pte);
        if constexpr (Q::kWaiterHoldsPage) {
            page->count.add(1, relaxed);  // relaxed: who moves the page holds it while this entry stands
        }
    }
    task.ranks.take(Rank::page);
    PageLock<P>::wait(page->flags);
    task.ranks.drop(Rank::page);
    if constexpr (Q::kWaiterHoldsPage) {
        put_page(rmap.memory, task, page);
    }
    task.count(RmapOp::migration_wait);
}

// One fault, with mmap_sem for read (handle_mm_fault). False: no memory.
template <class E, class L, class Q>
bool handle_fault(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::read, task.mmap_token);
    PteTable<E>* const table = table_of(vma);
    // acquire (A1, above): see fault_write_protected.
    const std::uint64_t pte = table == nullptr ? 0 : table->pte(vma.slot(index)).load(acquire);
    bool done = true;
    if (pte == 0) {
        done = fault_anonymous(rmap, thread, vma, index);
    } else if (Pte::swapped(pte)) {
        fault_swapped(rmap, thread, vma, index, pte);
    } else if (Pte::migrating(pte)) {
        wait_for_migration(rmap, thread, vma, index);
    } else {
        done = fault_write_protected(rmap, thread, vma, index);
    }
    mmap_unlock(task, mm, Mode::read, task.mmap_token);
    task.count(RmapOp::fault);
    return done;
}

// The process writes to its page: at most three faults (swap, then copy) unless others take it away again.
inline constexpr int kTouchTries = 4;

template <class E, class L, class Q>
void touch_page(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint64_t index) {
    for (int tries = 0; tries < kTouchTries; ++tries) {
        if (PteTable<E>* const table = table_of(vma); table != nullptr) {
            auto& entry = table->pte(vma.slot(index));
            const std::uint64_t pte = read_hint(entry);
            if (Pte::present(pte) && (pte & Pte::kWrite) != 0) {
                // The hardware sets the bit by itself, without a lock, if the entry is still the same.
                if ((pte & Pte::kYoung) == 0) {
                    entry.try_cas(pte, pte | Pte::kYoung | Pte::kDirty, relaxed);  // relaxed: a bit that orders nothing
                }
                return;
            }
        }
        if (!handle_fault(rmap, thread, vma, index)) {
            return;
        }
    }
}

// Grows the VMA by `pages` at its lower end (expand_downwards): mmap_sem for read, root lock for write,
// page_table_lock. False: no memory or no room.
template <class E, class L, class Q>
bool expand_stack(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, std::uint32_t pages) {
    Task<E>& task = thread.task;
    Mm<E>& mm = *vma.mm.get();
    mmap_lock(task, mm, Mode::read, task.mmap_token);
    bool done = prepare_anon_vma(rmap, thread, vma);
    if (done) {
        AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(anon_vma_tag(vma)));
        lock_root_write<RmapSite::expand>(thread, root);
        {
            const SpinHold<E> hold(task, mm.page_table_lock, Rank::pte);
            const std::uint64_t pgoff = vma.pgoff.get();
            done = pgoff - vma.origin.get() >= pages;
            if (done) {
                change_bounds<E, L, Q::kReinsertOnExpand>(vma, [&vma, pgoff, pages] {
                    const std::uint64_t start = vma.start.get();
                    vma.start.set(start - pages);
                    vma.pgoff.set(pgoff - pages);
                });
            }
        }
        unlock_root_write(thread, root);
    }
    mmap_unlock(task, mm, Mode::read, task.mmap_token);
    return done;
}

}  // namespace lockbench
