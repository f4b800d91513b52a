// SPDX-License-Identifier: MIT
// `locksim validate`: simulated figures beside published ones, with errors and verdicts on shapes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/locksim_published.hpp"

namespace lockbench {

// Raw strings as CLI11 leaves them.
struct RawValidateOptions {
    std::vector<std::string> tables;
    std::string seeds;
    std::string seed;
    std::string jobs;
    std::string out;
};

// What came of one series: for each thread count a value a seed.
using Simulated = std::map<std::uint32_t, std::vector<double>>;

// An object of validation.json: rows with errors, shapes with verdicts.
nlohmann::json validation_to_json(const PublishedTable& table, const std::map<std::string, Simulated>& simulated);
// The same as lines for people.
std::string validation_text(const nlohmann::json& table);

// Returns an exit code: kExitFailed where a shape does not hold. Throws UsageError or HostError.
int run_validation(const RawValidateOptions& raw);

}  // namespace lockbench
