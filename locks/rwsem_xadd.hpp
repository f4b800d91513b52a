// SPDX-License-Identifier: MIT
// What the read-write semaphores of 3.8 to 5.2 have in common: the arithmetic of the count, the reader's part,
// the releases, and the batch grant to readers. What differs, all of the writer's part and who may be woken, is in the
// file of each era.
//
// Origin: Linux 3.8-5.0 arch/x86/include/asm/rwsem.h (fast paths) and lib/rwsem.c, kernel/locking/rwsem-xadd.c (slow
//   paths).
// Differs: in wait_list.hpp. The kernel's atomics are full barriers on x86; here each order is the weakest that the
//   algorithm needs.
//
//   count_   63                       32 31                        0     signed: compared as such (M18)
//           +---------------------------+---------------------------+
//           |  -1 per writer, -1 while  |  active: readers, writers  |
//           |  anybody waits            |  and claims on their way   |
//           +---------------------------+---------------------------+
//   kReadUnit = 1   kWaiting = -2^32   kWrite = kWaiting + 1
//   0                 free                        n                      n readers
//   kWrite            a writer                    kWrite + kWaiting      a writer, somebody waits
//   kWaiting          nobody, somebody waits      kWaiting + n           n readers, somebody waits
//   A failing claim adds its bias for a moment and then turns it into waiting (enqueue) or takes it back.
// I1  While anybody holds the lock or claims it the active half is not 0, so the count is not 0.
// I2  kWaiting is in the count once while the list is not empty, but for moments inside one wait_lock section.
// I3  Every change of the count is a read-modify-write, so an acquire of any value has seen all earlier releases.
// I4  Who leaves the active half at 0 with somebody waiting wakes (release_*), or, where a claim on its way hid that,
//     the claimer does when it turns its claim into waiting (enqueue).
// The releases are here and some claims in the files of the eras, so their labels meet across files:
//   R1 pairs with A1, A2, A3, A4, A5, A6, A7, A11, A12, A13 and rwsem_5_0_queue.hpp:A9;
//   R3 pairs with A3, A4, A5, A6, A7, A11, A12, A13; R2 pairs with rwsem_5_0_queue.hpp:A9;
//   R1 and R3 pair with rwsem_3_10.hpp:A8, rwsem_3_16.hpp:A8, rwsem_5_0.hpp:A8, rwsem_5_0_queue.hpp:A10.
#pragma once

#include "locks/lock.hpp"
#include "locks/wait_list.hpp"

namespace lockbench {

template <Platform P>
struct RwsemXadd {
    using Count = typename P::template Atomic<std::int64_t>;
    using List = WaitList<P>;

    static constexpr std::int64_t kReadUnit = 1;
    static constexpr std::int64_t kWaiting = -(std::int64_t{1} << 32);
    static constexpr std::int64_t kWrite = kWaiting + 1;
    static constexpr std::int64_t kActiveMask = 0xffff'ffff;
    static_assert(kWrite - kWaiting == kReadUnit, "a downgrade leaves one reader");
    static_assert((kWrite & kActiveMask) == 1 && (kWaiting & kActiveMask) == 0, "waiting is not active");

    // Failed exchanges in a row that an exploration follows; natively no limit.
    static constexpr std::size_t kClaimBound = 4;
    // Rounds of grant and undo that an exploration follows; natively no limit.
    static constexpr std::size_t kGrantBound = 4;

    static constexpr bool active(std::int64_t count) { return (count & kActiveMask) != 0; }
    // Somebody waits and nobody is active: the one that sees this wakes. In two steps, or GCC jumps on the way of the
    // uncontended, to which one look is enough.
    static constexpr bool must_wake(std::int64_t count) {
        if (count >= 0) [[likely]] {
            return false;
        }
        return !active(count);
    }

    // The reader's fast path: true when taken. When not, the unit stays in the count for enqueue to turn into waiting.
    static bool claim_read(Count& count) {
        // acquire (A1, pairs with R1, R2): a count that is not negative follows the last writer's release.
        return !count.add_fetch_test(
            kReadUnit, [](std::int64_t value) { return value < 0; }, acquire);
    }

    static bool try_claim_read(Count& count) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = count.load(relaxed);
        for (typename P::template EffectLoop<kClaimBound> loop; seen >= 0; loop.again()) {
            // acquire (A2, pairs with R1, R2): the last writer's writes are seen. relaxed: a failure only looks again.
            if (count.compare_exchange(seen, seen + kReadUnit, acquire, relaxed)) {
                return true;
            }
        }
        return false;
    }

