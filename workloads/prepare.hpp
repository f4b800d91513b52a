// SPDX-License-Identifier: MIT
// Life of an anon_vma: allocation, references, the root lock, membership of VMAs, anon_vma_prepare, the end.
//
// Origin: anon_vma_alloc, anon_vma_free, __put_anon_vma, anon_vma_chain_link, anon_vma_prepare of mm/rmap.c and
//   find_mergeable_anon_vma of mm/mmap.c, Linux 3.12.
// Differs: __put_anon_vma frees the child before it drops the root, as from 3.15 on (624483f3ea82): before, the root
//   could be gone when the child's end looked at its lock. anon_vma_prepare publishes the VMA's anon_vma after it has
//   linked the chain, by release, where 3.12 stores it before: a neighbour that shares the anon_vma without the lock
//   must see the chain. Today's counts of children and users (fork_reuse) are an object of their own beside the
//   anon_vma, so that 3.12's stays as it was.
#pragma once

#include <cstdint>

#include "workloads/rmap_memory.hpp"

namespace lockbench {

// What is right. Tests replace single rules to show that each is needed; nothing else does.
struct FaithfulRmap {
    static constexpr bool kRecheckAfterTrylock = true;  // 5.1: the page may have been unmapped before the trylock
    static constexpr bool kFreeChildBeforeRoot = true;  // the child's end looks at the root's lock
    static constexpr bool kDrainOnFree = true;          // wait for whoever holds the root lock
    static constexpr bool kPutAfterUnlock = true;       // the last reference is never dropped inside the lock
    static constexpr bool kReinsertOnExpand = true;     // bounds are keys of the trees
    static constexpr bool kUnlinkNewestFirst = true;    // children before their root
    static constexpr bool kChildHoldsRoot = true;       // each child has a reference on its root
    static constexpr bool kReleaseInSection = true;     // a released lock may be looked at when its root is gone
    static constexpr bool kReinsertOnAdjust = true;     // those of the upper end too
    static constexpr bool kPrepareUnderLock = true;     // a new anon_vma may be one that late walkers still know
    static constexpr bool kForkReuse = true;            // else a process that forks itself anew is in ever more trees
    static constexpr bool kCountsApart = true;          // one count does not tell a child from a user
    static constexpr bool kShareSingular = true;   // VMAs with one anon_vma have equal chains, so that they may merge
    static constexpr bool kMoveBackLocked = true;  // a walk has passed the VMA that gets the entries
    // Migration:
    static constexpr bool kForkKeepsMigration = true;    // a child gets its parent's migration entries
    static constexpr bool kForkDemotesMigration = true;  // as those no longer give a right to write
    static constexpr bool kRestoreUnderLock = true;      // the second walk needs the root lock as the first one does
    static constexpr bool kRestoreBeforeUnlock = true;   // who waits for the page lock finds the page mapped
    static constexpr bool kWaiterHoldsPage = true;       // the page that is waited for may end meanwhile
    static constexpr bool kMovePinsAnonVma = true;       // between the walks no mapping keeps the anon_vma
    static constexpr bool kMoveCountsUsers = true;       // a page that somebody else uses stays where it is
};

template <class E, class L, class Q = FaithfulRmap>
struct Rmap {
    static_assert(rmap_layout_holds<E, L>());
    using P = typename E::P;
    using Env = E;
    using Lock = L;
    using Rules = Q;

    Rmap(const RmapConfig& config, const Homes& homes)
        : memory(config, homes.data), anon_vmas(homes.lock, config.layout) {}

    Memory<E> memory;
    AnonVmaPool<E, L> anon_vmas;
};

// A thread with what it needs to take the lock under test: at most one root at a time, so one token.
template <class E, class L>
struct RmapThread {
    RmapThread(Ctx<typename E::P>& ctx, const RmapConfig& config) : task(ctx, config), token(ctx) {}

