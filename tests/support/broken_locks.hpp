// SPDX-License-Identifier: MIT
// Small locks of our own, each correct as Bug::none and wrong in one way otherwise, mostly in a slow path: what the
// contract tests must catch. Spinning locks here, sleeping ones in broken_sleeping_locks.hpp.
//
// The faults are those that real locks had or nearly had; the sources name where.
#pragma once

#include <cstdint>
#include <string_view>

#include "locks/lock.hpp"

namespace lockbench::test {

enum class Bug : unsigned char {
    none,
    // Ticket lock.
    relaxed_unlock,      // the unlock publishes nothing
    try_keeps_ticket,    // a failed try draws a number and walks away with it
    try_leaves_preempt,  // a failed try leaves preemption off
    // MCS lock.
    init_after_publish,  // the node is set up after the tail shows it
    tail_not_released,   // the exchange of the tail acquires only: the node's set-up is not published
    link_before_locked,  // linked first, then `locked` is cleared: the hand-over may be wiped out (DPDK 021b698eb56e)
    unlock_skips_late,   // a successor that is in the tail but not linked yet is forgotten
    // Queue before a word, as in qspinlock.
    headship_not_passed,  // the head takes the word and forgets a successor that has not linked itself yet
    // Reader-writer lock with a queue, as qrwlock.
    reader_keeps_unit,      // a reader that queues still counts, and the writer before it waits for that count
    reader_unlock_relaxed,  // a reader's unlock publishes nothing: the next writer is not ordered after it
    is_locked_sees_writers_only,
    readers_exclude,           // claims to be shared and is not
    writer_forgets_readers,    // the head writer takes the word when no writer is inside
    relaxed_commit,            // the head writer's poll acquires, its exchange does not (qrwlock 4.15 to 5.12)
    waiting_shares_byte,       // waiting can be set only when no writer is in: others pass its head (qrwlock to 4.14)
    unlock_clears_wrong_byte,  // the byte at the other end of the word (qrwlock on big-endian machines)
    unlock_clears_whole_word,  // and with it the units of readers that are about to take them back
    // Sleeping reader-writer lock with direct hand-over.
    sleep_without_recheck,  // looks first, then prepares to sleep: a wake in between is lost
    downgrade_wakes_nobody,
    cancel_leaves_waiting,    // the last waiter's cancellation leaves the "somebody waits" flag
    cancel_ignores_grant,     // a waiter that was granted the lock and cancelled returns with empty hands
    waker_reads_dead_waiter,  // looks at the waiter after letting it go (the kernel takes a reference for this)
    grant_before_count,       // readers are let in before they are counted (rwsem_is_locked before 2.6.33)
    unlock_looks_back,        // touches the lock after handing it on, but claims that it does not (pipe bug, 2013)
    sleeps_under_wait_lock,
    last_in_first_out,     // newcomers stand in front
    downgrade_leaves_flag  // "somebody waits" stays set when nobody does
};

constexpr LockInfo small_info(std::string_view name, WaitKind kind, bool shared, std::uint32_t bytes) {
    return {.name = name,
            .family = "control",
            .kernel_release = "-",
            .kind = kind,
            .shared = shared,
            .fairness = kind == WaitKind::sleep ? Fairness::fifo : Fairness::unfair,
            .hold_across_sleep = kind == WaitKind::sleep,
            .bytes = bytes,
            .rmw_read = 0,
            .rmw_write = 0,
            .killable = kind == WaitKind::sleep,
            .downgrade = kind == WaitKind::sleep,
            .irq_readers = false,
            .free_after_unlock = true,
            .is_locked = true,
            .convoys = false,
            .control = true,
            .origin = "negative control of this suite"};
}

template <Platform P, Bug kBug = Bug::none>
class SmallTicket {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
    };
    static constexpr LockInfo kInfo = small_info("small_ticket", WaitKind::spin, false, 8);

    SmallTicket() : next_(0), owner_(0) {}
    SmallTicket(const SmallTicket&) = delete;
    SmallTicket& operator=(const SmallTicket&) = delete;

    void lock() {
        P::preempt_off();
        const std::uint32_t mine = next_.fetch_add(1, relaxed);
        owner_.await([mine](std::uint32_t owner) { return owner == mine; }, acquire);
    }
    bool try_lock() {
        P::preempt_off();
        const std::uint32_t owner = owner_.load(acquire);
        if constexpr (kBug == Bug::try_keeps_ticket) {
            if (next_.fetch_add(1, relaxed) == owner) {
                return true;
            }
        } else if (next_.try_cas(owner, owner + 1, relaxed)) {
            return true;
        }
        if constexpr (kBug != Bug::try_leaves_preempt) {
            P::preempt_on();
        }
        return false;
    }
    void unlock() {
        const std::uint32_t owner = owner_.load(relaxed);
        owner_.store(owner + 1, kBug == Bug::relaxed_unlock ? relaxed : release);
        P::preempt_on();
    }
    void lock(Token&) { lock(); }
    bool try_lock(Token&) { return try_lock(); }
    void unlock(Token&) { unlock(); }
    [[nodiscard]] bool is_locked() const {
        const std::uint32_t owner = owner_.load(relaxed);
        return next_.load(relaxed) != owner;
    }
    [[nodiscard]] bool is_constructed() const { return next_.peek() == owner_.peek(); }