    // A writer's, up to 3.9: true when the lock was free and nobody waited. When not, the claim stays in the count for
    // enqueue to turn into waiting.
    static bool claim_free(Count& count) {
        // acquire (A11, pairs with R1, R3): a count of 0 follows all earlier releases.
        return count.fetch_add(kWrite, acquire) == 0;
    }
    static bool try_claim_free(Count& count) {
        // acquire (A12, pairs with R1, R3): as A11.
        return count.try_cas(0, kWrite, acquire);
    }
    // Under the wait_lock, up to 3.9: the lock for a queued writer, who leaves the list with it; `alone` in the list.
    // False when somebody is active, who will wake.
    static bool claim_for_writer(Count& count, bool alone) {
        const std::int64_t claim = alone ? kWrite - kWaiting : kWrite;
        for (typename P::template EffectLoop<kGrantBound> loop;; loop.again()) {
            // acquire (A13, pairs with R1, R3): the writer sees all earlier owners, itself or through the granter.
            if (!active(count.fetch_add(claim, acquire))) {
                return true;
            }
            P::event(Event::undo);
            // relaxed: nothing was done under the claim.
            const std::int64_t left = count.fetch_sub(claim, relaxed) - claim;
            if (active(left)) {
                return false;
            }
            // The one that was active is gone and took this claim for an active one, so it did not wake anybody.
        }
    }

    // Both releases: true when the caller has to wake somebody.
    static bool release_read(Count& count) {
        // release (R3): the next writer enters after this reader's reads, directly or by the one that grants it the
        // lock.
        return must_wake(count.fetch_sub(kReadUnit, release) - kReadUnit);
    }
    static bool release_write(Count& count) {
        // release (R1): the next owners see this writer's writes.
        return must_wake(count.fetch_sub(kWrite, release) - kWrite);
    }
    // One writer becomes one reader: true when somebody waits.
    static bool release_to_read(Count& count) {
        // release (R2, pairs with A1, A2 and A3): readers that enter beside the former writer see its writes (M40).
        return count.add_fetch_test(
            -kWaiting, [](std::int64_t value) { return value < 0; }, release);
    }

    struct Queued {
        std::int64_t count;  // with the claim gone and, if it is the first, waiting added
        bool first;          // nobody waited before
    };
    // Under the wait_lock: appends the caller and takes `claim`, its part of the active half, back into waiting.
    static Queued enqueue(Count& count, List& list, Waiter<P>& waiter, std::int64_t claim) {
        const bool first = list.empty();
        const std::int64_t delta = (first ? kWaiting : 0) - claim;
        list.push_back(waiter);
        P::event(Event::queued);
        // relaxed: nothing was done under the claim; the list is ordered by the wait_lock, which a waker takes before
        // it looks.
        return {count.fetch_add(delta, relaxed) + delta, first};
    }
    static void prepare(Waiter<P>& waiter, ThreadId self, Mode mode) {
        waiter.task.init(task_of(self));
        waiter.mode.set(mode);
    }

    // Under the wait_lock, the head being a reader, and no writer active until this returns: grants the lock to all
    // leading readers. `prepaid` is what the count already holds for them. Units first, wakes second: a reader that was
    // let go at once could unlock and take the count below those still to be added (M36).
    template <class Woken>
    static void grant_leading_readers(Count& count, List& list, std::int64_t prepaid, Woken&& woken) {
        // 1. Count them.
        std::int64_t readers = 0;
        Waiter<P>* behind = list.front();
        while (behind != nullptr && behind->mode.get() == Mode::read) {
            ++readers;
            behind = behind->next.get();
        }
        // 2. Add their units; the list will be empty when they were all.
        const std::int64_t delta = readers * kReadUnit - prepaid - (behind == nullptr ? kWaiting : 0);
        if (delta != 0) {
            // acquire (A3, pairs with R1, R2, R3): the readers see the last writer's writes through the granter. 3.8
            // needs it; in the later ones A4, or the downgrader's own past, has seen them.
            count.add(delta, acquire);
        }
        // 3. Let them go, oldest first; each link is read before its waiter may vanish.
        Waiter<P>* waiter = list.front();
        while (waiter != behind) {
            Waiter<P>* const next = waiter->next.get();
            grant<P>(*waiter, woken);
            waiter = next;
        }
        list.start_at(behind);
    }
    // The same up to 3.9, where no writer can be faster than the look. `released`: the caller released the lock before
    // it took the wait_lock, so somebody else may have been woken and be active since.
    static void grant_front_readers(Count& count, List& list, bool released) {
        // relaxed: a look that spares the batch; an update of nothing, as the kernel's, since the line is about to be
        // written. A writer that comes later finds a count that is not 0 and queues.
        if (!released || count.fetch_add(0, relaxed) >= kWaiting) {
            grant_leading_readers(count, list, 0, WakeNow<P>{});
        }
    }
};

// Writers that steal: how those of 3.10 to 5.2 claim the lock.
template <Platform P>
struct RwsemWriterClaims {
    using Xadd = RwsemXadd<P>;
    using Count = typename Xadd::Count;

