// SPDX-License-Identifier: MIT
// The Sim platform: the seam on a simulated NUMA machine. engine.hpp is its other side, how a tool runs it; what is
// simulated, and what is not, stands in docs/simulate.md.
#pragma once

#include <cstdint>

#include "platform/platform.hpp"
#include "platform/sim/atomic.hpp"
#include "platform/sim/engine.hpp"
#include "platform/sim/memory.hpp"
#include "platform/sim/stops.hpp"
#include "platform/site.hpp"
#include "platform/stats.hpp"

namespace lockbench {

struct Sim {
    static constexpr bool kChecked = false;
    static constexpr const char* kName = "sim";

    template <class T>
    using Atomic = sim::Atomic<T>;
    template <class T>
    using Plain = sim::Plain<T>;
    template <class T, class Tag>
    using PerThread = sim::PerThread<T, Tag>;
    template <class T, class Tag>
    using PerCpu = sim::PerCpu<T, Tag>;
    template <class T>
    using Slab = sim::Slab<T>;
    template <class Stable, class Fresh>
    using Pool = sim::Pool<Stable, Fresh>;

    using Deadline = sim::Deadline;
    using Budget = sim::Budget;
    using Retry = sim::Retry;
    template <std::size_t kBound>
    using EffectLoop = sim::EffectLoop<kBound>;
    using Stopwatch = sim::Stopwatch;

    // Memory of pools is never given back within a run, so that a section protects by being there.
    class ReadSection {
      public:
        ReadSection() {}   // NOLINT(modernize-use-equals-default): a use of it is no unused variable
        ~ReadSection() {}  // NOLINT(modernize-use-equals-default)
        ReadSection(const ReadSection&) = delete;
        ReadSection& operator=(const ReadSection&) = delete;
    };

    // The machine's stores are ordered, and so are its loads: only a full fence does something, it drains the buffer.
    static void fence(Order order) {
        if (order == seq_cst && sim::self_thread != nullptr) {
            sim::engine->drain(*sim::self_thread);
            sim::engine->spend(*sim::self_thread, sim::engine->machine().fence);
        }
    }
    static void fence_after_rmw() {}
    static void fence_light() {}
    static void fence_heavy() { ipi(static_cast<std::uint32_t>(sim::engine->machine().cpus()), 0); }

    template <class A, class Pred>
    static auto when(const A& atomic, Pred pred, At at) {
        return sim::When<A, Pred>{atomic, pred, at};
    }
    static sim::NotRunning not_running(ThreadId tid) { return {tid}; }
    static sim::ShouldYield should_yield() { return {}; }
    static sim::Cancelled cancelled() { return {}; }
    template <class S>
    static bool poll(S&& stop) {
        return stop.fired();
    }

    static Deadline never() { return {0}; }
    static Deadline after(Nanoseconds ns) {
        sim::engine->note_timer(ns * sim::kPerNs);
        return {now() + ns};
    }
    static bool expired(Deadline deadline) { return deadline.fired(); }
    static Nanoseconds now() { return sim::engine->clock() / sim::kPerNs; }
    static Nanoseconds ticks_to_ns(std::uint64_t ticks) { return ticks; }
    static std::size_t choose(std::size_t n) { return sim::me().random.below(static_cast<std::uint32_t>(n)); }

    static void relax() { sim::pause(); }
    static void yield() { sim::engine->yield(sim::me()); }
    // Touches nothing, so that nothing need happen before it: the clock goes on, others catch up at the next operation.
    static void compute(Nanoseconds ns) {
        if (sim::self_thread != nullptr) {
            sim::self_thread->now += ns * sim::kPerNs;
        }
    }
    static void sleep_until(Deadline deadline, Site site = Site::here()) {
        sim::Thread& me = sim::me();
        while (!deadline.holds() && !me.cancelled) {
            me.woken = false;
            sim::engine->sleep(me, deadline.at * sim::kPerNs, true, site);
        }
    }

    static void sleep_prepare() {
        sim::Thread& me = sim::me();
        sim::engine->drain(me);
        sim::engine->sync(me);
        me.woken = false;
    }
    static Wake sleep(Deadline deadline, Site site = Site::here()) {
        return sim::engine->sleep(sim::me(), deadline.at * sim::kPerNs, false, site);
    }
    static Wake sleep_killable(Deadline deadline, Site site = Site::here()) {
        return sim::engine->sleep(sim::me(), deadline.at * sim::kPerNs, true, site);
    }
    static void wake(ThreadId tid) { sim::engine->wake(sim::me(), sim::engine->thread(tid)); }
    static void cancel(ThreadId tid) { sim::engine->cancel(sim::me(), sim::engine->thread(tid)); }
    static void clear_cancel() { sim::me().cancelled = false; }
    static Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline,
                     Site site = Site::here()) {
        sim::Thread& me = sim::me();
        sim::engine->drain(me);
        me.now += sim::engine->machine().syscall;
        sim::engine->sync(me);
        // In step with all others since sync(), or since the line came: nobody changes the word before this one sleeps.
        if (word.load({relaxed, site.file, site.line}) != expected) {
            return Wake::woken;
        }
        return sim::engine->park(me, &word, deadline.at * sim::kPerNs, site);
    }
    static void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count) {
        sim::engine->unpark(sim::me(), &word, count);
    }
    static bool is_running(ThreadId tid) { return !not_running(tid).fired(); }

    static void preempt_off() {
        if (sim::self_thread != nullptr) {
            ++sim::self_thread->preempt_off;
        }
    }
    static void preempt_on() {
        if (sim::self_thread != nullptr) {
            sim::engine->preempt_on(*sim::self_thread);
        }
    }
    static void ipi(std::uint32_t cpus, Nanoseconds handler_ns) {
        if (cpus != 0 && sim::self_thread != nullptr) {
            sim::engine->spend(*sim::self_thread, sim::engine->machine().ipi * cpus + handler_ns * sim::kPerNs);
        }
    }

    // The host counts as one thread more and sits on the first one's CPU.
    static ThreadId self() { return sim::self_thread != nullptr ? sim::self_thread->tid : sim::engine->thread_count(); }
    static CpuId cpu() { return sim::self_thread != nullptr ? sim::self_thread->cpu : sim::engine->thread(0).cpu; }
    static NodeId node_of(CpuId cpu) { return sim::engine->machine().node_of_cpu[static_cast<std::size_t>(cpu)]; }
    static Distance distance(CpuId a, CpuId b) {
        const sim::Machine& machine = sim::engine->machine();
        return static_cast<Distance>(
            machine.distances[static_cast<std::size_t>(a) * machine.cpus() + static_cast<std::size_t>(b)]);
    }

    static void event(Event event) {
        if (sim::self_thread != nullptr) {
            ++sim::self_thread->events[static_cast<std::size_t>(event)];
        }
    }
    static void mark(Mark mark, const void* lock, Mode) {
        if (sim::self_thread != nullptr) {
            sim::self_thread->note(mark, lock);
        }
    }
};

static_assert(Platform<Sim>);
static_assert(sizeof(Sim::Atomic<bool>) == 1 && sizeof(Sim::Plain<std::int64_t>) == 8);

}  // namespace lockbench
