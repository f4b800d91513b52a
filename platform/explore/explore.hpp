// SPDX-License-Identifier: MIT
// The Explore platform: the seam as questions to an engine that knows every answer the memory model allows.
//
// core.hpp is its other side, how a program is run; graph_engine.hpp the engine that proves. What it leaves out is in
// docs/explore.md.
#pragma once

#include <bit>
#include <cstdint>

#include "platform/explore/atomic.hpp"
#include "platform/explore/core.hpp"
#include "platform/explore/memory.hpp"
#include "platform/explore/wait.hpp"
#include "platform/platform.hpp"
#include "platform/stats.hpp"

namespace lockbench {

struct Explore {
    static constexpr bool kChecked = true;
    static constexpr const char* kName = "explore";

    template <class T>
    using Atomic = explore::Atomic<T>;
    template <class T>
    using Plain = explore::Plain<T>;
    template <class T, class Tag>
    using PerThread = explore::PerThread<T, Tag>;
    template <class T, class Tag>
    using PerCpu = explore::PerCpu<T, Tag>;
    template <class T>
    using Slab = explore::Slab<T>;
    template <class Stable, class Fresh>
    using Pool = explore::Pool<Stable, Fresh>;
    using ReadSection = explore::ReadSection;

    using Deadline = explore::Deadline;
    using Budget = explore::Budget;
    using Retry = explore::Retry;
    template <std::size_t kBound>
    using EffectLoop = explore::EffectLoop<kBound>;
    using Stopwatch = explore::Stopwatch;

    static void fence(At at) {
        if (explore::self_thread != nullptr) {
            explore::Request request;
            request.kind = explore::Kind::fence;
            request.order = at.order;
            request.site = at.site;
            explore::perform(request);
        }
    }
    // All are full fences here: which of them may be cheaper is a matter of the machine.
    static void fence_after_rmw(Site site = Site::here()) { fence({seq_cst, site.file, site.line}); }
    static void fence_light(Site site = Site::here()) { fence({seq_cst, site.file, site.line}); }
    static void fence_heavy(Site site = Site::here()) { fence({seq_cst, site.file, site.line}); }

    template <class A, class Pred>
    static auto when(const A& atomic, Pred pred, At at) {
        return explore::When<A, Pred>{atomic, pred, at};
    }
    static explore::NotRunning not_running(ThreadId tid) { return {{tid == kNoThread}}; }
    static explore::ShouldYield should_yield() { return {}; }
    static explore::Cancelled cancelled() { return {}; }
    template <class S>
    static bool poll(S&& stop) {
        return stop.fired();
    }

    static Deadline never() { return {0}; }
    static Deadline after(Nanoseconds) { return explore::after(); }
    static bool expired(Deadline deadline) { return deadline.fired(); }
    static Nanoseconds now() { return 0; }
    static Nanoseconds ticks_to_ns(std::uint64_t ticks) { return ticks; }
    static std::size_t choose(std::size_t n, Site site = Site::here()) { return explore::choose(n, site); }

    // Taking time is no effect.
    static void relax() {}
    static void yield() {}
    static void compute(Nanoseconds) {}
    static void sleep_until(Deadline deadline, Site site = Site::here()) { explore::sleep_until(deadline, site); }

    static void sleep_prepare(Site site = Site::here()) { explore::sleep_prepare(site); }
    static Wake sleep(Deadline deadline, Site site = Site::here()) { return explore::sleep(deadline, false, site); }
    static Wake sleep_killable(Deadline deadline, Site site = Site::here()) {
        return explore::sleep(deadline, true, site);
    }
    static void wake(ThreadId tid, Site site = Site::here()) { explore::wake(tid, site); }
    static void cancel(ThreadId tid, Site site = Site::here()) { explore::cancel(tid, site); }
    static void clear_cancel(Site site = Site::here()) { explore::clear_cancel(site); }
    static Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline,
                     Site site = Site::here()) {
        return explore::park(word, expected, deadline, site);
    }
    static void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count, Site site = Site::here()) {
        explore::unpark(word, count, site);
    }
    static bool is_running(ThreadId tid) { return !not_running(tid).fired(); }

    static void preempt_off() { explore::preempt_off(); }
    static void preempt_on(Site site = Site::here()) { explore::preempt_on(site); }
    static void ipi(std::uint32_t, Nanoseconds) {}

    // The host counts as thread 0 and sits on CPU 0.
    static ThreadId self() { return explore::self_thread != nullptr ? explore::self_thread->tid : 0; }
    static CpuId cpu() { return explore::cpu_of(self()); }
    // Two nodes, CPUs dealt out in turn.
    static NodeId node_of(CpuId cpu) { return cpu & 1; }
    static Distance distance(CpuId a, CpuId b) {
        return a == b ? Distance::self : node_of(a) == node_of(b) ? Distance::same_node : Distance::other_package;
    }

    // As few tickets as are more than the threads: 4 for three of them.
    static std::uint16_t ticket_step() {
        constexpr std::uint32_t kTickets = 1U << 16U;
        return static_cast<std::uint16_t>(kTickets / std::bit_ceil(explore::core->thread_count() + 1U));
    }

    static void event(Event) {}
    // Exclusion is judged by the data of a section; the marks tell a section that is shared from one that is only
    // published too weakly.
    static void mark(Mark mark, const void*, Mode mode) {
        explore::Thread* const me = explore::self_thread;
        if (me == nullptr) {
            return;
        }
        me->note(mark, mode);
        // A downgrade acquires as a reader what is held as a writer.
        const bool downgrade = mark == Mark::acquired && mode == Mode::read && me->writing;
        if (explore::mutator != nullptr) {
            explore::mutator->mark(mark, mode, downgrade);
        }
        if (mark == Mark::doorway) {
            return;
        }
        me->sections = mark == Mark::released ? me->sections - 1 : me->sections + (downgrade ? 0U : 1U);
        me->writing = mark == Mark::acquired && mode == Mode::write;
    }
};

static_assert(Platform<Explore>);
static_assert(sizeof(Explore::Atomic<bool>) == 1 && sizeof(Explore::Atomic<std::uint16_t>) == 2 &&
              sizeof(Explore::Atomic<void*>) == 8);
static_assert(sizeof(Explore::Plain<std::uint8_t>) == 1 && sizeof(Explore::Plain<std::int64_t>) == 8);

}  // namespace lockbench
