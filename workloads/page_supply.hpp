// SPDX-License-Identifier: MIT
// Keeps the supply of pages level where some threads reclaim: a thread that has freed pages touches as many that are
// not in memory, and uses some that are.
#pragma once

#include "workloads/processes.hpp"

namespace lockbench {

// One thread's, over the pages of the first process.
template <class E, class L, class Q>
class PageSupply {
  public:
    PageSupply(ProcessTrial<E, L, Q>& trial, Family<E, L, Q>& family)
        : trial_(trial),
          family_(family),
          wanted_(family.make_cursor(trial.parent())),
          used_(family.make_cursor(trial.parent())) {}

    // Touches as many of the pages that are not in memory as were freed. Looks at each page once at most.
    void fault_in(std::size_t freed) {
        const std::uint64_t all = std::uint64_t{trial_.config().anon_vmas} * trial_.config().pages;
        for (std::uint64_t looked = 0; looked < all && freed > 0; ++looked) {
            Vma<E>& vma = wanted_.vma();
            const std::uint64_t index = wanted_.index();
            if (!Pte::present(read_hint(table_of(vma)->pte(vma.slot(index))))) {
                touch_page(trial_.rmap(), family_.thread(), vma, index);
                --freed;
            }
            wanted_.advance();
        }
    }

    // Reads pages here and there; those in memory become young.
    void use_again() {
        RandomStream& random = family_.thread().task.ctx.random;
        for (std::uint32_t i = 0; i < trial_.config().batch; ++i) {
            if (!random.chance(trial_.config().retouch_permille)) {
                continue;
            }
            for (std::uint32_t skip = random.below(kLongestStride); skip > 0; --skip) {
                used_.advance();
            }
            Vma<E>& vma = used_.vma();
            auto& entry = table_of(vma)->pte(vma.slot(used_.index()));
            const std::uint64_t pte = read_hint(entry);
            if (Pte::present(pte) && (pte & Pte::kYoung) == 0) {
                entry.try_cas(pte, pte | Pte::kYoung, relaxed);  // relaxed: the hardware's bit orders nothing
            }
            used_.advance();
        }
    }

  private:
    static constexpr std::uint32_t kLongestStride = 16;  // pages

    ProcessTrial<E, L, Q>& trial_;
    Family<E, L, Q>& family_;
    PageCursor<E> wanted_;
    PageCursor<E> used_;
};

}  // namespace lockbench
