// SPDX-License-Identifier: MIT
// A page-table entry, one word.
//
// Origin: arch/x86/include/asm/pgtable_types.h and include/linux/swapops.h of Linux 3.12, of which it keeps what the
// reverse map reads and writes.
#pragma once

#include <cstdint>

namespace lockbench {

template <class E>
struct Page;

// A page-table entry: 0 nothing; bit 0 set: a page, with rights; bit 1 alone: a swap entry; bit 3 without bit 0: a
// migration entry, which names the page that moves and remembers the right to write.
//   63                              4   3       2       1       0
//  +--------------------------------+-------+-------+-------+---------+
//  |     page's address             | dirty | young | write | present |     SwapSlot's address | 2     0
//  |     moving page's address      |   1   |   0   | write |    0    |
//  +--------------------------------+-------+-------+-------+---------+
struct Pte {
    static constexpr std::uint64_t kPresent = 1;
    static constexpr std::uint64_t kWrite = 2;
    static constexpr std::uint64_t kYoung = 4;
    static constexpr std::uint64_t kDirty = 8;
    static constexpr std::uint64_t kBits = 15;
    static constexpr std::uint64_t kSwap = 2;
    static constexpr std::uint64_t kMigration = 8;

    template <class E>
    static std::uint64_t of(const Page<E>* page, std::uint64_t bits) {
        return reinterpret_cast<std::uintptr_t>(page) | kPresent | bits;
    }
    static bool present(std::uint64_t pte) { return (pte & kPresent) != 0; }
    static bool migrating(std::uint64_t pte) { return (pte & (kPresent | kMigration)) == kMigration; }
    static bool swapped(std::uint64_t pte) { return pte != 0 && !present(pte) && !migrating(pte); }
    // What takes the place of `pte` while its page moves.
    template <class E>
    static std::uint64_t migration_of(const Page<E>* page, std::uint64_t pte) {
        return reinterpret_cast<std::uintptr_t>(page) | kMigration | (pte & kWrite);
    }
    template <class E>
    static Page<E>* page(std::uint64_t pte) {
        return reinterpret_cast<Page<E>*>(static_cast<std::uintptr_t>(pte & ~kBits));
    }
    template <class E>
    static bool maps(std::uint64_t pte, const Page<E>* which) {
        return present(pte) && page<E>(pte) == which;
    }
    template <class E>
    static bool migrates(std::uint64_t pte, const Page<E>* which) {
        return migrating(pte) && page<E>(pte) == which;
    }
};

}  // namespace lockbench
