// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 5.3, rewritten: one word for all states, hand-off after 4 ms, readers that spin.
//
// Origin: Linux 5.3 kernel/locking/rwsem.c (Long 2019): 64489e78004c (the words), 4f23dbc1e657 (hand-off), cf69482d62d9
//   (readers spin on a writer), 7d43f1ce9dd0 (writers spin beside readers), 5cfd92e12e13 (readers' spinning adapts),
//   d3681e269fff (all queued readers). The first in line that holds the hand-off sleeps; from 5.6 on it spins.
// Differs: in rwsem_count.hpp and rwsem_queue.hpp. Whether a writer has become the first is asked under the wait_lock.
//   A waiter that gives up takes the hand-off with it only when it is the last, as from 5.16 on (M24). No debugging, no
//   lockdep, 64-bit counts only.
//
//   count_, owner_: see rwsem_count.hpp; words: see rwsem_queue.hpp
//   lock_shared:   +reader; a writer, waiters or handoff in it -> slow      unlock_shared: -reader
//   lock:          0 -> writer, else slow                                  unlock:        owner 0, -writer
//   try_lock, try_lock_shared: likewise, without the slow path             downgrade:     +reader -writer
//   slow, reader:  -reader; spin, taking the lock past those who wait unless there is a writer or handoff; with it, let
//     queued readers in that are first in line. Where spinning ended because readers had come in, try once more. Else
//     +waiters if first; sleep until granted
//   slow, writer:  spin; +waiters if first; then, under the wait_lock, itself: free -> writer, -handoff, -waiters if
//     alone, the first in line only if there is handoff; held, first, waiting for longer than 4 ms -> +handoff; sleep
//   Spinning beside readers in vain forbids it: to writers until the last of these readers leaves, to readers until a
//     writer leaves that has not seen it forbidden.
//   A writer that owns the lock is spun on while it runs and nobody has asked for the hand-off.
// I6  With handoff set a free lock goes to the first in line.
// I7  Spinning readers can keep a sleeping writer out until it is woken, after 4 ms, by the last of a phase (M23).
// I8  At most one thread spins on the words: the head of the OSQ.
#pragma once

#include "locks/lock.hpp"
#include "locks/rwsem_count.hpp"
#include "locks/rwsem_queue.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

struct Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3";
    static constexpr std::string_view kYieldName = "rwsem_5_3.yield";
    static constexpr std::size_t kMaxReadersWoken = 256;   // by one waker (MAX_READERS_WAKEUP)
    static constexpr Nanoseconds kPatienceNs = 4'000'000;  // a 250th of a second (RWSEM_WAIT_TIMEOUT)
    static constexpr bool kWakeAllReaders = true;          // not the leading ones only
    static constexpr bool kReaderSpin = true;
    static constexpr bool kWriterSpinOnReaders = true;
    static constexpr bool kHandoffStopsSpinners = true;  // beside a writer; from 5.6 on they go on (91d2a812dfb9)
    static constexpr bool kCancelledReaderWakes = false;
    static constexpr bool kCancelledAlwaysWakes = true;  // a writer, whether it was first or not
    static constexpr std::uint64_t kWriterNonspinnable = 4;
    static constexpr std::uint64_t kAllNonspinnable = 6;
};
// One of the era's three steps taken back: what does it bring?
struct Rwsem53LeadingReaders : Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3.leading_readers";
    static constexpr bool kWakeAllReaders = false;
};
struct Rwsem53NoReaderSpin : Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3.no_reader_spin";
    static constexpr bool kReaderSpin = false;
};
struct Rwsem53NoSpinBesideReaders : Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3.no_spin_beside_readers";
    static constexpr bool kWriterSpinOnReaders = false;
};

template <Platform P, class WaitLock = TicketLock<P>, class Policy = Rwsem53Policy, class Moves = RwsemCount<P>>
class Rwsem53 {
    using Queue = RwsemQueue<P, WaitLock, Policy, Moves>;
    using Spin = RwsemSpin<P, WaitLock, Policy, Moves>;
    using Taken = typename Spin::Taken;

