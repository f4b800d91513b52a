// SPDX-License-Identifier: MIT
// The Coop platform: the seam under a cooperative scheduler, for tests. coop_world.hpp is its other side, how a test
// runs it.
//
// Atomic operations, sleeping, waking, allocation and computing are scheduling points; at each, the seed decides who
// goes on. Everything that the seam says "may" happen is injected: spurious wake-ups, early expiries, false is_running,
// should_yield, spent budgets. Everything that the seam forbids and that can be seen is a failure with a text
// (CoopFailure).
#pragma once

#include <cstdint>

#include "platform/coop_atomic.hpp"
#include "platform/coop_memory.hpp"
#include "platform/coop_wait.hpp"
#include "platform/coop_world.hpp"
#include "platform/platform.hpp"
#include "platform/stats.hpp"

namespace lockbench {

struct Coop {
    static constexpr bool kChecked = true;
    static constexpr const char* kName = "coop";

    template <class T>
    using Atomic = coop::Atomic<T>;
    template <class T>
    using Plain = coop::Plain<T>;
    template <class T, class Tag>
    using PerThread = coop::PerThread<T, Tag>;
    template <class T, class Tag>
    using PerCpu = coop::PerCpu<T, Tag>;
    template <class T>
    using Slab = coop::Slab<T>;
    template <class Stable, class Fresh>
    using Pool = coop::Pool<Stable, Fresh>;
    using ReadSection = coop::ReadSection;

    using Deadline = coop::Deadline;
    using Budget = coop::Budget;
    using Retry = coop::Retry;
    template <std::size_t kBound>
    using EffectLoop = coop::EffectLoop<kBound>;
    using Stopwatch = coop::Stopwatch;
    using Site = coop::Site;

    static void fence(coop::At at) { coop::fence(at); }
    // All are full fences here: which of them may be cheaper is a matter of the machine.
    static void fence_after_rmw(Site site = Site::here()) { coop::fence({seq_cst, site.file, site.line}); }
    static void fence_light(Site site = Site::here()) { coop::fence({seq_cst, site.file, site.line}); }
    static void fence_heavy(Site site = Site::here()) { coop::fence({seq_cst, site.file, site.line}); }

    template <class A, class Pred>
    static auto when(const A& atomic, Pred pred, coop::At at) {
        return coop::When<A, Pred>{atomic, pred, at};
    }
    static coop::NotRunning not_running(ThreadId tid) { return {tid}; }
    static coop::ShouldYield should_yield() { return {}; }
    static coop::Cancelled cancelled() { return {}; }
    template <class S>
    static bool poll(S&& stop) {
        return stop.fired();
    }

    static Deadline never() { return {0}; }
    static Deadline after(Nanoseconds ns) { return {coop::engine->now() + ns}; }
    static bool expired(Deadline deadline) { return deadline.fired(); }
    // Virtual: each step takes 1 ns.
    static Nanoseconds now() { return coop::engine->now(); }
    static Nanoseconds ticks_to_ns(std::uint64_t ticks) { return ticks; }
    static std::size_t choose(std::size_t n) { return coop::engine->random_below(n); }

    static void relax(Site site = Site::here()) { coop::relax(site); }
    static void yield(Site site = Site::here()) { coop::yield(site); }
    static void compute(Nanoseconds ns, Site site = Site::here()) { coop::compute(ns, site); }
    static void sleep_until(Deadline deadline, Site site = Site::here()) { coop::sleep_until(deadline, site); }

    static void sleep_prepare(Site site = Site::here()) { coop::sleep_prepare(site); }
    static Wake sleep(Deadline deadline, Site site = Site::here()) { return coop::sleep(deadline, false, site); }
    static Wake sleep_killable(Deadline deadline, Site site = Site::here()) {
        return coop::sleep(deadline, true, site);
    }
    static void wake(ThreadId tid, Site site = Site::here()) { coop::wake(tid, site); }
    static void cancel(ThreadId tid, Site site = Site::here()) { coop::cancel(tid, site); }
    static void clear_cancel() { coop::clear_cancel(); }
    static Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline,
                     Site site = Site::here()) {
        const bool as_expected = word.load({relaxed, site.file, site.line}) == expected;
        return coop::park(&word, as_expected, deadline, site);
    }
    static void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count, Site site = Site::here()) {
        coop::unpark(&word, count, site);
    }
    static bool is_running(ThreadId tid) { return !not_running(tid).fired(); }

    static void preempt_off() {
        if (coop::self_thread != nullptr) {
            ++coop::self_thread->preempt_off;
        }
    }
    static void preempt_on(Site site = Site::here()) { coop::preempt_on(site); }
    static void ipi(std::uint32_t cpus, Nanoseconds handler_ns, Site site = Site::here()) {
        if (cpus != 0) {
            coop::compute(handler_ns, site);
        }
    }

    // The host counts as thread 0 and sits on CPU 0.
    static ThreadId self() { return coop::self_thread != nullptr ? coop::self_thread->tid : 0; }
    static CpuId cpu() { return coop::cpu_of(self()); }
    // Two nodes, CPUs dealt out in turn.
    static NodeId node_of(CpuId cpu) { return cpu & 1; }
    static Distance distance(CpuId a, CpuId b) {
        return a == b ? Distance::self : node_of(a) == node_of(b) ? Distance::same_node : Distance::other_package;
    }

    static void event(Event event) {
        if (coop::self_thread != nullptr) {
            ++coop::self_thread->events[static_cast<std::size_t>(event)];
        }
    }
    static void mark(Mark mark, const void* lock, Mode mode) { coop::engine->mark(mark, lock, mode); }
};

static_assert(Platform<Coop>);
static_assert(sizeof(Coop::Atomic<bool>) == 1 && sizeof(Coop::Atomic<std::uint16_t>) == 2 &&
              sizeof(Coop::Atomic<void*>) == 8);
static_assert(sizeof(Coop::Plain<std::uint8_t>) == 1 && sizeof(Coop::Plain<std::int64_t>) == 8);
static_assert(std::is_trivially_destructible_v<Coop::Atomic<int>> &&
              std::is_trivially_destructible_v<Coop::Plain<int>>);

}  // namespace lockbench