    Task<E> task;
    typename L::Token token;
};

// How spinlocks wait inside a section of the lock under test: where that one spins, nobody inside may give the CPU
// away.
template <class L>
inline constexpr Waiting kWaitingInside = L::kInfo.kind == WaitKind::spin ? Waiting::spin : Waiting::yield;

template <RmapSite kSite, class E, class L>
void lock_root_write(RmapThread<E, L>& thread, AnonVma<E, L>* root) {
    thread.task.ranks.take(Rank::anon_vma);
    acquire_lock<kSite, Mode::write>(thread.task.ctx, root->stable.lock, thread.token, root->stable.last_writer);
    thread.task.waiting = kWaitingInside<L>;
}

template <class E, class L>
void unlock_root_write(RmapThread<E, L>& thread, AnonVma<E, L>* root) {
    if (thread.task.config.write_hold_ns != 0) {
        E::P::compute(thread.task.config.write_hold_ns);
    }
    thread.task.waiting = Waiting::yield;
    release_lock<Mode::write, typename E::P>(root->stable.lock, thread.token);
    thread.task.ranks.drop(Rank::anon_vma);
}

template <class E, class L>
AnonVma<E, L>* root_of(AnonVma<E, L>* anon_vma) {
    // acquire (A1, pairs with R1, fork.hpp:R2): the root's lock has been constructed.
    return anon_vma_of<E, L>(anon_vma->stable.root.load(acquire));
}

// A new anon_vma is its own root; the reference is that of its tree. Late walkers may still look at recycled memory, so
// nothing but the count and the root is written, and the lock least of all.
template <class E, class L, class Q>
AnonVma<E, L>* alloc_anon_vma(Rmap<E, L, Q>& rmap) {
    AnonVma<E, L>* const anon_vma = rmap.anon_vmas.alloc();
    anon_vma->stable.refcount.store(1, relaxed);  // relaxed: whoever uses it got its address later
    // release (R1, pairs with A1): a late walker that locks this root finds a constructed lock.
    anon_vma->stable.root.store(tag_of(anon_vma), release);
    if (rmap.memory.config.fork_reuse) {
        anon_vma->fresh.use.set(rmap.memory.uses.make(tag_of(anon_vma)));
    }
    return anon_vma;
}

template <class Count>
void change_count(Count& count, int by) {
    const std::uint32_t before = count.get();
    check(by > 0 || before > 0, "users and children that leave were counted");
    count.set(before + static_cast<std::uint32_t>(by));
}
// A VMA begins or ceases to put its new pages there. Under the root's write lock.
template <class E, class L>
void change_users(AnonVma<E, L>* anon_vma, int by) {
    if (AnonVmaUse<E>* const use = anon_vma->fresh.use.get(); use != nullptr) {
        change_count(use->active, by);
    }
}
// It becomes its parent's child or, when its tree is empty, ceases to be. Under the root's write lock.
template <class E, class L>
void change_children_of_parent(AnonVma<E, L>* anon_vma, int by) {
    if (AnonVmaUse<E>* const use = anon_vma->fresh.use.get(); use != nullptr) {
        change_count(anon_vma_of<E, L>(use->parent.get())->fresh.use.get()->children, by);
    }
}

// The end of an anon_vma: nobody refers to it any more. A walker may hold the root lock all the same, if it took it
// without a reference when the page was still mapped; taking the lock once waits for it.
template <class E, class L, class Q>
void free_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, AnonVma<E, L>* anon_vma) {
    check(read_hint(anon_vma->stable.refcount) == 0, "an anon_vma that ends has no references");
    check(anon_vma->fresh.tree.get() == nullptr, "an anon_vma that ends has an empty tree");
    if constexpr (Q::kDrainOnFree) {
        // The count fell to 0 by a read-modify-write; a walker's trylock is one too, and each side then looks at what
        // the other wrote. Both need a full fence between, so that one of them sees the other.
        E::P::fence_after_rmw();
        AnonVma<E, L>* const root = root_of<E, L>(anon_vma);
        // A library's lock cannot be asked (kInfo.is_locked is false): always wait.
        if (!L::kInfo.is_locked || root->stable.lock.is_locked()) {
            lock_root_write<RmapSite::drain>(thread, root);
            unlock_root_write(thread, root);
        } else {
            // acquire (A4, pairs with guard.hpp:R1, the last unlock, whose value is_locked() has read): what the last
            // walker read in its section comes before the memory's next use. The kernel leans on the order of a load
            // before the stores that depend on it, which C++ does not know.
            E::P::fence(acquire);
        }
    }
    if (AnonVmaUse<E>* const use = anon_vma->fresh.use.get(); use != nullptr) {
        check(use->children.get() == 0, "an anon_vma that ends has no children");
        check(use->active.get() == 0, "an anon_vma that ends is no VMA's own");
        rmap.memory.uses.destroy(use);
    }
    rmap.anon_vmas.free(anon_vma);
}

