// SPDX-License-Identifier: MIT
// Walks of the reverse map: from a page to all page-table entries that map it.
//
// Origin: page_lock_anon_vma_read, page_referenced_anon, try_to_unmap_anon of mm/rmap.c, Linux 3.12.
// Differs: in plain 3.12 the failing second look gives its reference back inside the RCU section, where putting may
//   sleep; here the section ends first, as in later stable releases. The lock is dropped through the root that was
//   captured before it was taken, inside an RCU section. No mlock, no huge pages.
// Today (gives_up): a walk that asks for references ends where the root is locked (6d4675e60135, 5.19). Whoever unmaps
//   waits, as before.
//
// Locks: the root lock for read, a PTE lock for each entry that is changed; the caller holds the page lock for
// try_to_unmap.
#pragma once

#include <type_traits>

#include "workloads/fault.hpp"

namespace lockbench {

// A root that is locked for read; null: the page is not mapped, nothing is held.
template <class E, class L>
struct LockedAnonVma {
    AnonVma<E, L>* anon_vma = nullptr;
    AnonVma<E, L>* root = nullptr;
    bool given_up = false;  // nothing is held, and nothing is known of the page
};

template <class E>
bool page_mapped(const Page<E>* page) {
    // relaxed: what makes the answer good is the full fence before, or that a wrong one only wastes time.
    return page->mapcount.load(relaxed) > 0;
}

struct NoSection {};

// The read section spans the release: nobody pins the root once the lock is free, and a lock may look at its own words
// after others could take it (a semaphore that wakes the next one). The kernel has no section there; its slab keeps the
// memory's type for a grace period all the same, which a waker that is preempted may outlive.
template <class Q, class E, class L>
void unlock_anon_vma_read(RmapThread<E, L>& thread, const LockedAnonVma<E, L>& locked) {
    if (thread.task.config.read_hold_ns != 0) {
        E::P::compute(thread.task.config.read_hold_ns);
    }
    thread.task.waiting = Waiting::yield;
    [[maybe_unused]] const std::conditional_t<Q::kReleaseInSection, typename E::P::ReadSection, NoSection> section{};
    release_lock<Mode::read, typename E::P>(locked.root->stable.lock, thread.token);
    thread.task.ranks.drop(Rank::anon_vma);
}

// What the first, unreferenced attempt came to.
enum class QuickLock : unsigned char { locked, failed, contended, pinned, pinned_for_nothing };
// What a walk does where the root is locked.
enum class Contended : unsigned char { wait, give_up };

// Steps 1 to 6 up to the end of the RCU section. The anon_vma may be freed and used again at any time in here until
// either the lock is held and the page is seen mapped, or a reference is held and the page is seen mapped: an anon_vma
// does not end before its pages are unmapped. Its memory keeps its type meanwhile.
template <RmapSite kSite, class E, class L, class Q>
QuickLock lock_quickly(RmapThread<E, L>& thread, const Page<E>* page, LockedAnonVma<E, L>& out, Contended contended) {
    const typename E::P::ReadSection section;
    // acquire (A1, pairs with fault.hpp:R1, fault.hpp:R4, migrate.hpp:R1): the anon_vma and its lock are set up.
    const std::uint64_t mapping = page->mapping.load(acquire);
    if ((mapping & kMappingAnon) == 0 || !page_mapped(page)) {
        return QuickLock::failed;
    }
    auto* const tag = reinterpret_cast<AnonVmaTag*>(static_cast<std::uintptr_t>(mapping & ~kMappingAnon));
    out.anon_vma = anon_vma_of<E, L>(tag);
    out.root = root_of<E, L>(out.anon_vma);
    thread.task.ranks.take(Rank::anon_vma);
    if (try_acquire_lock<kSite, Mode::read>(thread.task.ctx, out.root->stable.lock, thread.token,
                                            out.root->stable.last_writer)) {
        if constexpr (Q::kRecheckAfterTrylock) {
            // The trylock was a read-modify-write, the look at the count of mappings comes after a full fence: the
            // other side is in free_anon_vma.
            E::P::fence_after_rmw();
            if (!page_mapped(page)) {
                release_lock<Mode::read, typename E::P>(out.root->stable.lock, thread.token);
                thread.task.ranks.drop(Rank::anon_vma);
                return QuickLock::failed;
            }
        }
        return QuickLock::locked;
    }
    thread.task.ranks.drop(Rank::anon_vma);
    if (contended == Contended::give_up) {
        return QuickLock::contended;
    }
    if (!get_unless_zero<typename E::P>(out.anon_vma->stable.refcount)) {
        return QuickLock::failed;
    }
    E::P::fence_after_rmw();
    return page_mapped(page) ? QuickLock::pinned : QuickLock::pinned_for_nothing;
}

// page_lock_anon_vma_read.
template <RmapSite kSite, class E, class L, class Q>
LockedAnonVma<E, L> lock_anon_vma_read(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, const Page<E>* page,
                                       Contended contended = Contended::wait) {
    LockedAnonVma<E, L> locked;
    switch (lock_quickly<kSite, E, L, Q>(thread, page, locked, contended)) {
        case QuickLock::locked:
            thread.task.waiting = kWaitingInside<L>;
            return locked;
        case QuickLock::failed:
            return {};
        case QuickLock::contended:
            return {.given_up = true};
        case QuickLock::pinned_for_nothing:
            put_anon_vma(rmap, thread, locked.anon_vma);
            return {};
        case QuickLock::pinned:
            break;
    }
    locked.root = root_of<E, L>(locked.anon_vma);
    thread.task.ranks.take(Rank::anon_vma);
    acquire_lock<kSite, Mode::read>(thread.task.ctx, locked.root->stable.lock, thread.token,
                                    locked.root->stable.last_writer);
    thread.task.waiting = kWaitingInside<L>;
    if constexpr (!Q::kPutAfterUnlock) {
        put_anon_vma(rmap, thread, locked.anon_vma);
        return locked;
    }
    if (drop_reference(locked.anon_vma->stable.refcount)) {
        // All others have left while this thread waited: nothing is mapped, and the end of the anon_vma may need the
        // lock for write.
        unlock_anon_vma_read<Q>(thread, locked);
        end_anon_vma(rmap, thread, locked.anon_vma);
        return {};
    }
    return locked;
}

// Visits the VMAs in the tree that may map `index`, parents before children, until `visit` says stop.
template <class E, class L, class F>
void walk_anon_vma(const LockedAnonVma<E, L>& locked, std::uint64_t index, F&& visit) {
    auto& tree = locked.anon_vma->fresh.tree;
    for (Avc<E>* avc = AvcTree<E>::first(tree, index, index); avc != nullptr;
         avc = AvcTree<E>::next(avc, index, index)) {
        if constexpr (E::P::kChecked) {
            check(avc->anon_vma.get() == tag_of(locked.anon_vma), "a member of a tree knows the tree");
        }
        if (!visit(*avc->vma.get())) {
            return;
        }
    }
}

// The entry that maps the page in this VMA, or null. Looked up without the PTE lock: the answer is a hint.
template <class E>
typename E::template Atomic<std::uint64_t>* find_entry(PteTable<E>* table, const Vma<E>& vma, const Page<E>* page) {
    if (table == nullptr) {
        return nullptr;
    }
    auto& entry = table->pte(vma.slot(page->index.get()));
    // acquire (A2, pairs with fault.hpp:R2, fault.hpp:R3, fork.hpp:R3, migrate.hpp:R2, mremap.hpp:R1,
    // mremap.hpp:R2): the same page's fields.
    return Pte::maps<E>(entry.load(acquire), page) ? &entry : nullptr;
}

inline constexpr std::uint32_t kUnknownReferences = ~0U;  // the walk was given up; the kernel says -1

// page_referenced: counts and clears young bits. Stops when all mappings were seen.
template <RmapSite kSite, class E, class L, class Q>
std::uint32_t page_referenced(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, const Page<E>* page) {
    Task<E>& task = thread.task;
    const LockedAnonVma<E, L> locked =
        lock_anon_vma_read<kSite>(rmap, thread, page, task.config.gives_up ? Contended::give_up : Contended::wait);
    if (locked.given_up) {
        task.count(RmapOp::walk_given_up);
        return kUnknownReferences;
    }
    if (locked.anon_vma == nullptr) {
        task.count(RmapOp::walk_missed);
        return 0;
    }
    std::uint32_t referenced = 0;
    std::int32_t unseen = read_hint(page->mapcount);
    walk_anon_vma(locked, page->index.get(), [&](Vma<E>& vma) {
        PteTable<E>* const table = table_of(vma);
        if (auto* const entry = find_entry(table, vma, page); entry != nullptr) {
            const SpinHold<E> hold(task, table->lock, Rank::pte);
            if (Pte::maps<E>(read_locked(*entry), page)) {
                // relaxed: a bit that orders nothing.
                referenced += (entry->fetch_and(~Pte::kYoung, relaxed) & Pte::kYoung) != 0 ? 1 : 0;
                --unseen;
            }
        }
        return unseen > 0;
    });
    unlock_anon_vma_read<Q>(thread, locked);
    return referenced;
}

// The flush of a cleared entry goes to the CPU that runs the process; which processes run is drawn once for each.
template <class E>
void flush_tlb(Task<E>& task) {
    task.count(RmapOp::tlb_flush);
    E::P::ipi(1, task.config.ipi_ns);
}
template <class E>
bool runs_elsewhere(const Task<E>& task, const Vma<E>& vma) {
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;  // multiplicative hashing, Knuth volume 3, 6.4
    const std::uint64_t hash = (vma.mm.get()->id.get() * kGolden) >> 44U;
    return (hash * 1000U) >> 20U < task.config.running_permille;
}

enum class Unmap : unsigned char { all, young, some, missed };

// What try_to_unmap leaves in the place of a mapping: here a swap entry.
template <class E>
struct LeaveSwapEntry {
    static constexpr RmapSite kSite = RmapSite::unmap;
    static constexpr RmapOp kCounted = RmapOp::entry_cleared;
    static constexpr bool kSparesYoung = true;  // a page that was used just now stays

