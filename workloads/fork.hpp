// SPDX-License-Identifier: MIT
// Fork of an address space: copy VMAs, enter them into the trees of all ancestors, copy page-table entries.
//
// Origin: dup_mmap of kernel/fork.c, copy_page_range of mm/memory.c, anon_vma_clone and anon_vma_fork of mm/rmap.c,
//   Linux 3.12.
// Differs: no copy of the VMAs' red-black tree by address, as nothing looks up by address. The parent's entries are
//   write-protected without a TLB flush: the forking thread is the one that runs the parent.
// Today (form): all chain links and the child's own anon_vma are allocated before the lock, and a VMA may adopt an
//   anon_vma of its chain that no VMA has as its own any more and that has one child at most (7a3ef208e662, 3.19; with
//   two counts since 2555283eb40d, 6.0); then there is no second section. Where 3.12's form is told to reuse, an
//   adopted anon_vma is counted at once, as the lock may be dropped before the chain is whole.
//
// Locks: mmap_sem of parent and child for write; for each VMA with an anon_vma two write sections of the root lock (all
// ancestors' trees; the child's own anon_vma); its file's mutex; PTE locks of child and parent together. The copy of
// entries, most of a fork's time, is outside the root lock: a walk finds an entry in the parent or, behind it in the
// tree, in the child. So does the walk that ends a migration: the child's copy of a migration entry lies behind.
#pragma once

#include "workloads/exit.hpp"

namespace lockbench {

// The forked VMA has no anon_vma of its own yet and takes this one of an ancestor's, if that has no user left and no
// more than one child. The source's own has a user, the source.
template <class E, class L, class Q>
void adopt_anon_vma(Task<E>& task, Vma<E>& to, const Vma<E>& from, AnonVma<E, L>* anon_vma) {
    const AnonVmaUse<E>* const use = anon_vma->fresh.use.get();
    if (!Q::kForkReuse || use == nullptr || anon_vma_tag(to) != nullptr || anon_vma_tag(from) == tag_of(anon_vma)) {
        return;
    }
    const std::uint32_t users = use->active.get();
    const std::uint32_t children = use->children.get();
    if (Q::kCountsApart ? users == 0 && children < 2 : users + children < 2) {
        // release (R1, pairs with prepare.hpp:A3): the anon_vma is set up.
        to.anon_vma.store(tag_of(anon_vma), release);
        change_users<E, L>(anon_vma, 1);
        task.count(RmapOp::anon_vma_reused);
    }
}

// Enters the forked VMA into one of its source's trees. Under the root's write lock.
template <class E, class L, class Q>
void join_tree(Task<E>& task, Vma<E>& to, const Vma<E>& from, Avc<E>* avc, AnonVma<E, L>* anon_vma) {
    link_avc<E, L>(to, avc, anon_vma);
    adopt_anon_vma<E, L, Q>(task, to, from, anon_vma);
    task.count(RmapOp::avc_linked);
}

// Enters `to` into every tree that `from` is in, oldest first: 3.12's way. One hold of the root lock; the first AVC is
// allocated before it, the others inside, where allocation may not sleep: if one fails, the lock is dropped and it is
// repeated with sleep. False: no memory, and `to` is in no tree.
template <class E, class L, class Q>
bool clone_one_by_one(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    Task<E>& task = thread.task;
    const bool copies = anon_vma_tag(to) != nullptr;
    AnonVma<E, L>* root = nullptr;
    for (Avc<E>* old = from.oldest.get(); old != nullptr; old = old->newer.get()) {
        if (task.fails(task.config.nowait_fail)) {
            task.count(RmapOp::avc_retry);
            if (root != nullptr) {
                unlock_root_write(thread, root);
                root = nullptr;
            }
            if (task.fails(task.config.alloc_fail)) {
                if (copies) {
                    to.anon_vma.store(nullptr, relaxed);  // relaxed: it was not counted among the users yet
                }
                unlink_anon_vmas(rmap, thread, to);
                return false;
            }
        }
        Avc<E>* const avc = rmap.memory.avcs.make();
        AnonVma<E, L>* const anon_vma = anon_vma_of<E, L>(old->anon_vma.get());
        AnonVma<E, L>* const its_root = root_of<E, L>(anon_vma);
        if (root != its_root) {
            check(root == nullptr, "all anon_vmas of a chain have one root");
            root = its_root;
            lock_root_write<RmapSite::clone>(thread, root);
        }
        join_tree<E, L, Q>(task, to, from, avc, anon_vma);
    }
    if (copies) {
        change_users<E, L>(anon_vma_of<E, L>(anon_vma_tag(to)), 1);
    }
    if (root != nullptr) {
        unlock_root_write(thread, root);
    }
    return true;
}

// The same today: all links first, then one section that only enters them. `from` is in a tree at least.
template <class E, class L, class Q>
bool clone_at_once(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    Task<E>& task = thread.task;
    const bool copies = anon_vma_tag(to) != nullptr;
    Avc<E>* spare = nullptr;
    bool enough = true;
    for (const Avc<E>* old = from.oldest.get(); enough && old != nullptr; old = old->newer.get()) {
        enough = !task.fails(task.config.alloc_fail);
        if (enough) {
            Avc<E>* const avc = rmap.memory.avcs.make();
            avc->older.set(spare);
            spare = avc;
        }
    }
    const auto take_spare = [&spare] {
        Avc<E>* const avc = spare;
        spare = avc->older.get();
        return avc;
    };
    if (!enough) {
        while (spare != nullptr) {
            rmap.memory.avcs.destroy(take_spare());
        }
        return false;
    }
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(anon_vma_tag(from)));
    lock_root_write<RmapSite::clone>(thread, root);
    for (const Avc<E>* old = from.oldest.get(); old != nullptr; old = old->newer.get()) {
        AnonVma<E, L>* const anon_vma = anon_vma_of<E, L>(old->anon_vma.get());
        check((root_of<E, L>(anon_vma)) == root, "all anon_vmas of a chain have one root");
        join_tree<E, L, Q>(task, to, from, take_spare(), anon_vma);
    }
    if (copies) {
        change_users<E, L>(anon_vma_of<E, L>(anon_vma_tag(to)), 1);
    }
    unlock_root_write(thread, root);
    return true;
}

