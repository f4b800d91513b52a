// SPDX-License-Identifier: MIT
// One timed window: what is asked for and what came of it, as plain data that names no platform, lock or workload type.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/counters.hpp"
#include "bench/memory.hpp"
#include "platform/stats.hpp"
#include "platform/units.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

struct WindowRequest {
    ParamValues params;
    std::vector<CpuId> cpus;          // one a thread; kNoCpu: not pinned
    std::vector<NodeId> qnode_nodes;  // node of each thread's block (queue nodes); one a thread
    Homes homes;                      // where lock and data are asked to lie
    Nanoseconds window_ns = 100'000'000;
    Nanoseconds warmup_ns = 20'000'000;
    Nanoseconds stop_limit_ns = 20'000'000'000;  // a thread that does not come back by then is stuck
    std::uint32_t sample_every = 128;            // 0: the untimed pass
    std::uint64_t seed = 1;
    CounterProvider* counters = nullptr;             // may be null: getrusage only
    const std::atomic<bool>* interrupted = nullptr;  // set by SIGINT: the window ends early and is not recorded

    [[nodiscard]] std::uint32_t threads() const { return static_cast<std::uint32_t>(cpus.size()); }
};

// What one thread did between its own start and stop stamps.
struct ThreadResult {
    CpuId cpu_asked = kNoCpu;
    CpuId cpu_at_start = kNoCpu;
    CpuId cpu_at_end = kNoCpu;
    NodeId node = kAnyNode;  // that of the CPU it was bound to, by the kernel; kAnyNode: not bound
    // Why the thread was not where it was bound for the whole window; empty if that was verified, before it, between
    // steps and after it.
    std::string unplaced;
    std::uint64_t start_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t end_ns = 0;
    ThreadStats stats;  // of the window alone
    std::array<std::uint64_t, kEventCount> events{};
    // Longest stretch without an acquisition in each mode that the thread uses, as an upper bound; see
    // ModeStats::gap_ticks_max.
    std::array<std::uint64_t, kModeCount> starvation_ns{};
    std::array<bool, kModeCount> uses_mode{};
    ThreadUsage usage;
    CounterReading counters;
};

struct WindowResult {
    std::vector<ThreadResult> threads;
    double started_at = 0;  // seconds since the epoch, UTC
    NodePages lock_pages;
    std::vector<NodePages> qnode_pages;  // one a thread
    NodePages data_pages;
    std::vector<std::string> home_problems;  // why memory could not be bound as asked; empty: it was
    Verdict verdict;
    bool stuck = false;        // a thread did not stop in time: the process must not be used any further
    bool interrupted = false;  // ended early; not a measurement
};

}  // namespace lockbench
