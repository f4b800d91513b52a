// SPDX-License-Identifier: MIT
// `lockbench compare DIR_A DIR_B`: the same cells of two runs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockbench {

// One cell that both runs have, and one headline operation of it.
struct ComparedCell {
    std::string name;  // workload, lock, threads, placement, lock home, parameters that differ from none
    std::string op;
    double median_a = 0;  // operations a second
    double median_b = 0;
    double low = 0;  // 95 % interval of median_b / median_a
    double high = 0;
    std::string verdict;  // "B is faster", "B is slower", "cannot say"
    std::size_t windows_a = 0;
    std::size_t windows_b = 0;
    std::size_t flagged = 0;  // windows of both with an involuntary switch inside
};

// Pure part: cells of both, with the noise floor taken from the A/A pairs of both runs. Windows that are untimed,
// killed, interrupted or failed a check take no part.
std::vector<ComparedCell> compare_windows(const std::vector<nlohmann::json>& a, const std::vector<nlohmann::json>& b,
                                          const std::vector<std::string>& headline_ops);

// Prints the table and returns an exit code. Throws UsageError for folders that are no runs and for unequal machines,
// unless `other_machines` says that this is meant.
int compare_command(const std::string& dir_a, const std::string& dir_b, bool other_machines, bool as_json);

}  // namespace lockbench
