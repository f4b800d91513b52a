// SPDX-License-Identifier: MIT
// The record of a window whose process died: its label, no figures, and why.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/plan.hpp"

namespace lockbench {

// `why` is a sentence for checks.failed. Everything that was to be measured is null.
nlohmann::json killed_window(const RunPlan& plan, const PlannedWindow& window, const std::string& why);

}  // namespace lockbench
