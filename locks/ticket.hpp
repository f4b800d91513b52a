// SPDX-License-Identifier: MIT
// Ticket lock: a FIFO spinlock in one word; all waiters spin on it.
//
// Origin: Mellor-Crummey and Scott, ACM TOCS 9(1), 1991, section 2.2; the x86 spinlock from Linux 2.6.25 to 4.1
//   (arch/x86/include/asm/spinlock.h), 16-bit tickets as from 256 CPUs on.
// Differs: no paravirtual slow path; 16-bit tickets whatever the CPU count. The kernel's unlock is a plain increment of
// the owner half,
//   a sub-word access: here a halfword store (mixed).
//
//   word_   31           16 15            0
//          +---------------+---------------+     free  next == owner
//          |     next      |     owner     |     held  next != owner
//          +---------------+---------------+
//   lock:     (n, o) -> (n+1, o), my ticket is n; enter once owner == n
//   try_lock: (n, n) -> (n+1, n), comparing the whole word: comparing one half would let a wrapped ticket in
//   unlock:   (n, o) -> (n, o+1), by the holder only
// I1  next - owner (mod 2^16) = holder + waiters, so at most 65535 threads.
// I2  owner is written by the holder only, between its entry and its R1.
#pragma once

#include "locks/lock.hpp"

namespace lockbench {

// kInner: part of another lock, which reports its own slow paths; then slow_write is not counted here.
template <Platform P, bool kInner = false>
class TicketLock {
  public:
    struct Token {  // a word lock keeps nothing per acquirer
        explicit Token(Ctx<P>&) {}
    };

    static constexpr LockInfo kInfo = {
        .name = "ticket",
        .family = "ticket",
        .kernel_release = "2.6.25-4.1",
        .kind = WaitKind::spin,
        .shared = false,
        .fairness = Fairness::fifo,
        .hold_across_sleep = false,
        .bytes = 4,
        .rmw_read = 0,
        .rmw_write = 1,
        .killable = false,
        .downgrade = false,
        .irq_readers = false,
        .free_after_unlock = true,
        .is_locked = true,
        .convoys = true,
        .control = false,
        .origin = "Mellor-Crummey and Scott 1991; Linux 2.6.25-4.1 arch/x86/include/asm/spinlock.h",
        .paths = {.lock = "faa32.acquire", .try_lock = "ld32 cas32.acquire", .unlock = "ld16 st16.release"},
    };

    TicketLock() : word_(0) {}
    TicketLock(const TicketLock&) = delete;
    TicketLock& operator=(const TicketLock&) = delete;

    void lock(Token&) {
        P::preempt_off();
        // acquire (A1, pairs with R1): a ticket that is served at once is an entry without a wait.
        const std::uint32_t word = word_.fetch_add(next_one(), acquire);
        const std::uint32_t mine = word >> 16U;
        if ((word & kOwnerMask) != mine) {
            wait_slow(mine);
        }
    }

    bool try_lock(Token&) {
        P::preempt_off();
        // relaxed: only a guess, the exchange below decides.
        const std::uint32_t word = word_.load(relaxed);
        // acquire (A2, pairs with R1): the last holder's writes are seen.
        if ((word >> 16U) == (word & kOwnerMask) && word_.try_cas(word, word + next_one(), acquire)) {
            return true;
        }
        P::preempt_on();
        return false;
    }

    void unlock(Token&) {
        // relaxed: owner is ours alone to write (I2).
        const std::uint16_t owner = owner_field().load(relaxed);
        // release (R1, pairs with A1, A2, A3): the next holder sees all that this one did.
        owner_field().put(owner, static_cast<std::uint16_t>(owner + ticket_step<P>()), release);
        P::preempt_on();
    }

    // A waiting ticket counts as locked.
    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own writes.
        const std::uint32_t word = word_.load(relaxed);
        return (word >> 16U) != (word & kOwnerMask);
    }

    // Tickets wrap and never return to zero: constructed means free.
    [[nodiscard]] bool is_constructed() const { return (word_.peek() >> 16U) == (word_.peek() & kOwnerMask); }

  private:
    static constexpr std::uint32_t kOwnerMask = 0xffff;

    static constexpr std::uint32_t next_one() { return std::uint32_t{ticket_step<P>()} << 16U; }
    auto owner_field() { return word_.template field<Field<0, 16>, SubWord::mixed>(); }

    [[gnu::noinline, gnu::cold]] void wait_slow(std::uint32_t mine) {
        if constexpr (!kInner) {
            P::event(Event::slow_write);
        }
        // acquire (A3, pairs with R1): the last holder's writes are seen.
        word_.await([mine](std::uint32_t word) { return (word & kOwnerMask) == mine; }, acquire);
    }

    typename P::template Atomic<std::uint32_t> word_;
};

}  // namespace lockbench
