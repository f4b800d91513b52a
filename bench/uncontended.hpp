// SPDX-License-Identifier: MIT
// Uncontended cost of every lock of a plan next to its floor, by Google Benchmark's own loop.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/cells.hpp"
#include "bench/plan.hpp"

namespace lockbench {

// The name of the floor that kInfo.paths gives for a mode; empty where it gives none.
std::string floor_of(const LockInfo& info, Mode mode);

// Registers, for every lock and mode, the lock's loop and its floor's loop side by side, runs them once in an order
// shuffled by `seed`, and calls `emit` with the window object of each (workload "uncontended"). The calling thread is
// pinned to `cpu` and in a ThreadScope.
void measure_uncontended(const RunPlan& plan, std::uint32_t block, CpuId cpu,
                         const std::function<void(const nlohmann::json&)>& emit);

}  // namespace lockbench
