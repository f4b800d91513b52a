// SPDX-License-Identifier: MIT
// Optimistic spin queue: a queue of spinners that any of them may leave; and an exclusive lock made of it.
//
// Origin: the cancellable MCS lock of Linux 3.15 with the 32-bit tail of 3.16 (kernel/locking/mcs_spinlock.c osq_lock,
//   osq_unlock, osq_wait_next; later kernel/locking/osq_lock.c), after Mellor-Crummey and Scott, ACM TOCS 9(1), 1991.
// Differs: nodes belong to threads, not CPUs. Who stops a wait is the caller's choice: 3.16 knew only need_resched,
//   from 4.10 on a predecessor whose virtual CPU is preempted stops it too. The hand-over is a release store and waits
//   acquire, where the kernel leans on a full-barrier exchange before a plain store; moving the tail acquires, where it
//   leans on a control dependency. OsqLock has no model in the kernel, which only ever queues spinners of another lock
//   with it.
//
//   tail_  31                            0
//         +-------------------------------+      0      nobody in the queue
//         |    number of the last + 1     |      n + 1  node n is the last; the first in line holds the queue
//         +-------------------------------+
//   node   next: who waits behind me, or null while unknown or taken     prev: whom I wait for     locked: my turn
//   lock:    tail -> me; if it was 0 the queue is mine, else link behind prev and wait for locked or a stop
//   leave A: prev.next: me -> null pins prev: it cannot leave before somebody links behind it again. Fails when prev
//            hands over to me (locked follows: I own the queue) or has left itself (my prev changes: try again)
//         B: find what follows me: tail me -> prev's number if nothing does, else take my next link, which pins the
//            follower
//         C: link follower and prev to each other
//   unlock:  tail me -> 0 if nothing follows, else take my next link (waiting for it as in B), set follower.locked
// I1  A node is in at most one queue at a time, from its exchange of the tail until lock() returns false or unlock()
//     returns.
// I2  prev.next == me or null while I wait behind prev. Only an exchange takes a link out, so a link is repaired by
//     exactly one thread: by whoever took it (step B without the exchange lets two leaving neighbours repair the same
//     link).
// I3  A thread that returned false touches no foreign node any more; a late look at its node by a follower (step A with
//     an old prev) finds another next and changes nothing. Nodes are therefore static storage, one set a Tag.
// The queue counts `queued` for each wait and `unqueued` for each departure without the queue.
#pragma once

#include <bit>

#include "locks/lock.hpp"

namespace lockbench {

// Threads are numbered 0 ..; with kSlots > 1 a thread may be in that many queues at once, as number thread * kSlots +
// slot.
template <Platform P, class Tag, std::uint32_t kSlots = 1>
class OptimisticSpinQueue {
  public:
    OptimisticSpinQueue() : tail_(0) {}
    OptimisticSpinQueue(const OptimisticSpinQueue&) = delete;
    OptimisticSpinQueue& operator=(const OptimisticSpinQueue&) = delete;

    // A waiter's place. Each turn sets all fields anew. On a line of its own: a waiter's polling disturbs nobody.
    struct alignas(kCacheLine) QNode {
        typename P::template Atomic<QNode*> next;
        typename P::template Atomic<QNode*> prev;
        typename P::template Atomic<std::uint32_t> locked;
        typename P::template Atomic<std::uint32_t> number;  // encoding of the owner, what the tail says when it is last
    };
    static QNode& node(ThreadId number) {
        return P::template PerThread<Slots, Tag>::at(number / kSlots).nodes[number % kSlots];
    }

    // True: the caller owns the queue. False, only when a stop fired: it is not in the queue. Without stops always
    // true.
    template <class... Stops>
    bool lock(ThreadId self, Stops&&... stops) {
        return lock_with(node(self), self, stops...);
    }
    bool try_lock(ThreadId self) { return try_lock_with(node(self), self); }
    void unlock(ThreadId self) {
        if (!unlock_alone(self)) {
            unlock_slow(node(self));
        }
    }

    // The same for callers that keep the address of node(self).
    template <class... Stops>
    bool lock_with(QNode& mine, ThreadId self, Stops&&... stops) {
        prepare(mine, self);
        // acq_rel. R1 pairs with A1: the node is initialised for whoever swaps the tail next and links to it. A1 pairs
        // with R1, R2, R4, R5: prev's initialisation, and what others did to its node, come before the link stored into
        // it; and an empty queue hands over what its last owner did.
        const std::uint32_t old = tail_.exchange(encode(self), acq_rel);
        if (old == kNobody) {
            return true;
        }
        return wait_slow(mine, old, stops...);
    }
    // Takes the queue if nobody is in it.
    bool try_lock_with(QNode& mine, ThreadId self) {
        // relaxed: only a guess that saves a shared line from being taken in vain; the exchange decides.
        if (tail_.load(relaxed) != kNobody) {
            return false;
        }
        prepare(mine, self);
        // acq_rel, as in lock(). A2 pairs with R4, R5. R2 pairs with A1.
        return tail_.try_cas(kNobody, encode(self), acq_rel);
    }
    void unlock_with(QNode& mine, ThreadId self) {
        if (!unlock_alone(self)) {
            unlock_slow(mine);
        }
    }

