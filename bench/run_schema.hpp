// SPDX-License-Identifier: MIT
// What a reader of a run's files relies on, checked once where they are read: after it no field is missing or of
// another type. Files come from disks that were full and editors that were open.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockbench {

// Both throw UsageError with one sentence that begins with `where`, the file and line.
void check_run(const nlohmann::json& run, const std::string& where);
void check_window(const nlohmann::json& window, const std::string& where);

}  // namespace lockbench
