// SPDX-License-Identifier: MIT
// Spin-then-yield lock: test-and-set with a bounded number of polls between two turns of the scheduler. The wait_lock
// of sleeping locks in cells with more threads than CPUs, where the FIFO spinlock of their era convoys behind a waiter
// that has no CPU.
//
// Origin: test-and-test-and-set (Rudolph and Segall, ISCA 1984) with the yield that user-space spinlocks add, as in the
//   GNU C library's adaptive mutex and others.
// Differs: no back-off: its holders are a few dozen instructions long.
//
//   word_   0 free, 1 held
//   lock:     0 -> 1 by exchange; while it reads 1: poll kPolls times, then yield the CPU
//   try_lock: 0 -> 1 if it reads 0
//   unlock:   1 -> 0
// I1  The word is 1 from an exchange that returned 0 to the store by the same thread.
// I2  A waiter keeps preemption on while it waits, as it yields.
#pragma once

#include "locks/lock.hpp"
#include "locks/ticket.hpp"

namespace lockbench {

template <Platform P>
class SpinThenYieldLock {
  public:
    struct Token {  // a word lock keeps nothing per acquirer
        explicit Token(Ctx<P>&) {}
    };

    static constexpr LockInfo kInfo = {
        .name = "spin_yield",
        .family = "spin_yield",
        .kernel_release = "-",
        .kind = WaitKind::spin,
        .shared = false,
        .fairness = Fairness::unfair,
        .hold_across_sleep = false,
        .bytes = 4,
        .rmw_read = 0,
        .rmw_write = 1,
        .killable = false,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = false,
        .control = false,
        .origin = "Rudolph and Segall 1984, with a yield after a bounded spin",
    };

    SpinThenYieldLock() : word_(kFree) {
        static_assert(sizeof(SpinThenYieldLock) == kInfo.bytes, "takes the place of a ticket lock");
    }
    SpinThenYieldLock(const SpinThenYieldLock&) = delete;
    SpinThenYieldLock& operator=(const SpinThenYieldLock&) = delete;

    void lock(Token&) {
        P::preempt_off();
        // acquire (A1, pairs with R1): the last holder's writes are seen.
        if (word_.exchange(kHeld, acquire) != kFree) {
            lock_slow();
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        // relaxed: only a guess, the exchange decides. acquire (A2, pairs with R1): the last holder's writes are seen.
        if (word_.load(relaxed) == kFree && word_.exchange(kHeld, acquire) == kFree) {
            return true;
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        // release (R1, pairs with A1, A2, A3): the next holder sees all that this one did.
        word_.store(kFree, release);
        P::preempt_on();
    }

    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own writes.
        return word_.load(relaxed) != kFree;
    }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == kFree; }

  private:
    static constexpr std::uint32_t kFree = 0;
    static constexpr std::uint32_t kHeld = 1;
    // Polls before a yield: 0.3 to 5 microseconds by the length of the CPU's pause, about as long as a wait_lock is
    // held.
    static constexpr std::uint64_t kPolls = 100;
    static constexpr std::size_t kAttemptBound = 4;

    // Reports no event: it lies inside other locks, whose slow paths are the ones to be counted.
    [[gnu::noinline, gnu::cold]] void lock_slow() {
        for (typename P::template EffectLoop<kAttemptBound> loop;; loop.again()) {
            P::preempt_on();
            // relaxed: a poll; the exchange below decides.
            const int stop = word_.await_until([](std::uint32_t word) { return word == kFree; }, relaxed,
                                               typename P::Budget{kPolls});
            if (stop != 0) {
                P::yield();
            }
            P::preempt_off();
            // acquire (A3, pairs with R1): the last holder's writes are seen.
            if (stop == 0 && word_.exchange(kHeld, acquire) == kFree) {
                return;
            }
        }
    }

    typename P::template Atomic<std::uint32_t> word_;
};

// A sleeping lock comes in a build for each wait_lock, and the build is part of its name: the spinlock of its era, or
// the one that yields.
template <Platform P, class WaitLock>
constexpr std::string_view wait_lock_build(std::string_view of_era, std::string_view yielding) {
    constexpr bool kOfEra = std::same_as<WaitLock, TicketLock<P>>;
    static_assert(kOfEra || std::same_as<WaitLock, SpinThenYieldLock<P>>, "a build must be told by its name");
    return kOfEra ? of_era : yielding;
}

}  // namespace lockbench
