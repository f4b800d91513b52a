// SPDX-License-Identifier: MIT
// `locksim run`: a plan's windows, spread over processes, written in the plan's order.
#pragma once

#include <string>
#include <vector>

#include "bench/locksim_plan.hpp"

namespace lockbench {

// Returns an exit code. Throws UsageError or HostError.
int run_simulation(const RawSimOptions& raw, const std::vector<std::string>& command);

}  // namespace lockbench
