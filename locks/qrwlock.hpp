// SPDX-License-Identifier: MIT
// qrwlock: a reader-writer word whose waiters queue, readers and writers alike, on a fair spinlock inside.
//
// Origin: Linux 3.16 kernel/locking/qrwlock.c and include/asm-generic/qrwlock.h in today's form: waiting bit beside the
//   locked byte (4.15), the writer's commit acquires (5.13).
// Differs: threads, not CPUs, and "in an interrupt" is said by the caller (lock_shared_irq).
//
//   word_  31                       9     8      7                0
//         +--------------------------+---------+-------------------+
//         |         readers          | waiting | locked 0 or 0xff  |      written (readers, waiting, locked)
//         +--------------------------+---------+-------------------+
//   inner_  the spinlock on which slow readers and writers queue; its holder is the next to enter
//   read:      (n,0,0) -> (n+1,0,0). Found a writer, in or waiting: back to n; queue; n+1; wait for locked == 0;
//              unqueue
//   read irq:  n+1; wait for locked == 0; whoever waits
//   write:     (0,0,0) -> (0,0,0xff). Else queue; again; else set waiting and wait for (0,1,0) -> (0,0,0xff);
//              unqueue
//   unlock:    readers -= 1; or locked = 0 by a byte store, of its own width (mixed) or of the whole word (portable)
// I1  locked == 0xff excludes readers that have entered; readers counted beside it are waiting or about to leave again.
// I2  Only the holder of inner_ sets waiting, and clears it by entering, so there is at most one waiting writer.
// I3  While waiting is set no fast path enters: the queue's head is not passed, but by readers that may not queue.
// I4  A reader that queues takes its unit back first: the writer ahead of it in the queue waits for no readers at all.
#pragma once

#include "locks/lock.hpp"
#include "locks/qspinlock.hpp"

namespace lockbench {

// Inner: the queue; with an unfair one the lock is unfair.
template <Platform P, SubWord kBuild, class Inner = QSpinLock<P, kBuild, true>>
class QrwLock {
  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : inner(ctx) {}
        typename Inner::Token inner;
    };

    static constexpr LockInfo kInfo = {
        .name = kBuild == SubWord::mixed ? "qrwlock" : "qrwlock.portable",
        .family = "qrwlock",
        .kernel_release = "5.13-",
        .kind = WaitKind::spin,
        .shared = true,
        .fairness = Inner::kInfo.fairness == Fairness::fifo ? Fairness::fifo_after_claim : Inner::kInfo.fairness,
        .hold_across_sleep = false,
        .bytes = 4 + Inner::kInfo.bytes,
        .rmw_read = 2,
        .rmw_write = kBuild == SubWord::mixed ? 1 : 2,
        .killable = false,
        .downgrade = false,
        .irq_readers = true,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = true,
        .control = false,
        .origin = "Linux 5.13 kernel/locking/qrwlock.c, include/asm-generic/qrwlock.h",
        .floor_read = "xadd32+xadd32",
        .floor_write = kBuild == SubWord::mixed ? "cas32+st8" : "cas32+xadd32",
    };

    QrwLock() : word_(0) { static_assert(sizeof(QrwLock) == kInfo.bytes); }
    QrwLock(const QrwLock&) = delete;
    QrwLock& operator=(const QrwLock&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        // acquire (A1, pairs with R1, R2): all holders before this one are seen.
        if (!word_.try_cas(0, kLocked, acquire)) {
            write_slow(token);
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        // relaxed: only a guess that saves the line from being taken in vain. acquire (A1, as in lock).
        if (word_.load(relaxed) == 0 && word_.try_cas(0, kLocked, acquire)) {
            return true;
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        // release (R1, pairs with A1, A2, A3, A4): the next holder, of either kind, sees what this one did.
        locked_field().put(kLocked, 0, release);
        P::preempt_on();
    }

    void lock_shared(Token& token) {
        P::preempt_off();
        if (!claim_read()) {
            read_slow(token);
        }
    }

    // A reader that may not queue: an interrupt handler may have interrupted a holder of inner_, or a reader whom a
    // waiting writer waits for. It keeps its unit and waits for the writer that is in, if any, never for one that
    // waits.
    void lock_shared_irq(Token&) {
        P::preempt_off();
        if (!claim_read()) {
            P::event(Event::slow_read);
            await_no_writer();
        }
    }

    bool try_lock_shared(Token&) {
        P::preempt_off();
        // relaxed: only a guess that spares the writer a useless unit; the claim decides.
        if ((word_.load(relaxed) & kWriterMask) == 0) {
            if (claim_read()) {
                return true;
            }
            undo_read();
        }
        P::preempt_on();
        return false;
    }

    void unlock_shared(Token&) {
        // release (R2, pairs with A1, A4): the next writer overwrites nothing that this reader still reads.
        word_.sub(kReader, release);
        P::preempt_on();
    }

    // A waiting writer and a reader's claim count as locked. relaxed: the caller orders this load.
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0 && inner_.is_constructed(); }

  private:
    static constexpr std::uint32_t kLocked = 0xff;
    static constexpr std::uint32_t kWaiting = 0x100;
    static constexpr std::uint32_t kWriterMask = kLocked | kWaiting;
    static constexpr std::uint32_t kReader = 0x200;

    auto locked_field() { return word_.template field<Field<0, 8>, kBuild>(); }

    bool claim_read() {
        // acquire (A2, pairs with R1): the last writer's writes are seen.
        return word_.add_fetch_test(
            kReader, [](std::uint32_t word) { return (word & kWriterMask) == 0; }, acquire);
    }

    void undo_read() {
        P::event(Event::undo);
        // relaxed: nothing was read under the unit.
        word_.sub(kReader, relaxed);
    }

    void await_no_writer() const {
        // acquire (A3, pairs with R1): the last writer's writes are seen. No writer can enter from then on: its
        // exchange wants a word without this reader's unit.
        word_.await([](std::uint32_t word) { return (word & kLocked) == 0; }, acquire);
    }

    [[gnu::noinline, gnu::cold]] void read_slow(Token& token) {
        P::event(Event::slow_read);
        // 1. The unit goes back (I4): the writer that this reader is to queue behind would wait for it for ever.
        undo_read();
        // 2. The queue.
        inner_.lock(token.inner);
        // 3. Nobody is ahead but holders: claim for good, and let the next in line come up.
        // relaxed: the load in await_no_writer acquires.
        word_.add(kReader, relaxed);
        await_no_writer();
        inner_.unlock(token.inner);
    }

    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        inner_.lock(token.inner);
        if (!try_enter_first()) {
            wait_for_readers();
        }
        inner_.unlock(token.inner);
    }

    bool try_enter_first() {
        // relaxed: only a guess, the exchange decides. acquire (A1, as in lock).
        return word_.load(relaxed) == 0 && word_.try_cas(0, kLocked, acquire);
    }

    void wait_for_readers() {
        // relaxed: announces, and publishes nothing. Without the bit, or with one in the locked byte, where a fast
        // writer clears it, other writers would pass the head of the queue without end.
        word_.or_(kWaiting, relaxed);
        for (typename P::Retry loop;; loop.again()) {
            // relaxed: only a guess, the exchange decides.
            word_.await([](std::uint32_t word) { return word == kWaiting; }, relaxed);
            // acquire (A4, pairs with R1, R2): here, and not at the poll: between the two a reader that does not queue
            // may come, read and leave, and the word is the same again.
            if (word_.try_cas(kWaiting, kLocked, acquire)) {
                return;
            }
        }
    }

    typename P::template Atomic<std::uint32_t> word_;
    Inner inner_;
};

}  // namespace lockbench
