// SPDX-License-Identifier: MIT
// Every registered lock with every workload on the simulated machine, as functions found by name. Compiled in slices
// like the cells of lockbench; what does not depend on the types stands in locksim_trial.cpp.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "locks/lock.hpp"
#include "platform/sim/sim.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

using TellHome = std::function<void(HomeKind, void*, std::size_t)>;

// A workload over some lock, its types forgotten: the life of one trial.
struct SimWorkload {
    const WorkloadInfo* info;
    void* (*build)(const TrialSetup& setup);
    void* (*enter)(void* workload, Ctx<Sim>& ctx, RoleId role);  // one thread's state
    void (*step_until)(void* workload, void* thread, Nanoseconds end);
    void (*leave)(void* workload, void* thread);
    void (*verify)(void* workload, Verdict& verdict);
    void (*homes)(const void* workload, const TellHome& tell);
    void (*drop)(void* workload);
};

struct SimLock {
    LockInfo info;
    std::vector<SimWorkload> workloads;
};

template <std::size_t kSlice>
void add_sim_locks(std::vector<std::pair<std::size_t, SimLock>>& out);

// All locks in registry order, controls last. Built once.
const std::vector<SimLock>& sim_locks();

}  // namespace lockbench
