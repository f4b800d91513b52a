// SPDX-License-Identifier: MIT
// What the clock that times waits costs, and how many of its ticks are a nanosecond, both measured against
// CLOCK_MONOTONIC.
#pragma once

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace lockbench {

struct ClockFacts {
    double ns_per_read = 0;       // one reading, back to back, the cheapest of several rounds
    double ticks_per_ns = 0;      // of the round whose ends were pinned down best
    double ticks_spread = 0;      // largest difference between two rounds' ticks_per_ns, as a share of it
    bool went_backwards = false;  // a reading was below the one before it: not a clock
};

struct ClockRounds {
    std::int64_t calibrate_ns =
        20'000'000;                // length of one calibration round; shorter ones drown in the clocks' own cost
    std::uint32_t reads = 20'000;  // readings in one cost round
};

inline constexpr std::size_t kClockRounds = 5;

inline std::int64_t monotonic_ns() {
    constexpr std::int64_t kNsPerS = 1'000'000'000;
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * kNsPerS + now.tv_nsec;
}

// A tick between two readings of the reference clock: the tick was read at middle_ns, give or take half of width_ns.
struct BracketedTick {
    std::uint64_t ticks;
    std::int64_t middle_ns;
    std::int64_t width_ns;
};

// The narrowest of several tries: an interrupt or a preemption widens a bracket, nothing narrows it.
template <class Ticks, class Reference>
BracketedTick bracketed_tick(Ticks& ticks, Reference& reference) {
    constexpr int kTries = 32;
    BracketedTick best{0, 0, std::numeric_limits<std::int64_t>::max()};
    for (int i = 0; i < kTries; ++i) {
        const std::int64_t before = reference();
        const std::uint64_t tick = ticks();
        const std::int64_t width = reference() - before;
        if (width < best.width_ns) {
            best = {tick, before + width / 2, width};
        }
    }
    return best;
}

// `ticks` is the clock under test, `reference` nanoseconds that never go back. Takes some 100 ms of CPU time; it spins,
// as sleeping would let the CPU's clock drop.
template <class Ticks, class Reference = std::int64_t (*)()>
ClockFacts measure_clock(Ticks ticks, const ClockRounds& rounds = {}, Reference reference = monotonic_ns) {
    ClockFacts facts;
    facts.ns_per_read = std::numeric_limits<double>::max();
    for (std::size_t round = 0; round < kClockRounds; ++round) {
        std::uint64_t sum = 0;
        const std::int64_t begin = reference();
        for (std::uint32_t i = 0; i < rounds.reads; ++i) {
            sum += ticks();
        }
        const std::int64_t end = reference();
        [[maybe_unused]] const volatile std::uint64_t used = sum;  // or the readings could be left out
        facts.ns_per_read =
            std::min(facts.ns_per_read, static_cast<double>(end - begin) / static_cast<double>(rounds.reads));
    }
    std::uint64_t last = ticks();
    for (std::uint32_t i = 0; i < rounds.reads; ++i) {
        const std::uint64_t now = ticks();
        facts.went_backwards = facts.went_backwards || now < last;
        last = now;
    }
    std::array<double, kClockRounds> rates{};
    std::int64_t narrowest = std::numeric_limits<std::int64_t>::max();
    for (double& rate : rates) {
        const BracketedTick begin = bracketed_tick(ticks, reference);
        while (reference() - begin.middle_ns < rounds.calibrate_ns) {
        }
        const BracketedTick end = bracketed_tick(ticks, reference);
        facts.went_backwards = facts.went_backwards || end.ticks < begin.ticks;
        rate = static_cast<double>(end.ticks - begin.ticks) / static_cast<double>(end.middle_ns - begin.middle_ns);
        if (begin.width_ns + end.width_ns < narrowest) {
            narrowest = begin.width_ns + end.width_ns;
            facts.ticks_per_ns = rate;
        }
    }
    const auto [lowest, highest] = std::minmax_element(rates.begin(), rates.end());
    facts.ticks_spread = facts.ticks_per_ns > 0 ? (*highest - *lowest) / facts.ticks_per_ns : 0;
    return facts;
}

}  // namespace lockbench