// anon_vma_clone. A VMA that is to be the source's copy within its process, and not its child, has the same anon_vma
// already.
template <class E, class L, class Q>
bool clone_anon_vmas(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    return thread.task.config.form == RmapForm::today ? clone_at_once(rmap, thread, to, from)
                                                      : clone_one_by_one(rmap, thread, to, from);
}

// An anon_vma for the forked VMA alone, and its link there.
template <class E, class L>
struct OwnAnonVma {
    AnonVma<E, L>* anon_vma = nullptr;
    Avc<E>* avc = nullptr;
};

// The anon_vma is null: no memory.
template <class E, class L, class Q>
OwnAnonVma<E, L> alloc_own(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread) {
    Task<E>& task = thread.task;
    if (task.fails(task.config.alloc_fail)) {
        return {};
    }
    AnonVma<E, L>* const anon_vma = alloc_anon_vma(rmap);
    if (task.fails(task.config.alloc_fail)) {
        put_anon_vma(rmap, thread, anon_vma);
        return {};
    }
    return {anon_vma, rmap.memory.avcs.make()};
}
template <class E, class L, class Q>
void free_own(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, const OwnAnonVma<E, L>& own) {
    put_anon_vma(rmap, thread, own.anon_vma);
    rmap.memory.avcs.destroy(own.avc);
}

// Makes it the child of the parent VMA's anon_vma and enters the forked VMA as its first user.
template <class E, class L, class Q>
void link_own(RmapThread<E, L>& thread, Vma<E>& to, AnonVmaTag* parent_tag, const OwnAnonVma<E, L>& own) {
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(parent_tag));
    if constexpr (Q::kChildHoldsRoot) {
        root->stable.refcount.add(1, relaxed);  // relaxed: the parent's VMA keeps the root alive
    }
    // release (R2, pairs with prepare.hpp:A1): the root's lock is constructed.
    own.anon_vma->stable.root.store(tag_of(root), release);
    // release (R1, pairs with prepare.hpp:A3): the anon_vma is set up.
    to.anon_vma.store(tag_of(own.anon_vma), release);
    if (AnonVmaUse<E>* const use = own.anon_vma->fresh.use.get(); use != nullptr) {
        use->parent.set(parent_tag);
    }
    lock_root_write<RmapSite::fork_own>(thread, root);
    link_avc<E, L>(to, own.avc, own.anon_vma);
    change_users<E, L>(own.anon_vma, 1);
    change_children_of_parent<E, L>(own.anon_vma, 1);
    unlock_root_write(thread, root);
    thread.task.count(RmapOp::avc_linked);
}

// Gives the child's VMA its own anon_vma below the parent's root, or one of an ancestor's, beside membership in the
// trees of all ancestors.
template <class E, class L, class Q>
bool fork_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    Task<E>& task = thread.task;
    AnonVmaTag* const parent_tag = anon_vma_tag(from);
    if (parent_tag == nullptr) {
        return true;
    }
    const bool early = task.config.form == RmapForm::today;
    OwnAnonVma<E, L> own;
    if (early) {
        own = alloc_own(rmap, thread);
        if (own.anon_vma == nullptr) {
            return false;
        }
    }
    const bool cloned = clone_anon_vmas(rmap, thread, to, from);
    if (!cloned || anon_vma_tag(to) != nullptr) {
        if (early) {
            free_own(rmap, thread, own);
        }
        return cloned;
    }
    if (!early) {
        own = alloc_own(rmap, thread);
        if (own.anon_vma == nullptr) {
            unlink_anon_vmas(rmap, thread, to);
            return false;
        }
    }
    link_own<E, L, Q>(thread, to, parent_tag, own);
    return true;
}

