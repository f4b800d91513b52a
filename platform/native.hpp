// SPDX-License-Identifier: MIT
// The Native platform: real CPUs, the compiler's atomics, futex(2). The only platform headers with assembly or #if are
// native_*.hpp.
//
// A trial: World::get().begin_trial(nodes, seed), then threads each inside a ThreadScope; World::end_trial() when they
// are gone.
// Approximations, each reported with a result: is_running knows only sleep, park and yield, not involuntary preemption
// (those are counted); should_yield is a time cap; preempt_off does not keep the scheduler away; a ReadSection costs
// nothing because pools keep their memory until the trial ends.
#pragma once

#include <cstdint>

#include "platform/native_atomic.hpp"
#include "platform/native_memory.hpp"
#include "platform/native_wait.hpp"
#include "platform/native_world.hpp"
#include "platform/platform.hpp"

namespace lockbench {

struct Native {
    static constexpr bool kChecked = false;
    static constexpr const char* kName = "native";

    template <class T>
    using Atomic = native::Atomic<T>;
    template <class T>
    using Plain = native::Plain<T>;
    template <class T, class Tag>
    using PerThread = native::PerThread<T, Tag>;
    template <class T, class Tag>
    using PerCpu = native::PerCpu<T, Tag>;
    template <class T>
    using Slab = native::Slab<T>;
    template <class Stable, class Fresh>
    using Pool = native::Pool<Stable, Fresh>;

    using Deadline = native::Deadline;
    using Budget = native::Budget;
    using Retry = native::Retry;
    template <std::size_t kBound>
    using EffectLoop = native::EffectLoop<kBound>;
    using Stopwatch = native::Stopwatch;

    class ReadSection {
      public:
        // The compiler may not move accesses out of the section; nothing is freed to the system within a trial.
        ReadSection() { asm volatile("" ::: "memory"); }
        ~ReadSection() { asm volatile("" ::: "memory"); }
        ReadSection(const ReadSection&) = delete;
        ReadSection& operator=(const ReadSection&) = delete;
    };

    static void fence(Order order) { native::fence(order); }
    // A full fence directly after a read-modify-write: x86's locked instructions are one already. On AArch64 none is,
    // whatever its order: a later access may pass the store half of an acquire or a seq_cst one.
    static void fence_after_rmw() {
#if defined(__x86_64__) && !LOCKBENCH_TSAN
        asm volatile("" ::: "memory");
#else
        native::fence(Order::seq_cst);
#endif
    }
    // The cheap and the dear side of an asymmetric fence: membarrier makes every running thread of the process pass a
    // full barrier.
    static void fence_light() { asm volatile("" ::: "memory"); }
    static void fence_heavy() { native::membarrier_heavy(); }

    template <class A, class Pred>
    static auto when(const A& atomic, Pred pred, Order order) {
        return native::When<A, Pred>{atomic, pred, order};
    }
    static native::NotRunning not_running(ThreadId tid) { return {tid}; }
    static native::ShouldYield should_yield() { return {}; }
    static native::Cancelled cancelled() { return {}; }
    template <class S>
    static bool poll(S&& stop) {
        return stop.fired();
    }

    static Deadline never() { return {0}; }
    static Deadline after(Nanoseconds ns) { return {native::monotonic_ns() + ns}; }
    static bool expired(Deadline deadline) { return deadline.fired(); }
    static Nanoseconds now() { return native::monotonic_ns(); }
    static Nanoseconds ticks_to_ns(std::uint64_t ticks) {
        return static_cast<Nanoseconds>(static_cast<double>(ticks) / native::World::get().ticks_per_ns());
    }
    static std::size_t choose(std::size_t n) {
        std::uint64_t& state = native::current_thread->choice_state;
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<std::size_t>(((state >> 32U) * n) >> 32U);
    }

    static void relax() { native::cpu_relax(); }
    static void yield() { native::yield(); }
    // Keeps the CPU busy for `ns` nanoseconds of real time, by the time-stamp counter less the cost of reading it: a
    // counted loop would stretch with the clock frequency and with a busy SMT sibling, here or under the hypervisor.
    static void compute(Nanoseconds ns) { native::busy_wait(ns); }
    static void sleep_until(Deadline deadline) {
        while (!deadline.fired() && !native::Cancelled{}.fired()) {
            sleep_prepare();
            sleep(deadline);
        }
    }

    static void sleep_prepare() { native::sleep_prepare(); }
    static Wake sleep(Deadline deadline) { return native::sleep(deadline); }
    static Wake sleep_killable(Deadline deadline) { return native::sleep_killable(deadline); }
    static void wake(ThreadId tid) { native::wake(tid); }
    static void cancel(ThreadId tid) { native::cancel(tid); }
    static void clear_cancel() { native::clear_cancel(); }
    static Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline) {
        return native::park(&word, expected, deadline);
    }
    static void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count) {
        native::futex_wake(&word, static_cast<int>(count));
    }
    static bool is_running(ThreadId tid) { return !native::NotRunning{tid}.fired(); }

    static void preempt_off() {}
    static void preempt_on() {}
    // Inter-processor interrupts cannot be sent from user space: their cost to the sender is spun, and labelled so
    // wherever it is shown.
    static void ipi(std::uint32_t cpus, Nanoseconds handler_ns) {
        if (cpus != 0) {
            compute(handler_ns);
        }
    }

    static ThreadId self() { return native::current_thread->tid; }
    static CpuId cpu() {
        const auto* me = native::current_thread;
        return me != nullptr && me->cpu != kNoCpu ? me->cpu : native::current_cpu();
    }
    static NodeId node_of(CpuId) {
        return native::current_thread != nullptr ? native::current_thread->node : native::current_node();
    }
    static Distance distance(CpuId a, CpuId b) { return native::World::get().distance(a, b); }

    static void event(Event event) { ++native::current_thread->events[static_cast<std::size_t>(event)]; }
    static void mark(Mark, const void*, Mode) {}
};

static_assert(Platform<Native>);

}  // namespace lockbench
