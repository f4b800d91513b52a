// SPDX-License-Identifier: MIT
// The end of an address space: unmap its pages, take its VMAs out of the trees, free what is empty.
//
// Origin: exit_mmap, zap_pte_range and free_pgtables of mm/mmap.c and mm/memory.c, unlink_anon_vmas of mm/rmap.c,
//   Linux 3.12. exit_mmap takes no mmap_sem there: nobody else can find the process any more but through the trees.
// Differs: no TLB flush: a process that exits has left its CPUs.
//
// Locks: PTE lock, then for each VMA one write section of the root lock, then its file's mutex. Acquisitions of root
// locks: one for each VMA with an anon_vma, plus one for each anon_vma that ends while its root is locked (drain).
#pragma once

#include "workloads/prepare.hpp"

namespace lockbench {

// Takes one mapping of the page away. Under the PTE lock of the entry. The mapping's reference is dropped later.
template <class E>
void remove_mapping(Page<E>* page) {
    // acq_rel (A1, R1: pairs with R1, A1, fault.hpp:A2, reclaim.hpp:A3, writeback.hpp:A1): the kernel's is a full
    // barrier.
    const std::int32_t before = page->mapcount.fetch_sub(1, acq_rel);
    check(before > 0, "a mapping that goes was counted");
}

// A page is locked as long as a migration entry names it. Under the PTE lock of the entry.
template <class E>
void check_migration_entry(std::uint64_t pte) {
    check((read_locked(Pte::page<E>(pte)->flags) & kPageLocked) != 0, "a page that a migration entry names is locked");
}

// The first process has touched all its VMAs of this kind before anybody forks: of their pages none is ever missing,
// but those that a stack or heap has room to grow by.
template <class E>
bool always_has_page(const RmapConfig& config, const Vma<E>& vma, std::uint64_t entry) {
    const std::uint32_t number = vma.number.get();
    const std::uint64_t room = number + 1 == config.anon_vmas ? config.grow_pages : 0;
    return number < config.anon_vmas && entry >= room && entry - room < config.pages;
}

// Empties all entries of a VMA (zap_pte_range).
template <class E>
void zap_vma(Memory<E>& memory, Task<E>& task, Vma<E>& vma) {
    PteTable<E>* const table = table_of(vma);
    if (table == nullptr) {
        return;
    }
    const std::uint64_t entries = vma.end_slot();
    std::uint64_t at = vma.first_slot();
    while (at < entries) {  // bounded: the entries of one table
        // The gathered pages are given up outside the PTE lock, as the lru lock may be needed for that.
        flush_dropped(memory, task);
        const SpinHold<E> hold(task, table->lock, Rank::pte);
        for (; at < entries && task.dropped_count + 1 < task.dropped.size(); ++at) {
            auto& entry = table->pte(at);
            if (read_locked(entry) == 0) {
                check(!always_has_page(memory.config, vma, at), "no entry of a page that a process has is lost");
                continue;
            }
            // relaxed: under the PTE lock; an exchange, as the hardware may set the young bit meanwhile.
            const std::uint64_t pte = entry.exchange(0, relaxed);
            if (Pte::present(pte)) {
                Page<E>* const page = Pte::page<E>(pte);
                remove_mapping(page);
                drop_later(memory, task, page);
            } else if (Pte::migrating(pte)) {
                check_migration_entry<E>(pte);  // it holds no reference
            } else {
                put_slot(memory, SwapSlot<E>::of(pte));
            }
        }
    }
    flush_dropped(memory, task);
}

// Takes a VMA out of all its trees (unlink_anon_vmas), newest anon_vma first, under one hold of the root lock. Empty
// anon_vmas stay on the chain and are put after the lock is dropped: ending one may take that lock again.
template <class E, class L, class Q>
void unlink_anon_vmas(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma) {
    const auto first = [&vma] { return Q::kUnlinkNewestFirst ? vma.newest.get() : vma.oldest.get(); };
    const auto after = [](Avc<E>* avc) { return Q::kUnlinkNewestFirst ? avc->older.get() : avc->newer.get(); };
    AnonVma<E, L>* root = nullptr;
    for (Avc<E>*avc = first(), *next = nullptr; avc != nullptr; avc = next) {
        next = after(avc);
        AnonVma<E, L>* const anon_vma = anon_vma_of<E, L>(avc->anon_vma.get());
        AnonVma<E, L>* const its_root = root_of<E, L>(anon_vma);
        check(root == nullptr || root == its_root, "all anon_vmas of a chain have one root");
        if (root == nullptr) {
            root = its_root;
            lock_root_write<RmapSite::unlink>(thread, root);
        }
        AvcTree<E>::remove(anon_vma->fresh.tree, avc);
        if (anon_vma->fresh.tree.get() != nullptr) {
            chain_remove(vma, avc);
            rmap.memory.avcs.destroy(avc);
        } else {
            change_children_of_parent<E, L>(anon_vma, -1);
        }
    }
    if (root != nullptr) {
        // Null: a fork that came to nothing.
        if (AnonVmaTag* const own = anon_vma_tag(vma); own != nullptr) {
            change_users<E, L>(anon_vma_of<E, L>(own), -1);
        }
        unlock_root_write(thread, root);
    }
    for (Avc<E>*avc = first(), *next = nullptr; avc != nullptr; avc = next) {
        next = after(avc);
        put_anon_vma(rmap, thread, anon_vma_of<E, L>(avc->anon_vma.get()));
        chain_remove(vma, avc);
        rmap.memory.avcs.destroy(avc);
    }
}

// Puts a VMA into its file's tree or takes it out.
template <class E>
void change_file_tree(Task<E>& task, Vma<E>& vma, bool insert) {
    File<E>* const file = vma.file.get();
    if (file == nullptr) {
        return;
    }
    task.ranks.take(Rank::i_mmap);
    file->i_mmap_mutex.lock(task.file_token);
    if (insert) {
        FileTree<E>::insert(file->tree, &vma);
    } else {
        FileTree<E>::remove(file->tree, &vma);
    }
    file->i_mmap_mutex.unlock(task.file_token);
    task.ranks.drop(Rank::i_mmap);
}

// Takes a VMA and its page table apart (free_pgtables, remove_vma). It has left the trees: no walker comes any more.
template <class E>
void free_vma(Memory<E>& memory, Vma<E>& vma) {
    if (PteTable<E>* const table = table_of(vma); table != nullptr) {
        const std::uint32_t users = table->users.get();
        if (users == 1) {
            free_table(memory, table, table_entries(vma));
        } else {
            table->users.set(users - 1);
        }
    }
    check(vma.newest.get() == nullptr && vma.oldest.get() == nullptr, "a VMA that ends is in no tree");
    memory.vmas.destroy(&vma);
}

// exit_mmap. Also the way back of a fork that failed half-way.
template <class E, class L, class Q>
void exit_mm(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Mm<E>* mm) {
    Task<E>& task = thread.task;
    // Pages that wait to enter a list are given to it first, as lru_add_drain does: they could not be freed.
    flush_added(rmap.memory, task);
    E::Second::leave_mm(task, *mm);
    for (Vma<E>* vma = mm->first.get(); vma != nullptr; vma = vma->next.get()) {
        zap_vma(rmap.memory, task, *vma);
    }
    for (Vma<E>*vma = mm->first.get(), *next = nullptr; vma != nullptr; vma = next) {
        next = vma->next.get();
        unlink_anon_vmas(rmap, thread, *vma);
        change_file_tree(task, *vma, false);
        free_vma(rmap.memory, *vma);
    }
    E::Second::put_mm(rmap.memory, mm);
}

}  // namespace lockbench
