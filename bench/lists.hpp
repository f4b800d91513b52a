// SPDX-License-Identifier: MIT
// `lockbench list`: what there is, as text for people and as JSON for tools.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "bench/cells.hpp"

namespace lockbench {

nlohmann::json lock_to_json(const LockInfo& info);
nlohmann::json workload_to_json(const WorkloadInfo& info);

// `what`: locks, workloads, placements, counters, events or params. Prints to stdout; throws UsageError for another.
void list_command(const std::string& what, bool as_json);

}  // namespace lockbench
