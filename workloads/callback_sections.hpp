// SPDX-License-Identifier: MIT
// Sections that callbacks of devices run in, and the wait for them: they may sleep, so a read section of RCU will not
// do.
//
// Origin: srcu_read_lock, srcu_read_unlock and synchronize_srcu around the notifiers' list (mm/mmu_notifier.c, one
//   domain for all address spaces, Linux 3.7 on).
// Differs: a word a thread that counts begins and ends, where the kernel has two counters a CPU: sections do not nest
//   here, so an odd word says that its thread is inside, and any other value later that it has left.
#pragma once

#include "platform/platform.hpp"

namespace lockbench {

template <class P>
class CallbackSections {
  public:
    struct Word {
        Word() : sections(0) {}
        typename P::template Atomic<std::uint64_t> sections;
    };

    CallbackSections() {
        // seq_cst, with the fence: either the end of the device sees this section, or what follows here sees the end.
        mine().sections.fetch_add(1, seq_cst);
        P::fence_after_rmw();
    }
    ~CallbackSections() {
        // release (R1, pairs with A1, A2): what the callback did comes before the end of the device.
        mine().sections.add(1, release);
    }
    CallbackSections(const CallbackSections&) = delete;
    CallbackSections& operator=(const CallbackSections&) = delete;

    // Waits for all sections that have begun (synchronize_srcu).
    static void synchronize(std::uint32_t threads) {
        // seq_cst: the other side of a section's begin. The caller has made the device unfindable before.
        P::fence(seq_cst);
        for (ThreadId tid = 0; tid < threads; ++tid) {
            auto& word = P::template PerThread<Word, CallbackSections>::at(tid).sections;
            // acquire (A1, pairs with R1): what the last section did is seen.
            const std::uint64_t seen = word.load(acquire);
            if (seen % 2 != 0) {
                await_change(word, seen);
            }
        }
    }

  private:
    static constexpr std::uint64_t kPolls = 200;  // before the CPU is given away: a callback may take long
    static Word& mine() { return P::template PerThread<Word, CallbackSections>::at(P::self()); }
    template <class A>
    static void await_change(A& word, std::uint64_t seen) {
        const auto changed = [seen](std::uint64_t now) { return now != seen; };
        for (typename P::template EffectLoop<4> loop;; loop.again()) {
            // acquire (A2, pairs with R1): what this section did is seen.
            if (word.await_until(changed, acquire, typename P::Budget{kPolls}) == 0) {
                return;
            }
            P::yield();
        }
    }
};

}  // namespace lockbench
