// SPDX-License-Identifier: MIT
// Simulating processes: each does every jobs-th window of a plan and tells what came of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>

#include "bench/locksim_plan.hpp"

namespace lockbench {

// {"order": .., "window": object of windows.jsonl as text, "map": object of line_map.jsonl or null, "host_s": ..}, in
// whatever order the processes are done.
using TakeWindow = std::function<void(nlohmann::json)>;

// Until all windows were told, a process died (false), or somebody interrupts.
bool simulate(const SimPlan& plan, const SimMachine& machine, const TakeWindow& take);

// Ctrl-C and TERM end simulate() from now on; whether one came.
void watch_interrupts();
bool is_interrupted();

}  // namespace lockbench
