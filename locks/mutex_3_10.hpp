// SPDX-License-Identifier: MIT
// The mutex of Linux 3.10 to 3.12: sleeps, and spins while the owner runs. The anon_vma lock up to 3.7, the i_mmap lock
// of the debate.
//
// Origin: Linux 3.10-3.12 kernel/mutex.c and arch/x86/include/asm/mutex_64.h; spinners queue on an MCS lock
//   (2bd2c92cf07c), Mellor-Crummey and Scott, ACM TOCS 9(1), 1991. The attempt before queueing is that of 3.12; 3.10
//   and 3.11 queue first.
// Differs: in wait_list.hpp. An MCS node a thread instead of one on the stack: a thread spins on one mutex at a time.
//   The MCS tail is swapped and links are stored so that nodes are initialised before they are seen (M3, M4). The owner
//   is a thread number plus one in a word as wide as a pointer. Threads have no real-time priority. No wait/wound
//   forms, no debugging, no lockdep.
//
//   count_     1 free    0 held, nobody known to wait    <0 held, somebody may wait
//   owner_     number of the holder + 1; 0 while nobody holds it, or not written yet
//   lock:      -1; negative -> slow              try_lock: 1 -> 0
//   unlock:    owner 0, +1; not positive -> 1, wake the head of the list
//   spin:      MCS; wait while the owner runs and stays the same; 1 -> 0; leave MCS; again
//   queue:     append; if count >= 0: xchg -1, taken if it was 1; else sleep; on leaving with the lock 0 if nobody else
//     waits
// I1  count_ goes from at most 0 to 1 by the holder only, from 1 to at most 0 by the one that becomes the holder:
//     positive means free.
// I2  A sleeper has set the count to -1 before it slept, or found it negative: the holder's unlock is slow and wakes
//     the head.
// I3  The woken head competes: it can be passed by running threads without bound. It sets -1 in doing so, which covers
//     those behind it.
// I4  A cancelled waiter leaves -1 behind: the next unlock looks at the list once in vain, or wakes the next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "locks/lock.hpp"
#include "locks/ticket.hpp"
#include "locks/wait_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

// The MCS lock that spinners take around each look at the owner (mspin_lock): one word, a node a thread.
template <Platform P>
class MutexSpinners {
  public:
    struct Node {
        typename P::template Atomic<Node*> next;
        typename P::template Atomic<std::uint32_t> locked;
    };

    MutexSpinners() : tail_(nullptr) {}
    MutexSpinners(const MutexSpinners&) = delete;
    MutexSpinners& operator=(const MutexSpinners&) = delete;

    void lock(ThreadId self) {
        Node& node = node_of(self);
        node.next.init(nullptr);
        node.locked.init(0);
        // acq_rel (A1 pairs with R1, R2; R1 pairs with A1): the last holder's accesses are over; the node is complete
        // when it is seen.
        Node* const before = tail_.exchange(&node, acq_rel);
        if (before == nullptr) {
            return;
        }
        // release (R4, pairs with A4): the node is complete when it is found through the link.
        before->next.store(&node, release);
        // acquire (A3, pairs with R3): the last holder's accesses are over.
        node.locked.await([](std::uint32_t locked) { return locked != 0; }, acquire);
    }

    void unlock(ThreadId self) {
        Node& node = node_of(self);
        // acquire (A4, pairs with R4): the next node is complete before it is written to.
        Node* next = node.next.load(acquire);
        if (next == nullptr) {
            // release (R2, pairs with A1): this holder's accesses are over.
            if (tail_.try_cas(&node, nullptr, release)) {
                return;
            }
            // acquire: A4, once the one that swapped the tail has stored its link.
            next = node.next.await_value([](const Node* link) { return link != nullptr; }, acquire);
        }
        // release (R3, pairs with A3): this holder's accesses are over.
        next->locked.store(1, release);
    }

    [[nodiscard]] bool is_constructed() const { return tail_.peek() == nullptr; }

  private:
    struct Tag;
    static Node& node_of(ThreadId self) { return P::template PerThread<Node, Tag>::at(self); }

    typename P::template Atomic<Node*> tail_;
};

template <Platform P, class WaitLock = TicketLock<P>>
class Mutex310 {
  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : self(ctx.tid), wait_token(ctx) {}

