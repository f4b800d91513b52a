// SPDX-License-Identifier: MIT
// The process that measures one block of windows, under Google Benchmark.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/plan.hpp"
#include "bench/window.hpp"

namespace lockbench {

// What a cell of a plan asks of one window; without counters.
[[nodiscard]] WindowRequest window_request(const RunPlan& plan, const PlannedCell& cell, std::uint64_t seed);

// Measures the windows of `block` that windows.jsonl does not have yet and appends each as soon as it ends. Prints one
// line a step on stdout for the parent: "begin <order>", "done <order>", "uncontended". Returns an exit code.
int run_child(const std::filesystem::path& dir, std::uint32_t block);

}  // namespace lockbench
