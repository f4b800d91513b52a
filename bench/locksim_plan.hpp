// SPDX-License-Identifier: MIT
// What `locksim run` is asked for, checked; and the cells that come of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/locksim_cells.hpp"
#include "bench/locksim_machine.hpp"
#include "bench/plan.hpp"

namespace lockbench {

// Raw strings as CLI11 leaves them.
struct RawSimOptions {
    std::string machine;
    std::vector<std::string> locks;
    std::vector<std::string> workloads;
    std::vector<std::string> threads;
    std::vector<std::string> params;
    std::string placement;
    std::string lock_home = "local";
    std::string seeds;
    std::string seed;
    std::string window_us;
    std::string warmup_us;
    std::string jobs;
    std::string out;
    bool line_map = false;
    bool allow_convoy = false;
    bool allow_illegal = false;
};

struct SimCell {
    const SimLock* lock = nullptr;
    const SimWorkload* workload = nullptr;
    ParamValues params;
    std::uint32_t threads = 1;
    CellPlace place;
};

struct SimPlan {
    std::uint64_t seed = 1;
    std::uint32_t seeds = 5;  // windows a cell
    Nanoseconds window_ns = 0;
    Nanoseconds warmup_ns = 0;
    std::uint32_t jobs = 1;
    std::string placement;
    std::string lock_home;
    std::string out;
    bool line_map = false;
    std::vector<SimCell> cells;
    std::vector<std::string> notes;
    nlohmann::json refused = nlohmann::json::array();  // illegal cells that were asked for, each with its reason

    [[nodiscard]] std::size_t windows() const { return cells.size() * seeds; }
    [[nodiscard]] const SimCell& cell_of(std::size_t window) const { return cells[window / seeds]; }
};

// Throws UsageError or HostError.
SimPlan make_sim_plan(const RawSimOptions& raw, const SimMachine& machine);
WindowRequest request_of(const SimPlan& plan, std::size_t window);

}  // namespace lockbench
