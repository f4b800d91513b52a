// SPDX-License-Identifier: MIT
// A workload on the simulated machine without its types.
#pragma once

#include "bench/locksim_cells.hpp"

namespace lockbench {

// All of a trial's shared state lies in the simulated memory, the threads' tokens as well.
template <class W>
SimWorkload erase_sim_workload() {
    using Thread = typename W::Thread;
    return {
        .info = &W::info(),
        .build = [](const TrialSetup& setup) -> void* { return &sim::make_local<W>(setup); },
        .enter = [](void* workload, Ctx<Sim>& ctx, RoleId role) -> void* {
            return &sim::make_local<Thread>(*static_cast<W*>(workload), ctx, role);
        },
        .step_until =
            [](void* workload, void* thread, Nanoseconds end) {
                while (Sim::now() < end) {
                    static_cast<W*>(workload)->step(*static_cast<Thread*>(thread));
                }
            },
        .leave =
            [](void* workload, void* thread) {
                static_cast<W*>(workload)->finish(*static_cast<Thread*>(thread));
                static_cast<Thread*>(thread)->~Thread();
            },
        .verify = [](void* workload, Verdict& verdict) { static_cast<W*>(workload)->verify(verdict); },
        .homes = [](const void* workload,
                    const TellHome& tell) { static_cast<const W*>(workload)->for_each_home(tell); },
        .drop = [](void* workload) { static_cast<W*>(workload)->~W(); },
    };
}

}  // namespace lockbench
