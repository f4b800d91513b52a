// SPDX-License-Identifier: MIT
// The read-write semaphore of today: hand-off after 4 ms, no spinning readers, readers that steal within limits, all
// queued readers woken together.
//
// Origin: Linux 6.3 kernel/locking/rwsem.c: the rewrite of 5.3 without reader spinning (617f3ef95177, 5.11), with
//   reader stealing (1a728dff855a) bounded by 2f06f702925b, the waiter's own hand-off mark (d257cc8cb8d5, 5.16),
//   6eebd5fb2083 and 1ee326196c66 (5.19), b613c7f31476 and preemption off while count and owner change (6.3). The form
//   of the list that 1ea4b473504b (2026) brought is not in.
// Differs: in rwsem_count.hpp and rwsem_queue.hpp. A waiter's hand-off mark is read under the wait_lock. No debugging,
//   no lockdep, 64-bit counts only.
//
//   count_, owner_: see rwsem_count.hpp; words: see rwsem_queue.hpp
//   lock_shared:   +reader; a writer, waiters or handoff in it -> slow      unlock_shared: -reader
//   lock:          0 -> writer, else slow                                  unlock:        owner 0, -writer
//   try_lock, try_lock_shared: likewise, without the slow path             downgrade:     +reader -writer
//   slow, reader:  keeps its unit and has the lock if there is no writer and no handoff, unless readers own it and
//     somebody waits; the first reader in lets queued readers in that are first in line. Else unit back, +waiters if
//     first, sleep until granted
//   slow, writer:  spin; +waiters if first; then, under the wait_lock, itself: free -> writer, -handoff, -waiters if
//     alone; held, and it waits for longer than 4 ms -> +handoff, in the name of the first in line; sleep, or spin on
//     the owner if the hand-off is its own
// I6  With handoff set a free lock goes to the first in line, or, if the mark is not the first one's, to any in line.
// I7  No reader comes in past a sleeper while other readers are in; so readers alone cannot keep a writer out for ever.
// I8  At most one thread spins on the words: the head of the OSQ, or the first in line with the hand-off.
#pragma once

#include "locks/lock.hpp"
#include "locks/rwsem_count.hpp"
#include "locks/rwsem_queue.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

struct RwsemPolicy {
    static constexpr std::size_t kMaxReadersWoken = 256;   // by one waker (MAX_READERS_WAKEUP)
    static constexpr Nanoseconds kPatienceNs = 4'000'000;  // a 250th of a second (RWSEM_WAIT_TIMEOUT)
    static constexpr bool kWakeAllReaders = true;          // not the leading ones only
    static constexpr bool kWriterSpinOnReaders = true;
    static constexpr bool kHandoffStopsSpinners = false;  // one of them follows the waiter that gets the lock
    static constexpr bool kCancelledReaderWakes = true;
    static constexpr bool kCancelledAlwaysWakes = false;  // only the first in line does
    static constexpr std::uint64_t kWriterNonspinnable = 2;
    static constexpr std::uint64_t kAllNonspinnable = 2;
};

template <Platform P, class WaitLock = TicketLock<P>, class Policy = RwsemPolicy, class Moves = RwsemCount<P>>
class Rwsem {
    using Queue = RwsemQueue<P, WaitLock, Policy, Moves>;
    using Spin = RwsemSpin<P, WaitLock, Policy, Moves>;

