// SPDX-License-Identifier: MIT
// The page lock: one bit of a page's flags word; waiters sleep.
//
// Origin: lock_page, trylock_page and unlock_page over wait_on_bit_lock, Linux 2.6 to 4.x (include/linux/pagemap.h,
//   mm/filemap.c).
// Differs: waiters sleep on the flags word itself instead of a hashed wait queue, so a change of another flag may wake
//   one for nothing; a second bit says that somebody may sleep, where the kernel tests the hashed queue (such a bit,
//   PG_waiters, came with 4.10). unlock wakes all, as a hashed wait queue with exclusive waiters of several pages must
//   at times.
//
//   flags   bit 0 locked   bit 1 somebody may sleep   others are the owner's (LRU state)
//   lock:     0 -> 1 of bit 0; a thread that has slept sets bit 1 with it, as it does not know who else sleeps
//   unlock:   both bits to 0; wake all if bit 1 was set
#pragma once

#include <cstdint>

#include "platform/platform.hpp"

namespace lockbench {

inline constexpr unsigned kPageLockedBit = 0;
inline constexpr std::uint32_t kPageLocked = 1U << kPageLockedBit;
inline constexpr std::uint32_t kPageWaiters = 2;

template <Platform P>
class PageLock {
  public:
    using Flags = typename P::template Atomic<std::uint32_t>;

    static bool try_lock(Flags& flags) {
        // acquire (A1, pairs with R1): the last holder's writes are seen.
        return !flags.test_and_set_bit(kPageLockedBit, acquire);
    }

    static void lock(Flags& flags) {
        if (!try_lock(flags)) {
            lock_slow(flags);
        }
    }

    static void unlock(Flags& flags) {
        // release (R1, pairs with A1, A2, A3): the next holder sees all that this one did.
        const std::uint32_t old = flags.fetch_and(~(kPageLocked | kPageWaiters), release);
        check((old & kPageLocked) != 0, "a page that is unlocked was locked");
        if ((old & kPageWaiters) != 0) {
            P::unpark(flags, kEverybody);
        }
    }

    // Sleeps until nobody holds the lock and does not take it (wait_on_page_locked). The caller has a reference.
    static void wait(Flags& flags) {
        for (typename P::template EffectLoop<kAttemptBound> loop;; loop.again()) {
            // acquire (A3, pairs with R1): what the last holder did to the page's mappings is seen.
            const std::uint32_t seen = flags.load(acquire);
            if ((seen & kPageLocked) == 0) {
                return;
            }
            sleep(flags, seen);
        }
    }

  private:
    static constexpr std::uint32_t kEverybody = 0x7fff'ffff;
    static constexpr std::size_t kAttemptBound = 4;

    [[gnu::noinline, gnu::cold]] static void lock_slow(Flags& flags) {
        for (typename P::template EffectLoop<kAttemptBound> loop;; loop.again()) {
            // relaxed: a guess; the exchanges below compare the whole word.
            const std::uint32_t seen = flags.load(relaxed);
            if ((seen & kPageLocked) == 0) {
                // acquire (A2, pairs with R1): the last holder's writes are seen.
                if (flags.try_cas(seen, seen | kPageLocked | kPageWaiters, acquire)) {
                    return;
                }
                continue;
            }
            sleep(flags, seen);
        }
    }

    // Sleeps if the flags still are what was seen, locked.
    static void sleep(Flags& flags, std::uint32_t seen) {
        const std::uint32_t waited = seen | kPageWaiters;
        // relaxed: announces a sleeper; the unlocker's exchange reads the same word.
        if (seen == waited || flags.try_cas(seen, waited, relaxed)) {
            P::park(flags, waited, P::never());
        }
    }
};

}  // namespace lockbench
