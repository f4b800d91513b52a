// SPDX-License-Identifier: MIT
// `lockbench run`: plans, starts one child a block, shows progress, writes the files of the run, sums up.
#pragma once

#include <string>
#include <vector>

#include "bench/options.hpp"

namespace lockbench {

// `command` is argv as it was typed, for run.json. Returns an exit code; throws UsageError and HostError before
// anything is measured.
int run_command(const RunOptions& options, const std::vector<std::string>& command);

}  // namespace lockbench
