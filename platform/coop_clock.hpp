// SPDX-License-Identifier: MIT
// Vector clocks: who has seen how much of whom. Fixed width, so that joining two is a handful of vector instructions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "platform/units.hpp"

namespace lockbench::coop {

// Threads of one cooperative world.
inline constexpr ThreadId kMaxFibers = 16;

struct alignas(kCacheLine) Clock {
    std::array<std::int32_t, kMaxFibers> at{};

    void join(const Clock& other) {
        for (std::size_t i = 0; i < kMaxFibers; ++i) {
            at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
        }
    }
    // True when what thread `tid` did up to its time `time` happened before the owner of this clock.
    [[nodiscard]] bool covers(ThreadId tid, std::int32_t time) const { return time <= at[tid]; }
};

}  // namespace lockbench::coop
