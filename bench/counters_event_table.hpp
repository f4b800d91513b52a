// SPDX-License-Identifier: MIT
// Which events count the movement of cache lines on which CPU: libpfm4's name where libpfm4 says what is meant, and in
// every row the code that the kernel is asked for, so that a CPU newer than the installed libpfm4 counts too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/counters.hpp"

namespace lockbench {

struct EventRow {
    std::string_view name;
    CounterSource source;    // papi: PAPI first, the kernel where PAPI cannot; kernel: by its code only; none: absent
    std::string_view event;  // libpfm4's name without the PMU's, or the vendor's where only the kernel is asked
    EventCode code;
    std::string_view what_it_counts;
    int level;
    std::string_view absent;  // why there is none, in a row without a source
};

// One table serves all CPUs whose events agree.
struct EventTable {
    std::string_view pmus;  // libpfm4's names, blank-separated
    std::string_view cpus;  // the same for people
    std::span<const EventRow> rows;
    std::string_view tested;   // how, where there is no such CPU; tests/bench/counters_codes_test.cpp does what it says
    std::string_view counted;  // on which hardware somebody compared the counts with known transfers; empty: never
};

// For EventTable::tested.
inline constexpr std::string_view kTestedNamesAndCodes = "name through PAPI and code, on a fake PMU";
inline constexpr std::string_view kTestedByCode = "code, on a fake PMU";  // of a row that is not asked by name
inline constexpr std::string_view kTestedCodes = "code, on a fake PMU; libpfm4 4.13 does not know the CPU";
inline constexpr std::string_view kTestedCodesOfArm = "code, on a fake PMU; the name is in libpfm4 on arm64 only";

[[nodiscard]] std::span<const EventTable> event_tables();

// Rows of every CPU, with the kernel's own names: generic hardware events, those tried where no transfer event counts,
// software events.
[[nodiscard]] std::span<const EventRow> generic_rows();
[[nodiscard]] std::span<const EventRow> fallback_rows();
[[nodiscard]] std::span<const EventRow> software_rows();

// "PAPI", "perf_event_open", "getrusage"; empty for none.
[[nodiscard]] std::string_view source_name(CounterSource source);

// "cpu/config=0x1b7,config1=0x103fc00002/", as `perf stat -e` takes it; "cycles" and the like for the kernel's own.
[[nodiscard]] std::string perf_syntax(const EventCode& code);

}  // namespace lockbench
