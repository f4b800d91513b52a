// SPDX-License-Identifier: MIT
// Fork of an address space: copy VMAs, enter them into the trees of all ancestors, copy page-table entries.
//
// Origin: dup_mmap of kernel/fork.c, copy_page_range of mm/memory.c, anon_vma_clone and anon_vma_fork of mm/rmap.c,
//   Linux 3.12.
// Differs: no copy of the VMAs' red-black tree by address, as nothing looks up by address. The parent's entries are
//   write-protected without a TLB flush: the forking thread is the one that runs the parent.
//
// Locks: mmap_sem of parent and child for write; for each VMA with an anon_vma two write sections of the root lock (all
// ancestors' trees; the child's own anon_vma); its file's mutex; PTE locks of child and parent together. The copy of
// entries, most of a fork's time, is outside the root lock: a walk finds an entry in the parent or, behind it in the
// tree, in the child. So does the walk that ends a migration: the child's copy of a migration entry lies behind.
#pragma once

#include "workloads/exit.hpp"

namespace lockbench {

// Enters `to` into every tree that `from` is in, oldest first. One hold of the root lock; the first AVC is allocated
// before it, the others inside, where allocation may not sleep: if one fails, the lock is dropped and it is repeated
// with sleep. False: no memory, and `to` is in no tree.
template <class E, class L, class Q>
bool clone_anon_vmas(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    Task<E>& task = thread.task;
    AnonVma<E, L>* root = nullptr;
    for (Avc<E>* old = from.oldest.get(); old != nullptr; old = old->newer.get()) {
        if (task.fails(task.config.nowait_fail)) {
            task.count(RmapOp::avc_retry);
            if (root != nullptr) {
                unlock_root_write(thread, root);
                root = nullptr;
            }
            if (task.fails(task.config.alloc_fail)) {
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
        link_avc<E, L>(to, avc, anon_vma);
    }
    if (root != nullptr) {
        unlock_root_write(thread, root);
    }
    return true;
}

// Gives the child's VMA its own anon_vma below the parent's root, beside membership in the trees of all ancestors.
template <class E, class L, class Q>
bool fork_anon_vma(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& to, const Vma<E>& from) {
    Task<E>& task = thread.task;
    AnonVmaTag* const parent_tag = anon_vma_tag(from);
    if (parent_tag == nullptr) {
        return true;
    }
    if (!clone_anon_vmas(rmap, thread, to, from)) {
        return false;
    }
    if (task.fails(task.config.alloc_fail)) {
        unlink_anon_vmas(rmap, thread, to);
        return false;
    }
    AnonVma<E, L>* const own = alloc_anon_vma(rmap);
    if (task.fails(task.config.alloc_fail)) {
        put_anon_vma(rmap, thread, own);
        unlink_anon_vmas(rmap, thread, to);
        return false;
    }
    Avc<E>* const avc = rmap.memory.avcs.make();
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(parent_tag));
    if constexpr (Q::kChildHoldsRoot) {
        root->stable.refcount.add(1, relaxed);  // relaxed: the parent's VMA keeps the root alive
    }
    // release (R2, pairs with prepare.hpp:A1): the root's lock is constructed.
    own->stable.root.store(tag_of(root), release);
    // release (R1, pairs with prepare.hpp:A3): the anon_vma is set up.
    to.anon_vma.store(tag_of(own), release);
    lock_root_write<RmapSite::fork_own>(thread, root);
    link_avc<E, L>(to, avc, own);
    unlock_root_write(thread, root);
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

template <class E, class Q>
void copy_table(Memory<E>& memory, Task<E>& task, Vma<E>& to, Vma<E>& from) {
    PteTable<E>* const source = table_of(from);
    if (source == nullptr) {
        return;
    }
    PteTable<E>* const target = need_table(memory, task, to);
    const std::uint64_t entries = table_entries(from);
    const SpinHold<E> hold_target(task, target->lock, Rank::pte);
    const SpinHold<E> hold_source(task, source->lock, Rank::pte);
    for (std::uint64_t at = 0; at < entries; ++at) {
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