// The count of `anon_vma` has fallen to 0. Not to be called with the root lock held.
template <class E, class L, class Q>
void end_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, AnonVma<E, L>* anon_vma) {
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma);
    if constexpr (Q::kFreeChildBeforeRoot) {
        free_anon_vma(rmap, thread, anon_vma);
    }
    if (Q::kChildHoldsRoot && root != anon_vma && drop_reference(root->stable.refcount)) {
        free_anon_vma(rmap, thread, root);
    }
    if constexpr (!Q::kFreeChildBeforeRoot) {
        free_anon_vma(rmap, thread, anon_vma);
    }
}

template <class E, class L, class Q>
void put_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, AnonVma<E, L>* anon_vma) {
    if (drop_reference(anon_vma->stable.refcount)) {
        end_anon_vma(rmap, thread, anon_vma);
    }
}

// Chains: newest first, as the kernel's list of a VMA.
template <class E>
void chain_add(Vma<E>& vma, Avc<E>* avc) {
    Avc<E>* const next = vma.newest.get();
    avc->newer.set(nullptr);
    avc->older.set(next);
    if (next == nullptr) {
        vma.oldest.set(avc);
    } else {
        next->newer.set(avc);
    }
    vma.newest.set(avc);
}
template <class E>
void chain_remove(Vma<E>& vma, Avc<E>* avc) {
    Avc<E>* const newer = avc->newer.get();
    Avc<E>* const older = avc->older.get();
    if (newer == nullptr) {
        vma.newest.set(older);
    } else {
        newer->older.set(older);
    }
    if (older == nullptr) {
        vma.oldest.set(newer);
    } else {
        older->newer.set(newer);
    }
}

// Puts the VMA into the anon_vma's tree (anon_vma_chain_link). Under the root's write lock.
template <class E, class L>
void link_avc(Vma<E>& vma, Avc<E>* avc, AnonVma<E, L>* anon_vma) {
    avc->vma.set(&vma);
    avc->anon_vma.set(tag_of(anon_vma));
    chain_add(vma, avc);
    AvcTree<E>::insert(anon_vma->fresh.tree, avc);
}

// Changes the VMA's bounds. They are keys of the trees, so it leaves them all and comes back. Under the root's write
// lock.
template <class E, class L, bool kReinsert, class F>
void change_bounds(Vma<E>& vma, F&& change) {
    const auto for_each_tree = [&vma](auto visit) {
        for (Avc<E>* avc = vma.newest.get(); avc != nullptr; avc = avc->older.get()) {
            visit(anon_vma_of<E, L>(avc->anon_vma.get())->fresh.tree, avc);
        }
    };
    if constexpr (kReinsert) {
        for_each_tree([](auto& tree, Avc<E>* avc) { AvcTree<E>::remove(tree, avc); });
    }
    change();
    if constexpr (kReinsert) {
        for_each_tree([](auto& tree, Avc<E>* avc) { AvcTree<E>::insert(tree, avc); });
    }
}