  public:
    using Token = typename Queue::Token;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>(Policy::kName, Policy::kYieldName),
        .family = "rwsem",
        .kernel_release = "5.3-5.5",
        .kind = WaitKind::sleep,
        .shared = true,
        .fairness = Fairness::stealing,
        .hold_across_sleep = true,
        .bytes = 40,
        .rmw_read = 2,
        .rmw_write = 2,
        .killable = true,
        .downgrade = true,
        .irq_readers = false,
        .free_after_unlock = false,
        .is_locked = true,
        .convoys = WaitLock::kInfo.convoys,
        .control = false,
        .origin = "Linux 5.3 kernel/locking/rwsem.c",
        .paths = Moves::kPaths,
        .quick = false,
    };

    Rwsem53() = default;
    Rwsem53(const Rwsem53&) = delete;
    Rwsem53& operator=(const Rwsem53&) = delete;

    void lock(Token& token) {
        if (!try_lock(token)) {
            write_slow<false>(token);
        }
    }
    // False when cancelled, without the lock. As in the kernel only a sleeper looks at that, not a spinner.
    bool lock_killable(Token& token) { return try_lock(token) || write_slow<true>(token); }

    bool try_lock(Token& token) {
        if (!Moves::try_claim_write(words_.count)) {
            return false;
        }
        Moves::own_write(words_.owner, token.self);
        return true;
    }

    void unlock(Token& token) {
        Moves::disown_write(words_.owner);
        if (Moves::release_write(words_.count)) {
            Queue::wake(words_, token, RwsemWake::any);
        }
    }

    void lock_shared(Token& token) {
        if (!claim_read(token)) {
            read_slow<false>(token);
        }
    }
    bool lock_shared_killable(Token& token) { return claim_read(token) || read_slow<true>(token); }

    bool try_lock_shared(Token& token) {
        if (!Moves::try_claim_read(words_.count)) {
            return false;
        }
        Moves::own_read(words_.owner, task_of(token.self));
        return true;
    }

    void unlock_shared(Token& token) {
        if (Moves::release_read(words_.count)) {
            Queue::wake_after_readers(words_, token);
        }
    }

    void downgrade(Token& token) {
        const bool waited_for = Moves::release_to_read(words_.count);
        Moves::own_read(words_.owner, task_of(token.self));
        if (waited_for) {
            P::event(Event::downgraded);
            Queue::wake(words_, token, RwsemWake::read_owned);
        }
    }

    [[nodiscard]] bool is_locked() const { return words_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return words_.is_constructed(); }

  private:
    // Where a queued writer stands: it may ask for the hand-off as the first only, and says so before it does.
    enum class Standing : unsigned char { behind, first, asks };

    // Rounds of a queued writer under the wait_lock that an exploration follows; natively no limit.
    static constexpr std::size_t kQueuedBound = 4;

    bool claim_read(Token& token) {
        if ((Moves::claim_read(words_.count) & Moves::kNoFastRead) != 0) {
            return false;
        }
        Moves::own_read(words_.owner, task_of(token.self));
        return true;
    }

    // rwsem_down_read_slowpath; the unit is in the count. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool read_slow(Token& token) {
        P::event(Event::slow_read);
        // relaxed: a hint.
        const std::uint64_t owner = words_.owner.load(relaxed);
        const std::uint64_t seen = (owner & Moves::kReaderOwned) != 0 ? owner : owner & Moves::kNonspinnable;
        std::int64_t unit = Moves::kReader;
        if constexpr (Policy::kReaderSpin) {
            P::preempt_off();
            const bool worth = Spin::worth_spinning(words_, Moves::kNonspinnable);
            const bool taken = worth && spin_for_read(token, seen);
            P::preempt_on();
            if (taken) {
                return true;
            }
            unit = worth ? 0 : unit;
        }
        return queue_read(token, seen, unit) || Queue::template sleep_until_granted<kKillable>(words_, token);
    }

    // The unit is not in the count when it fails. Preemption off.
    bool spin_for_read(Token& token, std::uint64_t seen) {
        if (Moves::drop_read(words_.count)) {
            Queue::wake_after_readers(words_, token);
        }
        const auto try_take = [this, &token] { return try_take_read(token); };
        if (Spin::template spin<Mode::read>(words_, token.self, Moves::kNonspinnable, try_take)) {
            // relaxed: whoever queues after this look wakes itself beside readers.
            if ((words_.count.load(relaxed) & Moves::kWaiters) != 0) {
                Queue::wake(words_, token, RwsemWake::read_owned);
            }
            return true;
        }
        // Other readers are in than when it came, or readers at all: perhaps it has just missed the beginning of their
        // phase (rwsem_reader_phase_trylock). relaxed: a hint.
        const std::uint64_t owner = words_.owner.load(relaxed);
        return (owner & Moves::kReaderOwned) != 0 && ((owner ^ seen) & ~Moves::kOwnerFlags) != 0 &&
               try_take() == Taken::yes;
    }

    Taken try_take_read(Token& token) {
        const auto past = Moves::try_claim_read_past(words_.count);
        if (past == Moves::Past::must_wake) {
            Queue::wake_after_readers(words_, token);
            return Taken::woke;
        }
        if (past != Moves::Past::yes) {
            return Taken::no;
        }
        Moves::own_read(words_.owner, task_of(token.self));
        return Taken::yes;
    }

    // Queues, turning `unit`, what the count holds for this reader, into waiting; true when it has the lock after all.
    bool queue_read(Token& token, std::uint64_t seen, std::int64_t unit) {
        Moves::prepare(token.waiter, token.self, Mode::read, Policy::kPatienceNs, seen);
        words_.wait_lock.lock(token.wait_token);
        const bool first = words_.list.empty();
        if (first && unit != 0 && (Moves::recount(words_.count) & (Moves::kWriter | Moves::kHandoff)) == 0) {
            // The writer left, and nobody waits: the unit is the lock.
            words_.wait_lock.unlock(token.wait_token);
            Moves::own_read(words_.owner, task_of(token.self));
            return true;
        }
        words_.list.push_back(token.waiter);
        P::event(Event::queued);
        const std::int64_t delta = (first ? Moves::kWaiters : 0) - unit;
        // relaxed: nothing was done under the unit; the list is ordered by the wait_lock.
        const std::int64_t now =
            delta != 0 ? words_.count.fetch_add(delta, relaxed) + delta : words_.count.load(relaxed);
        typename Queue::Batch woken;
        const bool free = (now & Moves::kHeld) == 0;
        if (free) {
            Queue::allow_spinning(words_.owner);
        }
        if (Moves::wakes_when_queueing(now) && (free || first)) {
            Queue::mark_wake(words_, RwsemWake::any, woken);
        }
        words_.wait_lock.unlock(token.wait_token);
        woken.wake_all();
        return false;
    }

    // rwsem_down_write_slowpath. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool write_slow(Token& token) {
        P::event(Event::slow_write);
        P::preempt_off();
        const bool taken = spin_for_write(token);
        P::preempt_on();
        if (taken) {
            return true;
        }
        // Whoever saw spinning forbidden forbids it to readers while it holds the lock.
        // relaxed: a hint.
        const bool forbid = (words_.owner.load(relaxed) & Policy::kAllNonspinnable) != 0;
        Moves::prepare(token.waiter, token.self, Mode::write, Policy::kPatienceNs);
        words_.wait_lock.lock(token.wait_token);
        if (!sleep_until_taken<kKillable>(token, queue_write(token))) {
            return false;
        }
        words_.list.remove(token.waiter);
        if (forbid) {
            words_.owner.or_(Moves::kNonspinnable, relaxed);  // relaxed: a hint.
        }
        words_.wait_lock.unlock(token.wait_token);
        return true;
    }

    bool spin_for_write(Token& token) {
        return Spin::worth_spinning(words_, Moves::kWriterNonspinnable) &&
               Spin::template spin<Mode::write>(words_, token.self, Moves::kWriterNonspinnable, [this, &token] {
                   if (!Moves::try_claim_write_past(words_.count)) {
                       return Taken::no;
                   }
                   Moves::own_write(words_.owner, token.self);
                   return Taken::yes;
               });
    }

    // Under the wait_lock.
    Standing queue_write(Token& token) {
        const bool first = words_.list.empty();
        words_.list.push_back(token.waiter);
        P::event(Event::queued);
        if (first) {
            // relaxed: a mark; this thread tries before it sleeps.
            words_.count.or_(Moves::kWaiters, relaxed);
            return Standing::first;
        }
        // relaxed: whoever leaves from here on finds somebody to wake.
        const std::int64_t now = words_.count.load(relaxed);
        typename Queue::Batch woken;
        if (Moves::wakes_when_queueing(now)) {
            const bool readers = (now & Moves::kReadersMask) != 0;
            Queue::mark_wake(words_, readers ? RwsemWake::readers : RwsemWake::any, woken);
        }
        if (!woken.empty()) {
            words_.wait_lock.unlock(token.wait_token);
            woken.wake_all();
            words_.wait_lock.lock(token.wait_token);
        }
        return Standing::behind;
    }

    // Under the wait_lock, which it leaves only when it was cancelled, and with that the list.
    template <bool kKillable>
    bool sleep_until_taken(Token& token, Standing standing) {
        P::sleep_prepare();
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (try_take_queued(token, standing)) {
                return true;
            }
            words_.wait_lock.unlock(token.wait_token);
            const bool cancelled = !sleep_until_worth_trying<kKillable>(token, standing);
            words_.wait_lock.lock(token.wait_token);
            if (cancelled) {
                Queue::give_up(words_, token);
                return false;
            }
            standing = standing_now(token, standing);
        }
    }

    // False when cancelled. Prepared to sleep by the caller, and again on return.
    template <bool kKillable>
    bool sleep_until_worth_trying(Token& token, Standing standing) {
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (kKillable && P::poll(P::cancelled())) {
                return false;
            }
            Queue::template sleep<kKillable>();
            P::sleep_prepare();
            // relaxed: a reason to try, no more.
            const bool free = (words_.count.load(relaxed) & Moves::kHeld) == 0;
            if (free || standing != Standing::first || P::expired(token.waiter.patience.get())) {
                return true;
            }
        }
    }

    // Under the wait_lock.
    Standing standing_now(Token& token, Standing before) {
        if (before == Standing::asks || words_.list.front() != &token.waiter) {
            return before;
        }
        // relaxed: the exchange decides.
        const bool held = (words_.count.load(relaxed) & Moves::kHeld) != 0;
        return held && P::expired(token.waiter.patience.get()) ? Standing::asks : Standing::first;
    }

    // Under the wait_lock, by a queued writer (rwsem_try_write_lock).
    bool try_take_queued(Token& token, Standing standing) {
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = words_.count.load(relaxed);
        std::int64_t next = seen;
        for (typename P::template EffectLoop<kQueuedBound> loop;; loop.again()) {
            const bool handoff = (seen & Moves::kHandoff) != 0;
            if (handoff && standing == Standing::behind) {
                return false;
            }
            if ((seen & Moves::kHeld) != 0) {
                if (handoff || standing != Standing::asks) {
                    return false;
                }
                next = seen | Moves::kHandoff;
            } else {
                next = (seen | Moves::kWriter) & ~Moves::kHandoff;
                next = words_.list.singular() ? next & ~Moves::kWaiters : next;
            }
            if (Moves::exchange(words_.count, seen, next)) {
                break;
            }
        }
        if ((next & Moves::kHandoff) != 0) {
            return false;
        }
        if (words_.list.front() != &token.waiter) {
            P::event(Event::stolen);
        }
        Moves::own_write(words_.owner, token.self);
        return true;
    }

    RwsemWords<P, WaitLock> words_;
};

}  // namespace lockbench
