// SPDX-License-Identifier: MIT
// Against clocks whose cost and rate are known: each reading of either moves a virtual time. No real time is asserted.
#include "bench/own_clock.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace lockbench {
namespace {

struct VirtualTime {
    double ns = 1000;
    double tick_cost_ns = 12;
    double reference_cost_ns = 30;
    double ticks_per_ns = 2.5;
    std::uint64_t reads = 0;
    std::uint64_t stall_every = 0;  // a reading in so many takes a millisecond more: a preemption

    std::uint64_t tick() {
        ns += tick_cost_ns;
        stall();
        return static_cast<std::uint64_t>(ns * ticks_per_ns);
    }
    std::int64_t reference() {
        ns += reference_cost_ns;
        stall();
        return static_cast<std::int64_t>(ns);
    }
    double stall_from_ns = 0;  // and only from then on
    void stall() {
        constexpr double kStallNs = 1e6;
        ++reads;
        if (stall_every != 0 && ns >= stall_from_ns && reads % stall_every == 0) {
            ns += kStallNs;
        }
    }
};

ClockFacts measure(VirtualTime& time, const ClockRounds& rounds = {}) {
    return measure_clock([&time] { return time.tick(); }, rounds, [&time] { return time.reference(); });
}

TEST(OwnClock, FindsCostAndRate) {
    VirtualTime time;
    const ClockFacts facts = measure(time);
    EXPECT_NEAR(facts.ns_per_read, 12, 0.1);
    EXPECT_NEAR(facts.ticks_per_ns, 2.5, 0.001);
    EXPECT_LT(facts.ticks_spread, 1e-3);
    EXPECT_FALSE(facts.went_backwards);
}

TEST(OwnClock, CalibratesOverTheWholeLengthEachRound) {
    VirtualTime time;
    const double begin = time.ns;
    measure(time, {.calibrate_ns = 20'000'000, .reads = 10});
    EXPECT_GE(time.ns - begin, 5 * 20e6);
    EXPECT_LT(time.ns - begin, 5 * 21e6);
}

TEST(OwnClock, ASlowOrCoarseClockIsSeen) {
    VirtualTime slow;
    slow.tick_cost_ns = 700;
    EXPECT_NEAR(measure(slow).ns_per_read, 700, 1);
    VirtualTime coarse;
    coarse.ticks_per_ns = 0.025;  // 25 MHz, as ARM's counter may be
    EXPECT_NEAR(measure(coarse).ticks_per_ns, 0.025, 1e-5);
}

TEST(OwnClock, PreemptionsMoveNeitherCostNorRate) {
    VirtualTime time;
    time.stall_every = 30'011;
    const ClockFacts facts = measure(time);
    EXPECT_NEAR(facts.ns_per_read, 12, 0.1) << "the cheapest round counts";
    EXPECT_NEAR(facts.ticks_per_ns, 2.5, 0.001) << "a widened bracket is not used";
}

TEST(OwnClock, OnATroubledHostTheUntroubledTriesCount) {
    VirtualTime time;
    time.stall_every = 7;  // three tries of seven are hit
    const ClockFacts facts = measure(time, {.calibrate_ns = 20'000'000, .reads = 10});
    EXPECT_NEAR(facts.ticks_per_ns, 2.5, 0.001);
    EXPECT_LT(facts.ticks_spread, 1e-3);
}

TEST(OwnClock, ARoundWhoseEndCannotBePinnedDownIsNotTheOneTaken) {
    VirtualTime time;
    time.stall_every = 2;  // every try, from the middle of the last round on
    time.stall_from_ns = 90e6;
    const ClockFacts facts = measure(time, {.calibrate_ns = 20'000'000, .reads = 10});
    EXPECT_NEAR(facts.ticks_per_ns, 2.5, 0.001);
    EXPECT_GT(facts.ticks_spread, 0.01) << "but the spread tells of it";
}

TEST(OwnClock, AClockThatGoesBackIsNoClock) {
    VirtualTime time;
    std::uint64_t reading = 0;
    const ClockFacts facts = measure_clock(
        [&] {
            const std::uint64_t tick = time.tick();
            return ++reading % 1000 == 0 ? tick - 1'000'000 : tick;
        },
        {}, [&time] { return time.reference(); });
    EXPECT_TRUE(facts.went_backwards);
}

TEST(OwnClock, AClockThatStandsStillHasNoRate) {
    VirtualTime time;
    const ClockFacts facts = measure_clock([] { return std::uint64_t{7}; }, {.calibrate_ns = 1'000'000, .reads = 10},
                                           [&time] { return time.reference(); });
    EXPECT_EQ(facts.ticks_per_ns, 0);
    EXPECT_EQ(facts.ticks_spread, 0);
}

TEST(OwnClock, TheReferenceAgainstItselfTicksOnceANanosecond) {
    const ClockFacts facts = measure_clock([] { return static_cast<std::uint64_t>(monotonic_ns()); },
                                           {.calibrate_ns = 2'000'000, .reads = 1000});
    EXPECT_NEAR(facts.ticks_per_ns, 1, 0.05);
    EXPECT_GT(facts.ns_per_read, 0);
    EXPECT_FALSE(facts.went_backwards);
}

}  // namespace
}  // namespace lockbench
