// SPDX-License-Identifier: MIT
// A window as the JSON object of windows.jsonl; every field with its unit is documented in results/README.md.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/build_info.hpp"
#include "bench/counters.hpp"
#include "bench/window.hpp"
#include "locks/lock.hpp"

namespace lockbench {

// What is known of a window before it runs.
struct WindowLabel {
    LockInfo lock;
    const WorkloadInfo* workload = nullptr;
    std::string placement;
    std::string lock_home;
    std::uint32_t repetition = 0;
    std::uint32_t block = 0;
    std::uint64_t order = 0;
    std::uint64_t run_seed = 0;
    std::string aa;  // "a", "b" or empty
    bool untimed = false;
    bool oversubscribed = false;
    bool allow_convoy = false;
    bool illegal = false;  // what WorkloadInfo::refusal names
};

// Start and end of the stretch in which all threads ran, over that in which any did; 1 for a perfect window, 0 when
// they never overlapped.
double overlap_of(const std::vector<ThreadResult>& threads);
// Jain's index of fairness, (sum x)^2 / (n * sum x^2): 1 when all have the same, 1/n when one has all. Null for nobody
// or all zero.
nlohmann::json jain_index(const std::vector<double>& shares);
// p50 p90 p99 p99.9 max hist sampled_every. A percentile p is null below 10/(1-p) samples.
nlohmann::json waits_to_json(const Histogram& hist, std::uint64_t max_ns, std::uint32_t sampled_every);

nlohmann::json params_to_json(const WorkloadInfo& info, const ParamValues& values);
nlohmann::json window_to_json(const WindowLabel& label, const WindowRequest& request, const WindowResult& result,
                              const CounterPlan& counters);

}  // namespace lockbench
