// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 3.10 to 3.15: writers steal the lock from sleeping waiters.
//
// Origin: Linux 3.10 lib/rwsem.c (Lespinasse's series; from 3.13 on kernel/locking/rwsem-xadd.c) and
//   arch/x86/include/asm/rwsem.h, with the look at the count before the exchange in the slow path (9607a85b67a9).
// Differs: in wait_list.hpp and rwsem_xadd.hpp. No debugging, no lockdep, 64-bit counts only.
//
//   count_: see rwsem_xadd.hpp. Readers wait while the count is negative, writers while its active half is not 0.
//   lock_shared:   +kReadUnit; negative -> queue        unlock_shared: -kReadUnit
//   lock:          +kWrite; somebody was active -> queue    unlock:    -kWrite
//   try_lock:      c -> c + kWrite, if nobody is active  downgrade:    -kWaiting, a writer becomes one reader
//   queue, reader: claim back, +kWaiting if first; sleep until granted
//   queue, writer: claim back, +kWaiting if first; then itself kWaiting -> kWrite (+kWaiting if others wait), or sleep
//     and try again
//   wake, head writer:  wake it, no more
//   wake, head readers: a unit for the first; if a writer was faster, undo it; else units for all leading readers,
//     clear their tasks
// I5  A writer takes the lock itself, queued or not, whenever nobody is active: sleepers can be passed without bound.
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
class Rwsem310 {
    using Xadd = RwsemXadd<P>;
    using Claims = RwsemWriterClaims<P>;
    using Slow = RwsemStealing<P, WaitLock>;

  public:
    using Token = SleeperToken<P, WaitLock>;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem_3_10", "rwsem_3_10.yield"),
        .family = "rwsem",
        .kernel_release = "3.10-3.15",
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
        .origin = "Linux 3.10 lib/rwsem.c, arch/x86/include/asm/rwsem.h",
        .paths = {.lock = "faa64.acquire",
                  .try_lock = "ld64 cas64.acquire",
                  .unlock = "faa64.release",
                  .lock_shared = "adds64.acquire",
                  .try_lock_shared = "ld64 cas64.acquire",
                  .unlock_shared = "faa64.release"},
    };

    Rwsem310() : count_(0) {
        static_assert(sizeof(Rwsem310) == kInfo.bytes, "struct rw_semaphore of 3.10 on x86-64");
        static_assert(offsetof(Rwsem310, wait_lock_) == 8 && offsetof(Rwsem310, list_) == 16, "and its field order");
    }
    Rwsem310(const Rwsem310&) = delete;
    Rwsem310& operator=(const Rwsem310&) = delete;

    void lock(Token& token) {
        if (!Claims::claim(count_)) {
            write_slow(token);
        }
    }

    bool try_lock(Token&) { return Claims::try_claim(count_); }

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
    [[gnu::noinline, gnu::cold]] void read_slow(Token& token) { Slow::read_slow(count_, wait_lock_, list_, token); }
    [[gnu::noinline, gnu::cold]] void wake_slow(Token& token, RwsemWake kind) {
        Slow::wake_slow(count_, wait_lock_, list_, token, kind);
    }

    // rwsem_down_write_failed
    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        Xadd::prepare(token.waiter, token.self, Mode::write);
        wait_lock_.lock(token.wait_token);
        const auto queued = Xadd::enqueue(count_, list_, token.waiter, Xadd::kWrite);
        if (!queued.first && queued.count > Xadd::kWaiting) {
            // Only readers are active, and readers may wait ahead since a writer's claim turned them away: they need
            // not (M37).
            Slow::wake_front(count_, list_, RwsemWake::readers);
        }
        Slow::sleep_until_taken(count_, wait_lock_, token, queued.count, [this] { return try_take_queued(); });
        if (list_.front() != &token.waiter) {
            P::event(Event::stolen);
        }
        list_.remove(token.waiter);
        wait_lock_.unlock(token.wait_token);
    }

    // Under the wait_lock, by a queued writer. Any queued writer may, whoever is first.
    bool try_take_queued() {
        const std::int64_t taken = list_.singular() ? Xadd::kWrite : Xadd::kWrite + Xadd::kWaiting;
        // relaxed: spares the exchange when it would fail; the exchange decides.
        if (count_.load(relaxed) != Xadd::kWaiting) {
            return false;
        }
        // acquire (A8, pairs with rwsem_xadd.hpp:R1, rwsem_xadd.hpp:R3): all earlier releases are seen.
        return count_.try_cas(Xadd::kWaiting, taken, acquire);
    }

    typename Xadd::Count count_;
    WaitLock wait_lock_;
    typename Xadd::List list_;
};

}  // namespace lockbench
