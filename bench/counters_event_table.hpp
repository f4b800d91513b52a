// SPDX-License-Identifier: MIT
// Which events count the movement of cache lines on which CPU, under libpfm4's names.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/counters.hpp"

namespace lockbench {

struct EventRow {
    std::string_view name;
    std::string_view
        event;  // without the PMU's name unless it belongs to another PMU; empty: there is none, and `absent` says why
    std::string_view what_it_counts;
    int level;
    std::string_view absent = {};
};

// One table serves all CPUs whose event names agree. `pmus` are libpfm4's names, blank-separated.
struct EventTable {
    std::string_view pmus;
    std::span<const EventRow> rows;
};

[[nodiscard]] std::span<const EventTable> event_tables();

// The first of `pmus` that a table names; empty if none does.
[[nodiscard]] std::string choose_pmu(const std::vector<std::string>& pmus);

struct Candidate {
    CounterSpec spec;
    std::string absent;     // not empty: known to be missing, for this reason
    bool fallback = false;  // tried only where no transfer event counts, or when asked for by name
    bool hardware = true;
};

// What to try on a CPU, best first. An unknown or empty pmu gives the generic and software candidates and one
// `line_transfers` row.
[[nodiscard]] std::vector<Candidate> candidates_for(std::string_view pmu);

// The getrusage counters, in the order of ThreadUsage.
[[nodiscard]] std::vector<CounterSpec> rusage_specs();

}  // namespace lockbench
