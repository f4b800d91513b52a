// SPDX-License-Identifier: MIT
// The Native platform's fences by the litmus test that only a full one survives, and its clocks.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/native_team.hpp"

namespace lockbench {
namespace {

struct alignas(kCacheLine) Cell {
    Native::Atomic<std::uint32_t> value{0};
};

// Store buffering: two threads go through two rows of cells; for each place a thread writes into its own row, does
// `fence` (0's, 1's), then reads the other's row. Returns at how many places both read what was there before, which any
// real fence between the two forbids. The threads drift past each other over the row and so meet within a store
// buffer's depth now and then: on two CPUs of their own, hundreds of times when the fences are taken away.
template <class Write, class Fence0, class Fence1>
unsigned places_that_missed(std::size_t length, Write write, Fence0 fence0, Fence1 fence1) {
    constexpr std::uint32_t kRounds = 25;
    test::Team team(2);
    std::vector<Cell> rows[2] = {std::vector<Cell>(length), std::vector<Cell>(length)};
    std::vector<std::uint32_t> seen[2] = {std::vector<std::uint32_t>(length), std::vector<std::uint32_t>(length)};
    Cell arrived;
    unsigned missed = 0;
    const auto meet = [&arrived](std::uint32_t count) {
        arrived.value.add(1, acq_rel);
        while (arrived.value.load(acquire) < count) {
            Native::yield();
        }
    };
    team.run([&](ThreadId tid) {
        for (std::uint32_t round = 1; round <= kRounds; ++round) {
            meet(4 * round - 2);
            for (std::size_t place = 0; place < length; ++place) {
                write(rows[tid][place].value, round);
                if (tid == 0) {
                    fence0();
                } else {
                    fence1();
                }
                seen[tid][place] = rows[1 - tid][place].value.load(relaxed);
            }
            meet(4 * round);
            for (std::size_t place = 0; tid == 0 && place < length; ++place) {
                missed += seen[0][place] < round && seen[1][place] < round ? 1U : 0U;
            }
        }
    });
    return missed;
}

constexpr std::size_t kLength = 4096;

void store(Native::Atomic<std::uint32_t>& cell, std::uint32_t round) { cell.store(round, relaxed); }

TEST(NativeFences, FullFencesForbidStoreBuffering) {
    const auto fence = [] { Native::fence(seq_cst); };
    EXPECT_EQ(places_that_missed(kLength, store, fence, fence), 0U);
}

TEST(NativeFences, AFenceAfterAReadModifyWriteIsAFullOne) {
    // Not an exchange whose result nobody reads: LLVM makes a plain store of that, behind which there is no fence.
    const auto add = [](Native::Atomic<std::uint32_t>& cell, std::uint32_t) { cell.add(1, relaxed); };
    const auto fence = [] { Native::fence_after_rmw(); };
    EXPECT_EQ(places_that_missed(kLength, add, fence, fence), 0U);
}

TEST(NativeFences, AHeavyFencePairsWithALightOne) {
    const auto light = [] { Native::fence_light(); };
    const auto heavy = [] { Native::fence_heavy(); };
    EXPECT_EQ(places_that_missed(kLength / 8, store, light, heavy), 0U);
}

// Ticks are what the machine says they are; the tolerance is beyond the drift of any clock.
TEST(NativeClock, TheNamedRateIsTheRate) {
    if (native::named_tick_rate() == 0) {
        GTEST_SKIP() << "this machine's counter does not name its rate";
    }
    EXPECT_DOUBLE_EQ(native::World::get().ticks_per_ns(), static_cast<double>(native::named_tick_rate()) / 1e9);
}

TEST(NativeClock, ShortWaitsOnACoarseClockAreCounted) {
    constexpr double kCoarse = 0.025;  // ticks a nanosecond at 25 MHz
    constexpr double kFine = 2.5;
    constexpr double kSpins = 0.5;
    EXPECT_EQ(native::plan_busy_wait(100, kCoarse, kSpins).spins, 50U);
    EXPECT_EQ(native::plan_busy_wait(100, kCoarse, kSpins).ticks, 0U);
    EXPECT_EQ(native::plan_busy_wait(1000, kCoarse, kSpins).spins, 0U);
    EXPECT_EQ(native::plan_busy_wait(1000, kCoarse, kSpins).ticks, 26U);
    EXPECT_EQ(native::plan_busy_wait(100, kFine, kSpins).ticks, 251U);
    EXPECT_EQ(native::plan_busy_wait(1, kCoarse, kSpins).spins, 1U) << "a wait is never nothing";
}

}  // namespace
}  // namespace lockbench
