// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 3.9: a writer at the head of the list is woken and not granted the lock, so that a
// writer that runs can steal it, behind the wait_lock.
//
// Origin: Linux 3.9 lib/rwsem.c (Shi, ce6711f3d196) and arch/x86/include/asm/rwsem.h: it brought AIM7's fork_test back.
// Differs: in wait_list.hpp and rwsem_xadd.hpp. No debugging, no lockdep, 64-bit counts only.
//
//   count_: see rwsem_xadd.hpp. Readers wait while the count is negative, so behind any writer, holding or waiting.
//   lock_shared:   +kReadUnit; negative -> queue        unlock_shared: -kReadUnit
//   lock:          +kWrite; was not 0 -> queue          unlock:        -kWrite
//   try_lock:      0 -> kWrite                          downgrade:     -kWaiting, a writer becomes one reader
//   queue, reader: claim back, +kWaiting if first; sleep until granted
//   queue, writer: claim back, +kWaiting if first; then, under the wait_lock anew, itself, if the head is a writer:
//     +kWrite (-kWaiting if alone) if nobody was active, else take it back; or sleep and try again
//   wake, head writer:  wake it, no more
//   wake, head readers: units for all leading readers (-kWaiting if that empties the list), clear their tasks
// I5  A queued writer, running or just come, may pass sleeping writers without bound, but no reader: with a reader at
//     the head none tries.
// I6  A reader passes nobody: with anybody waiting the count is negative.
#pragma once

#include <cstddef>

#include "locks/lock.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

template <Platform P, class WaitLock = TicketLock<P>>
class Rwsem39 {
    using Xadd = RwsemXadd<P>;

  public:
    using Token = SleeperToken<P, WaitLock>;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem_3_9", "rwsem_3_9.yield"),
        .family = "rwsem",
        .kernel_release = "3.9",
        .kind = WaitKind::sleep,
        .shared = true,
        .fairness = Fairness::stealing,
        .hold_across_sleep = true,
        .bytes = 32,
        .rmw_read = 2,
        .rmw_write = 2,
        .killable = false,
        .downgrade = true,
        .irq_readers = false,
        .free_after_unlock = false,
        .is_locked = true,
        .convoys = WaitLock::kInfo.convoys,
        .control = false,
        .origin = "Linux 3.9 lib/rwsem.c, arch/x86/include/asm/rwsem.h",
        .paths = {.lock = "faa64.acquire",
                  .try_lock = "cas64.acquire",
                  .unlock = "faa64.release",
                  .lock_shared = "adds64.acquire",
                  .try_lock_shared = "ld64 cas64.acquire",
                  .unlock_shared = "faa64.release"},
        .quick = false,
    };

    Rwsem39() : count_(0) {
        static_assert(sizeof(Rwsem39) == kInfo.bytes, "struct rw_semaphore of 3.9 on x86-64");
        static_assert(offsetof(Rwsem39, wait_lock_) == 8 && offsetof(Rwsem39, list_) == 16, "and its field order");
    }
    Rwsem39(const Rwsem39&) = delete;
    Rwsem39& operator=(const Rwsem39&) = delete;

    void lock(Token& token) {
        if (!Xadd::claim_free(count_)) {
            write_slow(token);
        }
    }
    bool try_lock(Token&) { return Xadd::try_claim_free(count_); }

    void unlock(Token& token) {
        if (Xadd::release_write(count_)) {
            wake_slow(token, RwsemWake::any);
        }
    }

    void lock_shared(Token& token) {
        if (!Xadd::claim_read(count_)) {
            read_slow(token);
        }
    }

    bool try_lock_shared(Token&) { return Xadd::try_claim_read(count_); }

    void unlock_shared(Token& token) {
        if (Xadd::release_read(count_)) {
            wake_slow(token, RwsemWake::any);
        }
    }

    void downgrade(Token& token) {
        if (Xadd::release_to_read(count_)) {
            P::event(Event::downgraded);
            wake_slow(token, RwsemWake::read_owned);
        }
    }

    // A waiter or a claim on its way counts as locked.
    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own accesses.
        return count_.load(relaxed) != 0;
    }

    [[nodiscard]] bool is_constructed() const {
        return count_.peek() == 0 && wait_lock_.is_constructed() && list_.is_constructed();
    }

  private:
    [[gnu::noinline, gnu::cold]] void read_slow(Token& token) {
        P::event(Event::slow_read);
        wait_lock_.lock(token.wait_token);
        queue(token, Mode::read, Xadd::kReadUnit);
        wait_lock_.unlock(token.wait_token);
        sleep_until_granted<P>(token.waiter);
    }

    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        wait_lock_.lock(token.wait_token);
        queue(token, Mode::write, Xadd::kWrite);
        P::sleep_prepare();
        wait_lock_.unlock(token.wait_token);
        // The wait_lock is taken anew for each try, the first one too.
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            wait_lock_.lock(token.wait_token);
            const bool taken = try_take_queued(token.waiter);
            wait_lock_.unlock(token.wait_token);
            if (taken) {
                return;
            }
            P::event(Event::slept);
            P::sleep(P::never());
            P::sleep_prepare();
        }
    }

    // Under the wait_lock (the first half of rwsem_down_failed_common).
    void queue(Token& token, Mode mode, std::int64_t claim) {
        Xadd::prepare(token.waiter, token.self, mode);
        const auto queued = Xadd::enqueue(count_, list_, token.waiter, claim);
        if (queued.count == Xadd::kWaiting) {
            // Nobody is active: whoever left last may have been misled by this claim.
            wake_front(RwsemWake::any, false);
        } else if (queued.count > Xadd::kWaiting && mode == Mode::write && !queued.first) {
            // Only readers are active, and readers may wait ahead since a writer's claim turned them away: they need
            // not (M37).
            wake_front(RwsemWake::read_owned, false);
        }
    }

    [[gnu::noinline, gnu::cold]] void wake_slow(Token& token, RwsemWake kind) {
        wait_lock_.lock(token.wait_token);
        if (!list_.empty()) {
            wake_front(kind, kind == RwsemWake::any);
        }
        wait_lock_.unlock(token.wait_token);
    }

    // Under the wait_lock, the list not empty (__rwsem_do_wake).
    void wake_front(RwsemWake kind, bool released) {
        Waiter<P>* const head = list_.front();
        if (head->mode.get() == Mode::read) {
            Xadd::grant_front_readers(count_, list_, released);
        } else if (kind != RwsemWake::read_owned) {
            // It has to take the lock itself. relaxed: written before the waiter entered the list, under the same
            // wait_lock.
            wake_task<P>(head->task.load(relaxed));
        }
    }

    // Under the wait_lock, by a queued writer; it leaves the list with the lock (try_get_writer_sem).
    bool try_take_queued(Waiter<P>& mine) {
        Waiter<P>* const head = list_.front();
        if (head->mode.get() == Mode::read || !Xadd::claim_for_writer(count_, list_.singular())) {
            return false;
        }
        if (head != &mine) {
            P::event(Event::stolen);
        }
        list_.remove(mine);
        return true;
    }

    typename Xadd::Count count_;
    WaitLock wait_lock_;
    typename Xadd::List list_;
};

}  // namespace lockbench
