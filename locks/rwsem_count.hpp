// SPDX-License-Identifier: MIT
// The count and the owner word of the read-write semaphores since 5.3, and the moves on them and on the waiters that
// the eras share. All orders of these locks are here, so that acquires and releases are seen side by side.
//
// Origin: Linux 5.3-6.3 kernel/locking/rwsem.c.
// Differs: in wait_list.hpp. The owner is a thread number plus one beside the flags. There is no guard bit against 2^55
//   readers. A failed reader's claim that hid a hand-off wakes when it is taken back: see drop_read. Orders are the
//   weakest that the algorithm needs; the kernel's acquires and releases are the same.
//
//   count_   63                                  8 7      3   2         1         0
//           +-------------------------------------+--------+---------+---------+--------+
//           |  readers, and their claims (0x100)  |   0    | handoff | waiters | writer |
//           +-------------------------------------+--------+---------+---------+--------+
//   owner_   63                                    3    2             1              0
//           +---------------------------------------+---------------+--------------+--------------+
//           |  number + 1 of the writer or a reader |  writers may  | readers (now |  readers own |
//           |  (the last to come in); 0 nobody      |  not spin 5.3 | nobody) may  |  it, or did  |
//           +---------------------------------------+---------------+--------------+--------------+
//   A reader's name stays in the owner word when it leaves: a hint, no more. A writer's does not.
// I1  While anybody holds the lock, writer or the readers' part is not 0.
// I2  waiters is set exactly while the list is not empty, but for moments inside one wait_lock section.
// I3  handoff is set and cleared under the wait_lock only, and only beside waiters. While it is set nobody may take the
//     lock but from the list.
// I4  Every change of the count is a read-modify-write, so an acquire of any value has seen all earlier releases.
// I5  Who takes the last hold or claim out of the count with somebody waiting wakes, unless it is about to take the
//     free lock itself; a writer with somebody waiting wakes whoever else is there.
// Each of the moves below is one that some release got wrong; tests replace them, one at a time, by the wrong one.
#pragma once

#include "locks/lock.hpp"
#include "locks/wait_list.hpp"

namespace lockbench {

template <Platform P>
struct RwsemWaiter {
    typename P::template Plain<RwsemWaiter*> next;
    typename P::template Plain<RwsemWaiter*> prev;
    typename P::template Atomic<std::uint64_t> task;  // thread number + 1; 0 once the lock was granted
    typename P::template Plain<Mode> mode;
    typename P::template Plain<typename P::Deadline> patience;  // after that it may ask for the hand-off
    typename P::template Plain<bool> handoff_set;               // the hand-off is this waiter's (5.16 and later)
    typename P::template Plain<std::uint64_t> owner_seen;       // the owner word at the slow path's entry (5.3)
};

template <Platform P>
struct RwsemCount {
    using Count = typename P::template Atomic<std::int64_t>;
    using Owner = typename P::template Atomic<std::uint64_t>;
    using Waiter = RwsemWaiter<P>;
    using List = WaitList<P, Waiter>;

    static constexpr std::int64_t kWriter = 1;
    static constexpr std::int64_t kWaiters = 2;
    static constexpr std::int64_t kHandoff = 4;
    static constexpr unsigned kReaderShift = 8;
    static constexpr std::int64_t kReader = std::int64_t{1} << kReaderShift;
    static constexpr std::int64_t kReadersMask = -kReader;
    static constexpr std::int64_t kHeld = kWriter | kReadersMask;
    static constexpr std::int64_t kNoFastRead = kWriter | kWaiters | kHandoff;

    static constexpr std::uint64_t kReaderOwned = 1;
    static constexpr std::uint64_t kNonspinnable = 2;        // since 5.11 for all, before for readers
    static constexpr std::uint64_t kWriterNonspinnable = 4;  // 5.3 to 5.10
    static constexpr std::uint64_t kOwnerFlags = 7;

    // Of all locks since 5.3. The owner word is there for spinners.
    static constexpr FastPaths kPaths = {
        .lock = "cas64.acquire (token:ld32 owner:st64)",
        .try_lock = "cas64.acquire (token:ld32 owner:st64)",
        .unlock = "(owner:st64) faa64.release",
        .lock_shared = "faa64.acquire (token:ld32 owner:ld64 owner:st64)",
        .try_lock_shared = "ld64 cas64.acquire (token:ld32 owner:ld64 owner:st64)",
        .unlock_shared = "faa64.release",
    };

    // Failed exchanges in a row that an exploration follows; natively no limit.
    static constexpr std::size_t kClaimBound = 4;

    static constexpr std::int64_t readers_of(std::int64_t count) { return count >> kReaderShift; }
    // Nobody holds the lock and somebody waits.
    static constexpr bool must_wake(std::int64_t count) { return (count & (kHeld | kWaiters)) == kWaiters; }