    // relaxed: the caller orders this load against its own writes.
    [[nodiscard]] bool is_locked() const { return tail_.load(relaxed) != kNobody; }
    [[nodiscard]] bool is_constructed() const { return tail_.peek() == kNobody; }

  private:
    static constexpr std::uint32_t kNobody = 0;
    static_assert(std::has_single_bit(kSlots) && kMaxThreads < kNoThread / kSlots);

    struct Slots {
        QNode nodes[kSlots];
    };

    static std::uint32_t encode(ThreadId self) { return self + 1; }

    // prev is not set here: an owner has none, and a waiter sets it before anybody can look.
    static void prepare(QNode& mine, ThreadId self) {
        // Nobody reaches these two before the exchange of the tail publishes them (R1, R2).
        mine.locked.init(0);
        mine.number.init(encode(self));
        // relaxed: published likewise, but a former neighbour may just be looking at it (I3).
        mine.next.store(nullptr, relaxed);
    }

    // False: somebody follows.
    bool unlock_alone(ThreadId self) {
        // acq_rel. R4 pairs with A1, A2: the next owner sees what this one did. A4 pairs with R5: a follower that came
        // and left is done with this node, which may go to another queue next.
        return tail_.try_cas(encode(self), kNobody, acq_rel);
    }

    template <class... Stops>
    [[gnu::noinline, gnu::cold]] bool wait_slow(QNode& mine, std::uint32_t old, Stops&... stops) {
        QNode& prev = node(old - 1);
        P::event(Event::queued);
        // Nobody reaches it before R3 publishes it. Once the link is out, a leaving prev may set it to its own prev
        // (step C); were this store to land after that one, this thread would wait for a node that is gone.
        mine.prev.init(&prev);
        // release (R3, pairs with A6): whoever takes this link sees the node behind it: locked is 0 before the
        // hand-over sets it, and prev is set before a leaving neighbour changes it.
        prev.next.store(&mine, release);
        const auto my_turn = [](std::uint32_t locked) { return locked != 0; };
        if constexpr (sizeof...(Stops) == 0) {
            // acquire (A3, pairs with R7): what the last owner did is seen.
            mine.locked.await(my_turn, acquire);
            return true;
        } else {
            // acquire (A3, as above).
            const int stopped = mine.locked.await_until(my_turn, acquire, stops...);
            return stopped == 0 || leave(mine);
        }
    }

    // Steps A, B, C. True: the queue was handed over before the departure could begin, so the caller owns it.
    bool leave(QNode& mine) {
        QNode* prev = nullptr;
        // Step A.
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: all who are before me in the queue entered it before me, so A1 has seen their nodes'
            // initialisation.
            prev = mine.prev.load(relaxed);
            // relaxed: takes a link back and says nothing; what is done to prev later is published by R5 and R6.
            if (prev->next.try_cas(&mine, nullptr, relaxed)) {
                break;
            }
            // acquire (A5, pairs with R7): prev is unlocking and took the link first. Only now may "true" be said:
            // before the hand-over the queue still is prev's. If it is leaving instead, it will name another prev.
            if (mine.locked.load(acquire) != 0) {
                return true;
            }
        }
        // relaxed: prev cannot leave, so its number stands; A1 has seen it.
        const std::uint32_t prev_number = prev->number.load(relaxed);
        // Step B.
        QNode* const next = take_next(mine, prev_number);
        P::event(Event::unqueued);
        if (next == nullptr) {
            return false;
        }
        // Step C. relaxed: published by R6, and all the follower does with it before is to look there for its own link.
        next->prev.store(prev, relaxed);
        // release (R6, pairs with A6): whoever takes this link finds the follower's prev already set, and this node no
        // longer in use.
        prev->next.store(next, release);
        return false;
    }