        ThreadId self;
        Waiter<P> waiter;
        typename WaitLock::Token wait_token;
    };

    static constexpr LockInfo kInfo = {
        .name = wait_lock_build<P, WaitLock>("mutex_3_10", "mutex_3_10.yield"),
        .family = "mutex",
        .kernel_release = "3.10-3.12",
        .kind = WaitKind::sleep,
        .shared = false,
        .fairness = Fairness::stealing,
        .hold_across_sleep = true,
        .bytes = 40,
        .rmw_read = 0,
        .rmw_write = 2,
        .killable = true,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = false,
        .is_locked = true,
        .convoys = WaitLock::kInfo.convoys,
        .control = false,
        .origin = "Linux 3.12 kernel/mutex.c, arch/x86/include/asm/mutex_64.h",
        .paths = {.lock = "subs32.acquire (token:ld32 owner:st64)",
                  .try_lock = "cas32.acquire (token:ld32 owner:st64)",
                  .unlock = "(owner:st64) addp32.release"},
    };

    Mutex310() : count_(kFree), owner_(kNobody) {
        static_assert(sizeof(Mutex310) == kInfo.bytes, "struct mutex of 3.10 on x86-64");
        static_assert(offsetof(Mutex310, wait_lock_) == 4 && offsetof(Mutex310, list_) == 8 &&
                          offsetof(Mutex310, owner_) == 24 && offsetof(Mutex310, spinners_) == 32,
                      "and its field order");
    }
    Mutex310(const Mutex310&) = delete;
    Mutex310& operator=(const Mutex310&) = delete;

    void lock(Token& token) {
        if (claim()) {
            own(token);
        } else {
            lock_slow<false>(token);
        }
    }

    // False when cancelled, without the lock. As in the kernel only a sleeper looks at that, not a spinner.
    bool lock_killable(Token& token) {
        if (claim()) {
            own(token);
            return true;
        }
        return lock_slow<true>(token);
    }

    bool try_lock(Token& token) {
        // acquire (A5, pairs with R5, R6): the last holder's writes are seen.
        if (!count_.try_cas(kFree, kHeld, acquire)) {
            return false;
        }
        own(token);
        return true;
    }

    void unlock(Token& token) {
        // relaxed: a hint for spinners; the release keeps it before the count.
        owner_.store(kNobody, relaxed);
        // release (R5, pairs with A5, A6, A7, A8 and A9): the next holder sees this one's writes.
        if (count_.add_fetch_test(
                1, [](std::int32_t value) { return value <= 0; }, release)) {
            unlock_slow(token);
        }
    }

    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own accesses.
        return count_.load(relaxed) != kFree;
    }

    [[nodiscard]] bool is_constructed() const {
        return count_.peek() == kFree && wait_lock_.is_constructed() && list_.is_constructed() &&
               owner_.peek() == kNobody && spinners_.is_constructed();
    }

  private:
    static constexpr std::int32_t kFree = 1;
    static constexpr std::int32_t kHeld = 0;
    static constexpr std::int32_t kContended = -1;
    static constexpr std::uint64_t kNobody = 0;
    // Rounds of spinning that an exploration follows; natively no limit.
    static constexpr std::size_t kSpinBound = 4;

    bool claim() {
        // acquire (A6, pairs with R5, R6): as A5.
        return !count_.add_fetch_test(
            -1, [](std::int32_t value) { return value < 0; }, acquire);
    }
    void own(Token& token) {
        // relaxed: a hint for spinners, who act on the count.
        owner_.store(task_of(token.self), relaxed);
    }

    // __mutex_lock_common. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool lock_slow(Token& token) {
        P::event(Event::slow_write);
        // 1. Spin beside a running owner.
        P::preempt_off();
        const bool taken = spin(token);
        P::preempt_on();
        if (taken) {
            return true;
        }
        // 2. Once more without queueing. The count keeps no sign of sleepers then: one of them is awake and will set
        //    it.
        wait_lock_.lock(token.wait_token);
        // relaxed: spares the exchange while somebody may wait. acquire (A7, pairs with R5, R6): as A5.
        if (count_.load(relaxed) >= kHeld && count_.exchange(kHeld, acquire) == kFree) {
            if (!list_.empty()) {
                P::event(Event::stolen);
            }
            own(token);
            wait_lock_.unlock(token.wait_token);
            return true;
        }
        // 3. Queue, and sleep.
        const bool held = queue_and_sleep<kKillable>(token);
        wait_lock_.unlock(token.wait_token);
        return held;
    }

    // Under the wait_lock, which it leaves while it sleeps.
    template <bool kKillable>
    bool queue_and_sleep(Token& token) {
        token.waiter.task.init(task_of(token.self));
        list_.push_back(token.waiter);
        P::event(Event::queued);
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            if (try_take_queued()) {
                break;
            }
            if (kKillable && P::poll(P::cancelled())) {
                list_.remove(token.waiter);
                P::event(Event::cancelled);
                return false;
            }
            P::sleep_prepare();
            wait_lock_.unlock(token.wait_token);
            sleep<kKillable>();
            wait_lock_.lock(token.wait_token);
        }
        if (list_.front() != &token.waiter) {
            P::event(Event::stolen);
        }
        list_.remove(token.waiter);
        own(token);
        if (list_.empty()) {
            // relaxed: the holder's own mark that nobody waits; claims that it wipes out are on their way to the
            // wait_lock.
            count_.store(kHeld, relaxed);
        }
        return true;
    }

    template <bool kKillable>
    static void sleep() {
        P::event(Event::slept);
        if constexpr (kKillable) {
            P::sleep_killable(P::never());  // what it was woken by is seen in the next round
        } else {
            P::sleep(P::never());
        }
    }

    // Sets -1 whenever the count does not show sleepers, so that the next unlock wakes; true when the lock was free.
    bool try_take_queued() {
        // relaxed: spares the exchange. acquire (A8, pairs with R5, R6): as A5.
        return count_.load(relaxed) >= kHeld && count_.exchange(kContended, acquire) == kFree;
    }

    // __mutex_unlock_common_slowpath. After the store another thread may own the mutex, but may not free it: the
    // wait_lock is in use.
    [[gnu::noinline, gnu::cold]] void unlock_slow(Token& token) {
        wait_lock_.lock(token.wait_token);
        // release (R6, pairs with A5, A6, A7, A8 and A9): the next holder sees this one's writes. Claims that the store
        // wipes out are on their way to the wait_lock.
        count_.store(kFree, release);
        if (!list_.empty()) {
            // relaxed: written under the same wait_lock.
            wake_task<P>(list_.front()->task.load(relaxed));
        }
        wait_lock_.unlock(token.wait_token);
    }

    // The MCS lock is taken and released in every round, so that spinners take turns (2bd2c92cf07c). Preemption off.
    bool spin(Token& token) {
        if (!worth_spinning()) {
            return false;
        }
        P::event(Event::spin_started);
        auto should_yield = P::should_yield();
        for (typename P::template EffectLoop<kSpinBound> loop;; loop.again()) {
            spinners_.lock(token.self);
            // relaxed: a hint.
            const std::uint64_t owner = owner_.load(relaxed);
            if (owner != kNobody && !owner_left(owner, should_yield)) {
                spinners_.unlock(token.self);
                break;
            }
            if (try_take_spinning()) {
                own(token);
                spinners_.unlock(token.self);
                P::event(Event::spin_acquired);
                return true;
            }
            spinners_.unlock(token.self);
            // The owner may have been preempted before it wrote its number: no reason to stay when the CPU is wanted.
            if (owner == kNobody && P::poll(should_yield)) {
                break;
            }
        }
        P::event(Event::spin_stopped);
        return false;
    }

    bool worth_spinning() {
        // relaxed: a hint.
        const std::uint64_t owner = owner_.load(relaxed);
        return owner == kNobody || !P::poll(P::not_running(thread_of(owner)));
    }

    // Spins while `owner` owns and runs. True when nobody owns the mutex now; another owner is a sign of contention.
    template <class ShouldYield>
    bool owner_left(std::uint64_t owner, ShouldYield& should_yield) {
        auto not_running = P::not_running(thread_of(owner));
        // relaxed: a hint.
        owner_.await_until([owner](std::uint64_t now) { return now != owner; }, relaxed, not_running, should_yield);
        // relaxed: a hint.
        return owner_.load(relaxed) == kNobody;
    }

    bool try_take_spinning() {
        // relaxed: spares the exchange when it would fail. acquire (A9, pairs with R5, R6): as A5.
        return count_.load(relaxed) == kFree && count_.try_cas(kFree, kHeld, acquire);
    }

    typename P::template Atomic<std::int32_t> count_;
    WaitLock wait_lock_;
    WaitList<P> list_;
    typename P::template Atomic<std::uint64_t> owner_;
    MutexSpinners<P> spinners_;
};

}  // namespace lockbench