    // --- the owner word: hints, all of it relaxed

    static constexpr std::uint64_t named(std::uint64_t task) { return task << 3U; }
    static constexpr ThreadId thread_named(std::uint64_t owner) { return thread_of(owner >> 3U); }
    static void own_write(Owner& owner, ThreadId self) {
        // relaxed: a hint for spinners, who act on the count.
        owner.store(named(task_of(self)), relaxed);
    }
    static void disown_write(Owner& owner) {
        // relaxed: a hint; the release that follows keeps it before the release of the count.
        owner.store(0, relaxed);
    }
    // `task` is one of the readers. What forbids spinning beside readers outlives the reader.
    static void own_read(Owner& owner, std::uint64_t task, std::uint64_t also = 0) {
        // relaxed: a hint.
        const std::uint64_t kept = owner.load(relaxed) & kNonspinnable;
        // relaxed: a hint; a flag that another sets in between is lost, and set again by the next to wait in vain.
        owner.store(named(task) | kReaderOwned | kept | also, relaxed);
    }

    // --- claims

    // A reader's fast path: the count with its unit in it, which stays there also when the claim failed.
    static std::int64_t claim_read(Count& count) {
        // acquire (A1, pairs with R2, R3): without a writer in it the count follows the last writer's release.
        return count.fetch_add(kReader, acquire) + kReader;
    }
    static bool try_claim_read(Count& count) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = count.load(relaxed);
        for (typename P::template EffectLoop<kClaimBound> loop; (seen & kNoFastRead) == 0; loop.again()) {
            // acquire (A2, pairs with R2, R3): the last writer's writes are seen. relaxed: a failure only looks again.
            if (count.compare_exchange(seen, seen + kReader, acquire, relaxed)) {
                return true;
            }
        }
        return false;
    }
    static bool try_claim_write(Count& count) {
        // acquire (A3, pairs with R1, R2): a count of 0 follows all earlier releases.
        return count.try_cas(0, kWriter, acquire);
    }

