// SPDX-License-Identifier: MIT
// benchmark.json: the rates of a run in the format of Google Benchmark 1.7, so that its own tools (compare.py) read
// them.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace lockbench {

// One entry a window and headline operation: real_time is nanoseconds of the whole team an operation (the inverse of
// the rate), counters are the rates; uncontended costs are entries of their own. Windows that were killed have none.
nlohmann::json benchmark_json(const nlohmann::json& run, const std::vector<nlohmann::json>& windows);

}  // namespace lockbench
