// SPDX-License-Identifier: MIT
#include "bench/trial.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>

#include "bench/subtract_counts.hpp"

namespace lockbench {
namespace {

constexpr int kSpinsBeforeYield = 10'000;

template <class Condition>
void spin_until(Condition condition) {
    for (int spins = 0; !condition(); ++spins) {
        if (spins < kSpinsBeforeYield) {
            native::cpu_relax();
        } else {
            native::yield_cpu();
        }
    }
}

// Sleeps until `deadline` (CLOCK_MONOTONIC, ns) without waking up in between; a signal ends it early.
// False: interrupted.
bool sleep_until(std::uint64_t deadline, const std::atomic<bool>* interrupted) {
    timespec until{};
    until.tv_sec = static_cast<time_t>(deadline / 1'000'000'000U);
    until.tv_nsec = static_cast<long>(deadline % 1'000'000'000U);
    for (;;) {
        if (interrupted != nullptr && interrupted->load(std::memory_order_relaxed)) {
            return false;
        }
        if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != EINTR) {
            return interrupted == nullptr || !interrupted->load(std::memory_order_relaxed);
        }
    }
}

double wall_clock_seconds() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

void subtract_counts(ThreadStats& stats, const ThreadStats& before) {
    for (std::size_t site = 0; site < kMaxSites; ++site) {
        for (std::size_t mode = 0; mode < kModeCount; ++mode) {
            stats.sites[site][mode] -= before.sites[site][mode];
        }
        stats.try_failed[site] -= before.try_failed[site];
    }
    for (std::size_t i = 0; i < kDistanceCount; ++i) {
        stats.handoff[i] -= before.handoff[i];
    }
    for (std::size_t i = 0; i < kMaxOps; ++i) {
        stats.ops[i] -= before.ops[i];
    }
}

void TrialGate::wait_phase(Phase phase) const {
    spin_until([&] { return phase_.load(std::memory_order_acquire) >= phase; });
}

void TrialGate::meet(std::atomic<std::uint32_t>& stage) {
    arrive(stage);
    spin_until([&] { return stage.load(std::memory_order_acquire) >= threads_; });
}

bool TrialGate::wait_all(std::atomic<std::uint32_t>& stage, Nanoseconds limit) const {
    const std::uint64_t deadline = native::monotonic_ns() + limit;
    // Naps and not std::atomic::wait, which has no time limit; a late look costs nothing, as threads stamp their own
    // times.
    for (std::uint64_t nap = 20'000; stage.load(std::memory_order_acquire) < threads_;
         nap = std::min<std::uint64_t>(nap * 2, 1'000'000)) {
        if (native::monotonic_ns() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::nanoseconds(nap));
    }
    return true;
}

void prepare_measuring(ThreadResult& result, ThreadStats& stats, ThreadStats& before) {
    for (ModeStats& waits : stats.modes) {
        waits = ModeStats{};
    }
    before = stats;
    result.events = native::current_thread->events;
}

void begin_measuring(ThreadResult& result, ThreadStats& stats, ThreadCounters* counters) {
    for (ModeStats& waits : stats.modes) {
        waits.last_stamp = native::Stopwatch::stamp();
    }
    result.usage = thread_usage_now();
    if (counters != nullptr) {
        counters->start();
    }
}

void end_measuring(ThreadResult& result, const ThreadStats& stats, const ThreadStats& before,
                   ThreadCounters* counters) {
    const std::uint64_t end_ticks = native::Stopwatch::stamp();
    if (counters != nullptr) {
        result.counters.values = counters->stop();
        result.counters.reasons = counters->reasons();
        result.counters.shares = counters->shares();
    }
    result.usage = thread_usage_now() - result.usage;
    result.cpu_at_end = native::current_cpu();
    result.stats = stats;
    subtract_counts(result.stats, before);
    for (std::size_t i = 0; i < kEventCount; ++i) {
        result.events[i] = native::current_thread->events[i] - result.events[i];
    }
    for (std::size_t mode = 0; mode < kModeCount; ++mode) {
        // Warm-up counts too: a thread that was shut out for the whole window still uses the mode.
        result.uses_mode[mode] = stats.acquisitions(static_cast<Mode>(mode)) != 0;
        ModeStats& waits = result.stats.modes[mode];
        const std::uint64_t last_gap = end_ticks - waits.last_stamp;
        waits.gap_ticks_max = std::max(waits.gap_ticks_max, last_gap);
        result.starvation_ns[mode] = result.uses_mode[mode] ? Native::ticks_to_ns(waits.gap_ticks_max) : 0;
    }
}

std::string no_thread_text(std::size_t made, std::size_t wanted, const std::exception& error) {
    return "cannot start thread " + std::to_string(made + 1) + " of " + std::to_string(wanted) + ": " + error.what() +
           "; raise the limits on processes (ulimit -u, the control group's pids.max) and memory (ulimit -v).";
}

void verify_placement(ThreadResult& result, const WindowClock& clock) {
    if (!result.unplaced.empty()) {
        return;
    }
    if (const Failure now = verify_measured_thread(result.cpu_asked)) {
        result.unplaced = "changed under the run: " + *now;
    } else if (clock.strayed_to() != kNoCpu) {
        result.unplaced = "changed under the run: bound to CPU " + std::to_string(result.cpu_asked) +
                          " but ran on CPU " + std::to_string(clock.strayed_to()) + " within the window";
    }
}

bool drive(TrialGate& gate, const WindowRequest& request, WindowResult& result) {
    const auto give_up = [&] {
        gate.set_phase(TrialGate::kStop);
        result.stuck = !gate.wait_all(gate.finished, request.stop_limit_ns);
        result.interrupted = !result.stuck;
        return false;
    };
    if (!gate.wait_all(gate.built, request.stop_limit_ns)) {
        result.stuck = true;
        return false;
    }
    gate.set_phase(TrialGate::kWarmUp);
    if (!sleep_until(native::monotonic_ns() + request.warmup_ns, request.interrupted)) {
        return give_up();
    }
    result.started_at = wall_clock_seconds();
    gate.set_phase(TrialGate::kMeasure);
    // The team meets, measures and stops by itself; to look after it earlier would disturb it.
    constexpr Nanoseconds kSlack = 2'000'000;
    if (!sleep_until(native::monotonic_ns() + request.window_ns + kSlack, request.interrupted)) {
        return give_up();
    }
    result.stuck = !gate.wait_all(gate.finished, request.stop_limit_ns);
    return !result.stuck;
}

bool WindowClock::look(TrialGate& gate) {
    const std::uint64_t now = native::read_ticks();
    if (now - begin_ >= window_ticks_) {
        gate.set_phase(TrialGate::kStop);
        return true;
    }
    if (gate.phase() != TrialGate::kMeasure) {
        return true;
    }
    if (const CpuId here = bound_ == kNoCpu ? kNoCpu : native::current_cpu(); here != bound_) {
        strayed_to_ = here;
    }
    constexpr std::uint32_t kLongestStride = 1U << 16;
    if (now - last_ < look_ticks_ / 2 && stride_ < kLongestStride) {
        stride_ *= 2;
    } else if (now - last_ > look_ticks_ * 2 && stride_ > 1) {
        stride_ /= 2;
    }
    last_ = now;
    countdown_ = stride_;
    return false;
}

std::vector<std::vector<std::uint8_t>> distance_rows(const WindowRequest& request) {
    const std::uint32_t threads = request.threads();
    const native::World& world = native::World::get();
    // Index 0 is nobody, the last is the main thread, which only built the state: their writes have no distance.
    std::vector<std::vector<std::uint8_t>> rows(threads, std::vector<std::uint8_t>(threads + 2, 0));
    for (ThreadId from = 0; from < threads; ++from) {
        for (ThreadId to = 0; to < threads; ++to) {
            const Distance distance =
                from == to ? Distance::self : world.distance(request.cpus[from], request.cpus[to]);
            // Two threads that share a CPU are on the same core, however near.
            rows[from][to + 1] =
                static_cast<std::uint8_t>(from != to && distance == Distance::self ? Distance::same_core : distance);
        }
        rows[from][0] = static_cast<std::uint8_t>(Distance::unknown);
        rows[from][threads + 1] = static_cast<std::uint8_t>(Distance::unknown);
    }
    return rows;
}

}  // namespace lockbench