    std::uint64_t entry(std::uint64_t) const {
        slot->count.add(1, relaxed);  // relaxed: the reclaimer holds the slot
        return slot->entry();
    }
    SwapSlot<E>* slot;
};

// One VMA of try_to_unmap (try_to_unmap_one). False: the page was used just now.
template <class E, class Leave>
bool unmap_one(Task<E>& task, Vma<E>& vma, Page<E>* page, const Leave& leave, bool& flush_later) {
    PteTable<E>* const table = table_of(vma);
    auto* const entry = find_entry(table, vma, page);
    if (entry == nullptr) {
        return true;
    }
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t pte = read_locked(*entry);
    if (!Pte::maps<E>(pte, page)) {
        return true;
    }
    if (Leave::kSparesYoung && (pte & Pte::kYoung) != 0) {
        entry->and_(~Pte::kYoung, relaxed);  // relaxed: a bit that orders nothing
        return false;
    }
    const std::uint64_t left = leave.entry(pte);
    // release (R1, pairs with fault.hpp:A1): the slot's data is seen by who finds its entry.
    const std::uint64_t last = entry->exchange(left, release);
    check(Pte::maps<E>(last, page), "an entry changes under its PTE lock only");
    if (task.config.tlb != TlbModel::off && runs_elsewhere(task, vma)) {
        if (task.config.tlb == TlbModel::per_pte_ipi) {
            flush_tlb(task);
        } else {
            flush_later = true;
        }
    }
    task.count(Leave::kCounted);
    remove_mapping(page);
    page->count.sub(1, relaxed);  // relaxed: the caller holds the page, so this is not the last reference
    if constexpr (requires { leave.replaced(task, vma); }) {
        leave.replaced(task, vma);
    }
    return true;
}

// I2: after a walk that nothing stopped, no entry of the tree maps the page. A process that exits has cleared its entry
// a moment before it counts that, so a count that is not 0 is checked entry by entry, each under its PTE lock.
template <class E, class L>
void check_complete(Task<E>& task, const LockedAnonVma<E, L>& locked, const Page<E>* page) {
    if (!page_mapped(page)) {
        return;
    }
    walk_anon_vma(locked, page->index.get(), [&](Vma<E>& vma) {
        if (PteTable<E>* const table = table_of(vma); table != nullptr) {
            const SpinHold<E> hold(task, table->lock, Rank::pte);
            check(!Pte::maps<E>(read_locked(table->pte(vma.slot(page->index.get()))), page),
                  "a walk of the tree finds every entry that maps the page");
        }
        return true;
    });
    // acquire (A3, pairs with exit.hpp:R1): whoever cleared an entry under the PTE locks above has counted it.
    check(page->mapcount.load(acquire) == 0, "every entry that maps a page is in the tree of its anon_vma");
}

// Tells whether entries moved without the root lock beside a walk. Its looks at entries without the PTE lock then may
// miss one that is on its way, as the kernel's do; the page stays mapped and is tried again.
template <class E>
class MoveWatch {
  public:
    explicit MoveWatch(Memory<E>& memory) : memory_(memory), ended_(read(memory.moves_ended)) {}
    [[nodiscard]] bool quiet() const { return read(memory_.moves_begun) == ended_; }

