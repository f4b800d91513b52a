// SPDX-License-Identifier: MIT
// MCS lock: a FIFO spinlock whose waiters each spin on a node of their own.
//
// Origin: Mellor-Crummey and Scott, ACM TOCS 9(1), 1991, algorithm 5; Linux 3.15 kernel/locking/mcs_spinlock.h (inside
//   kernel/mutex.c since 3.10).
// Differs: the kernel leans on full barriers and address dependencies where links are acquired here. try_lock and
//   is_locked are not in the kernel's file, whose only users are other locks.
//
//   tail_  63                             0
//         +--------------------------------+     null  free
//         |  node of the last in line      |     else  held by the first in line
//         +--------------------------------+
//   node   next: who waits behind me, null while unknown     locked: my turn
//   lock:     tail -> me; if it was null, held; else prev.next = me and wait for locked
//   try_lock: tail null -> me
//   unlock:   tail me -> null if nobody follows; else wait for next and set its locked
// I1  A node is in use from its exchange of the tail until unlock returns, so a token serves one acquisition at a time.
// I2  Only the node's owner waits on locked, only its predecessor sets it, once.
// I3  Behind every node that tail was swapped away from a link follows, so the waits for next end.
#pragma once

#include "locks/lock.hpp"

namespace lockbench {

// kInner: part of another lock, which reports its own slow paths; then slow_write is not counted here.
template <Platform P, bool kInner = false>
class McsLock {
  private:
    // On a line of its own: a waiter's polling disturbs nobody.
    struct alignas(kCacheLine) QNode {
        typename P::template Atomic<QNode*> next;
        typename P::template Atomic<std::uint32_t> locked;
    };

  public:
    class Token {
      public:
        explicit Token(Ctx<P>&) {}

      private:
        friend class McsLock;
        QNode node_;  // stored anew by each acquisition
    };

    static constexpr LockInfo kInfo = {
        .name = "mcs",
        .family = "mcs",
        .kernel_release = "3.15-",
        .kind = WaitKind::spin,
        .shared = false,
        .fairness = Fairness::fifo,
        .hold_across_sleep = false,
        .bytes = 8,
        .rmw_read = 0,
        .rmw_write = 2,
        .killable = false,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = true,
        .control = false,
        .origin = "Mellor-Crummey and Scott 1991; Linux 3.15 kernel/locking/mcs_spinlock.h",
        .paths = {.lock = "node:st64 node:st32 xchg64.acq_rel",
                  .try_lock = "ld64 node:st64 node:st32 cas64.acq_rel",
                  // A successor that has linked itself is handed the lock without a look at the tail.
                  .unlock = "node:ld64.acquire cas64.release | node:ld64.acquire node:st32.release"},
    };

    McsLock() : tail_(nullptr) { static_assert(sizeof(McsLock) == kInfo.bytes); }
    McsLock(const McsLock&) = delete;
    McsLock& operator=(const McsLock&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        QNode& node = prepare(token);
        // acq_rel. R1 pairs with A1: the node is initialised before its successor links to it or hands over to it.
        // A1 pairs with R1, R2, R4: prev's initialisation comes before the link stored into it, and a free lock shows
        // what its last holder did.
        QNode* const prev = tail_.exchange(&node, acq_rel);
        if (prev != nullptr) {
            wait_slow(node, *prev);
        }
    }

    bool try_lock(Token& token) {
        P::preempt_off();
        // relaxed: only a guess that saves the line from being taken in vain; the exchange decides.
        if (tail_.load(relaxed) == nullptr) {
            QNode& node = prepare(token);
            // acq_rel, as in lock(). A2 pairs with R4. R2 pairs with A1.
            if (tail_.try_cas(nullptr, &node, acq_rel)) {
                return true;
            }
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token& token) {
        QNode& node = token.node_;
        // acquire (A3, pairs with R3): the successor's node may be written.
        QNode* next = node.next.load(acquire);
        if (next == nullptr) [[likely]] {  // so that the uncontended way is the one without a jump
            // release (R4, pairs with A1, A2): the next holder sees what this one did.
            if (tail_.try_cas(&node, nullptr, release)) {
                P::preempt_on();
                return;
            }
            next = await_next(node);
        }
        // release (R5, pairs with A5): the next holder sees what this one did.
        next->locked.store(1, release);
        P::preempt_on();
    }

    // A waiter counts as locked, and there is none without a holder. relaxed: the caller orders this load.
    [[nodiscard]] bool is_locked() const { return tail_.load(relaxed) != nullptr; }
    [[nodiscard]] bool is_constructed() const { return tail_.peek() == nullptr; }

  private:
    static QNode& prepare(Token& token) {
        QNode& node = token.node_;
        // Nobody can reach the node yet; the exchange of the tail publishes it (R1, R2).
        node.next.init(nullptr);
        node.locked.init(0);
        return node;
    }

    [[gnu::noinline, gnu::cold]] void wait_slow(QNode& node, QNode& prev) {
        if constexpr (!kInner) {
            P::event(Event::slow_write);
        }
        P::event(Event::queued);
        // release (R3, pairs with A3, A4): locked is 0 before the hand-over sets it, or it would be wiped out.
        prev.next.store(&node, release);
        // acquire (A5, pairs with R5): the last holder's writes are seen.
        node.locked.await([](std::uint32_t locked) { return locked != 0; }, acquire);
    }

    // Somebody has swapped the tail and is about to link (I3).
    [[gnu::noinline, gnu::cold]] QNode* await_next(QNode& node) {
        // acquire (A4, pairs with R3): the successor's node may be written.
        return node.next.await_value([](QNode* linked) { return linked != nullptr; }, acquire);
    }

    typename P::template Atomic<QNode*> tail_;
};

}  // namespace lockbench