  public:
    using Token = typename Queue::Token;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem", "rwsem.yield"),
        .family = "rwsem",
        .kernel_release = "6.3",
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
        .origin = "Linux 6.3 kernel/locking/rwsem.c",
        .paths = Moves::kPaths,
    };

    Rwsem() = default;
    Rwsem(const Rwsem&) = delete;
    Rwsem& operator=(const Rwsem&) = delete;

    void lock(Token& token) {
        if (!try_lock(token)) {
            write_slow<false>(token);
        }
    }
    // False when cancelled, without the lock. As in the kernel only a sleeper looks at that, not a spinner.
    bool lock_killable(Token& token) { return try_lock(token) || write_slow<true>(token); }

    bool try_lock(Token& token) {
        P::preempt_off();  // so that a spinner never sees the lock held and, for long, nobody's name (M31)
        const bool taken = Moves::try_claim_write(words_.count);
        if (taken) {
            Moves::own_write(words_.owner, token.self);
        }
        P::preempt_on();
        return taken;
    }

    void unlock(Token& token) {
        P::preempt_off();
        Moves::disown_write(words_.owner);
        if (Moves::release_write(words_.count)) {
            Queue::wake(words_, token, RwsemWake::any);
        }
        P::preempt_on();
    }

    void lock_shared(Token& token) { read<false>(token); }
    bool lock_shared_killable(Token& token) { return read<true>(token); }

    bool try_lock_shared(Token& token) {
        P::preempt_off();
        const bool taken = Moves::try_claim_read(words_.count);
        if (taken) {
            Moves::own_read(words_.owner, task_of(token.self));
        }
        P::preempt_on();
        return taken;
    }

    void unlock_shared(Token& token) {
        P::preempt_off();
        if (Moves::release_read(words_.count)) {
            Queue::wake_after_readers(words_, token);
        }
        P::preempt_on();
    }

    void downgrade(Token& token) {
        P::preempt_off();
        const bool waited_for = Moves::release_to_read(words_.count);
        Moves::own_read(words_.owner, task_of(token.self));
        if (waited_for) {
            P::event(Event::downgraded);
            Queue::wake(words_, token, RwsemWake::read_owned);
        }
        P::preempt_on();
    }

    [[nodiscard]] bool is_locked() const { return words_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return words_.is_constructed(); }

  private:
    // Rounds of a queued writer under the wait_lock that an exploration follows; natively no limit.
    static constexpr std::size_t kQueuedBound = 4;

    template <bool kKillable>
    bool read(Token& token) {
        P::preempt_off();
        const std::int64_t count = Moves::claim_read(words_.count);
        const bool taken = (count & Moves::kNoFastRead) == 0;
        if (taken) {
            Moves::own_read(words_.owner, task_of(token.self));
        }
        P::preempt_on();
        return taken || read_slow<kKillable>(token, count);
    }

    // rwsem_down_read_slowpath; the unit is in the count. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool read_slow(Token& token, std::int64_t count) {
        P::event(Event::slow_read);
        // relaxed: a hint.
        if (Moves::may_steal_read(count, words_.owner.load(relaxed))) {
            Moves::own_read(words_.owner, task_of(token.self));
            if ((count & Moves::kWaiters) != 0) {
                P::event(Event::stolen);
                if (Moves::readers_of(count) == 1) {
                    Queue::wake(words_, token, RwsemWake::read_owned);
                }
            }
            return true;
        }
        Moves::prepare(token.waiter, token.self, Mode::read, Policy::kPatienceNs);
        words_.wait_lock.lock(token.wait_token);
        const bool first = words_.list.empty();
        if (first && (Moves::recount(words_.count) & Moves::kWriter) == 0) {
            // The writer left, and nobody waits: the unit is the lock.
            words_.wait_lock.unlock(token.wait_token);
            Moves::own_read(words_.owner, task_of(token.self));
            return true;
        }
        words_.list.push_back(token.waiter);
        P::event(Event::queued);
        const std::int64_t delta = (first ? Moves::kWaiters : 0) - Moves::kReader;
        // relaxed: nothing was done under the unit; the list is ordered by the wait_lock.
        const std::int64_t now = words_.count.fetch_add(delta, relaxed) + delta;
        typename Queue::Batch woken;
        wake_if_not_written(now, woken);
        words_.wait_lock.unlock(token.wait_token);
        woken.wake_all();
        return Queue::template sleep_until_granted<kKillable>(words_, token);
    }

    // Under the wait_lock, by one that has just queued (rwsem_cond_wake_waiter).
    void wake_if_not_written(std::int64_t count, typename Queue::Batch& woken) {
        if (!Moves::wakes_when_queueing(count)) {
            return;
        }
        if ((count & Moves::kReadersMask) != 0) {
            Queue::mark_wake(words_, RwsemWake::readers, woken);
        } else {
            Queue::allow_spinning(words_.owner);
            Queue::mark_wake(words_, RwsemWake::any, woken);
        }
    }

    // rwsem_down_write_slowpath. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool write_slow(Token& token) {
        P::event(Event::slow_write);
        P::preempt_off();
        const bool taken = spin(token);
        P::preempt_on();
        if (taken) {
            return true;
        }
        Moves::prepare(token.waiter, token.self, Mode::write, Policy::kPatienceNs);
        words_.wait_lock.lock(token.wait_token);
        const bool first = words_.list.empty();
        words_.list.push_back(token.waiter);
        P::event(Event::queued);
        if (first) {
            // relaxed: a mark; this thread tries before it sleeps.
            words_.count.or_(Moves::kWaiters, relaxed);
        } else {
            typename Queue::Batch woken;
            // relaxed: whoever leaves from here on finds somebody to wake.
            wake_if_not_written(words_.count.load(relaxed), woken);
            if (!woken.empty()) {
                words_.wait_lock.unlock(token.wait_token);
                woken.wake_all();
                words_.wait_lock.lock(token.wait_token);
            }
        }
        return sleep_until_taken<kKillable>(token);
    }

    bool spin(Token& token) {
        return Spin::worth_spinning(words_, Moves::kNonspinnable) &&
               Spin::template spin<Mode::write>(words_, token.self, Moves::kNonspinnable, [this, &token] {
                   if (!Moves::try_claim_write_past(words_.count)) {
                       return Spin::Taken::no;
                   }
                   Moves::own_write(words_.owner, token.self);
                   return Spin::Taken::yes;
               });
    }

    // Under the wait_lock, which it leaves.
    template <bool kKillable>
    bool sleep_until_taken(Token& token) {
        P::sleep_prepare();
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (try_take_queued(token)) {
                words_.wait_lock.unlock(token.wait_token);
                return true;
            }
            const bool handoff = token.waiter.handoff_set.get();
            words_.wait_lock.unlock(token.wait_token);
            if (kKillable && P::poll(P::cancelled())) {
                words_.wait_lock.lock(token.wait_token);
                Queue::give_up(words_, token);
                return false;
            }
            // With the hand-off in hand it is worth while to wait for a running owner; not for anything else.
            if (!handoff || !owner_gone()) {
                Queue::template sleep<kKillable>();
                P::sleep_prepare();
            }
            words_.wait_lock.lock(token.wait_token);
        }
    }

    bool owner_gone() {
        P::preempt_off();
        auto should_yield = P::should_yield();
        const bool gone = Spin::watch(words_, Moves::kNonspinnable, should_yield) == Spin::Owner::nobody;
        P::preempt_on();
        return gone;
    }

    // Under the wait_lock, by a queued writer. Any may, or ask for the hand-off (rwsem_try_write_lock).
    bool try_take_queued(Token& token) {
        Waiter& first = *words_.list.front();
        Waiter& mine = token.waiter;
        // relaxed: only a guess, the exchange decides.
        std::int64_t seen = words_.count.load(relaxed);
        std::int64_t next = seen;
        for (typename P::template EffectLoop<kQueuedBound> loop;; loop.again()) {
            const bool handoff = (seen & Moves::kHandoff) != 0;
            if (handoff && Moves::is_for_first_only(first, mine)) {
                return false;
            }
            if ((seen & Moves::kHeld) != 0) {
                if (handoff || !P::expired(mine.patience.get())) {
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
            Moves::mark_handoff(first, mine);
            return false;
        }
        if (&first != &mine) {
            P::event(Event::stolen);
        }
        words_.list.remove(mine);
        Moves::own_write(words_.owner, token.self);
        return true;
    }

    using Waiter = typename Queue::Waiter;

    RwsemWords<P, WaitLock> words_;
};

}  // namespace lockbench
