// SPDX-License-Identifier: MIT
// What the queued reader-writer locks of all eras share: the word with its orders, the fast paths, and the way into and
// out of the queue. Each era's own file has its diagram, its transitions and what it alone decides.
//
// An Era, a struct that is never built, has
//   kInfo                        the lock's claims
//   Word                         a QrwWord: where "a writer waits" lies, and whom it stops
//   Queue                        the exclusive lock on which slow readers and writers queue
//   announce(Word&)              what a writer at the head of the queue does so that readers stop coming
//   enter_as_head(Word&)         how a reader at the head of the queue enters
// both called by the holder of the queue.
//
//   lock           word 0 -> locked. Else the queue; at its head again; else announce, wait until nothing but the
//                  announcement is left, and exchange it for locked; the next may come to the head
//   lock_shared    readers += 1; if that found a writer who stops readers: back, the queue, enter_as_head, the next
//                  may come to the head
//   unlock         locked = 0 by a byte store, of its own width (mixed) or of the whole word (portable); or
//                  readers -= 1
// J1  A thread leaves the queue before its critical section: unlock is one access to the word, by which the lock is
//     another's, so its memory may go with it.
// J2  Nobody but the holder of the queue announces, and only its entry takes the announcement back.
#pragma once

#include "locks/lock.hpp"

namespace lockbench {

// kWaitingValue: "a writer waits", a value of the locked byte or a bit above it. kReadersPass: readers do not stop for
// it, only for a writer that is in.
template <Platform P, SubWord kBuild, std::uint32_t kWaitingValue, bool kReadersPass = false>
class QrwWord {
  public:
    static constexpr std::uint32_t kLocked = 0xff;
    static constexpr std::uint32_t kWaiting = kWaitingValue;
    static constexpr std::uint32_t kWriterMask = kLocked | kWaiting;
    static constexpr std::uint32_t kReader = kWriterMask + 1;
    static_assert((kReader & kWriterMask) == 0 && kWaiting != kLocked);

    QrwWord() : word_(0) {}
    QrwWord(const QrwWord&) = delete;
    QrwWord& operator=(const QrwWord&) = delete;

    // For an era's announcement.
    auto& word() { return word_; }
    auto locked_field() { return word_.template field<Field<0, 8>, kBuild>(); }

    bool claim_write() {
        // acquire (A1, pairs with R1, R2): all holders before this one are seen.
        return word_.try_cas(0, kLocked, acquire);
    }
    bool claim_write_if_free() {
        // relaxed: only a guess that saves the line from being taken in vain; the claim decides.
        return word_.load(relaxed) == 0 && claim_write();
    }

    void release_write() {
        // release (R1, pairs with A1, A2, A3, A4): the next holder, of either kind, sees what this one did.
        locked_field().put(kLocked, 0, release);
    }

    bool claim_read() {
        // acquire (A2, pairs with R1): the last writer's writes are seen.
        return word_.add_fetch_test(kReader, &admits, acquire);
    }
    // relaxed: only a guess that spares the writer a useless unit; the claim decides.
    [[nodiscard]] bool may_admit() const { return admits(word_.load(relaxed)); }

    void undo_read() {
        P::event(Event::undo);
        // relaxed: nothing was read under the unit.
        word_.sub(kReader, relaxed);
    }

    void release_read() {
        // release (R2, pairs with A1, A4): the next writer overwrites nothing that this reader still reads.
        word_.sub(kReader, release);
    }

    // A reader's unit for good, before whatever writer is in has left.
    void stand_behind_writer() {
        // relaxed: the load in await_no_writer acquires.
        word_.add(kReader, relaxed);
        await_no_writer();
    }

    void await_no_writer() const {
        // acquire (A3, pairs with R1): the last writer's writes are seen. No writer can enter from then on: its
        // exchange wants a word without this reader's unit.
        word_.await([](std::uint32_t word) { return (word & kLocked) != kLocked; }, acquire);
    }

