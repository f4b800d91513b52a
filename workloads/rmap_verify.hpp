// SPDX-License-Identifier: MIT
// The invariants of the reverse map, checked when no thread runs and one process is left, the one all others came from.
//
//   I1  a VMA is in the tree of each anon_vma on its chain, with its present bounds    (here, rmap_check.hpp)
//   I2  a walk finds every entry that maps the page                                    (reclaim.hpp, at every walk)
//   I3  all anon_vmas of a chain have one root                                         (exit.hpp, fork.hpp, here)
//   I4  a root outlives what refers to it: counts add up                               (prepare.hpp, here)
//   I5  no walker meets a freed tree; the lock that is dropped is the one taken        (reclaim.hpp; checked platforms)
//   I6  VMAs with one active anon_vma have equal chains                                (here, rmap_check.hpp)
//   I7  entries change under their PTE lock                                            (reclaim.hpp, exit.hpp)
// Besides: every page, entry, swap slot, chain link and anon_vma that is alive is one that this process needs.
#pragma once

#include <string>

#include "workloads/fault.hpp"

namespace lockbench {

// What the process holds, counted from its VMAs.
struct RmapCensus {
    std::int64_t vmas = 0;
    std::int64_t avcs = 0;
    std::int64_t anon_vmas = 0;
    std::int64_t tables = 0;
    std::int64_t chunks = 0;
    std::int64_t pages = 0;
    std::int64_t slots = 0;
    std::int64_t files = 0;
};

template <class E, class L, class Q>
class RmapVerifier {
  public:
    RmapVerifier(const Rmap<E, L, Q>& rmap, const Mm<E>& mm, Verdict& verdict)
        : rmap_(rmap), memory_(rmap.memory), mm_(mm), verdict_(verdict) {}

    void run() {
        const std::int64_t limit = memory_.vmas.live();
        for (const Vma<E>* vma = mm_.first.peek(); vma != nullptr && census_.vmas <= limit; vma = vma->next.peek()) {
            ++census_.vmas;
            name_ = "VMA " + std::to_string(vma->number.peek());
            check_chain(*vma);
            check_entries(*vma);
        }
        check_files();
        check_lists();
        check_counts();
        verdict_.expect(mm_.mmap_sem.is_constructed(), "mmap_sem is not as it was made");
        verdict_.expect(mm_.page_table_lock.is_constructed(), "page_table_lock is not as it was made");
        verdict_.expect(memory_.lru_lock.is_constructed(), "the lru lock is not as it was made");
    }

  private:
    void expect(bool holds, const char* what) {
        if (!holds) {
            verdict_.expect(false, name_ + ": " + what);
        }
    }

    static AnonVma<E, L>* object(AnonVmaTag* tag) { return anon_vma_of<E, L>(tag); }

    void check_chain(const Vma<E>& vma) {
        AnonVmaTag* const active = vma.anon_vma.peek();
        const Avc<E>* const only = vma.newest.peek();
        if (active == nullptr) {
            expect(only == nullptr, "a chain without an anon_vma");
            return;
        }
        // The first process forked from nobody: its chains have one link.
        expect(only != nullptr && only == vma.oldest.peek(), "the first process's chains have one link each");
        if (only == nullptr) {
            return;
        }
        ++census_.avcs;
        expect(only->vma.peek() == &vma, "I1: the link does not know its VMA");
        expect(only->anon_vma.peek() == active, "I6: the link leads to another anon_vma");
        const AnonVma<E, L>& anon_vma = *object(active);
        expect(anon_vma.stable.root.peek() == active, "I3: the first process's anon_vmas are roots");
        expect(anon_vma.stable.lock.is_constructed(), "the root lock is not as it was made");
        // A neighbour before this one may share the anon_vma; it is looked at once.
        const Vma<E>* const before = vma.prev.peek();
        if (before == nullptr || before->anon_vma.peek() != active) {
            ++census_.anon_vmas;
            check_tree(anon_vma, vma);
        }
    }

    void check_tree(const AnonVma<E, L>& anon_vma, const Vma<E>& first) {
        expect(anon_vma.stable.refcount.peek() == 1, "I4: the count of an anon_vma without children is not 1");
        std::size_t members = 0;
        const auto limit = static_cast<std::size_t>(memory_.avcs.live());
        const char* const fault = AvcTree<E>::fault_of(anon_vma.fresh.tree, limit, members);
        expect(fault == nullptr, fault);
        std::size_t sharing = 0;
        for (const Vma<E>* vma = &first; vma != nullptr && vma->anon_vma.peek() == first.anon_vma.peek();
             vma = vma->next.peek()) {
            ++sharing;
        }
        verdict_.expect_equal(static_cast<std::int64_t>(members), static_cast<std::int64_t>(sharing),
                              name_ + ": I1: VMAs in the tree of its anon_vma");
        if (const AnonVmaUse<E>* const use = anon_vma.fresh.use.peek(); use != nullptr) {
            expect(object(use->parent.peek()) == &anon_vma, "a root is not its own parent");
            expect(use->children.peek() == 1, "a root without children does not count itself alone");
            expect(use->active.peek() == sharing, "the count of VMAs whose own an anon_vma is");
        }
    }

