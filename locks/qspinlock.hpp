// SPDX-License-Identifier: MIT
// qspinlock: four bytes; the second contender waits on the word, all others in an MCS queue behind it.
//
// Origin: Linux 4.2 kernel/locking/qspinlock.c and include/asm-generic/qspinlock.h, in the form of 4.20 on x86: bounded
//   wait for a pending hand-over (4.18), pending bit taken by a bit-set instruction (4.20); after Mellor-Crummey and
//   Scott, ACM TOCS 9(1), 1991.
// Differs: the tail holds a thread's number, not a CPU's, and its node index is always 0: a node is given back before
//   the critical section and nothing nests inside a wait, so one node a thread serves all locks. At most 16383 threads.
//   The tail's exchange, the link and the loads of next carry acquire and release; the kernel leans on one write
//   barrier and on address dependencies (relaxed exchange; free on x86, a stronger instruction on AArch64). No prefetch
//   of the next node, no paravirtual form. is_locked has the full fence of 4.7.
//
//   word_  31            18 17  16 15         9    8     7            0
//         +----------------+------+------------+---------+-------------+
//         | tail thread + 1|  0   |   unused   | pending | locked 0, 1 |      written (tail, pending, locked)
//         +----------------+------+------------+---------+-------------+      free = (0, 0, 0)
//   lock:     (0,0,0) -> (0,0,1)
//   pending:  (0,0,1) -> (0,1,1); once locked is 0: (0,1,0) -> (0,0,1) by a halfword store.
//             If the bit was set or a tail is there: take back what was set, then queue
//   queue:    (t,*,*) -> (me,*,*), link behind t's node and wait for its hand-over; then head of the queue: wait for
//             (x,0,0); x == me: -> (0,0,1); else -> (x,0,1) by a byte store, and hand the head's place to next
//   try_lock: (0,0,0) -> (0,0,1)
//   unlock:   (*,*,1) -> (*,*,0) by a byte store
// The byte, halfword and tail accesses are of their own width (mixed) or of the whole word (portable): kBuild.
// I1  locked goes 0 -> 1 only from a word of 0, by the owner of pending, or by the head of the queue while pending is
//     0: one thread at a time.
// I2  Whoever sets pending beside a tail takes it back and never enters: the queue's head waits for that, boundedly.
// I3  The queue is FIFO; at most the owner of pending, who came before the queue began, precedes it.
// I4  A node is in use from the exchange of the tail until the head's place is handed on, before the critical section.
#pragma once

#include "locks/lock.hpp"

namespace lockbench {

// A thread's place in the queue; all builds share it, as a thread waits in one queue at a time. On a line of its own: a
// waiter's polling disturbs nobody.
template <Platform P>
struct alignas(kCacheLine) QSpinNode {
    typename P::template Atomic<QSpinNode*> next;
    typename P::template Atomic<std::uint32_t> locked;
};
struct QSpinNodes {};

// kInner: part of another lock, which reports its own slow paths; then slow_write is not counted here.
// kPendingLoops: polls of a word that shows pending alone before queueing; 512 is the kernel's number for x86.
template <Platform P, SubWord kBuild, bool kInner = false, std::uint64_t kPendingLoops = 512>
class QSpinLock {
  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : tid(ctx.tid) {}
        ThreadId tid;
    };

    static constexpr LockInfo kInfo = {
        .name = kBuild == SubWord::mixed ? "qspinlock" : "qspinlock.portable",
        .family = "qspinlock",
        .kernel_release = "4.20-",
        .kind = WaitKind::spin,
        .shared = false,
        .fairness = Fairness::fifo_after_claim,
        .hold_across_sleep = false,
        .bytes = 4,
        .rmw_read = 0,
        .rmw_write = kBuild == SubWord::mixed ? 1 : 2,
        .killable = false,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = true,
        .control = false,
        .origin = "Linux 4.20 kernel/locking/qspinlock.c, arch/x86/include/asm/qspinlock.h",
        .paths = {.lock = "cas32.acquire",
                  .try_lock = "ld32 cas32.acquire",
                  .unlock = kBuild == SubWord::mixed ? "st8.release" : "sub32.release"},
    };

