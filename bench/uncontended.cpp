// SPDX-License-Identifier: MIT
#include "bench/uncontended.hpp"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "bench/by_hand.hpp"
#include "bench/pair_loop.hpp"
#include "bench/record.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

// Iterations a step of the benchmark's loop: its own cost per iteration (0.6 ns) is spread over so many pairs.
constexpr std::int64_t kBatch = 2048;
// Length of one calibrated run; the spread comes from the blocks, each a process of its own.
constexpr double kMinTime = 0.002;
// Spaced costs are differences of two times many times as long, and what a neighbour on the core or the clock rate
// does to the CPU moves both. So gap, lock and floor are measured within some three milliseconds, every second time in
// the reverse order, which takes out a drift; round for round over all cases, so that a bad second falls on all of
// them; and of a case's rounds those count that took least time in all, for in them nothing disturbed any of the three.
constexpr std::size_t kSpacedRounds = 41;
constexpr std::size_t kRoundsThatCount = 11;
constexpr double kSpacedTime = 0.0005;

struct Case {
    const LockRunner* lock;
    Mode mode;
    Spacing spacing;
    [[nodiscard]] PairLoop loop() const { return mode == Mode::read ? lock->read_pairs : lock->write_pairs; }
    [[nodiscard]] PairLoop floor() const { return mode == Mode::read ? lock->read_floor : lock->write_floor; }
};

void loop_body(benchmark::State& state, PairLoop loop, Spacing spacing) {
    while (state.KeepRunningBatch(kBatch)) {
        loop(static_cast<std::uint64_t>(kBatch), spacing);
    }
}

// Keeps what each benchmark measured, by name, and prints nothing: the child's stdout belongs to the parent.
class Collector : public benchmark::BenchmarkReporter {
  public:
    struct Entry {
        double ns = 0;
        std::int64_t iterations = 0;
    };
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (!run.error_occurred) {
                entries[run.run_name.function_name] = {run.GetAdjustedRealTime(),
                                                       static_cast<std::int64_t>(run.iterations)};
            }
        }
    }
    std::map<std::string, Entry> entries;
};

std::string case_name(std::size_t index, std::size_t round, const char* part) {
    return "uncontended" + std::to_string(index) + "_" + std::to_string(round) + part;
}