    void check_entries(const Vma<E>& vma) {
        const PteTable<E>* const table = vma.table.peek();
        if (table == nullptr) {
            expect(!always_has_page(memory_.config, vma, table_entries(vma)), "its page table is lost");
            return;
        }
        ++census_.tables;
        expect(table->lock.is_constructed(), "the PTE lock is not as it was made");
        const std::uint64_t entries = table_entries(vma);
        census_.chunks += static_cast<std::int64_t>((entries + kPtesInChunk - 1) / kPtesInChunk);
        for (std::uint64_t at = 0; at < entries; ++at) {
            const std::uint64_t pte = table->chunk[at / kPtesInChunk].peek()->pte[at % kPtesInChunk].peek();
            if (Pte::present(pte)) {
                check_page(vma, vma.origin.peek() + at, *Pte::page<E>(pte));
            } else if (Pte::migrating(pte)) {
                expect(false, "a migration entry is left");
            } else if (pte == 0) {
                expect(!always_has_page(memory_.config, vma, at), "the entry of a page is lost");
            } else {
                ++census_.slots;
                expect(SwapSlot<E>::of(pte)->count.peek() == 1, "a swap slot is counted more than once");
            }
        }
    }

    void check_page(const Vma<E>& vma, std::uint64_t index, const Page<E>& page) {
        ++census_.pages;
        expect(page.index.peek() == index, "a page is mapped at another index than its own");
        expect(page.stamp.peek() == stamp_of(vma, index), "a page holds other data than belongs there");
        expect(page.mapcount.peek() == 1, "the count of a page's mappings is not 1");
        expect(page.count.peek() == 1, "a page's references are not those of its mapping");
        expect((page.flags.peek() & (kPageLocked | kPageLru)) == kPageLru, "a page is locked or on no list");
        auto* const tag = reinterpret_cast<AnonVmaTag*>(page.mapping.peek() & ~kMappingAnon);
        expect(tag == vma.anon_vma.peek(), "I4: a page belongs to an anon_vma that is not its VMA's");
    }

    void check_files() {
        for (const File<E>* file = memory_.first_file.peek(); file != nullptr && census_.files <= census_.vmas;
             file = file->next.peek()) {
            ++census_.files;
            std::size_t members = 0;
            const char* const fault =
                FileTree<E>::fault_of(file->tree, static_cast<std::size_t>(memory_.vmas.live()), members);
            name_ = "file " + std::to_string(file->number.peek());
            expect(fault == nullptr, fault);
            expect(members == 1, "one VMA of one process is left in its tree");
            expect(file->i_mmap_mutex.is_constructed(), "the i_mmap mutex is not as it was made");
        }
    }

    void check_lists() {
        std::int64_t found = 0;
        for (const LruList<E>* list : {&memory_.active, &memory_.inactive}) {
            const bool active = list == &memory_.active;
            std::int64_t here = 0;
            const Page<E>* newer = nullptr;
            for (const Page<E>* page = list->newest.peek(); page != nullptr && here <= memory_.pages.live();
                 page = page->older.peek()) {
                ++here;
                verdict_.expect(page->newer.peek() == newer, "an LRU list is not linked both ways");
                verdict_.expect(((page->flags.peek() & kPageActive) != 0) == active, "a page is on the other LRU list");
                newer = page;
            }
            verdict_.expect_equal(here, static_cast<std::int64_t>(list->size.peek()), "pages of an LRU list");
            found += here;
        }
        verdict_.expect_equal(found, memory_.pages.live(), "pages on the LRU lists");
    }

    void check_counts() {
        verdict_.expect_equal(memory_.mms.live(), 1, "address spaces alive");
        verdict_.expect_equal(memory_.vmas.live(), census_.vmas, "VMAs alive");
        verdict_.expect_equal(memory_.avcs.live(), census_.avcs, "chain links alive");
        verdict_.expect_equal(rmap_.anon_vmas.live(), census_.anon_vmas, "anon_vmas alive");
        verdict_.expect_equal(memory_.uses.live(), memory_.config.fork_reuse ? census_.anon_vmas : 0,
                              "counts of anon_vmas alive");
        verdict_.expect_equal(memory_.tables.live(), census_.tables, "page tables alive");
        verdict_.expect_equal(memory_.chunks.live(), census_.chunks, "chunks of page tables alive");
        verdict_.expect_equal(memory_.pages.live(), census_.pages, "pages alive");
        verdict_.expect_equal(memory_.slots.live(), census_.slots, "swap slots alive");
        verdict_.expect_equal(memory_.files.live(), census_.files, "files alive");
    }

    const Rmap<E, L, Q>& rmap_;
    const Memory<E>& memory_;
    const Mm<E>& mm_;
    Verdict& verdict_;
    RmapCensus census_;
    std::string name_;
};

// After the last process is gone: everything has come back.
template <class E, class L, class Q>
void verify_empty(const Rmap<E, L, Q>& rmap, Verdict& verdict) {
    const Memory<E>& memory = rmap.memory;
    verdict.expect_equal(memory.mms.live(), 0, "address spaces left over");
    verdict.expect_equal(memory.vmas.live(), 0, "VMAs left over");
    verdict.expect_equal(memory.avcs.live(), 0, "chain links left over");
    verdict.expect_equal(rmap.anon_vmas.live(), 0, "anon_vmas left over");
    verdict.expect_equal(memory.uses.live(), 0, "counts of anon_vmas left over");
    verdict.expect_equal(memory.tables.live(), 0, "page tables left over");
    verdict.expect_equal(memory.chunks.live(), 0, "chunks of page tables left over");
    verdict.expect_equal(memory.pages.live(), 0, "pages left over");
    verdict.expect_equal(memory.slots.live(), 0, "swap slots left over");
    verdict.expect_equal(memory.files.live(), 0, "files left over");
}

}  // namespace lockbench
