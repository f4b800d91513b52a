// SPDX-License-Identifier: MIT
// The command line of `lockbench run`, parsed into one checked value. After it nothing below deals with bad input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/cells.hpp"
#include "platform/units.hpp"

namespace lockbench {

inline constexpr std::int64_t kMaxWindowMs = 600'000;  // of a window or a warm-up

// One parameter of one workload with the values to sweep.
struct ParamSweep {
    const WorkloadInfo* workload;
    std::size_t param;
    std::vector<std::int64_t> values;
};

struct RunOptions {
    std::vector<const LockRunner*> locks;  // registry order, each once
    std::vector<const WorkloadInfo*> workloads;
    std::vector<std::uint32_t> threads;   // empty: auto, by the host's CPUs
    std::vector<std::string> placements;  // globs; empty: the host's default
    std::vector<std::string> lock_homes;
    std::vector<ParamSweep> params;
    std::vector<std::string> counters;  // globs; empty: the best the host has
    Nanoseconds window_ns = 100'000'000;
    Nanoseconds warmup_ns = 20'000'000;
    std::uint32_t repetitions = 10;
    std::uint32_t sample_every = 128;
    std::uint64_t seed = 1;
    bool seed_given = false;
    bool uncontended = true;
    bool untimed = true;
    bool aa = true;
    bool allow_convoy = false;
    bool allow_illegal = false;
    bool multiplex = false;
    bool perf_c2c = false;
    std::string out;     // empty: out/<UTC time>
    std::string resume;  // folder of a run to go on with; then everything else comes from there
    std::vector<std::string> benchmark_flags;
};

// Raw strings as CLI11 leaves them; kept apart so that tests can fill them.
struct RawRunOptions {
    std::vector<std::string> locks;
    std::vector<std::string> workloads;
    std::vector<std::string> threads;
    std::vector<std::string> placements;
    std::vector<std::string> lock_homes;
    std::vector<std::string> params;
    std::vector<std::string> counters;
    std::vector<std::string> benchmark_flags;
    std::string window_ms;
    std::string warmup_ms;
    std::string repetitions;
    std::string sample_every;
    std::string seed;
    std::string out;
    std::string resume;
    bool quick = false;
    bool full = false;
    bool no_uncontended = false;
    bool no_untimed = false;
    bool no_aa = false;
    bool allow_convoy = false;
    bool allow_illegal = false;
    bool multiplex = false;
    bool perf_c2c = false;
};

// Throws UsageError with the option, the value, what is allowed and how to list it.
RunOptions check_run_options(const RawRunOptions& raw);

// Parses "workload.key=v1,v2" of one of these workloads. Values are integers, or names where the parameter is an
// enumeration.
ParamSweep parse_param(const std::string& text, const std::vector<const WorkloadInfo*>& workloads = workload_infos());

// A whole number in [min, max], with `option` and `unit` named in the error.
std::int64_t parse_number(const std::string& option, const std::string& text, std::int64_t min, std::int64_t max,
                          const std::string& unit);

// Locks that match any of the comma-separated globs. Without globs: every lock that is neither a control nor a ".yield"
// build, which exists for oversubscribed cells; of those, the ones of the quick plan if asked.
std::vector<const LockRunner*> select_locks(const std::vector<std::string>& globs, bool quick);
// Without globs: every workload, or those of the quick plan.
std::vector<const WorkloadInfo*> select_workloads(const std::vector<std::string>& globs, bool quick);

// "a,b" and {"a", "b"} are the same list; empty elements are refused.
std::vector<std::string> split_list(const std::string& option, const std::vector<std::string>& values);

}  // namespace lockbench