    // The node that follows, taken out of the link; or null once the tail was moved from this node to `before`, as
    // nothing follows. Step B of a departure (before: prev's number) and of unlock (before: nobody).
    QNode* take_next(QNode& mine, std::uint32_t before) {
        // relaxed: this thread's own number.
        const std::uint32_t me = mine.number.load(relaxed);
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: only a guess, the exchange decides.
            const bool last = tail_.load(relaxed) == me;
            // acq_rel. R5 pairs with A1, A2, A4, A7: the next to link behind prev does so after step A emptied that
            // link, prev reuses its node after it, and with nobody before me the queue is handed over. A7 pairs with
            // R5: a follower that came and left is done with this node.
            if (last && tail_.try_cas(me, before, acq_rel)) {
                return nullptr;
            }
            // relaxed: only a guess, the exchange decides.
            if (mine.next.load(relaxed) == nullptr) {
                continue;
            }
            // acquire (A6, pairs with R3, R6): the follower's node may be written. It may have taken the link back
            // first: null again.
            QNode* const next = mine.next.exchange(nullptr, acquire);
            if (next != nullptr) {
                return next;
            }
        }
    }

    [[gnu::noinline, gnu::cold]] void unlock_slow(QNode& mine) {
        QNode* const next = take_next(mine, kNobody);
        if (next != nullptr) {
            // release (R7, pairs with A3, A5): the next owner sees what this one did.
            next->locked.store(1, release);
        }
    }

    typename P::template Atomic<std::uint32_t> tail_;
};

// The queue as a lock: who is first holds it. Nobody leaves.
template <Platform P>
class OsqLock {
  private:
    // Tokens of a thread that may be in use at once. The tail names a node by number, so nodes cannot live in tokens.
    static constexpr std::uint32_t kNodes = 8;
    struct Tag {};
    using Queue = OptimisticSpinQueue<P, Tag, kNodes>;
    struct Given {
        std::uint32_t tokens = 0;  // made so far
        std::uint32_t in_use = 0;  // bit n: node n of the thread is in a queue; kept on checked platforms only
    };
    static Given& given(ThreadId tid) { return P::template PerThread<Given, Tag>::at(tid); }

  public:
    // Tokens take turns over the thread's nodes. As a token is built once, a lock operation need not choose a node.
    class Token {
      public:
        explicit Token(Ctx<P>& ctx) : Token(ctx.tid * kNodes + given(ctx.tid).tokens++ % kNodes) {}

      private:
        friend class OsqLock;
        explicit Token(ThreadId node_number) : node_(Queue::node(node_number)), number_(node_number) {}

        typename Queue::QNode& node_;
        ThreadId number_;
    };

    static constexpr LockInfo kInfo = {
        .name = "osq",
        .family = "osq",
        .kernel_release = "3.16",
        .kind = WaitKind::spin,
        .shared = false,
        .fairness = Fairness::fifo,
        .hold_across_sleep = false,
        .bytes = 4,
        .rmw_read = 0,
        .rmw_write = 2,
        .killable = false,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = true,
        .control = false,
        .origin = "Linux 3.16 kernel/locking/mcs_spinlock.c osq_lock, used as a lock of its own",
        .paths = {.lock = "token:ld64 token:ld32 node:st32 node:st32 node:st64 xchg32.acq_rel",
                  .try_lock = "ld32 token:ld64 token:ld32 node:st32 node:st32 node:st64 cas32.acq_rel",
                  .unlock = "token:ld64 token:ld32 cas32.acq_rel"},
    };

    OsqLock() = default;
    OsqLock(const OsqLock&) = delete;
    OsqLock& operator=(const OsqLock&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        use(token);
        queue_.lock_with(token.node_, token.number_);  // without stops it always ends with the queue
    }

    bool try_lock(Token& token) {
        P::preempt_off();
        use(token);
        if (queue_.try_lock_with(token.node_, token.number_)) {
            return true;
        }
        drop(token);
        P::preempt_on();
        return false;
    }

    void unlock(Token& token) {
        queue_.unlock_with(token.node_, token.number_);
        drop(token);
        P::preempt_on();
    }

    // A waiter counts as locked, and there is none without a holder.
    [[nodiscard]] bool is_locked() const { return queue_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return queue_.is_constructed(); }

  private:
    // More tokens than nodes may exist, as long as no two in use at once share one: a bug of the user, so it costs
    // nothing where speed counts.
    static void use(const Token& token) {
        if constexpr (P::kChecked) {
            std::uint32_t& in_use = given(token.number_ / kNodes).in_use;
            check((in_use & bit(token)) == 0, "a thread holds more osq locks than it has queue nodes");
            in_use |= bit(token);
        }
    }
    static void drop(const Token& token) {
        if constexpr (P::kChecked) {
            given(token.number_ / kNodes).in_use &= ~bit(token);
        }
    }
    static std::uint32_t bit(const Token& token) { return 1U << token.number_ % kNodes; }

    Queue queue_;
};

}  // namespace lockbench
