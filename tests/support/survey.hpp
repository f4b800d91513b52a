// SPDX-License-Identifier: MIT
// Runs one scenario in many cooperative worlds and tallies the verdicts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "platform/coop.hpp"
#include "platform/ctx.hpp"
#include "platform/stats.hpp"
#include "tests/support/effort.hpp"

namespace lockbench::test {

struct Survey {
    static constexpr std::size_t kKinds = static_cast<std::size_t>(CoopFailure::limit) + 1;

    unsigned runs = 0;
    std::uint64_t steps = 0;
    std::array<unsigned, kKinds> kinds{};
    CoopVerdict first;       // the first failure
    unsigned first_run = 0;  // which run that was, from 1 on; 0: none failed

    [[nodiscard]] unsigned count(CoopFailure kind) const { return kinds[static_cast<std::size_t>(kind)]; }
    [[nodiscard]] unsigned failures() const { return runs - count(CoopFailure::none); }
    [[nodiscard]] bool passed() const { return failures() == 0; }
    // All failures were of this kind, and there was one.
    [[nodiscard]] bool only(CoopFailure kind) const { return failures() != 0 && failures() == count(kind); }

    void add(const CoopVerdict& verdict) {
        ++runs;
        if (first.passed && !verdict.passed) {
            first = verdict;
            first_run = runs;
        }
        steps += verdict.steps;
        ++kinds[static_cast<std::size_t>(verdict.kind)];
    }
    void add(const Survey& other) {
        if (first.passed && !other.first.passed) {
            first = other.first;
            first_run = runs + other.first_run;
        }
        runs += other.runs;
        steps += other.steps;
        for (std::size_t i = 0; i < kKinds; ++i) {
            kinds[i] += other.kinds[i];
        }
    }
};

inline std::ostream& operator<<(std::ostream& out, const Survey& survey) {
    out << survey.runs << " runs:";
    for (std::size_t i = 0; i < Survey::kKinds; ++i) {
        if (survey.kinds[i] != 0) {
            out << " " << survey.kinds[i] << " " << (i == 0 ? "passed" : to_string(static_cast<CoopFailure>(i)));
        }
    }
    return out << "\n" << survey.first.text;
}

// scenario(world) builds, runs and verifies; seeds options.seed .. options.seed+count-1.
template <class Scenario>
Survey survey(CoopOptions options, unsigned count, Scenario&& scenario) {
    Survey result;
    for (unsigned i = 0; i < count; ++i, ++options.seed) {
        CoopWorld world(options);
        scenario(world);
        result.add(world.close());
    }
    return result;
}

// Options without injections: what happens then is the schedule's doing alone.
inline CoopOptions plain_options(unsigned threads, CoopStrategy strategy = CoopStrategy::from_seed) {
    CoopOptions options;
    options.threads = threads;
    options.strategy = strategy;
    options.spurious_wakes = options.expiries = options.not_running = options.should_yield = options.budget_stops =
        options.cancels = {};
    return options;
}

// What a thread carries, on a fiber's small stack: its statistics lie in the test.
struct CoopThread {
    explicit CoopThread(ThreadId tid, std::uint64_t seed = 1) : ctx(tid, seed, 0, stats()[tid], nullptr) {}

    Ctx<Coop> ctx;

  private:
    static std::array<ThreadStats, coop::kMaxFibers>& stats() {
        static std::array<ThreadStats, coop::kMaxFibers> all;
        return all;
    }
};

}  // namespace lockbench::test
