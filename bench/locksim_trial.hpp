// SPDX-License-Identifier: MIT
// One window on a simulated machine: build, warm up, count, verify, all in virtual time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/locksim_cells.hpp"
#include "bench/locksim_machine.hpp"
#include "bench/window.hpp"

namespace lockbench {

// What hardware could not show.
struct SimFindings {
    sim::Traffic traffic;  // of the window
    sim::LineMap map;
    std::uint64_t accesses = 0;  // by all threads, from the first to the last, warm-up included
    std::uint64_t events = 0;    // of the engine
    std::uint64_t fingerprint = 0;
    Nanoseconds longest_timer_ns = 0;  // that a lock set within the run, or the quantum where threads share CPUs
    double host_s = 0;                 // the only number that differs from run to run
    std::string report;                // who waits for whom, where the run could not end
};

struct SimWindow {
    WindowResult result;
    SimFindings findings;
};

SimWindow run_sim_window(const SimMachine& machine, const SimWorkload& workload, const WindowRequest& request);

}  // namespace lockbench