    // The fast path: true when nobody was active, whoever waits. When not, the claim stays in the count.
    static bool claim(Count& count) {
        // acquire (A5, pairs with R1, R3): nobody active follows all earlier releases.
        return !Xadd::active(count.fetch_add(Xadd::kWrite, acquire));
    }
    static bool try_claim(Count& count) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = count.load(relaxed);
        for (typename P::template EffectLoop<Xadd::kClaimBound> loop; !Xadd::active(seen); loop.again()) {
            // acquire (A6, pairs with R1, R3): as A5. relaxed: a failure only looks again.
            if (count.compare_exchange(seen, seen + Xadd::kWrite, acquire, relaxed)) {
                return true;
            }
        }
        return false;
    }
    // A spinner's.
    static bool try_claim_spinning(Count& count) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = count.load(relaxed);
        for (typename P::template EffectLoop<Xadd::kClaimBound> loop; seen == 0 || seen == Xadd::kWaiting;
             loop.again()) {
            const bool passing = seen == Xadd::kWaiting;
            // acquire (A7, pairs with R1, R3): as A5. relaxed: a failure only looks again.
            if (count.compare_exchange(seen, seen + Xadd::kWrite, acquire, relaxed)) {
                if (passing) {
                    P::event(Event::stolen);
                }
                return true;
            }
        }
        return false;
    }
};

// The slow paths that 3.10 and 3.16 share: writers steal, so a waker only ever grants to readers, and has to make sure
// that no writer was faster.
template <Platform P, class WaitLock>
struct RwsemStealing {
    using Xadd = RwsemXadd<P>;
    using Count = typename Xadd::Count;
    using List = typename Xadd::List;
    using Token = SleeperToken<P, WaitLock>;

    // Rounds of grant and undo that an exploration follows; natively no limit.
    static constexpr std::size_t kGrantBound = 4;

    // Under the wait_lock, the list not empty (__rwsem_do_wake).
    static void wake_front(Count& count, List& list, RwsemWake kind) {
        Waiter<P>* const head = list.front();
        if (head->mode.get() == Mode::write) {
            // It has to take the lock itself, so that running writers may be faster; readers stay behind it.
            if (kind == RwsemWake::any) {
                // relaxed: written before the waiter entered the list, under the same wait_lock.
                wake_task<P>(head->task.load(relaxed));
            }
            return;
        }
        if (kind == RwsemWake::read_owned) {
            Xadd::grant_leading_readers(count, list, 0, WakeNow<P>{});
        } else if (claim_for_head(count)) {
            Xadd::grant_leading_readers(count, list, Xadd::kReadUnit, WakeNow<P>{});
        }
    }

    // One unit for the reader at the head, before the others are counted: false when a writer stole the lock, whose
    // release will wake.
    static bool claim_for_head(Count& count) {
        for (typename P::template EffectLoop<kGrantBound> loop;; loop.again()) {
            // acquire (A4, pairs with R1, R3): no writer is active, and the readers see the last one's writes through
            // the granter.
            if (count.fetch_add(Xadd::kReadUnit, acquire) >= Xadd::kWaiting) {
                return true;
            }
            P::event(Event::grant_undone);
            // relaxed: nothing was done under the unit.
            const std::int64_t left = count.fetch_sub(Xadd::kReadUnit, relaxed) - Xadd::kReadUnit;
            if (Xadd::active(left)) {
                return false;
            }
            // The thief left meanwhile and saw this unit as active, so it did not wake anybody: that is now for this
            // thread to do.
        }
    }

    // A reader whose unit made, or found, the count negative (rwsem_down_read_failed).
    static void read_slow(Count& count, WaitLock& wait_lock, List& list, Token& token) {
        P::event(Event::slow_read);
        Xadd::prepare(token.waiter, token.self, Mode::read);
        wait_lock.lock(token.wait_token);
        const auto queued = Xadd::enqueue(count, list, token.waiter, Xadd::kReadUnit);
        // Nobody is active: whoever left last may have been misled by this unit. Or no writer is, and this reader is
        // the first to wait: it joins the readers, waking itself.
        if (queued.count == Xadd::kWaiting || (queued.count > Xadd::kWaiting && queued.first)) {
            wake_front(count, list, RwsemWake::any);
        }
        wait_lock.unlock(token.wait_token);
        sleep_until_granted<P>(token.waiter);
    }

    // A queued writer, under the wait_lock: sleeps until try_take(count) has taken the lock. `seen` is the count as
    // last read; the wait_lock is held on return.
    template <class TryTake>
    static void sleep_until_taken(Count& count, WaitLock& wait_lock, Token& token, std::int64_t seen,
                                  TryTake try_take) {
        P::sleep_prepare();
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (!Xadd::active(seen) && try_take()) {
                return;
            }
            wait_lock.unlock(token.wait_token);
            seen = sleep_while_active(count);
            wait_lock.lock(token.wait_token);
        }
    }

    // Sleeps at least once; prepared by the caller, and again on return. Returns the count that showed nobody active.
    static std::int64_t sleep_while_active(const Count& count) {
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            P::event(Event::slept);
            P::sleep(P::never());
            P::sleep_prepare();
            // relaxed: a reason to try, no more.
            const std::int64_t seen = count.load(relaxed);
            if (!Xadd::active(seen)) {
                return seen;
            }
        }
    }

    // The last one out, or a downgraded writer (rwsem_wake, rwsem_downgrade_wake).
    static void wake_slow(Count& count, WaitLock& wait_lock, List& list, Token& token, RwsemWake kind) {
        wait_lock.lock(token.wait_token);
        if (!list.empty()) {
            wake_front(count, list, kind);
        }
        wait_lock.unlock(token.wait_token);
    }
};

}  // namespace lockbench