    // The writer that has announced itself enters.
    void commit_write() {
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

    // A waiting writer and a reader's claim count as locked. relaxed: the caller orders this load.
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0; }

  private:
    static bool admits(std::uint32_t word) {
        return kReadersPass ? (word & kLocked) != kLocked : (word & kWriterMask) == 0;
    }

    typename P::template Atomic<std::uint32_t> word_;
};

template <Platform P, class Era>
class QrwFrame {
  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : queue(ctx) {}
        typename Era::Queue::Token queue;
    };

    static constexpr LockInfo kInfo = Era::kInfo;

    QrwFrame() { static_assert(sizeof(QrwFrame) == kInfo.bytes); }
    QrwFrame(const QrwFrame&) = delete;
    QrwFrame& operator=(const QrwFrame&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        if (!word_.claim_write()) {
            write_slow(token);
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        if (word_.claim_write_if_free()) {
            return true;
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        word_.release_write();
        P::preempt_on();
    }

    void lock_shared(Token& token) {
        P::preempt_off();
        if (!word_.claim_read()) {
            read_slow(token);
        }
    }

    // A reader that may not queue: an interrupt handler may have interrupted the holder of the queue, or a reader whom
    // a waiting writer waits for. It keeps its unit and waits for the writer that is in, if any, never for one that
    // waits.
    void lock_shared_irq(Token&) {
        P::preempt_off();
        if (!word_.claim_read()) {
            P::event(Event::slow_read);
            word_.await_no_writer();
        }
    }

    bool try_lock_shared(Token&) {
        P::preempt_off();
        if (word_.may_admit()) {
            if (word_.claim_read()) {
                return true;
            }
            word_.undo_read();
        }
        P::preempt_on();
        return false;
    }

    void unlock_shared(Token&) {
        word_.release_read();
        P::preempt_on();
    }

    [[nodiscard]] bool is_locked() const { return word_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return word_.is_constructed() && queue_.is_constructed(); }

  private:
    [[gnu::noinline, gnu::cold]] void read_slow(Token& token) {
        P::event(Event::slow_read);
        // 1. The unit goes back: the writer that this reader is to queue behind would wait for it for ever.
        word_.undo_read();
        // 2. The queue.
        queue_.lock(token.queue);
        // 3. Nobody is ahead but holders.
        Era::enter_as_head(word_);
        queue_.unlock(token.queue);
    }

    [[gnu::noinline, gnu::cold]] void write_slow(Token& token) {
        P::event(Event::slow_write);
        queue_.lock(token.queue);
        if (!word_.claim_write_if_free()) {
            Era::announce(word_);
            word_.commit_write();
        }
        queue_.unlock(token.queue);
    }

    typename Era::Word word_;
    typename Era::Queue queue_;
};

// What all eras claim alike. `build` is that of the locked byte.
constexpr LockInfo qrw_info(SubWord build, std::string_view name, std::string_view kernel, Fairness fairness,
                            std::uint32_t bytes, std::string_view origin, bool quick = false) {
    return {.name = name,
            .family = "qrwlock",
            .kernel_release = kernel,
            .kind = WaitKind::spin,
            .shared = true,
            .fairness = fairness,
            .hold_across_sleep = false,
            .bytes = bytes,
            .rmw_read = 2,
            .rmw_write = build == SubWord::mixed ? 1U : 2U,
            .killable = false,
            .downgrade = false,
            .irq_readers = true,
            .free_after_unlock = true,
            .is_locked = true,
            .convoys = true,
            .control = false,
            .origin = origin,
            .paths = {.lock = "cas32.acquire",
                      .try_lock = "ld32 cas32.acquire",
                      .unlock = build == SubWord::mixed ? "st8.release" : "sub32.release",
                      .lock_shared = "faa32.acquire",
                      .try_lock_shared = "ld32 faa32.acquire",
                      .unlock_shared = "sub32.release"},
            .quick = quick};
}

}  // namespace lockbench
