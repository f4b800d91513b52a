// SPDX-License-Identifier: MIT
// The read-write semaphore of Linux 3.16: writer stealing, and writers spin while the owning writer runs.
//
// Origin: Linux 3.16 kernel/locking/rwsem-xadd.c (4fc828e24cd9, with 37e9562453b8: no spinning beside readers) and
//   arch/x86/include/asm/rwsem.h; spinners queue on the OSQ of osq.hpp.
// Differs: in wait_list.hpp, rwsem_xadd.hpp and osq.hpp. No debugging, no lockdep, 64-bit counts only. The owner is a
//   thread number plus one in a word as wide as a pointer. A thread has no real-time priority, so a spinner that sees
//   no owner stops for should_yield only.
//
//   count_: see rwsem_xadd.hpp.   owner_: the writer that holds the lock, 0 for readers, nobody, or not written yet
//   lock_shared:   +kReadUnit; negative -> queue        unlock_shared: -kReadUnit
//   lock:          +kWrite; somebody was active -> claim back, spin, queue
//   unlock:        owner 0, then -kWrite                 downgrade:     owner 0, then -kWaiting
//   try_lock:      c -> c + kWrite, if nobody is active
//   spin:          if a running writer owns it: OSQ; while owner runs and stays the same; at no owner c -> c + kWrite,
//     c 0 or kWaiting
//   queue, reader, and both wakes: as in rwsem_3_10.hpp
//   queue, writer: +kWaiting if first; then itself kWaiting -> kWrite, +kWaiting if others wait; or sleep and try again
// I5  A writer takes the lock itself whenever nobody is active: sleepers can be passed without bound.
// I6  A reader passes nobody: with anybody waiting the count is negative. Readers do not spin.
// I7  At most one thread spins on owner_ and count_: the head of osq_.
#pragma once

#include <cstddef>

#include "locks/lock.hpp"
#include "locks/osq.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

struct Rwsem316Spinners;  // tells the queue nodes of these spinners from those of other locks

template <Platform P, class WaitLock = TicketLock<P>>
class Rwsem316 {
    using Xadd = RwsemXadd<P>;
    using Claims = RwsemWriterClaims<P>;
    using Slow = RwsemStealing<P, WaitLock>;

