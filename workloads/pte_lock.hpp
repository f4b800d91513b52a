// SPDX-License-Identifier: MIT
// The lock of a page-table page, of an address space's page_table_lock and of the LRU lists: a spinlock that gives its
// CPU away after a while, so that a window with more threads than CPUs measures the lock under test and not this one.
//
// Origin: test-and-test-and-set; stands for the kernel's pte_lockptr, page_table_lock and lru_lock (spinlocks).
// Differs: inside a section of a spinning lock under test nobody may sleep or yield, as in the kernel; there the wait
//   is a plain spin (Waiting::spin). Elsewhere, and inside a sleeping lock, it yields after kPolls polls
//   (Waiting::yield).
//
//   word_   0 free, 1 held
// I1  The word is 1 from an exchange that returned 0 to the store by the same thread.
#pragma once

#include <cstdint>

#include "platform/platform.hpp"

namespace lockbench {

enum class Waiting : unsigned char { spin, yield };

template <Platform P>
class PteLock {
  public:
    PteLock() : word_(kFree) {}
    PteLock(const PteLock&) = delete;
    PteLock& operator=(const PteLock&) = delete;

    void lock(Waiting waiting) {
        P::preempt_off();
        // acquire (A1, pairs with R1): the last holder's writes are seen.
        if (word_.exchange(kHeld, acquire) != kFree) {
            lock_slow(waiting);
        }
    }
    void unlock() {
        // release (R1, pairs with A1 and A2): the next holder sees all that this one did.
        word_.store(kFree, release);
        P::preempt_on();
    }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == kFree; }

  private:
    static constexpr std::uint32_t kFree = 0;
    static constexpr std::uint32_t kHeld = 1;
    // Polls before a yield: 0.3 to 5 microseconds by the length of the CPU's pause; sections are a few dozen
    // instructions, or a few microseconds while a fork copies a page-table page.
    static constexpr std::uint64_t kPolls = 200;
    static constexpr std::size_t kAttemptBound = 4;

    [[gnu::noinline, gnu::cold]] void lock_slow(Waiting waiting) {
        constexpr auto kIsFree = [](std::uint32_t word) { return word == kFree; };
        for (typename P::template EffectLoop<kAttemptBound> loop;; loop.again()) {
            if (waiting == Waiting::spin) {
                // relaxed: a poll; the exchange below decides.
                word_.await(kIsFree, relaxed);
            } else {
                P::preempt_on();
                // relaxed: a poll; the exchange below decides.
                if (word_.await_until(kIsFree, relaxed, typename P::Budget{kPolls}) != 0) {
                    P::yield();
                }
                P::preempt_off();
            }
            // acquire (A2, pairs with R1): the last holder's writes are seen.
            if (word_.exchange(kHeld, acquire) == kFree) {
                return;
            }
        }
    }

    typename P::template Atomic<std::uint32_t> word_;
};

// Holds a PteLock to the end of the scope.
template <Platform P>
class PteGuard {
  public:
    PteGuard(PteLock<P>& lock, Waiting waiting) : lock_(lock) { lock_.lock(waiting); }
    ~PteGuard() { lock_.unlock(); }
    PteGuard(const PteGuard&) = delete;
    PteGuard& operator=(const PteGuard&) = delete;

  private:
    PteLock<P>& lock_;
};

}  // namespace lockbench
