// SPDX-License-Identifier: MIT
// What to try on a CPU, made of the event table: the choice of the CPU's table and of the rows asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/counters.hpp"
#include "bench/counters_event_table.hpp"

namespace lockbench {

struct Candidate {
    CounterSpec spec;        // its source is what the row says; whoever counts it settles the way
    std::string papi_event;  // empty: PAPI cannot say it
    std::string absent;      // not empty: known to be missing, for this reason
    bool fallback = false;   // tried only where no transfer event counts, or when asked for by name
    bool hardware = true;
};

// The first of `pmus` that a table names; empty if none does.
[[nodiscard]] std::string choose_pmu(const std::vector<std::string>& pmus);

// Best first. An unknown or empty pmu gives the generic and software candidates and one `line_transfers` row.
[[nodiscard]] std::vector<Candidate> candidates_for(std::string_view pmu);

// Those that a glob names, in table order; all if there is no glob.
[[nodiscard]] std::vector<Candidate> selected_candidates(std::vector<Candidate> all,
                                                         const std::vector<std::string>& globs);

// The getrusage counters, in the order of ThreadUsage.
[[nodiscard]] std::vector<CounterSpec> rusage_specs();

}  // namespace lockbench