  private:
    typename P::template Atomic<std::uint32_t> next_;
    typename P::template Atomic<std::uint32_t> owner_;
};

template <Platform P>
struct SmallNode {
    typename P::template Atomic<SmallNode*> next;
    typename P::template Atomic<std::uint32_t> locked;
};

template <Platform P, Bug kBug = Bug::none>
class SmallMcs {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
        SmallNode<P> node;
    };
    static constexpr LockInfo kInfo = small_info("small_mcs", WaitKind::spin, false, 8);

    SmallMcs() : tail_(nullptr) {}
    SmallMcs(const SmallMcs&) = delete;
    SmallMcs& operator=(const SmallMcs&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        SmallNode<P>& node = token.node;
        if constexpr (kBug != Bug::init_after_publish) {
            node.next.init(nullptr);
        }
        if constexpr (kBug != Bug::init_after_publish && kBug != Bug::link_before_locked) {
            node.locked.init(0);
        }
        SmallNode<P>* prev = tail_.exchange(&node, kBug == Bug::tail_not_released ? acquire : acq_rel);
        if constexpr (kBug == Bug::init_after_publish) {
            node.next.init(nullptr);
            node.locked.init(0);
        }
        if (prev != nullptr) {
            prev->next.store(&node, release);
            if constexpr (kBug == Bug::link_before_locked) {
                node.locked.store(0, relaxed);
            }
            node.locked.await([](std::uint32_t locked) { return locked != 0; }, acquire);
        }
    }
    bool try_lock(Token& token) {
        P::preempt_off();
        token.node.next.init(nullptr);
        if (tail_.try_cas(nullptr, &token.node, acq_rel)) {
            return true;
        }
        P::preempt_on();
        return false;
    }
    void unlock(Token& token) {
        SmallNode<P>& node = token.node;
        SmallNode<P>* next = node.next.load(acquire);
        if (next == nullptr && !tail_.try_cas(&node, nullptr, release) && kBug != Bug::unlock_skips_late) {
            next = node.next.await_value([](SmallNode<P>* linked) { return linked != nullptr; }, acquire);
        }
        if (next != nullptr) {
            next->locked.store(1, release);
        }
        P::preempt_on();
    }
    [[nodiscard]] bool is_locked() const { return tail_.load(relaxed) != nullptr; }
    [[nodiscard]] bool is_constructed() const { return tail_.peek() == nullptr; }

  private:
    typename P::template Atomic<SmallNode<P>*> tail_;
};

// A word that is taken by whoever finds it free; those who do not queue, and only the head of the queue looks.
template <Platform P, Bug kBug = Bug::none>
class SmallQueuedSpin {
  public:
    using Token = typename SmallMcs<P>::Token;
    static constexpr LockInfo kInfo = small_info("small_queued_spin", WaitKind::spin, false, 16);

    SmallQueuedSpin() : tail_(nullptr), word_(0) {}
    SmallQueuedSpin(const SmallQueuedSpin&) = delete;
    SmallQueuedSpin& operator=(const SmallQueuedSpin&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        if (!word_.try_cas(0, 1, acquire)) {
            lock_slow(token.node);
        }
    }
    bool try_lock(Token&) {
        P::preempt_off();
        if (word_.try_cas(0, 1, acquire)) {
            return true;
        }
        P::preempt_on();
        return false;
    }
    void unlock(Token&) {
        word_.store(0, release);
        P::preempt_on();
    }
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0 && tail_.peek() == nullptr; }

  private:
    void lock_slow(SmallNode<P>& node) {
        P::event(Event::slow_write);
        node.next.init(nullptr);
        node.locked.init(0);
        if (SmallNode<P>* prev = tail_.exchange(&node, acq_rel); prev != nullptr) {
            prev->next.store(&node, release);
            node.locked.await([](std::uint32_t head) { return head != 0; }, acquire);
        }
        for (typename P::Retry loop; !word_.try_cas(0, 1, acquire); loop.again()) {
        }
        SmallNode<P>* next = node.next.load(acquire);
        if (next == nullptr && !tail_.try_cas(&node, nullptr, release) && kBug != Bug::headship_not_passed) {
            next = node.next.await_value([](SmallNode<P>* linked) { return linked != nullptr; }, acquire);
        }
        if (next != nullptr) {
            next->locked.store(1, release);
        }
    }

    typename P::template Atomic<SmallNode<P>*> tail_;
    typename P::template Atomic<std::uint32_t> word_;
};