// May fault(a) share the anon_vma of `near`? Both VMAs, one after the other, look like one that mprotect has split.
template <class E>
bool adjacent_and_alike(const Vma<E>& a, const Vma<E>& b) {
    const std::uint64_t a_end = a.end.get();
    if (a_end != b.start.get() || a.kind.get() != b.kind.get() || a.file.get() != b.file.get()) {
        return false;
    }
    const std::uint64_t a_pgoff = a.pgoff.get();
    return b.pgoff.get() == a_pgoff + a.pages();
}

// The anon_vma of `near` if a neighbour may use it too: its chain must hold nothing else (reusable_anon_vma).
template <class E, bool kSingular>
AnonVmaTag* reusable(const Vma<E>& near, const Vma<E>& a, const Vma<E>& b) {
    if (!adjacent_and_alike(a, b)) {
        return nullptr;
    }
    // acquire (A2, pairs with R3): the chain is linked when this is set, and changes under mmap_sem for write only.
    AnonVmaTag* const tag = near.anon_vma.load(acquire);
    if (tag == nullptr) {
        return nullptr;
    }
    const Avc<E>* const newest = near.newest.get();
    return !kSingular || (newest != nullptr && newest->older.get() == nullptr) ? tag : nullptr;
}

template <class E, bool kSingular>
AnonVmaTag* find_mergeable(const Vma<E>& vma) {
    if (const Vma<E>* const next = vma.next.get(); next != nullptr) {
        if (AnonVmaTag* const tag = reusable<E, kSingular>(*next, vma, *next); tag != nullptr) {
            return tag;
        }
    }
    const Vma<E>* const prev = vma.prev.get();
    return prev == nullptr ? nullptr : reusable<E, kSingular>(*prev, *prev, vma);
}

// Gives the VMA an anon_vma before its first anonymous page. mmap_sem is held, for read perhaps: threads may race, and
// the one that comes second gives back what it made. False: no memory.
template <class E, class L, class Q>
bool prepare_slow(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    Task<E>& task = thread.task;
    if (task.fails(task.config.alloc_fail)) {
        return false;
    }
    Avc<E>* avc = rmap.memory.avcs.make();
    AnonVma<E, L>* anon_vma = anon_vma_of<E, L>(find_mergeable<E, Q::kShareSingular>(vma));
    AnonVma<E, L>* allocated = nullptr;
    if (anon_vma == nullptr) {
        if (task.fails(task.config.alloc_fail)) {
            rmap.memory.avcs.destroy(avc);
            return false;
        }
        anon_vma = alloc_anon_vma(rmap);
        allocated = anon_vma;
    }
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma);
    if constexpr (Q::kPrepareUnderLock) {
        lock_root_write<RmapSite::prepare>(thread, root);
    }
    {
        const SpinHold<E> hold(task, vma.mm.get()->page_table_lock, Rank::pte);
        if (read_locked(vma.anon_vma) == nullptr) {
            link_avc<E, L>(vma, avc, anon_vma);
            if (allocated != nullptr) {
                change_children_of_parent<E, L>(anon_vma, 1);  // a root counts itself, so it is never adopted
            }
            change_users<E, L>(anon_vma, 1);
            // release (R3, pairs with A2, A3): the chain is linked.
            vma.anon_vma.store(tag_of(anon_vma), release);
            avc = nullptr;
            allocated = nullptr;
        }
    }
    if constexpr (Q::kPrepareUnderLock) {
        unlock_root_write(thread, root);
    }
    if (allocated != nullptr) {
        put_anon_vma(rmap, thread, allocated);
    }
    if (avc != nullptr) {
        rmap.memory.avcs.destroy(avc);
    }
    return true;
}

template <class E>
AnonVmaTag* anon_vma_tag(const Vma<E>& vma) {
    // acquire (A3, pairs with R3, fork.hpp:R1, split.hpp:R1): the anon_vma is set up.
    return vma.anon_vma.load(acquire);
}

template <class E, class L, class Q>
bool prepare_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    return anon_vma_tag(vma) != nullptr || prepare_slow(rmap, thread, vma);
}

}  // namespace lockbench
