// SPDX-License-Identifier: MIT
// Native waiting: the clock, the pause, the stops of await_until, the retry loops, sleeping and parking.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/native_world.hpp"
#include "platform/platform.hpp"

#if !defined(__linux__) || !(defined(__x86_64__) || (defined(__aarch64__) && defined(__AARCH64EL__)))
#error "lockbench runs on Linux, x86-64 and little-endian AArch64"
#endif

namespace lockbench::native {

// The pause of a spin. AArch64's "yield" is a no-op on cores without SMT; isb lets the pipeline run empty and takes
// about as long as x86's pause (measured on Neoverse N1: rust-lang/rust#84725). wfe would need the word that the next
// store goes to, which a predicate over several words does not have.
inline void cpu_relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    asm volatile("isb" ::: "memory");
#endif
}

// Nothing after it starts before the loads, the arithmetic and the read-modify-writes before it are done. isb alone
// waits for no memory access (Arm ARM, B2.3), so a dsb for loads stands before it; lfence is both.
inline void serialise() {
#if defined(__x86_64__)
    __builtin_ia32_lfence();
#else
    asm volatile("dsb ishld\n\tisb" ::: "memory");
#endif
}

// The counter that times waits, unserialised, as its reading stands on fast paths. x86-64: the time-stamp counter, 12
// to 25 ns a reading on virtual machines, good to some ten ns. AArch64: the virtual counter of the generic timer, which
// ticks at 1 GHz from Armv8.6 on and often at 25 to 100 MHz before, so that one tick may be 40 ns.
inline std::uint64_t read_ticks() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    std::uint64_t ticks = 0;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#endif
}

#if defined(__x86_64__)
inline constexpr const char* kTicksName = "time-stamp counter";
#else
inline constexpr const char* kTicksName = "virtual counter CNTVCT_EL0";
#endif

// Ticks a second as the machine names them; 0 where it does not, and the rate has to be measured. What CNTFRQ_EL0 says
// is what the kernel's own clock counts by.
inline std::uint64_t named_tick_rate() {
#if defined(__x86_64__)
    return 0;
#else
    std::uint64_t hertz = 0;
    asm volatile("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz;
#endif
}

// Makes the compiler believe that the value is used, so that a busy loop stays.
inline void keep_loop(std::uint64_t value) { asm volatile("" : : "r"(value) :); }

// Work between two measured things: 64 multiplications, each of the one before it, which takes a core that multiplies
// in 3 to 4 cycles some 190 to 260 of them. Without a branch: whether the end of a counted loop is predicted depends on
// what ran before it, so a loop's length is not the same beside different things, by 10 ns where it was tried.
inline std::uint64_t straight_work(std::uint64_t value) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // no product that a compiler would add together
    // The statement stands for something that might look at each product, so that 64 do not become one.
    const auto times8 = [](std::uint64_t x) __attribute__((always_inline)) {
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        asm volatile("" : "+r"(x *= kOdd));
        return x;
    };
    return times8(times8(times8(times8(times8(times8(times8(times8(value))))))));
}

struct Budget {
    std::uint64_t polls;
    bool fired() { return polls == 0 || --polls == 0; }
};

// Absolute CLOCK_MONOTONIC time in ns; 0 never comes.
struct Deadline {
    std::uint64_t at_ns;
    [[nodiscard]] bool fired() const { return at_ns != 0 && monotonic_ns() >= at_ns; }
};

struct NotRunning {
    ThreadId tid;
    // relaxed: a hint about another thread; acting on a stale one is legal (may fire at any time).
    [[nodiscard]] bool fired() const {
        return tid == kNoThread || World::header(tid).running.load(std::memory_order_relaxed) == 0;
    }
};

// Stands for the kernel's need_resched: user space cannot see it, so a spin that outlives kSliceNs, a scheduler tick,
// is told to stop.
class ShouldYield {
  public:
    bool fired() {
        if ((++polls_ & kClockMask) != 0) {
            return false;
        }
        const std::uint64_t now = monotonic_ns();
        if (begin_ns_ == 0) {
            begin_ns_ = now;
        }
        return now - begin_ns_ >= kSliceNs;
    }