// Copies one entry (copy_one_pte). Under both PTE locks; the child's entry is not young.
template <class E, class Q>
void copy_entry(typename E::template Atomic<std::uint64_t>& to, typename E::template Atomic<std::uint64_t>& from) {
    std::uint64_t pte = read_locked(from);
    if (pte == 0 || (!Q::kForkKeepsMigration && Pte::migrating(pte))) {
        return;
    }
    if (Pte::present(pte)) {
        Page<E>* const page = Pte::page<E>(pte);
        page->count.add(1, relaxed);     // relaxed: the parent's mapping holds the page
        page->mapcount.add(1, relaxed);  // relaxed: under the PTE lock of the mapping that is copied
        if ((pte & Pte::kWrite) != 0) {
            from.and_(~Pte::kWrite, relaxed);  // relaxed: under the PTE lock
            pte &= ~Pte::kWrite;
        }
        pte &= ~Pte::kYoung;
    } else if (Pte::migrating(pte)) {
        check_migration_entry<E>(pte);
        if (Q::kForkDemotesMigration && (pte & Pte::kWrite) != 0) {
            pte &= ~Pte::kWrite;
            from.store(pte, relaxed);  // relaxed: under the PTE lock; the hardware leaves such an entry alone
        }
    } else {
        SwapSlot<E>::of(pte)->count.add(1, relaxed);  // relaxed: the parent's entry holds the slot
    }
    // release (R3, pairs with fault.hpp:A1, reclaim.hpp:A2): the page's fields are seen by who finds it here.
    to.store(pte, release);
}

// The VMA uses a neighbour's page table. With mmap_sem for write.
template <class E>
void share_table(Vma<E>& vma, PteTable<E>* table) {
    const std::uint32_t users = table->users.get();
    table->users.set(users + 1);
    // release (R4, pairs with rmap_memory.hpp:A2): walkers see chunks and entries.
    vma.table.store(table, release);
}

template <class E, class Q>
void copy_table(Memory<E>& memory, Task<E>& task, Vma<E>& to, Vma<E>& from) {
    PteTable<E>* const source = table_of(from);
    if (source == nullptr) {
        return;
    }
    // What shares a table with its neighbour does so in the child.
    if (const Vma<E>* const near = from.prev.get(); near != nullptr && table_of(*near) == source) {
        if (PteTable<E>* const shared = table_of(*to.prev.get()); shared != nullptr) {
            share_table(to, shared);
        }
    }
    PteTable<E>* const target = need_table(memory, task, to);
    const std::uint64_t entries = from.end_slot();
    const SpinHold<E> hold_target(task, target->lock, Rank::pte);
    const SpinHold<E> hold_source(task, source->lock, Rank::pte);
    for (std::uint64_t at = from.first_slot(); at < entries; ++at) {
        copy_entry<E, Q>(target->pte(at), source->pte(at));
    }
}

template <class E>
void append_vma(Mm<E>& mm, Vma<E>* vma) {
    Vma<E>* const last = mm.last.get();
    vma->prev.set(last);
    if (last == nullptr) {
        mm.first.set(vma);
    } else {
        last->next.set(vma);
    }
    mm.last.set(vma);
}

template <class E>
void remove_vma(Mm<E>& mm, Vma<E>& vma) {
    Vma<E>* const prev = vma.prev.get();
    Vma<E>* const next = vma.next.get();
    if (prev == nullptr) {
        mm.first.set(next);
    } else {
        prev->next.set(next);
    }
    if (next == nullptr) {
        mm.last.set(prev);
    } else {
        next->prev.set(prev);
    }
}

template <class E>
Mm<E>* make_mm(Memory<E>& memory) {
    // relaxed: a number, no more.
    const std::uint64_t id = memory.next_mm_id.fetch_add(1, relaxed);
    return memory.mms.make(id);
}

// dup_mmap. Null: no memory, and all is as before.
template <class E, class L, class Q>
Mm<E>* fork_mm(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Mm<E>& parent) {
    Task<E>& task = thread.task;
    Memory<E>& memory = rmap.memory;
    Mm<E>* const child = make_mm(memory);
    bool whole = true;
    mmap_lock(task, parent, Mode::write, task.mmap_token);
    mmap_lock(task, *child, Mode::write, task.child_token);
    for (Vma<E>* from = parent.first.get(); whole && from != nullptr; from = from->next.get()) {
        Vma<E>* const to = memory.vmas.make(child, from->shape());
        if (!fork_anon_vma(rmap, thread, *to, *from)) {
            memory.vmas.destroy(to);
            whole = false;
            break;
        }
        change_file_tree(task, *to, true);
        append_vma(*child, to);
        if (anon_vma_tag(*to) != nullptr) {
            [[maybe_unused]] const typename E::Second::template RangeCall<E> call(task, *from);
            copy_table<E, Q>(memory, task, *to, *from);
        }
    }
    if (whole && task.config.copy_ns != 0) {
        E::P::compute(task.config.copy_ns);
    }
    mmap_unlock(task, *child, Mode::write, task.child_token);
    mmap_unlock(task, parent, Mode::write, task.mmap_token);
    if (!whole) {
        exit_mm(rmap, thread, child);
        task.count(RmapOp::fork_failed);
        return nullptr;
    }
    task.count(RmapOp::fork);
    return child;
}

}  // namespace lockbench
