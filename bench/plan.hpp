// SPDX-License-Identifier: MIT
// What a run will measure, in which order, in which process: made once from the options and the host, shuffled by a
// recorded seed, stored in run.json, and read back from there by the children and by --resume.
//
// A block is one repetition of every cell in a fresh random order, measured by one process. So each block sees each
// cell once, two locks can be compared within a block, and what a process drew by chance (addresses, page colours)
// changes from block to block.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/options.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

// Where one cell's threads and memory go on this host.
struct CellPlace {
    std::vector<CpuId> cpus;          // one a thread; kNoCpu where not pinned
    std::vector<NodeId> qnode_nodes;  // node of each thread's own memory
    Homes homes;
    bool oversubscribed = false;
    std::vector<std::string> notes;  // where this host makes the flags mean less than they say
};

struct PlannedCell {
    std::size_t id = 0;
    const LockRunner* lock = nullptr;
    const WorkloadRunner* workload = nullptr;
    ParamValues params;
    std::string placement;
    std::string lock_home;
    std::uint32_t threads = 1;
    CellPlace place;
    std::string aa;        // "a" and "b": the two halves of an A/A pair, the same cell twice
    bool untimed = false;  // the pass without clock readings that checks the others
};

struct PlannedWindow {
    std::uint64_t order = 0;  // place in the whole run
    std::size_t cell = 0;
    std::uint32_t repetition = 0;
    std::uint32_t block = 0;
};

struct RunPlan {
    std::uint64_t seed = 1;
    Nanoseconds window_ns = 0;
    Nanoseconds warmup_ns = 0;
    std::uint32_t repetitions = 0;
    std::uint32_t sample_every = 128;
    bool uncontended = false;
    bool allow_convoy = false;
    std::vector<std::string> counters;
    bool multiplex = false;
    bool perf_c2c = false;  // one more window a cell under perf, after the measured ones
    std::vector<std::string> benchmark_flags;
    std::vector<PlannedCell> cells;
    std::vector<PlannedWindow> windows;
    std::vector<std::string> notes;  // sentences for the user: placements that equal one another, cells left out
    nlohmann::json refused = nlohmann::json::array();  // illegal cells that were asked for, each with its reason

    [[nodiscard]] std::uint32_t blocks() const { return repetitions; }
    // Locks of the plan in registry order, each once.
    [[nodiscard]] std::vector<const LockRunner*> locks() const;
};

// What planning asks of the host; a seam, so that plans are tested for machines that are not here.
struct HostPlacer {
    struct Chosen {
        std::vector<std::string> placements;
        std::vector<std::string> notes;  // a sentence for each that was asked for and does not run
    };
    std::uint32_t cpus = 1;                   // CPUs that may be used
    std::vector<std::uint32_t> auto_threads;  // thread counts for --threads=auto
    // Which of the placements asked for (names or globs) differ on this host; the host's default if none is asked for.
    // Throws HostError for a named one that it lacks.
    std::function<Chosen(const std::vector<std::string>& globs, const std::vector<std::uint32_t>& threads)> choose;
    // Places a thread for each element of `reads`, which tells whether it mostly reads. Throws HostError for a home
    // this host lacks.
    std::function<CellPlace(const std::string& placement, const std::string& lock_home, const std::vector<bool>& reads)>
        place;
};

// All combinations of the swept values of one workload; parameters that are not swept keep their default.
std::vector<ParamValues> sweep_params(const WorkloadInfo& info, const std::vector<ParamSweep>& sweeps);
// Which threads mostly read: those whose role's name says so. Roles are named by what they do to the lock under test.
std::vector<bool> reading_threads(const WorkloadInfo& info, const ParamValues& params, std::uint32_t threads);

// Throws UsageError or HostError.
RunPlan make_plan(const RunOptions& options, const HostPlacer& host);

nlohmann::json plan_to_json(const RunPlan& plan);
// Throws UsageError when it names what this binary does not have.
RunPlan plan_from_json(const nlohmann::json& json);

}  // namespace lockbench
