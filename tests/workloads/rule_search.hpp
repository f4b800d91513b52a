// SPDX-License-Identifier: MIT
// Shows that a rule of the model is needed: without it a failure turns up within some schedules, with it none does.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

#include "tests/support/mutant_record.hpp"
#include "tests/workloads/coop_trial.hpp"

namespace lockbench {

// A fault must show within kSearch schedules; the right form must pass the first kControl of them.
inline constexpr std::uint64_t kSearch = 20'000;
inline constexpr std::uint64_t kControl = 3'000;

// Runs one scenario over seeds up to the first failure, of a kind if one is wanted: a fault may show in several ways.
// If it never does in that one, the first is told. 0: none failed.
struct Found {
    std::uint64_t seed = 0;
    CoopFailure kind = CoopFailure::none;
    std::string text;
};
using Scenario = std::function<CoopTrial(std::uint64_t)>;
inline Found search(const Scenario& scenario, std::uint64_t seeds, CoopFailure wanted = CoopFailure::none) {
    Found first;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const CoopTrial trial = scenario(seed);
        if (!trial.passed()) {
            Found found{seed, trial.coop.kind, trial.failures()};
            if (wanted == CoopFailure::none || found.kind == wanted) {
                return found;
            }
            first = first.seed == 0 ? found : first;
        }
    }
    return first;
}

// Returns what was found without the rule. What one thread does is the same in every schedule but for what the platform
// injects: kFewControls are enough for it.
inline constexpr std::uint64_t kFewControls = 50;
inline Found expect_found(const Scenario& faulty, const Scenario& right, CoopFailure kind,
                          std::uint64_t controls = kControl) {
    Found found = search(faulty, kSearch, kind);
    EXPECT_NE(found.seed, 0U) << "not found in " << kSearch << " schedules";
    EXPECT_EQ(found.kind, kind) << found.text;
    EXPECT_EQ(search(right, controls).text, "");
    return found;
}

// For a fault of the catalogue, under its name there.
inline Found expect_found_as(std::string_view id, std::string_view mutant, const Scenario& faulty,
                             const Scenario& right, CoopFailure kind,
                             std::string_view client = "exit and reclaim, 1 to 3 threads",
                             std::uint64_t controls = kControl) {
    Found found = expect_found(faulty, right, kind, controls);
    test::record_mutant({id, mutant, "Coop", "SC, happens-before", client, to_string(found.kind), found.seed,
                         found.seed != 0 && found.kind == kind});
    return found;
}

}  // namespace lockbench
