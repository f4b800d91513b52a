// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 3.8: strict FIFO, the lock is handed over to sleepers.
//
// Origin: Linux 3.8 lib/rwsem.c and arch/x86/include/asm/rwsem.h, with the waking of readers ahead of a queueing writer
//   that 424acaaeb3a3 (3.4) brought. This is the lock that replaced the anon_vma mutex in 3.8 and lost half of AIM7's
//   fork_test (5a505085f043).
// Differs: in wait_list.hpp and rwsem_xadd.hpp. No debugging, no lockdep, 64-bit counts only.
//
//   count_: see rwsem_xadd.hpp. Readers wait while the count is negative, so behind any writer, holding or waiting.
//   lock_shared:   +kReadUnit; negative -> queue        unlock_shared: -kReadUnit
//   lock:          +kWrite; was not 0 -> queue          unlock:        -kWrite
//   try_lock:      0 -> kWrite                          downgrade:     -kWaiting, a writer becomes one reader
//   queue:         claim back, +kWaiting if first; then sleep until granted
//   wake, head writer:  +kWrite (-kWaiting if alone) if nobody was active, take it off the list, clear its task
//   wake, head readers: units for all leading readers (-kWaiting if that empties the list), clear their tasks
// I5  A queued waiter gets the lock only from another thread, in the order of the list: nobody passes a sleeper, and
//     between the release and the moment the sleeper runs, the lock is idle. Who stands in no list yet is in the order
//     of the wait_lock: that of the .yield build has none, so that its claim is less.
#pragma once

#include <cstddef>

#include "locks/lock.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

template <Platform P, class WaitLock = TicketLock<P>>
class Rwsem38 {
    using Xadd = RwsemXadd<P>;

  public:
    using Token = SleeperToken<P, WaitLock>;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem_3_8", "rwsem_3_8.yield"),
        .family = "rwsem",
        .kernel_release = "3.4-3.8",
        .kind = WaitKind::sleep,
        .shared = true,
        .fairness = WaitLock::kInfo.fairness == Fairness::fifo ? Fairness::fifo : Fairness::fifo_after_claim,
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
        .origin = "Linux 3.8 lib/rwsem.c, arch/x86/include/asm/rwsem.h",
        .paths = {.lock = "faa64.acquire",
                  .try_lock = "cas64.acquire",
                  .unlock = "faa64.release",
                  .lock_shared = "adds64.acquire",
                  .try_lock_shared = "ld64 cas64.acquire",
                  .unlock_shared = "faa64.release"},
    };

    Rwsem38() : count_(0) {
        static_assert(sizeof(Rwsem38) == kInfo.bytes, "struct rw_semaphore of 3.8 on x86-64");
        static_assert(offsetof(Rwsem38, wait_lock_) == 8 && offsetof(Rwsem38, list_) == 16, "and its field order");
    }
    Rwsem38(const Rwsem38&) = delete;
    Rwsem38& operator=(const Rwsem38&) = delete;

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
        queue_and_sleep(token, Mode::read, Xadd::kReadUnit);
    }
    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        queue_and_sleep(token, Mode::write, Xadd::kWrite);
    }

    // rwsem_down_failed_common
    void queue_and_sleep(Token& token, Mode mode, std::int64_t claim) {
        Xadd::prepare(token.waiter, token.self, mode);
        wait_lock_.lock(token.wait_token);
        const auto queued = Xadd::enqueue(count_, list_, token.waiter, claim);
        if (queued.count == Xadd::kWaiting) {
            // Nobody is active: whoever left last may have been misled by this claim.
            wake_front(RwsemWake::any, false);
        } else if (queued.count > Xadd::kWaiting && mode == Mode::write && !queued.first) {
            // Only readers are active, and readers may wait ahead since a writer's claim turned them away: they need
            // not (M37).
            wake_front(RwsemWake::read_owned, false);
        }
        wait_lock_.unlock(token.wait_token);
        sleep_until_granted<P>(token.waiter);
    }

    [[gnu::noinline, gnu::cold]] void wake_slow(Token& token, RwsemWake kind) {
        wait_lock_.lock(token.wait_token);
        if (!list_.empty()) {
            wake_front(kind, kind == RwsemWake::any);
        }
        wait_lock_.unlock(token.wait_token);
    }

    // Under the wait_lock, the list not empty (__rwsem_do_wake). `released`: the caller released the lock before it
    // took the wait_lock, so somebody else may have been woken and be active since.
    void wake_front(RwsemWake kind, bool released) {
        Waiter<P>* const head = list_.front();
        if (head->mode.get() == Mode::read) {
            Xadd::grant_front_readers(count_, list_, released);
            return;
        }
        // A reader is active: trying would be in vain.
        if (kind != RwsemWake::read_owned && Xadd::claim_for_writer(count_, list_.singular())) {
            list_.remove(*head);
            WakeNow<P> now;
            grant<P>(*head, now);
        }
    }

    typename Xadd::Count count_;
    WaitLock wait_lock_;
    typename Xadd::List list_;
};

}  // namespace lockbench