  private:
    static constexpr std::uint32_t kClockMask = 63;       // look at the clock every 64th poll
    static constexpr std::uint64_t kSliceNs = 4'000'000;  // one jiffy at HZ=250
    std::uint32_t polls_ = 0;
    std::uint64_t begin_ns_ = 0;
};

struct Cancelled {
    [[nodiscard]] bool fired() const {
        // relaxed: whoever acts on it takes locks that order what follows.
        return current_thread != nullptr && current_thread->cancelled.load(std::memory_order_relaxed) != 0;
    }
};

template <class A, class Pred>
struct When {
    const A& atomic;
    Pred pred;
    Order order;
    [[nodiscard]] bool fired() const { return pred(atomic.load(order)); }
};

// 1-based place of the first stop that fired, 0 for none.
template <class... Stops>
int first_fired(Stops&... stops) {
    int place = 0;
    int which = 0;
    (void)((++place, stops.fired() ? (which = place, true) : false) || ...);
    return which;
}

class Retry {
  public:
    void again() { cpu_relax(); }
};

template <std::size_t>
class EffectLoop {
  public:
    void again() { cpu_relax(); }
};

class Stopwatch {
  public:
    Stopwatch() : begin_(read_ticks()) {}
    [[nodiscard]] std::uint64_t ticks() const { return read_ticks() - begin_; }
    static std::uint64_t stamp() { return read_ticks(); }

  private:
    std::uint64_t begin_;
};

inline void sleep_prepare() {
    // seq_cst: the caller's re-check must not be satisfied before the word is armed (pairs with the exchange in wake).
    current_thread->sleep_word.exchange(kArmed, std::memory_order_seq_cst);
}

inline Wake sleep(Deadline deadline) {
    ThreadHeader& me = *current_thread;
    std::uint32_t armed = kArmed;
    // acquire: what the waker did before wake() is seen.
    if (me.sleep_word.compare_exchange_strong(armed, kSleeping, std::memory_order_acq_rel, std::memory_order_acquire)) {
        me.running.store(0, std::memory_order_relaxed);
        futex_wait(&me.sleep_word, kSleeping, deadline.at_ns);
        me.running.store(1, std::memory_order_relaxed);
    }
    const bool was_woken = me.sleep_word.exchange(kWoken, std::memory_order_acq_rel) == kWoken;
    return !was_woken && deadline.fired() ? Wake::expired : Wake::woken;
}

inline Wake sleep_killable(Deadline deadline) {
    if (Cancelled{}.fired()) {
        return Wake::cancelled;
    }
    const Wake result = sleep(deadline);
    return Cancelled{}.fired() ? Wake::cancelled : result;
}

inline void wake(ThreadId tid) {
    ThreadHeader& other = World::header(tid);
    // seq_cst: pairs with sleep_prepare; the caller's condition is visible before the word says so.
    if (other.sleep_word.exchange(kWoken, std::memory_order_seq_cst) == kSleeping) {
        futex_wake(&other.sleep_word, 1);
    }
}

inline void cancel(ThreadId tid) {
    World::header(tid).cancelled.store(1, std::memory_order_seq_cst);
    wake(tid);
}

inline void clear_cancel() { current_thread->cancelled.store(0, std::memory_order_relaxed); }

inline void yield() {
    if (current_thread != nullptr) {
        current_thread->running.store(0, std::memory_order_relaxed);
    }
    yield_cpu();
    if (current_thread != nullptr) {
        current_thread->running.store(1, std::memory_order_relaxed);
    }
}

// Blocks while the word holds `expected`; may return for no reason.
inline Wake park(const void* word, std::uint32_t expected, Deadline deadline) {
    if (current_thread != nullptr) {
        current_thread->running.store(0, std::memory_order_relaxed);
    }
    futex_wait(word, expected, deadline.at_ns);
    if (current_thread != nullptr) {
        current_thread->running.store(1, std::memory_order_relaxed);
    }
    return deadline.fired() ? Wake::expired : Wake::woken;
}

}  // namespace lockbench::native
