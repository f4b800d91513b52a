// SPDX-License-Identifier: MIT
// Faults of the history that no registered lock can be turned into by its parameters: the lock told again, as small as
// the fault allows, right as Slip::none.
#pragma once

#include <cstdint>

#include "locks/lock.hpp"
#include "locks/rwlock_classic.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/ticket.hpp"
#include "tests/support/broken_locks.hpp"

namespace lockbench::test {

enum class Slip : unsigned char {
    none,
    half_compared,     // M2: a try compares the next ticket, and not who is served
    unsigned_compare,  // M18: the count of a semaphore is compared as if it had no sign
    units_last,        // M36: readers are counted when they are already on their way
    nobody_woken,      // M37: a writer that queues behind readers does not wake them
    pending_by_guess   // M7b: the pending bit is set by an exchange that any change of the word makes fail
};

// A ticket lock with tickets of two bits, which wrap within a small client.
//   word_   bits 30 and 31 the next ticket, bits 0 and 1 who is served
template <Platform P, Slip kSlip = Slip::none>
class NarrowTicket {
  public:
    using Token = typename SmallTicket<P>::Token;
    static constexpr LockInfo kInfo = small_info("narrow_ticket", WaitKind::spin, false, 4);

    NarrowTicket() : word_(0) {}
    NarrowTicket(const NarrowTicket&) = delete;
    NarrowTicket& operator=(const NarrowTicket&) = delete;

    void lock(Token&) {
        P::preempt_off();
        const std::uint32_t mine = word_.fetch_add(kOne, acquire) >> kShift;
        word_.await([mine](std::uint32_t word) { return (word & kServed) == mine; }, acquire);
    }
    bool try_lock(Token&) {
        P::preempt_off();
        const std::uint32_t seen = word_.load(relaxed);
        if (seen >> kShift == (seen & kServed) && draw(seen)) {
            return true;
        }
        P::preempt_on();
        return false;
    }
    void unlock(Token&) {
        const std::uint32_t served = word_.load(relaxed) & kServed;
        const auto after = static_cast<std::uint8_t>((served + 1) & kServed);
        word_.template field<Field<0, 8>, SubWord::portable>().put(static_cast<std::uint8_t>(served), after, release);
        P::preempt_on();
    }
    [[nodiscard]] bool is_locked() const { return !free(word_.load(relaxed)); }
    [[nodiscard]] bool is_constructed() const { return free(word_.peek()); }

  private:
    static constexpr unsigned kShift = 30;
    static constexpr std::uint32_t kServed = 3;
    static constexpr std::uint32_t kOne = std::uint32_t{1} << kShift;
    static bool free(std::uint32_t word) { return word >> kShift == (word & kServed); }

    bool draw(std::uint32_t seen) {
        if constexpr (kSlip == Slip::half_compared) {
            constexpr unsigned kByte = 24;
            const auto half = static_cast<std::uint8_t>(seen >> kByte);
            return word_.template field<Field<kByte, 8>, SubWord::portable>().try_cas(
                half, static_cast<std::uint8_t>(half + (kOne >> kByte)), acquire);
        }
        return word_.try_cas(seen, seen + kOne, acquire);
    }

    typename P::template Atomic<std::uint32_t> word_;
};

// The arithmetic of the semaphores of 3.8 to 5.2 with one thing wrong.
template <Platform P, Slip kSlip>
struct SlippedXadd : RwsemXadd<P> {
    using Right = RwsemXadd<P>;
    using typename Right::Count;
    using typename Right::List;

    static bool must_wake(std::int64_t count) {
        if constexpr (kSlip == Slip::unsigned_compare) {
            const auto waiting = static_cast<std::uint64_t>(Right::kWaiting);
            return static_cast<std::uint64_t>(count) < waiting && Right::must_wake(count);
        }
        return Right::must_wake(count);
    }
    static bool release_read(Count& count) {
        return must_wake(count.fetch_sub(Right::kReadUnit, release) - Right::kReadUnit);
    }
    static bool release_write(Count& count) {
        return must_wake(count.fetch_sub(Right::kWrite, release) - Right::kWrite);
    }
    static void grant_front_readers(Count& count, List& list, bool released) {
        if constexpr (kSlip != Slip::units_last) {
            Right::grant_front_readers(count, list, released);
            return;
        }
        std::int64_t delta = 0;
        for (Waiter<P>* head = list.front(); head != nullptr && head->mode.get() == Mode::read; head = list.front()) {
            list.remove(*head);
            delta += Right::kReadUnit;
            WakeNow<P> now;
            grant<P>(*head, now);
        }
        count.add(delta - (list.empty() ? Right::kWaiting : 0), acquire);
    }
};

// The semaphore of 3.8, over that arithmetic.
template <Platform P, Slip kSlip = Slip::none>
class SmallXadd {
    using Xadd = SlippedXadd<P, kSlip>;
    using WaitLock = TicketLock<P>;

  public:
    using Token = SleeperToken<P, WaitLock>;
    static constexpr LockInfo kInfo = [] {
        LockInfo info = small_info("small_xadd", WaitKind::sleep, true, 32);
        info.killable = false;
        info.free_after_unlock = false;
        return info;
    }();

    SmallXadd() : count_(0) {}
    SmallXadd(const SmallXadd&) = delete;
    SmallXadd& operator=(const SmallXadd&) = delete;

