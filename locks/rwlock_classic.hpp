// SPDX-License-Identifier: MIT
// The classic rwlock_t: readers and writers subtract from one counter and take back what did not fit.
//
// Origin: Linux x86 rwlock_t, the write-bias form of 3.1 to 3.15 (arch/x86/include/asm/rwlock.h, spinlock.h,
//   arch/x86/lib/rwlock.S): the spinning lock that the anon_vma patch of September 2013 proposed.
// Differs: the form for more than 2048 CPUs is Word = std::int64_t with bias 2^32. There the kernel's writers touch
//   only the upper half of the word; here they subtract from the whole, the same values by the same number of
//   instructions, within the C++ model.
//
//   word_  31                             0
//         +--------------------------------+    BIAS          free
//         |  BIAS - readers - BIAS*writers |    BIAS - n      n readers
//         +--------------------------------+    0             one writer; less while others try
//   read:   word -= 1, entered unless that gave < 0; else += 1, wait for >= 1, again. unlock: += 1
//   write:  word -= BIAS, entered if that gave 0; else += BIAS, wait for == BIAS, again. unlock: += BIAS
//   try:    the same with one undo and no wait
// I1  word = BIAS - readers in and trying - BIAS * (writers in and trying), so it may never wrap: at most kThreadLimit
//     threads. With a bias too large for its word, failing writers wrap it around and a reader enters beside a writer
//     (2^24 in 32 bits, as until 3.0, with 128 CPUs).
// I2  A waiting thread leaves no trace in the word. Readers therefore pass waiting writers for ever: reader preference,
//     and a reader may take the lock again while it holds it, as an interrupt handler does.
#pragma once

#include <limits>

#include "locks/lock.hpp"

namespace lockbench {

template <class Word>
inline constexpr Word kClassicBias = sizeof(Word) == 8 ? static_cast<Word>(std::int64_t{1} << 32)
                                                       : static_cast<Word>(0x0010'0000);

template <Platform P, class Word = std::int32_t, Word kBias = kClassicBias<Word>>
class RwlockClassic {
  public:
    // Threads that may use one lock (I1): all of them failing writers at once, with almost a bias of readers on top. In
    // 32 bits 2048, as the kernel said of its CPUs.
    static constexpr std::uint64_t kThreadLimit =
        static_cast<std::uint64_t>(-(std::numeric_limits<Word>::min() / kBias));
    static_assert(kBias > 0 && std::numeric_limits<Word>::is_signed);

    struct Token {  // a word lock keeps nothing per acquirer
        explicit Token(Ctx<P>& ctx) {
            check(ctx.tid < kThreadLimit, "rwlock_classic: this many threads would wrap the word");
        }
    };

    static constexpr LockInfo kInfo = {
        .name = sizeof(Word) == 8 ? "rwlock_classic.wide" : "rwlock_classic",
        .family = "rwlock",
        .kernel_release = "3.1-3.15",
        .kind = WaitKind::spin,
        .shared = true,
        .fairness = Fairness::reader_preference,
        .hold_across_sleep = false,
        .bytes = sizeof(Word),
        .rmw_read = 2,
        .rmw_write = 2,
        .killable = false,
        .downgrade = false,
        .irq_readers = true,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = false,
        .control = false,
        .origin = "Linux 3.1-3.15 arch/x86/include/asm/rwlock.h and arch/x86/lib/rwlock.S",
        .paths = sizeof(Word) == 8 ? FastPaths{.lock = "subz64.acquire",
                                               .try_lock = "subz64.acquire",
                                               .unlock = "add64.release",
                                               .lock_shared = "subs64.acquire",
                                               .try_lock_shared = "subs64.acquire",
                                               .unlock_shared = "add64.release"}
                                   : FastPaths{.lock = "subz32.acquire",
                                               .try_lock = "subz32.acquire",
                                               .unlock = "add32.release",
                                               .lock_shared = "subs32.acquire",
                                               .try_lock_shared = "subs32.acquire",
                                               .unlock_shared = "add32.release"},
    };

    RwlockClassic() : word_(kBias) { static_assert(sizeof(RwlockClassic) == kInfo.bytes); }
    RwlockClassic(const RwlockClassic&) = delete;
    RwlockClassic& operator=(const RwlockClassic&) = delete;

    void lock(Token&) {
        P::preempt_off();
        if (!claim_write()) {
            write_slow();
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        if (claim_write()) {
            return true;
        }
        undo(kBias);
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        // release (R1, pairs with A1, A2): the next holder, of either kind, sees what this one did.
        word_.add(kBias, release);
        P::preempt_on();
    }

    void lock_shared(Token&) {
        P::preempt_off();
        if (!claim_read()) {
            read_slow();
        }
    }

    // Every reader enters whenever no writer is in, so an interrupted one needs no other path.
    void lock_shared_irq(Token& token) { lock_shared(token); }

    bool try_lock_shared(Token&) {
        P::preempt_off();
        if (claim_read()) {
            return true;
        }
        undo(1);
        P::preempt_on();
        return false;
    }

    void unlock_shared(Token&) {
        // release (R2, pairs with A1): the next writer overwrites nothing that this reader still reads.
        word_.add(1, release);
        P::preempt_on();
    }

    // True also while a failed try has not been taken back. relaxed: the caller orders this load.
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != kBias; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == kBias; }

  private:
    static constexpr std::size_t kExploredRetries =
        3;  // a failing try changes the word, so retries have no natural end

    bool claim_write() {
        // acquire (A1, pairs with R1, R2): all holders before this one are seen; each left by an addition to this word.
        return word_.add_fetch_test(
            static_cast<Word>(-kBias), [](Word word) { return word == 0; }, acquire);
    }

    bool claim_read() {
        // acquire (A2, pairs with R1): the last writer's writes are seen.
        return word_.add_fetch_test(
            Word{-1}, [](Word word) { return word >= 0; }, acquire);
    }

    void undo(Word claimed) {
        P::event(Event::undo);
        // relaxed: nothing was done under the claim.
        word_.add(claimed, relaxed);
    }

    [[gnu::noinline, gnu::cold]] void write_slow() {
        P::event(Event::slow_write);
        for (typename P::template EffectLoop<kExploredRetries> loop;; loop.again()) {
            undo(kBias);
            // relaxed: only a guess, the next claim decides and acquires (A1).
            word_.await([](Word word) { return word == kBias; }, relaxed);
            if (claim_write()) {
                return;
            }
        }
    }

    [[gnu::noinline, gnu::cold]] void read_slow() {
        P::event(Event::slow_read);
        for (typename P::template EffectLoop<kExploredRetries> loop;; loop.again()) {
            undo(1);
            // relaxed: only a guess, the next claim decides and acquires (A2).
            word_.await([](Word word) { return word >= 1; }, relaxed);
            if (claim_read()) {
                return;
            }
        }
    }

    typename P::template Atomic<Word> word_;
};

}  // namespace lockbench
