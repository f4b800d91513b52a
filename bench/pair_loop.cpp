// SPDX-License-Identifier: MIT
#include "bench/pair_loop.hpp"

namespace lockbench {

void spaced_pairs(std::uint64_t iterations, void (*pair)(void* state), void* state) {
    // Serialised on both sides, or the work would run beside the pair and hide it. No clock, whose reading could
    // overtake the pair's last store.
    std::uint64_t work = 1;
    for (std::uint64_t i = 0; i < iterations; ++i) {
        pair(state);
        native::serialise();
        work = native::straight_work(work);
        native::serialise();
    }
    native::keep_loop(work);
}

void gap_loop(std::uint64_t iterations, Spacing spacing) {
    auto nothing = [] {};
    repeat_pair(iterations, spacing, nothing);
}

}  // namespace lockbench
