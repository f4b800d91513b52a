// SPDX-License-Identifier: MIT
// Controls of the harness: a lock that costs nothing, and one that looks like a lock and is none.
//
// Origin: none. NullLock measures the harness's own cost on thread-private data; BrokenLock must be refused by the
// invariants of every
//   workload, or a broken lock could win a comparison. Neither is ever part of one (kInfo.control).
#pragma once

#include "locks/lock.hpp"

namespace lockbench {

constexpr LockInfo control_info(std::string_view name, std::uint32_t bytes, std::uint32_t rmw) {
    return {.name = name,
            .family = "control",
            .kernel_release = "-",
            .kind = WaitKind::spin,
            .shared = true,
            .fairness = Fairness::unfair,
            .hold_across_sleep = false,
            .bytes = bytes,
            .rmw_read = rmw,
            .rmw_write = rmw,
            .killable = false,
            .downgrade = false,
            .irq_readers = false,
            .free_after_unlock = true,
            .is_locked = false,
            .convoys = false,
            .control = true,
            .origin = "negative control of this suite"};
}

template <Platform P>
class NullLock {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
    };
    static constexpr LockInfo kInfo = control_info("null", 4, 0);

    NullLock() : word_(0) {}
    NullLock(const NullLock&) = delete;
    NullLock& operator=(const NullLock&) = delete;

    void lock(Token&) {}
    bool try_lock(Token&) { return true; }
    void unlock(Token&) {}
    void lock_shared(Token&) {}
    bool try_lock_shared(Token&) { return true; }
    void unlock_shared(Token&) {}
    [[nodiscard]] bool is_locked() const { return false; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0; }

  private:
    typename P::template Atomic<std::uint32_t> word_;
};

// Tests and sets in two steps, so that two threads may both find it free: exclusion fails now and then, as in a real
// bug.
template <Platform P>
class BrokenLock {
  public:
    struct Token {
        explicit Token(Ctx<P>&) {}
    };
    static constexpr LockInfo kInfo = control_info("broken", 4, 0);

    BrokenLock() : word_(0) {}
    BrokenLock(const BrokenLock&) = delete;
    BrokenLock& operator=(const BrokenLock&) = delete;

    void lock(Token&) {
        // relaxed throughout, deliberate: a lock without orders, whose check and later store exclude nobody.
        word_.await([](std::uint32_t word) { return word == 0; }, relaxed);
        word_.store(1, relaxed);  // relaxed: as above
    }
    bool try_lock(Token&) {
        // relaxed: as in lock().
        if (word_.load(relaxed) != 0) {
            return false;
        }
        word_.store(1, relaxed);  // relaxed: as in lock()
        return true;
    }
    // relaxed: as in lock().
    void unlock(Token&) { word_.store(0, relaxed); }
    void lock_shared(Token& token) { lock(token); }
    bool try_lock_shared(Token& token) { return try_lock(token); }
    void unlock_shared(Token& token) { unlock(token); }
    // relaxed: a guess.
    [[nodiscard]] bool is_locked() const { return word_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const { return word_.peek() == 0; }

  private:
    typename P::template Atomic<std::uint32_t> word_;
};

}  // namespace lockbench
