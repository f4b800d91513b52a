// SPDX-License-Identifier: MIT
#include "bench/pair_loop.hpp"

namespace lockbench {

void spaced_pairs(std::uint64_t iterations, Nanoseconds gap_ns, void (*pair)(void* state), void* state) {
    // A counted loop and no clock, as a reading of the clock could overtake the pair's last store; serialised on both
    // sides, or the loop would run beside the pair and hide it.
    const auto spins = static_cast<std::uint64_t>(static_cast<double>(gap_ns) * native::World::get().spins_per_ns());
    for (std::uint64_t i = 0; i < iterations; ++i) {
        pair(state);
        native::serialise();
        native::busy_loop(spins);
        native::serialise();
    }
}

void gap_loop(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    auto nothing = [] {};
    repeat_pair(iterations, spacing, gap_ns, nothing);
}

}  // namespace lockbench
