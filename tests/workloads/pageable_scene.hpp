// SPDX-License-Identifier: MIT
// Small trials of pageable_reclaim for the cooperative platform.
#pragma once

#include "tests/workloads/coop_trial.hpp"
#include "workloads/pageable_reclaim.hpp"

namespace lockbench {

inline CoopOptions pageable_options(std::uint64_t seed, unsigned threads) {
    return {.seed = seed, .threads = threads, .max_steps = 4'000'000};
}

// Few pages, so that reclaim, forks and the device meet on them.
template <class W>
ParamValues few_mirrored_pages(CallPolicy policy, DeviceKind client, std::uint64_t seed) {
    const auto pick = [seed](std::uint64_t salt, std::int64_t among) {
        return static_cast<std::int64_t>(RandomStream(seed * 16 + salt).below(static_cast<std::uint32_t>(among)));
    };
    return params_of<W>({{"anon_vmas", 1 + pick(0, 2)},
                         {"fresh_vmas", 0},
                         {"file_vmas", 0},
                         {"pages_per_vma", 1 + pick(1, 4)},
                         {"children", pick(2, 3)},
                         {"generations", 1 + pick(3, 2)},
                         {"touch_permille", 300},
                         {"source_touch_pages", 1},
                         {"alloc_fail_permille", pick(5, 3) == 0 ? 50 : 0},
                         {"batch", 4},
                         {"tlb", pick(6, 3)},
                         {"ipi_ns", 10},
                         {"swap_ns", 10},
                         {"client", static_cast<std::int64_t>(client)},
                         {"policy", static_cast<std::int64_t>(policy)},
                         {"device_ns", 20},
                         {"slow_permille", 100},
                         {"slow_ns", 200},
                         {"burst", 6},
                         {"access_ns", 5}});
}

}  // namespace lockbench