  public:
    using Token = SleeperToken<P, WaitLock>;

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("rwsem_3_16", "rwsem_3_16.yield"),
        .family = "rwsem",
        .kernel_release = "3.16",
        .kind = WaitKind::sleep,
        .shared = true,
        .fairness = Fairness::stealing,
        .hold_across_sleep = true,
        .bytes = 40,
        .rmw_read = 2,
        .rmw_write = 2,
        .killable = false,
        .downgrade = true,
        .irq_readers = false,
        .free_after_unlock = false,
        .is_locked = true,
        .convoys = WaitLock::kInfo.convoys,
        .control = false,
        .origin = "Linux 3.16 kernel/locking/rwsem-xadd.c, arch/x86/include/asm/rwsem.h",
        .paths = {.lock = "faa64.acquire (token:ld32 owner:st64)",
                  .try_lock = "ld64 cas64.acquire (token:ld32 owner:st64)",
                  .unlock = "(owner:st64) faa64.release",
                  .lock_shared = "adds64.acquire",
                  .try_lock_shared = "ld64 cas64.acquire",
                  .unlock_shared = "faa64.release"},
    };

    Rwsem316() : count_(0), owner_(kNobody) {
        static_assert(sizeof(Rwsem316) == kInfo.bytes, "struct rw_semaphore of 3.16 on x86-64");
        static_assert(offsetof(Rwsem316, list_) == 8 && offsetof(Rwsem316, wait_lock_) == 24 &&
                          offsetof(Rwsem316, osq_) == 28 && offsetof(Rwsem316, owner_) == 32,
                      "and its field order");
    }
    Rwsem316(const Rwsem316&) = delete;
    Rwsem316& operator=(const Rwsem316&) = delete;

    void lock(Token& token) {
        if (!Claims::claim(count_)) {
            write_slow(token);
        }
        own(token);
    }

    bool try_lock(Token& token) {
        const bool taken = Claims::try_claim(count_);
        if (taken) {
            own(token);
        }
        return taken;
    }

    void unlock(Token& token) {
        disown();
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
        disown();
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
        return count_.peek() == 0 && wait_lock_.is_constructed() && list_.is_constructed() &&
               owner_.peek() == kNobody && osq_.is_constructed();
    }

  private:
    static constexpr std::uint64_t kNobody = 0;

    void own(Token& token) {
        // relaxed: a hint for spinners, who act on the count.
        owner_.store(task_of(token.self), relaxed);
    }
    void disown() {
        // relaxed: a hint; the release that follows keeps it before the release of the count.
        owner_.store(kNobody, relaxed);
    }

    [[gnu::noinline, gnu::cold]] void read_slow(Token& token) { Slow::read_slow(count_, wait_lock_, list_, token); }
    [[gnu::noinline, gnu::cold]] void wake_slow(Token& token, RwsemWake kind) {
        Slow::wake_slow(count_, wait_lock_, list_, token, kind);
    }

    // rwsem_down_write_failed
    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        // 1. Claim nothing while spinning. An unlocker that took the claim for an active one has not woken anybody:
        //    step 3 makes good for it, by trying before sleeping.
        // relaxed: nothing was done under the claim.
        count_.sub(Xadd::kWrite, relaxed);
        // 2. Spin beside a running owner.
        P::preempt_off();
        const bool taken = spin(token);
        P::preempt_on();
        if (taken) {
            return;
        }
        // 3. Queue, and sleep until taken.
        Xadd::prepare(token.waiter, token.self, Mode::write);
        wait_lock_.lock(token.wait_token);
        const std::int64_t seen = queue(token);
        Slow::sleep_until_taken(count_, wait_lock_, token, seen, [this] { return try_take_queued(); });
        if (list_.front() != &token.waiter) {
            P::event(Event::stolen);
        }
        list_.remove(token.waiter);
        wait_lock_.unlock(token.wait_token);
    }

    // Under the wait_lock, holding no claim. Returns the count.
    std::int64_t queue(Token& token) {
        if (list_.empty()) {
            return Xadd::enqueue(count_, list_, token.waiter, 0).count;
        }
        list_.push_back(token.waiter);
        P::event(Event::queued);
        // relaxed: a reason to try, no more.
        const std::int64_t seen = count_.load(relaxed);
        if (seen > Xadd::kWaiting) {
            // Only readers are active, and readers may wait ahead since a writer's claim turned them away: they need
            // not (M37).
            Slow::wake_front(count_, list_, RwsemWake::readers);
        }
        return seen;
    }

    // Under the wait_lock, by a queued writer. Any queued writer may, whoever is first.
    bool try_take_queued() {
        // relaxed: spares the exchange when it would fail; the exchange decides. acquire (A8, pairs with
        // rwsem_xadd.hpp:R1, rwsem_xadd.hpp:R3): all earlier releases are seen.
        if (count_.load(relaxed) != Xadd::kWaiting || !count_.try_cas(Xadd::kWaiting, Xadd::kWrite, acquire)) {
            return false;
        }
        if (!list_.singular()) {
            // relaxed: kWrite is negative by itself, so nobody could take the lock between the two; this keeps the
            // others' mark.
            count_.add(Xadd::kWaiting, relaxed);
        }
        return true;
    }

    // rwsem_optimistic_spin, preemption off
    bool spin(Token& token) {
        auto should_yield = P::should_yield();
        if (!worth_spinning(should_yield)) {
            return false;
        }
        P::event(Event::spin_started);
        bool taken = false;
        if (osq_.lock(token.self, should_yield)) {
            taken = spin_as_head(should_yield);
            osq_.unlock(token.self);
        }
        P::event(taken ? Event::spin_acquired : Event::spin_stopped);
        return taken;
    }

    // Without a known owner readers may hold the lock, for long: no spinning. Nor beside an owner that sleeps.
    template <class ShouldYield>
    bool worth_spinning(ShouldYield& should_yield) {
        if (P::poll(should_yield)) {
            return false;
        }
        // relaxed: a hint.
        const std::uint64_t owner = owner_.load(relaxed);
        return owner != kNobody && !P::poll(P::not_running(thread_of(owner)));
    }

    template <class ShouldYield>
    bool spin_as_head(ShouldYield& should_yield) {
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: a hint.
            const std::uint64_t owner = owner_.load(relaxed);
            if (owner != kNobody && !owner_left(owner, should_yield)) {
                return false;
            }
            if (Claims::try_claim_spinning(count_)) {
                return true;
            }
            if (owner == kNobody && P::poll(should_yield)) {
                return false;
            }
        }
    }

    // Spins while `owner` owns and runs. True when nobody owns the lock now; another writer is a sign of contention.
    template <class ShouldYield>
    bool owner_left(std::uint64_t owner, ShouldYield& should_yield) {
        auto not_running = P::not_running(thread_of(owner));
        // relaxed: a hint.
        owner_.await_until([owner](std::uint64_t now) { return now != owner; }, relaxed, not_running, should_yield);
        // relaxed: a hint.
        return owner_.load(relaxed) == kNobody;
    }

    typename Xadd::Count count_;
    typename Xadd::List list_;
    WaitLock wait_lock_;
    OptimisticSpinQueue<P, Rwsem316Spinners> osq_;
    typename P::template Atomic<std::uint64_t> owner_;
};

}  // namespace lockbench
