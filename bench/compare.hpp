// SPDX-License-Identifier: MIT
// `lockbench compare DIR_A DIR_B`: the same cells of two runs, read by the rules of the report (plotting/compare.py).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/statistics.hpp"

namespace lockbench {

// What some of the windows of one cell say.
struct Reading {
    Interval ratio;       // 95 % interval of B's rate over A's; unknown where there are too few windows
    std::string verdict;  // "B is faster", "B is slower", "about the same", "cannot say"
    std::string reason;   // of "cannot say", else empty
    std::size_t windows_a = 0;
    std::size_t windows_b = 0;
};

// One cell that both runs have, and one headline operation of it.
struct ComparedCell {
    std::string name;  // workload, lock, threads
    std::string op;
    double median_a = 0;  // operations a second
    double median_b = 0;
    double floor = 0;         // the larger noise of the two runs, a factor; NaN where a run has no A/A pair to tell it
    Reading all;              // by all windows
    Reading undisturbed;      // without those in which a thread was preempted
    std::size_t flagged = 0;  // how many these are, of both runs
    std::string failed;       // "A", "B" or "A and B": a window broke an invariant, so there is no verdict
};

// Headline operations of each workload.
using OpsByWorkload = std::map<std::string, std::vector<std::string>>;

struct ComparedRuns {
    std::vector<ComparedCell> cells;
    std::vector<std::string> controls;  // locks that both runs have and that are never compared
};

// Pure part: cells of both. The noise floor is how far from 1 the interval of an A/A pair reaches, of the pair nearest
// to the cell. Windows that are untimed, killed or interrupted take no part, nor does half "b" of a pair; but a cell
// gets no verdict whichever of its windows failed the checks.
ComparedRuns compare_windows(const std::vector<nlohmann::json>& a, const std::vector<nlohmann::json>& b,
                             const OpsByWorkload& headline_ops);

// Prints the table and returns an exit code, kExitFailed where a cell failed its checks. Throws UsageError for folders
// that are no runs, for windows of different length or warm-up, and for unequal machines, unless `other_machines` says
// that this is meant.
int compare_command(const std::string& dir_a, const std::string& dir_b, bool other_machines, bool as_json);

}  // namespace lockbench