    QSpinLock() : word_(0) { static_assert(sizeof(QSpinLock) == kInfo.bytes); }
    QSpinLock(const QSpinLock&) = delete;
    QSpinLock& operator=(const QSpinLock&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        std::uint32_t word = 0;
        // acquire (A1, pairs with R1): the last holder's writes are seen. relaxed on failure: the slow path looks
        // again.
        if (!word_.compare_exchange(word, kLocked, acquire, relaxed)) {
            lock_slow(token, word);
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        if (try_take()) {
            return true;
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        // release (R1, pairs with A1, A2, A3, A4, A5): the next holder sees what this one did.
        locked_field().put(kLocked, 0, release);
        P::preempt_on();
    }

    // A waiter counts as locked: pending or a tail means that somebody holds the lock or is about to.
    [[nodiscard]] bool is_locked() const {
        // The caller may itself just have taken another lock by a plain store of its locked byte, which is still in its
        // store buffer: of two threads that take one lock each and then test the other's, both could see it free. The
        // fence drains the buffer first.
        P::fence(seq_cst);
        // relaxed: ordered by the fence.
        return word_.load(relaxed) != 0;
    }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0; }

  private:
    static constexpr std::uint32_t kLocked = 1;
    static constexpr std::uint32_t kLockedMask = 0xff;
    static constexpr unsigned kPendingBit = 8;
    static constexpr std::uint32_t kPending = 1U << kPendingBit;
    static constexpr std::uint32_t kBusyMask = 0xffff;  // locked and pending
    static constexpr std::uint32_t kTailMask = 0xffff'0000;
    static constexpr unsigned kTailHalf = 16;   // the tail is the upper halfword,
    static constexpr unsigned kThreadBits = 2;  // in which the thread's number lies above the node index
    static_assert(kMaxThreads < 1U << (kTailHalf - kThreadBits));

    using QNode = QSpinNode<P>;

    auto locked_field() { return word_.template field<Field<0, 8>, kBuild>(); }
    auto pending_field() { return word_.template field<Field<kPendingBit, 8>, kBuild>(); }
    auto busy_field() { return word_.template field<Field<0, 16>, kBuild>(); }
    auto tail_field() { return word_.template field<Field<kTailHalf, 16>, kBuild>(); }

    static QNode& node_of(ThreadId tid) { return P::template PerThread<QNode, QSpinNodes>::at(tid); }
    static std::uint16_t encode(ThreadId tid) { return static_cast<std::uint16_t>((tid + 1) << kThreadBits); }
    static ThreadId decode(std::uint16_t tail) { return (static_cast<ThreadId>(tail) >> kThreadBits) - 1; }

    bool try_take() {
        // relaxed: only a guess that saves the line from being taken in vain; the exchange decides.
        if (word_.load(relaxed) != 0) {
            return false;
        }
        // acquire (A2, pairs with R1): the last holder's writes are seen.
        return word_.try_cas(0, kLocked, acquire);
    }

    [[gnu::noinline, gnu::cold]] void lock_slow(const Token& token, std::uint32_t word) {
        if constexpr (!kInner) {
            P::event(Event::slow_write);
        }
        // 1. Pending alone: its owner is about to turn it into locked. Wait a little, and then the pending bit is ours
        // to
        //    claim; but not for ever, or a stream of other contenders could take it each time.
        if (word == kPending) {
            // relaxed: only a guess, the next steps decide.
            word_.await_until([](std::uint32_t seen) { return seen != kPending; }, relaxed,
                              typename P::Budget{kPendingLoops});
            // relaxed: as above.
            word = word_.load(relaxed);
        }
        // 2. Nobody waits: wait on the word itself.
        if ((word & ~kLockedMask) != 0 || !lock_pending()) {
            lock_queued(token.tid);
        }
    }

    // False: somebody waits already.
    bool lock_pending() {
        // acquire (A3, pairs with R1): together with the load below, which sees a free lock if there is one.
        const bool was_pending = word_.test_and_set_bit(kPendingBit, acquire);
        // acquire (A4, pairs with R1): the holder may have left since the bit was set.
        const std::uint32_t word = word_.load(acquire);
        if (was_pending || (word & kTailMask) != 0) {
            P::event(Event::undo);
            if (!was_pending) {
                // relaxed: nothing was done under the bit (I2).
                pending_field().put(1, 0, relaxed);
            }
            return false;
        }
        P::event(Event::pending_claimed);
        if ((word & kLockedMask) != 0) {
            // acquire (A4, as above).
            word_.await([](std::uint32_t seen) { return (seen & kLockedMask) == 0; }, acquire);
        }
        // relaxed: what the holder before did was acquired above, and nobody else can write these two (I1).
        busy_field().put(kPending, kLocked, relaxed);
        return true;
    }

    void lock_queued(ThreadId self) {
        QNode& node = node_of(self);
        // Nobody can reach the node yet; the exchange of the tail publishes it (R2).
        node.locked.init(0);
        node.next.init(nullptr);
        // The node's line took a while to come: perhaps the lock is free by now.
        if (try_take()) {
            return;
        }
        // acq_rel. R2 pairs with A6: the node is initialised before its successor links to it.
        // A6 pairs with R2: prev's initialisation comes before the link stored into it.
        const std::uint16_t before = tail_field().exchange(encode(self), acq_rel);
        P::event(Event::queued);
        if (before != 0) {
            QNode& prev = node_of(decode(before));
            // release (R3, pairs with A8, A9): locked is 0 before the hand-over sets it, or it would be wiped out.
            prev.next.store(&node, release);
            // acquire (A7, pairs with R4): prev took the lock before it handed on its place. Without this the
            // polls of the new head could still find the word as it was before that, free.
            node.locked.await([](std::uint32_t locked) { return locked != 0; }, acquire);
        }
        head_of_queue(node, encode(self));
    }

    void head_of_queue(QNode& node, std::uint16_t self) {
        // acquire (A8, pairs with R3): the successor's node may be written.
        QNode* next = node.next.load(acquire);
        // acquire (A5, pairs with R1): the last holder's writes are seen.
        const std::uint32_t word =
            word_.await_value([](std::uint32_t seen) { return (seen & kBusyMask) == 0; }, acquire);
        // relaxed: the lock cannot have been held and released since the load above, as only this thread may take it;
        // the word differs from what was seen by a tail or a pending bit at most. That is what makes a relaxed commit
        // after an acquiring poll sound here and unsound in a reader-writer lock.
        if (word == std::uint32_t{self} << kTailHalf && word_.try_cas(word, kLocked, relaxed)) {
            return;
        }
        // relaxed: as above. Who set pending meanwhile has seen a tail, takes it back and queues.
        locked_field().put(0, kLocked, relaxed);
        if (next == nullptr) {
            // acquire (A9, pairs with R3): the successor's node may be written. It exists: the tail is not this node,
            // or somebody's pending bit stood beside it, and that thread queues.
            next = node.next.await_value([](QNode* linked) { return linked != nullptr; }, acquire);
        }
        // release (R4, pairs with A7): the new head polls a word that shows the lock taken.
        next->locked.store(1, release);
    }

    typename P::template Atomic<std::uint32_t> word_;
};

}  // namespace lockbench
