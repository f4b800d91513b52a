// SPDX-License-Identifier: MIT
// The invariants of rmap_verify.hpp that speak of chains, for a process that lives, beside others that run.
//
//   I1  each VMA is found in the tree of each anon_vma on its chain, by its first page and by its last
//   I3  all anon_vmas of a chain have one root
//   I6  VMAs with one active anon_vma have equal chains
#pragma once

#include "workloads/fault.hpp"

namespace lockbench {

template <class E, class L>
bool tree_finds(AnonVma<E, L>* anon_vma, std::uint64_t index, const Avc<E>* wanted) {
    auto& tree = anon_vma->fresh.tree;
    for (Avc<E>* avc = AvcTree<E>::first(tree, index, index); avc != nullptr;
         avc = AvcTree<E>::next(avc, index, index)) {
        if (avc == wanted) {
            return true;
        }
    }
    return false;
}

// I1 and I3 of one VMA, under the root lock: that is what they hold under.
template <class E, class L>
void check_chain(RmapThread<E, L>& thread, const Vma<E>& vma) {
    AnonVmaTag* const own = anon_vma_tag(vma);
    if (own == nullptr) {
        check(vma.newest.get() == nullptr, "a VMA without an anon_vma is in no tree");
        return;
    }
    AnonVma<E, L>* const root = root_of<E, L>(anon_vma_of<E, L>(own));
    const std::uint64_t first = vma.pgoff.get();
    const std::uint64_t last = first + vma.pages() - 1;
    bool owned = false;
    thread.task.ranks.take(Rank::anon_vma);
    lock_for_read(root->stable.lock, thread.token);
    for (const Avc<E>* avc = vma.newest.get(); avc != nullptr; avc = avc->older.get()) {
        AnonVma<E, L>* const anon_vma = anon_vma_of<E, L>(avc->anon_vma.get());
        owned = owned || tag_of(anon_vma) == own;
        check((root_of<E, L>(anon_vma)) == root, "I3: all anon_vmas of a chain have one root");
        check((tree_finds<E, L>(anon_vma, first, avc)) && (tree_finds<E, L>(anon_vma, last, avc)),
              "I1: a VMA is found in each tree of its chain");
    }
    unlock_for_read(root->stable.lock, thread.token);
    thread.task.ranks.drop(Rank::anon_vma);
    check(owned, "a VMA is in the tree of its own anon_vma");
}

template <class E>
bool equal_chains(const Vma<E>& a, const Vma<E>& b) {
    const Avc<E>* mine = a.newest.get();
    const Avc<E>* other = b.newest.get();
    while (mine != nullptr && other != nullptr && mine->anon_vma.get() == other->anon_vma.get()) {
        mine = mine->older.get();
        other = other->older.get();
    }
    return mine == nullptr && other == nullptr;
}

// All of them, of a process that nobody else changes.
template <class E, class L>
void check_process(RmapThread<E, L>& thread, const Mm<E>& mm) {
    for (const Vma<E>* vma = mm.first.get(); vma != nullptr; vma = vma->next.get()) {
        check_chain(thread, *vma);
        AnonVmaTag* const own = anon_vma_tag(*vma);
        for (const Vma<E>* other = vma->next.get(); own != nullptr && other != nullptr; other = other->next.get()) {
            check(anon_vma_tag(*other) != own || equal_chains(*vma, *other),
                  "I6: VMAs with one anon_vma have equal chains");
        }
    }
}

}  // namespace lockbench
