// SPDX-License-Identifier: MIT
#include "bench/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "bench/errors.hpp"
#include "bench/run_files.hpp"
#include "bench/statistics.hpp"

namespace lockbench {
namespace {

using nlohmann::json;
constexpr std::uint64_t kSeed = 20130927;

bool has_flag(const json& window, const char* name) {
    const json& flags = window.at("flags");
    return std::find(flags.begin(), flags.end(), name) != flags.end();
}

bool takes_part(const json& window) {
    return window.at("workload") != "uncontended" && window.at("ops_per_s").is_object() &&
           !has_flag(window, "untimed") && !has_flag(window, "killed") && !has_flag(window, "interrupted") &&
           window.at("checks").at("passed").get<bool>();
}

std::string key_of(const json& window) {
    return fmt::format("{} {} {} thr {} {} {}", window.at("workload").get<std::string>(),
                       window.at("lock").get<std::string>(), window.at("threads").get<int>(),
                       window.at("placement").get<std::string>(), window.at("lock_home").get<std::string>(),
                       window.at("params").dump());
}

struct Rates {
    std::vector<double> values;
    std::size_t flagged = 0;
    std::string label;
};

using RatesByCell = std::map<std::pair<std::string, std::string>, Rates>;

// `aa`: which half of the A/A pairs to take; windows outside a pair go with "a".
RatesByCell collect(const std::vector<json>& windows, const std::vector<std::string>& ops, bool second_half) {
    RatesByCell cells;
    for (const json& window : windows) {
        if (!takes_part(window) || (window.at("aa") == "b") != second_half) {
            continue;
        }
        for (const std::string& op : ops) {
            if (!window.at("ops_per_s").contains(op)) {
                continue;
            }
            Rates& rates = cells[{key_of(window), op}];
            rates.values.push_back(window.at("ops_per_s").at(op));
            rates.flagged += has_flag(window, "involuntary_switch") ? 1U : 0U;
            rates.label = fmt::format("{} {} {} thr", window.at("workload").get<std::string>(),
                                      window.at("lock").get<std::string>(), window.at("threads").get<int>());
        }
    }
    return cells;
}

// Widest interval of a cell against itself: what this machine reports as a difference where there is none.
Interval noise_floor(const std::vector<json>& windows, const std::vector<std::string>& ops) {
    const RatesByCell first = collect(windows, ops, false);
    Interval floor{1, 1};
    for (const auto& [key, rates] : collect(windows, ops, true)) {
        const auto twin = first.find(key);
        if (twin != first.end() && rates.values.size() >= 2 && twin->second.values.size() >= 2) {
            const double ratio = median(rates.values) / median(twin->second.values);
            floor.low = std::min({floor.low, ratio, 1 / ratio});
            floor.high = std::max({floor.high, ratio, 1 / ratio});
        }
    }
    return floor;
}

std::vector<std::string> headline_ops(const json& run) {
    std::set<std::string> ops;
    for (const json& workload : run.at("workloads")) {
        for (const json& op : workload.at("ops")) {
            if (op.at("headline").get<bool>()) {
                ops.insert(op.at("name"));
            }
        }
    }
    return {ops.begin(), ops.end()};
}

void require_same_machine(const json& a, const json& b, bool other_machines) {
    if (a.at("tool") != b.at("tool")) {
        throw UsageError("compare: one run was measured and the other simulated; they are never compared.");
    }
    for (const char* key : {"cpu", "kernel", "microcode"}) {
        const json left = a.at("host").value(key, json(nullptr));
        const json right = b.at("host").value(key, json(nullptr));
        if (left != right && !other_machines) {
            throw UsageError(fmt::format(
                "compare: the machines differ in {} ({} and {}); --other-machines compares them all the same.", key,
                left.dump(), right.dump()));
        }
    }
}

json to_json(const ComparedCell& cell) {
    return {{"cell", cell.name},
            {"op", cell.op},
            {"median_a_per_s", cell.median_a},
            {"median_b_per_s", cell.median_b},
            {"ratio_low", cell.low},
            {"ratio_high", cell.high},
            {"verdict", cell.verdict},
            {"windows_a", cell.windows_a},
            {"windows_b", cell.windows_b},
            {"flagged", cell.flagged}};
}

}  // namespace

std::vector<ComparedCell> compare_windows(const std::vector<json>& a, const std::vector<json>& b,
                                          const std::vector<std::string>& ops) {
    const RatesByCell left = collect(a, ops, false);
    const RatesByCell right = collect(b, ops, false);
    const Interval floor_a = noise_floor(a, ops);
    const Interval floor_b = noise_floor(b, ops);
    const Interval floor{std::min(floor_a.low, floor_b.low), std::max(floor_a.high, floor_b.high)};
    std::vector<ComparedCell> cells;
    for (const auto& [key, rates] : left) {
        const auto twin = right.find(key);
        if (twin == right.end()) {
            continue;
        }
        ComparedCell cell;
        cell.name = rates.label;
        cell.op = key.second;
        cell.median_a = median(rates.values);
        cell.median_b = median(twin->second.values);
        const Interval ratio = ratio_of_medians(twin->second.values, rates.values, kSeed);
        cell.low = ratio.low;
        cell.high = ratio.high;
        const Comparison verdict = compare_ratio(ratio, floor);
        cell.verdict = verdict == Comparison::a_higher   ? "B is faster"
                       : verdict == Comparison::b_higher ? "B is slower"
                                                         : "cannot say";
        cell.windows_a = rates.values.size();
        cell.windows_b = twin->second.values.size();
        cell.flagged = rates.flagged + twin->second.flagged;
        cells.push_back(cell);
    }
    return cells;
}

int compare_command(const std::string& dir_a, const std::string& dir_b, bool other_machines, bool as_json) {
    const RunFiles a(dir_a);
    const RunFiles b(dir_b);
    a.require();
    b.require();
    const json run_a = a.read_run();
    const json run_b = b.read_run();
    require_same_machine(run_a, run_b, other_machines);
    const std::vector<ComparedCell> cells = compare_windows(a.read_windows(), b.read_windows(), headline_ops(run_a));
    if (cells.empty()) {
        throw UsageError(
            "compare: the runs have no cell in common (workload, lock, threads, placement, lock home and parameters).");
    }
    if (as_json) {
        json list = json::array();
        for (const ComparedCell& cell : cells) {
            list.push_back(to_json(cell));
        }
        fmt::print("{}\n", list.dump(1));
        return kExitDone;
    }
    fmt::print("{:<46} {:<16} {:>12} {:>12} {:>18}  {}\n", "cell", "operation", "A, 1/s", "B, 1/s",
               "B/A, 95 % interval", "verdict");
    for (const ComparedCell& cell : cells) {
        fmt::print("{:<46} {:<16} {:>12.4g} {:>12.4g} {:>8.3f} to {:<7.3f}  {}{}\n", cell.name, cell.op, cell.median_a,
                   cell.median_b, cell.low, cell.high, cell.verdict,
                   cell.flagged == 0 ? ""
                                     : fmt::format(" ({} of {} windows with an involuntary switch)", cell.flagged,
                                                   cell.windows_a + cell.windows_b));
    }
    fmt::print(
        "\nA: {}\nB: {}\nMedians over windows; bootstrap interval; a verdict needs the interval clear of 1 and of the "
        "A/A pairs.\n",
        dir_a, dir_b);
    return kExitDone;
}

}  // namespace lockbench
