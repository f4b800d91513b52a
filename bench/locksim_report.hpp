// SPDX-License-Identifier: MIT
// A simulated window as a line of windows.jsonl, and its line map as a table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/locksim_plan.hpp"
#include "bench/locksim_trial.hpp"

namespace lockbench {

// A timer that ends less often than so many times in a window makes the window's figures a matter of chance.
inline constexpr Nanoseconds kTimersInWindow = 20;

nlohmann::json sim_window_to_json(const SimPlan& plan, const SimMachine& machine, std::size_t window,
                                  const WindowRequest& request, const SimWindow& result);
// One object a place that lines were moved for, the busiest first; with the cell and the acquisitions to divide by.
nlohmann::json line_map_to_json(const SimPlan& plan, std::size_t window, const SimWindow& result);
std::string line_map_text(const nlohmann::json& map);

}  // namespace lockbench
