// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 5.0: as in 3.16 writers steal and spin while the owning writer runs; a spinner
// spares the wake-up, waits can be cancelled, a reader may leave an empty queue.
//
// Origin: Linux 5.0 kernel/locking/rwsem-xadd.c and arch/x86/include/asm/rwsem.h: 3.16 with a spinner that follows the
//   lock from writer to writer and spares the wake-up (59aabfc7e959, 4.2), readers named in the owner word (4.8),
//   killable waits (4.7, 4.15), wakes behind the wait_lock, the exit from an empty queue (4b486b535c33, 4.20).
// Differs: in wait_list.hpp, rwsem_xadd.hpp and osq.hpp. Readers' units are added before any of them is let go, as from
//   5.2 on (M36). The exit from an empty queue acquires, as from 5.3 on (M21). Between the release of the count and the
//   look for a spinner there is a full fence, and so between the end of spinning and the look at the count: the kernel
//   has a read barrier and x86's locked instructions (M19). No debugging, no lockdep, 64-bit counts only.
//
//   count_: see rwsem_xadd.hpp
//   owner_  63                            2        1            0
//          +-------------------------------+--------------+--------------+    0: nobody, or not written yet
//          |  number + 1 of the writer, or | not known    | readers own  |    a reader's name stays when it leaves:
//          |  of the last reader to come   | by its name  | it, or did   |    a hint
//          +-------------------------------+--------------+--------------+
//   lock_shared:   +kReadUnit; negative -> queue        unlock_shared: -kReadUnit
//   lock:          +kWrite; somebody was active -> claim back, spin, queue
//   unlock:        owner 0, then -kWrite                 downgrade:     -kWaiting, owner a reader
//   try_lock:      c -> c + kWrite, if nobody is active
//   spin:          beside a running writer or nobody: OSQ; while the owner runs, whoever it is; c -> c + kWrite, c 0 or
//     kWaiting; not beside readers
//   queue, reader: if nobody waits and no writer is in: it has the lock; else as in rwsem_3_10.hpp, killable
//   queue, writer: +kWaiting if first; then itself kWaiting -> kWrite, +kWaiting if others wait; or sleep and try again
//   wake:          with a spinner about only if the wait_lock is free; it will wake when it leaves
// I5  A writer takes the lock itself whenever nobody is active: sleepers can be passed without bound.
// I6  A reader passes nobody: with anybody waiting the count is negative. Readers do not spin.
// I7  At most one thread spins on owner_ and count_: the head of osq_.
#pragma once

#include <cstddef>

#include "locks/lock.hpp"
#include "locks/rwsem_5_0_queue.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

template <Platform P, class WaitLock = TicketLock<P>, class Moves = Rwsem50Moves<P>>
class Rwsem50 {
    using Xadd = RwsemXadd<P>;
    using Claims = RwsemWriterClaims<P>;
    using Queue = Rwsem50Queue<P, WaitLock, Moves>;