//   word_   bit 0 a writer is inside, bit 1 the head of the queue is a writer that waits, from bit 2 on the readers
template <Platform P, Bug kBug = Bug::none>
class SmallRw {
  public:
    using Token = typename SmallMcs<P>::Token;
    static constexpr LockInfo kInfo = [] {
        LockInfo info = small_info("small_rw", WaitKind::spin, true, 16);
        info.fairness = Fairness::fifo_after_claim;
        info.irq_readers = true;
        return info;
    }();

    SmallRw() : word_(0) {}
    SmallRw(const SmallRw&) = delete;
    SmallRw& operator=(const SmallRw&) = delete;

    void lock(Token& token) {
        P::preempt_off();
        if (word_.try_cas(0, kWriter, acquire)) {
            return;
        }
        P::event(Event::slow_write);
        queue_.lock(token);
        announce();
        if constexpr (kBug == Bug::writer_forgets_readers) {
            word_.await([](std::uint32_t word) { return (word & kWriter) == 0; }, acquire);
            word_.add(kWriter - kWaiting, acquire);
        } else if constexpr (kBug == Bug::relaxed_commit) {
            for (typename P::Retry loop;; loop.again()) {
                word_.await([](std::uint32_t word) { return word == kWaiting; }, acquire);
                if (word_.try_cas(kWaiting, kWriter, relaxed)) {
                    break;
                }
            }
        } else {
            word_.await([](std::uint32_t word) { return word == kWaiting; }, acquire);
            for (typename P::Retry loop; !word_.try_cas(kWaiting, kWriter, acquire); loop.again()) {
            }
        }
        queue_.unlock(token);
    }
    bool try_lock(Token&) {
        P::preempt_off();
        if (word_.try_cas(0, kWriter, acquire)) {
            return true;
        }
        P::preempt_on();
        return false;
    }
    void unlock(Token&) {
        if constexpr (kBug == Bug::unlock_clears_wrong_byte) {
            word_.and_(0x00ff'ffff, release);
        } else if constexpr (kBug == Bug::unlock_clears_whole_word) {
            word_.store(0, release);
        } else {
            word_.sub(kWriter, release);
        }
        P::preempt_on();
    }
    void lock_shared(Token& token) {
        if constexpr (kBug == Bug::readers_exclude) {
            lock(token);
            return;
        }
        P::preempt_off();
        if ((word_.fetch_add(kReader, acquire) & kBusy) == 0) {
            return;
        }
        P::event(Event::slow_read);
        if constexpr (kBug != Bug::reader_keeps_unit) {
            word_.sub(kReader, relaxed);
        }
        queue_.lock(token);
        if constexpr (kBug != Bug::reader_keeps_unit) {
            word_.add(kReader, acquire);
        }
        word_.await([](std::uint32_t word) { return (word & kWriter) == 0; }, acquire);
        queue_.unlock(token);
    }
    // Never queues: keeps its unit and waits for the writer that is in.
    void lock_shared_irq([[maybe_unused]] Token& token) {
        if constexpr (kBug == Bug::readers_exclude) {
            lock(token);
            return;
        }
        P::preempt_off();
        word_.add(kReader, relaxed);
        word_.await([](std::uint32_t word) { return (word & kWriter) == 0; }, acquire);
    }
    bool try_lock_shared([[maybe_unused]] Token& token) {
        P::preempt_off();
        if constexpr (kBug == Bug::readers_exclude) {
            P::preempt_on();
            return try_lock(token);
        }
        if ((word_.fetch_add(kReader, acquire) & kBusy) == 0) {
            return true;
        }
        word_.sub(kReader, relaxed);
        P::preempt_on();
        return false;
    }
    void unlock_shared(Token&) {
        word_.sub(kBug == Bug::readers_exclude ? kWriter : kReader,
                  kBug == Bug::reader_unlock_relaxed ? relaxed : release);
        P::preempt_on();
    }
    [[nodiscard]] bool is_locked() const {
        const std::uint32_t word = word_.load(relaxed);
        return kBug == Bug::is_locked_sees_writers_only ? (word & kBusy) != 0 : word != 0;
    }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0 && queue_.is_constructed(); }

  private:
    static constexpr std::uint32_t kWriter = 1;
    static constexpr std::uint32_t kWaiting = 2;
    static constexpr std::uint32_t kBusy = 3;
    static constexpr std::uint32_t kReader = 4;

    void announce() {
        if constexpr (kBug == Bug::waiting_shares_byte) {
            for (typename P::Retry loop;; loop.again()) {
                const std::uint32_t seen =
                    word_.await_value([](std::uint32_t word) { return (word & kBusy) == 0; }, relaxed);
                if (word_.try_cas(seen, seen | kWaiting, relaxed)) {
                    return;
                }
            }
        } else {
            word_.or_(kWaiting, relaxed);
        }
    }

    typename P::template Atomic<std::uint32_t> word_;
    SmallMcs<P> queue_;
};

}  // namespace lockbench::test
