// SPDX-License-Identifier: MIT
// `lockbench run --perf-c2c`: which lines and which instructions the transfers of a cell are at, by sampling (Intel
// PEBS, AMD IBS), which counters cannot tell. Sampling disturbs what it looks at, so each cell gets one more window
// under `perf c2c record` after all measured ones: it is in no figure.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/plan.hpp"
#include "bench/run_files.hpp"

namespace lockbench {

// How perf can sample here.
struct PerfC2c {
    std::vector<std::string> record;  // the command to put -o and the program behind; empty: it cannot
    std::string missing;              // then why, with what to do
};
[[nodiscard]] PerfC2c find_perf_c2c();
// Throws HostError: whoever asks for samples is told before anything is measured.
void require_perf_c2c();

// Samples the cells that have no report in DIR/c2c yet: N.txt, N.data, and index.json over all. Returns an exit code;
// says on stderr which cell failed and why, and goes on with the next.
int sample_cells(const RunFiles& files, const RunPlan& plan, const std::atomic<bool>& interrupted);

// One window of a cell, recorded nowhere: what perf runs, as `lockbench c2c-window DIR CELL`.
int run_c2c_window(const std::filesystem::path& dir, std::size_t cell);

}  // namespace lockbench