    // A running writer passes those who wait, unless one of them asked for the hand-off.
    static bool try_claim_write_past(Count& count) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = count.load(relaxed);
        for (typename P::template EffectLoop<kClaimBound> loop; (seen & (kHeld | kHandoff)) == 0; loop.again()) {
            const bool passing = (seen & kWaiters) != 0;
            // acquire (A4, pairs with R1, R2): as A3. relaxed: a failure only looks again.
            if (count.compare_exchange(seen, seen | kWriter, acquire, relaxed)) {
                if (passing) {
                    P::event(Event::stolen);
                }
                return true;
            }
        }
        return false;
    }

    // A running reader likewise, with nothing in the count yet (5.3 to 5.10).
    enum class Past : unsigned char { no, yes, must_wake };  // must_wake: no, and the caller has to wake
    static Past try_claim_read_past(Count& count) {
        // relaxed: only a guess that spares the claim.
        if ((count.load(relaxed) & (kWriter | kHandoff)) != 0) {
            return Past::no;
        }
        // acquire (A9, pairs with R2, R3): the last writer's writes are seen.
        const std::int64_t before = count.fetch_add(kReader, acquire);
        if ((before & (kWriter | kHandoff)) == 0) {
            if ((before & kWaiters) != 0) {
                P::event(Event::stolen);
            }
            return Past::yes;
        }
        P::event(Event::undo);
        return drop_read(count) ? Past::must_wake : Past::no;
    }

    // One step of a queued writer, under the wait_lock: `seen` is refreshed when it fails.
    static bool exchange(Count& count, std::int64_t& seen, std::int64_t next) {
        // acquire (A5, pairs with R1, R2): as A3. relaxed: a failure only looks again.
        return count.compare_exchange(seen, next, acquire, relaxed);
    }

    // Under the wait_lock: the count, for a reader that finds the list empty and may own the lock already, by the unit
    // that it left in the count (M21).
    static std::int64_t recount(const Count& count) {
        // acquire (A6, pairs with R2, R3): the writer that it met on its fast path has left since.
        return count.load(acquire);
    }

    // A unit for the reader at the head of the list: the count before.
    static std::int64_t claim_for_head(Count& count) {
        // acquire (A7, pairs with R2, R3): the readers see the last writer's writes through the one that grants.
        return count.fetch_add(kReader, acquire);
    }

    // --- releases

    // True when the caller has to wake.
    static bool release_read(Count& count) {
        // release (R1, pairs with A3, A4, A5): the next writer enters after this reader's reads.
        return must_wake(count.fetch_sub(kReader, release) - kReader);
    }
    // A reader's claim that did not succeed. Whoever left meanwhile may have taken it for a reader and woken nobody,
    // but a free lock is the reader's own next, by spinning, and it wakes when it leaves or queues. Not so with handoff
    // set: true when the caller has to wake. Linux 5.3 to 5.10 forget that too, and the lock stays free until a
    // spinner's time slice is over, which no platform here promises to end.
    static bool drop_read(Count& count) {
        // relaxed: nothing was done under the claim.
        const std::int64_t left = count.fetch_sub(kReader, relaxed) - kReader;
        return must_wake(left) && (left & kHandoff) != 0;
    }
    static bool release_write(Count& count) {
        // release (R2, pairs with A1, A2, A3, A4, A5, A6, A7, A9): the next owners see what this writer wrote.
        return (count.fetch_sub(kWriter, release) & kWaiters) != 0;
    }
    // One writer becomes one reader: true when somebody waits.
    static bool release_to_read(Count& count) {
        // release (R3, pairs with A1, A2, A6, A7, A9): readers that come in beside the former writer see its
        // writes (M40).
        return (count.fetch_add(kReader - kWriter, release) & kWaiters) != 0;
    }

    // --- who may (5.11 and later)

    // A reader with its unit in `count` may have the lock past those who wait: not past a writer or the hand-off, nor
    // into readers that are in already, as an endless stream of them would starve the sleepers (M23).
    static bool may_steal_read(std::int64_t count, std::uint64_t owner) {
        const bool readers_own = (owner & kReaderOwned) != 0 && readers_of(count) > 1 && (count & kWriter) == 0;
        return !readers_own && (count & (kWriter | kHandoff)) == 0;
    }
    // A queued writer, `mine`, and the mark in the count. The mark may be that of one who gave up: then any waiter may
    // take a free lock, or nobody might (M25).
    static bool is_for_first_only(const Waiter& first, const Waiter& mine) {
        return &first != &mine && first.handoff_set.get();
    }
    // `mine` set the mark, the lock will be the first one's. Were it to think that the lock is its own, it would wait
    // for it awake, in vain (M26).
    static void mark_handoff(Waiter& first, Waiter&) { first.handoff_set.set(true); }

    // --- the list

    // Whoever queues makes good for those who left meanwhile and were misled by a claim, and lets readers in that wait
    // although only readers are in (M37).
    static bool wakes_when_queueing(std::int64_t count) { return (count & kWriter) == 0; }

    static void prepare(Waiter& waiter, ThreadId self, Mode mode, Nanoseconds patience, std::uint64_t owner_seen = 0) {
        waiter.task.init(task_of(self));
        waiter.mode.set(mode);
        waiter.patience.set(P::after(patience));
        waiter.handoff_set.set(false);
        waiter.owner_seen.set(owner_seen);
    }

    // Lets readers go that were taken off the list, chained by next: units first (`delta` makes up for all of them),
    // wakes last, or one that was let go at once could unlock and take the count below what is still to be added (M36).
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch& woken) {
        if (delta != 0) {
            // relaxed: no writer is active, and the caller has seen the last one's writes (A7, or its own past).
            count.add(delta, relaxed);
        }
        for (Waiter* waiter = chain; waiter != nullptr;) {
            Waiter* const next = waiter->next.get();
            hand_over(*waiter, woken);
            waiter = next;
        }
    }
    // The task is read before it is cleared, as the waiter may be gone then (M16), and woken after, or the wake-up
    // could come while the waiter still finds it set, and none after (M20).
    template <class Batch>
    static void hand_over(Waiter& waiter, Batch& woken) {
        // relaxed: written before the waiter entered the list, under the same wait_lock.
        const std::uint64_t task = waiter.task.load(relaxed);
        P::event(Event::granted);
        // release (R4, pairs with A8): what the granter has seen of earlier owners the waiter sees too.
        waiter.task.store(0, release);
        woken.add(task);
    }
    static bool is_granted(const Waiter& waiter) {
        // acquire (A8, pairs with R4): what the granter saw of earlier owners is seen here (M22).
        return waiter.task.load(acquire) == 0;
    }

    // Under the wait_lock: takes a waiter off that does not get the lock. Both marks go with the last one, and handoff
    // with nobody else: the next in line inherits it (M24). True when others wait.
    static bool leave(Count& count, List& list, Waiter& waiter) {
        list.remove(waiter);
        if (!list.empty()) {
            return true;
        }
        // relaxed: marks, set and cleared under the wait_lock.
        count.and_(~(kWaiters | kHandoff), relaxed);
        return false;
    }
    // The same for one that gave up: true when the others have to be woken, since it may have stood in their way.
    // Whether it was first is asked before it is gone (M27).
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        const bool first = list.front() == &waiter;
        return leave(count, list, waiter) && first;
    }
};

}  // namespace lockbench