// What one round of a case came to, and the medians over its rounds.
struct Measured {
    double cost_ns = 0;
    double floor_ns = 0;
    double gap_ns = 0;
    std::int64_t iterations = 0;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

std::vector<Case> cases_of(const RunPlan& plan) {
    std::vector<Case> cases;
    for (const LockRunner* lock : plan.locks()) {
        for (const Mode mode : {Mode::read, Mode::write}) {
            for (const Spacing spacing : {Spacing::tight, Spacing::spaced}) {
                const Case one{lock, mode, spacing};
                if (one.loop() != nullptr && one.floor() != nullptr) {
                    cases.push_back(one);
                }
            }
        }
    }
    return cases;
}

std::size_t rounds_of(const Case& one) { return one.spacing == Spacing::spaced ? kSpacedRounds : 1; }

Measured measured(const Case& one, std::size_t index, std::map<std::string, Collector::Entry>& entries) {
    std::vector<Measured> rounds;
    for (std::size_t round = 0; round < rounds_of(one); ++round) {
        const Collector::Entry& lock = entries[case_name(index, round, "lock")];
        const double gap = one.spacing == Spacing::spaced ? entries[case_name(index, round, "gap")].ns : 0;
        rounds.push_back({lock.ns - gap, entries[case_name(index, round, "floor")].ns - gap, gap, lock.iterations});
    }
    const auto in_all = [](const Measured& round) { return round.cost_ns + round.floor_ns + 3 * round.gap_ns; };
    std::sort(rounds.begin(), rounds.end(),
              [&](const Measured& a, const Measured& b) { return in_all(a) < in_all(b); });
    rounds.resize(std::min(rounds.size(), kRoundsThatCount));
    const auto middle = [&rounds](double Measured::*part) {
        std::vector<double> values;
        values.reserve(rounds.size());
        for (const Measured& round : rounds) {
            values.push_back(round.*part);
        }
        return median(std::move(values));
    };
    Measured out{middle(&Measured::cost_ns), middle(&Measured::floor_ns), middle(&Measured::gap_ns), 0};
    for (const Measured& round : rounds) {
        out.iterations += round.iterations;
    }
    return out;
}

json case_to_json(const Case& one, const RunPlan& plan, std::uint32_t block, CpuId cpu, const Measured& found) {
    json out = {
        {"platform", "native"},
        {"machine", "this"},
        {"lock", one.lock->info.name},
        {"build", build_name()},
        {"workload", "uncontended"},
        {"params", {{"mode", one.mode == Mode::read ? "read" : "write"}, {"spacing", to_string(one.spacing)}}},
        {"placement", "compact"},
        {"lock_home", "local"},
        {"threads", 1},
        {"cpus", {cpu}},
        {"placement_reason", json::array()},
        {"repetition", block},
        {"process", getpid()},
        {"block", block},
        {"order", nullptr},
        {"seed", plan.seed},
        {"aa", nullptr},
        {"started_at", std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count()},
        {"uncontended",
         {{"cost_ns", found.cost_ns},
          {"floor_ns", found.floor_ns},
          {"floor", floor_of(one.lock->info, one.mode)},
          {"gap_ns", one.spacing == Spacing::spaced ? json(found.gap_ns) : json(nullptr)},
          {"iterations", found.iterations}}},
        {"checks", {{"passed", true}, {"failed", json::array()}}},
        {"flags", one.lock->info.control ? json{"broken"} : json::array()}};
    for (const char* key : {"homes", "window_s", "overlap", "start_skew_ns", "ops", "ops_per_s", "acquisitions",
                            "wait_ns", "longest_starvation_ns", "jain", "handoff", "counters", "counters_reason",
                            "counters_share", "events", "sites", "usage"}) {
        out[key] = nullptr;
    }
    return out;
}

}  // namespace

std::string floor_of(const LockInfo& info, Mode mode) {
    const FastPaths& paths = info.paths;
    return mode == Mode::read ? by_hand::floor_name(paths.lock_shared, paths.unlock_shared)
                              : by_hand::floor_name(paths.lock, paths.unlock);
}

void measure_uncontended(const RunPlan& plan, std::uint32_t block, CpuId cpu,
                         const std::function<void(const json&)>& emit) {
    std::vector<Case> cases = cases_of(plan);
    RandomStream random(plan.seed + 0x10000U + block);
    for (std::size_t i = cases.size(); i > 1; --i) {
        std::swap(cases[i - 1], cases[random.below(static_cast<std::uint32_t>(i))]);
    }
    struct Part {
        const char* name;
        PairLoop loop;
    };
    const auto add = [](const std::string& name, PairLoop loop, Spacing spacing) {
        benchmark::RegisterBenchmark(name.c_str(),
                                     [loop, spacing](benchmark::State& state) { loop_body(state, loop, spacing); })
            ->UseRealTime()
            ->MinTime(spacing == Spacing::spaced ? kSpacedTime : kMinTime)
            ->Unit(benchmark::kNanosecond);
    };
    for (std::size_t round = 0; round < kSpacedRounds; ++round) {
        for (std::size_t i = 0; i < cases.size(); ++i) {
            if (round >= rounds_of(cases[i])) {
                continue;
            }
            std::vector<Part> parts = {{"lock", cases[i].loop()}, {"floor", cases[i].floor()}};
            if (cases[i].spacing == Spacing::spaced) {
                parts.insert(parts.begin(), {"gap", &gap_loop});
            }
            if (round % 2 == 1) {
                std::reverse(parts.begin(), parts.end());
            }
            for (const Part& part : parts) {
                add(case_name(i, round, part.name), part.loop, cases[i].spacing);
            }
        }
    }
    Collector collector;
    benchmark::RunSpecifiedBenchmarks(&collector);
    benchmark::ClearRegisteredBenchmarks();
    for (std::size_t i = 0; i < cases.size(); ++i) {
        emit(case_to_json(cases[i], plan, block, cpu, measured(cases[i], i, collector.entries)));
    }
}

}  // namespace lockbench
