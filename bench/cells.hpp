// SPDX-License-Identifier: MIT
// Every lock with every workload on the Native platform, as functions found by name. The registries are instantiated in
// slices (bench/cells_slice.cpp, one object file a slice), so that no translation unit takes minutes; nothing is listed
// here.
#pragma once

#include <string_view>
#include <vector>

#include "bench/window.hpp"
#include "locks/lock.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

enum class Spacing : unsigned char { tight, spaced };
constexpr std::string_view to_string(Spacing spacing) { return spacing == Spacing::tight ? "tight" : "spaced"; }

// Runs `iterations` uncontended acquire-release pairs; with Spacing::spaced, each is followed by work that touches no
// memory, so that neighbouring pairs cannot overlap in the pipeline.
using PairLoop = void (*)(std::uint64_t iterations, Spacing spacing);

struct WorkloadRunner {
    const WorkloadInfo* info;
    WindowResult (*run)(const WindowRequest& request);
};

struct LockRunner {
    LockInfo info;
    std::vector<WorkloadRunner> workloads;
    PairLoop read_pairs;  // null where the lock is not shared
    PairLoop write_pairs;
    PairLoop read_floor;  // what the pairs cannot do without, by hand; null where kInfo.paths names none
    PairLoop write_floor;
};

// All locks in registry order, controls last. Built once.
const std::vector<LockRunner>& lock_runners();
// All workloads in registry order.
const std::vector<const WorkloadInfo*>& workload_infos();

// By name; null where there is none.
const LockRunner* find_lock(std::string_view name);
const WorkloadInfo* find_workload(std::string_view name);

}  // namespace lockbench