  private:
    static std::uint64_t read(const typename E::template Atomic<std::uint64_t>& count) {
        // acquire (A4, pairs with mremap.hpp:R3): what has ended moves nothing any more.
        return count.load(acquire);
    }
    Memory<E>& memory_;
    std::uint64_t ended_;
};

// try_to_unmap: puts another entry in the place of every mapping, unless one is found young and that matters.
template <class E, class L, class Q, class Leave>
Unmap try_to_unmap(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Page<E>* page, const Leave& leave,
                   bool& flush_later) {
    const MoveWatch<E> moves(rmap.memory);
    const LockedAnonVma<E, L> locked = lock_anon_vma_read<Leave::kSite>(rmap, thread, page);
    if (locked.anon_vma == nullptr) {
        thread.task.count(RmapOp::walk_missed);
        return page_mapped(page) ? Unmap::some : Unmap::missed;
    }
    bool young = false;
    walk_anon_vma(locked, page->index.get(), [&](Vma<E>& vma) {
        young = !unmap_one(thread.task, vma, page, leave, flush_later);
        return !young && page_mapped(page);
    });
    if (!young && moves.quiet()) {
        check_complete(thread.task, locked, page);
    }
    unlock_anon_vma_read<Q>(thread, locked);
    return young ? Unmap::young : page_mapped(page) ? Unmap::some : Unmap::all;
}

}  // namespace lockbench