    void lock(Token& token) {
        if (!Xadd::claim_free(count_)) {
            queue_and_sleep(token, Mode::write, Xadd::kWrite);
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
            queue_and_sleep(token, Mode::read, Xadd::kReadUnit);
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
            wake_slow(token, RwsemWake::read_owned);
        }
    }
    [[nodiscard]] bool is_locked() const { return count_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const {
        return count_.peek() == 0 && wait_lock_.is_constructed() && list_.is_constructed();
    }

  private:
    void queue_and_sleep(Token& token, Mode mode, std::int64_t claim) {
        Xadd::prepare(token.waiter, token.self, mode);
        wait_lock_.lock(token.wait_token);
        const auto queued = Xadd::enqueue(count_, list_, token.waiter, claim);
        if (queued.count == Xadd::kWaiting) {
            wake_front(RwsemWake::any, false);
        } else if (kSlip != Slip::nobody_woken && queued.count > Xadd::kWaiting && mode == Mode::write &&
                   !queued.first) {
            wake_front(RwsemWake::read_owned, false);
        }
        wait_lock_.unlock(token.wait_token);
        sleep_until_granted<P>(token.waiter);
    }
    void wake_slow(Token& token, RwsemWake kind) {
        wait_lock_.lock(token.wait_token);
        if (!list_.empty()) {
            wake_front(kind, kind == RwsemWake::any);
        }
        wait_lock_.unlock(token.wait_token);
    }
    void wake_front(RwsemWake kind, bool released) {
        Waiter<P>* const head = list_.front();
        if (head->mode.get() == Mode::read) {
            Xadd::grant_front_readers(count_, list_, released);
        } else if (kind != RwsemWake::read_owned && Xadd::claim_for_writer(count_, list_.singular())) {
            list_.remove(*head);
            WakeNow<P> now;
            grant<P>(*head, now);
        }
    }

    typename Xadd::Count count_;
    WaitLock wait_lock_;
    typename Xadd::List list_;
};

// A word and a pending bit, as qspinlock before its queue: for two contenders at a time.
template <Platform P, Slip kSlip = Slip::none>
class SmallPending {
  public:
    using Token = typename SmallTicket<P>::Token;
    static constexpr LockInfo kInfo = small_info("small_pending", WaitKind::spin, false, 4);

    SmallPending() : word_(0) {}
    SmallPending(const SmallPending&) = delete;
    SmallPending& operator=(const SmallPending&) = delete;

    void lock(Token&) {
        P::preempt_off();
        if (word_.try_cas(0, kLocked, acquire)) {
            return;
        }
        if (!claim_pending()) {
            return;
        }
        word_.await([](std::uint32_t word) { return (word & kLocked) == 0; }, acquire);
        word_.sub(kPending - kLocked, acquire);
    }
    bool try_lock(Token&) {
        P::preempt_off();
        if (word_.try_cas(0, kLocked, acquire)) {
            return true;
        }
        P::preempt_on();
        return false;
    }
    void unlock(Token&) {
        word_.sub(kLocked, release);
        P::preempt_on();
    }
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0; }

  private:
    static constexpr std::uint32_t kLocked = 1;
    static constexpr unsigned kPendingBit = 1;
    static constexpr std::uint32_t kPending = 1U << kPendingBit;
    static constexpr std::size_t kTries = 8;

    // False: the lock was free instead, and is taken.
    bool claim_pending() {
        const auto open = [](std::uint32_t word) { return (word & kPending) == 0; };
        if constexpr (kSlip == Slip::pending_by_guess) {
            std::uint32_t seen = word_.await_value(open, relaxed);
            for (typename P::template EffectLoop<kTries> loop;; loop.again()) {
                const std::uint32_t wanted = seen == 0 ? kLocked : seen | kPending;
                if ((seen & kPending) != 0) {
                    seen = word_.await_value(open, relaxed);
                } else if (word_.compare_exchange(seen, wanted, acquire, relaxed)) {
                    return wanted != kLocked;
                }
            }
        }
        for (typename P::Retry loop;; loop.again()) {
            word_.await(open, relaxed);
            if (!word_.test_and_set_bit(kPendingBit, acquire)) {
                return true;
            }
        }
    }

    typename P::template Atomic<std::uint32_t> word_;
};

// The classic rwlock in a word that is too small for its bias and three writers: what it says of its limit is left out.
template <Platform P>
class WrappingRwlock {
    using Lock = RwlockClassic<P, std::int8_t, std::int8_t{100}>;

  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : limit(0, 1, 0, ctx.stats, nullptr), token(limit) {}
        Ctx<P> limit;
        typename Lock::Token token;
    };
    static constexpr LockInfo kInfo = Lock::kInfo;

    void lock(Token& token) { lock_.lock(token.token); }
    bool try_lock(Token& token) { return lock_.try_lock(token.token); }
    void unlock(Token& token) { lock_.unlock(token.token); }
    void lock_shared(Token& token) { lock_.lock_shared(token.token); }
    void lock_shared_irq(Token& token) { lock_.lock_shared_irq(token.token); }
    bool try_lock_shared(Token& token) { return lock_.try_lock_shared(token.token); }
    void unlock_shared(Token& token) { lock_.unlock_shared(token.token); }
    [[nodiscard]] bool is_locked() const { return lock_.is_locked(); }
    [[nodiscard]] bool is_constructed() const { return lock_.is_constructed(); }

  private:
    Lock lock_;
};

}  // namespace lockbench::test