  public:
    using Token = typename Queue::Token;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem_5_0", "rwsem_5_0.yield"),
        .family = "rwsem",
        .kernel_release = "4.20-5.1",
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
        .origin = "Linux 5.0 kernel/locking/rwsem-xadd.c, arch/x86/include/asm/rwsem.h",
        .paths = {.lock = "faa64.acquire (token:ld32 owner:st64)",
                  .try_lock = "ld64 cas64.acquire (token:ld32 owner:st64)",
                  .unlock = "(owner:st64) faa64.release",
                  .lock_shared = "adds64.acquire (token:ld32 owner:st64)",
                  .try_lock_shared = "ld64 cas64.acquire (token:ld32 owner:st64)",
                  .unlock_shared = "faa64.release"},
        .quick = false,
    };

    Rwsem50() {
        static_assert(sizeof(Queue) == kInfo.bytes, "struct rw_semaphore of 5.0 on x86-64");
        static_assert(offsetof(Queue, list) == 8 && offsetof(Queue, wait_lock) == 24 && offsetof(Queue, osq) == 28 &&
                          offsetof(Queue, owner) == 32,
                      "and its field order");
    }
    Rwsem50(const Rwsem50&) = delete;
    Rwsem50& operator=(const Rwsem50&) = delete;

    void lock(Token& token) {
        if (!Claims::claim(queue_.count)) {
            write_slow<false>(token);
        }
        queue_.own_write(token);
    }
    // False when cancelled, without the lock. As in the kernel only a sleeper looks at that, not a spinner.
    bool lock_killable(Token& token) {
        const bool taken = Claims::claim(queue_.count) || write_slow<true>(token);
        if (taken) {
            queue_.own_write(token);
        }
        return taken;
    }

    bool try_lock(Token& token) {
        const bool taken = Claims::try_claim(queue_.count);
        if (taken) {
            queue_.own_write(token);
        }
        return taken;
    }

    void unlock(Token& token) {
        queue_.disown_write();
        queue_.leave(token, [this] { return Xadd::release_write(queue_.count); });
    }

    void lock_shared(Token& token) {
        if (!Xadd::claim_read(queue_.count)) {
            queue_.template read_slow<false>(token);
        }
        queue_.own_read(task_of(token.self));
    }
    bool lock_shared_killable(Token& token) {
        const bool taken = Xadd::claim_read(queue_.count) || queue_.template read_slow<true>(token);
        if (taken) {
            queue_.own_read(task_of(token.self));
        }
        return taken;
    }

    bool try_lock_shared(Token& token) {
        const bool taken = Xadd::try_claim_read(queue_.count);
        if (taken) {
            queue_.own_read(task_of(token.self));
        }
        return taken;
    }

    void unlock_shared(Token& token) {
        queue_.leave(token, [this] { return Xadd::release_read(queue_.count); });
    }

    void downgrade(Token& token) {
        const bool waited_for = Xadd::release_to_read(queue_.count);
        queue_.own_read(task_of(token.self));
        if (waited_for) {
            P::event(Event::downgraded);
            queue_.wake_slow(token, RwsemWake::read_owned, false);
        }
    }

    [[nodiscard]] bool is_locked() const { return queue_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return queue_.is_constructed(); }

  private:
    // rwsem_down_write_failed. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool write_slow(Token& token) {
        P::event(Event::slow_write);
        // relaxed: nothing was done under the claim; an unlocker that it misled is made good for before sleeping.
        queue_.count.sub(Xadd::kWrite, relaxed);
        P::preempt_off();
        const bool taken = spin(token);
        P::preempt_on();
        if (taken) {
            return true;
        }
        Xadd::prepare(token.waiter, token.self, Mode::write);
        queue_.wait_lock.lock(token.wait_token);
        const bool held = sleep_until_taken<kKillable>(token, queue_write(token));
        if (held) {
            if (queue_.list.front() != &token.waiter) {
                P::event(Event::stolen);
            }
            queue_.list.remove(token.waiter);
            queue_.wait_lock.unlock(token.wait_token);
        }
        return held;
    }

    // Under the wait_lock. Returns the count.
    std::int64_t queue_write(Token& token) {
        // Whoever took this thread for a spinner has released the count before, and that is seen below (M19).
        P::fence(seq_cst);
        if (queue_.list.empty()) {
            return Xadd::enqueue(queue_.count, queue_.list, token.waiter, 0).count;
        }
        queue_.list.push_back(token.waiter);
        P::event(Event::queued);
        // relaxed: a reason to try, no more.
        const std::int64_t seen = queue_.count.load(relaxed);
        if (seen > Xadd::kWaiting) {
            typename Queue::Batch woken;  // the readers ahead of it, as no writer is in (M37)
            queue_.mark_wake(RwsemWake::readers, woken);
            woken.wake_all();
        }
        return seen;
    }

    // Under the wait_lock, which it has left when cancelled.
    template <bool kKillable>
    bool sleep_until_taken(Token& token, std::int64_t seen) {
        P::sleep_prepare();
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (seen == Xadd::kWaiting && try_take_queued()) {
                return true;
            }
            queue_.wait_lock.unlock(token.wait_token);
            const bool cancelled = !sleep_while_active<kKillable>(seen);
            queue_.wait_lock.lock(token.wait_token);
            if (cancelled) {
                typename Queue::Batch woken;
                if (queue_.take_off(token)) {
                    queue_.mark_wake(RwsemWake::any, woken);
                }
                queue_.wait_lock.unlock(token.wait_token);
                woken.wake_all();
                return false;
            }
        }
    }
    // False when cancelled. Prepared to sleep by the caller, and again on return.
    template <bool kKillable>
    bool sleep_while_active(std::int64_t& seen) {
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (kKillable && P::poll(P::cancelled())) {
                return false;
            }
            Queue::template sleep<kKillable>();
            P::sleep_prepare();
            // relaxed: a reason to try, no more.
            seen = queue_.count.load(relaxed);
            if (!Xadd::active(seen)) {
                return true;
            }
        }
    }

    // Under the wait_lock, by a queued writer. Any queued writer may, whoever is first.
    bool try_take_queued() {
        const std::int64_t taken = queue_.list.singular() ? Xadd::kWrite : Xadd::kWrite + Xadd::kWaiting;
        // acquire (A8, pairs with rwsem_xadd.hpp:R1, rwsem_xadd.hpp:R3): all earlier releases are seen.
        return queue_.count.try_cas(Xadd::kWaiting, taken, acquire);
    }

    // rwsem_optimistic_spin, preemption off
    bool spin(Token& token) {
        auto should_yield = P::should_yield();
        if (P::poll(should_yield) || !worth_spinning()) {
            return false;
        }
        P::event(Event::spin_started);
        bool taken = false;
        if (queue_.osq.lock(token.self, should_yield)) {
            taken = spin_as_head(should_yield);
            queue_.osq.unlock(token.self);
        }
        P::event(taken ? Event::spin_acquired : Event::spin_stopped);
        return taken;
    }

    // Nobody known: perhaps not written yet.
    bool worth_spinning() {
        // relaxed: a hint.
        const std::uint64_t owner = queue_.owner.load(relaxed);
        return owner == Queue::kNobody ||
               ((owner & Queue::kAnonymous) == 0 && !P::poll(P::not_running(writer_of(owner))));
    }
    static ThreadId writer_of(std::uint64_t owner) { return thread_of(owner >> Queue::kOwnerShift); }

    template <class ShouldYield>
    bool spin_as_head(ShouldYield& should_yield) {
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: a hint.
            const std::uint64_t owner = queue_.owner.load(relaxed);
            if ((owner & Queue::kAnonymous) != 0 || (owner != Queue::kNobody && !owner_left(owner, should_yield))) {
                return false;
            }
            if (Claims::try_claim_spinning(queue_.count)) {
                return true;
            }
            if (owner == Queue::kNobody && P::poll(should_yield)) {
                return false;
            }
        }
    }

    // Spins while `owner` owns and runs. True when another writer does now, or nobody.
    template <class ShouldYield>
    bool owner_left(std::uint64_t owner, ShouldYield& should_yield) {
        auto not_running = P::not_running(writer_of(owner));
        // relaxed: a hint.
        const int stopped = queue_.owner.await_until([owner](std::uint64_t now) { return now != owner; }, relaxed,
                                                     not_running, should_yield);
        // relaxed: a hint.
        const std::uint64_t now = queue_.owner.load(relaxed);
        return (stopped == 0 || now != owner) && (now & Queue::kAnonymous) == 0;
    }

    Queue queue_;
};

}  // namespace lockbench
