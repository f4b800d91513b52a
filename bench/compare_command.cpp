// SPDX-License-Identifier: MIT
// The edge of `lockbench compare`: which runs may be compared, and how the outcome is printed.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "bench/compare.hpp"
#include "bench/environment.hpp"
#include "bench/errors.hpp"
#include "bench/run_files.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

OpsByWorkload headline_ops(const json& run) {
    OpsByWorkload ops;
    for (const json& workload : run.at("workloads")) {
        for (const json& op : workload.at("ops")) {
            if (op.at("headline").get<bool>()) {
                ops[workload.at("name")].push_back(op.at("name"));
            }
        }
    }
    return ops;
}

// Which facts make two hosts two machines, and how they differ. host_id() alone says what counts: a fact matters if
// exchanging it makes another machine.
std::vector<std::string> machine_differences(const json& a, const json& b) {
    std::vector<std::string> found;
    const json flat_a = a.flatten();
    const json flat_b = b.flatten();
    for (const json* side : {&flat_a, &flat_b}) {
        for (const auto& [key, unused] : side->items()) {
            const json::json_pointer at(key);
            const json left = a.contains(at) ? a.at(at) : json();
            const json right = b.contains(at) ? b.at(at) : json();
            json exchanged = a;
            exchanged[at] = right;
            const std::string text = fmt::format("{} ({} and {})", key.substr(1), left.dump(), right.dump());
            if (left != right && host_id(exchanged) != host_id(a) &&
                std::find(found.begin(), found.end(), text) == found.end()) {
                found.push_back(text);
            }
        }
    }
    return found;
}

void require_same_machine(const json& a, const json& b, bool other_machines) {
    if (!other_machines && host_id(a) != host_id(b)) {
        throw UsageError(fmt::format("compare: the machines differ in {}; --other-machines compares them all the same.",
                                     fmt::join(machine_differences(a, b), ", ")));
    }
}

void require_same_windows(const json& a, const json& b) {
    for (const char* key : {"window_ms", "warmup_ms"}) {
        const json left = a.at("plan").value(key, json());
        const json right = b.at("plan").value(key, json());
        if (left != right) {
            throw UsageError(fmt::format("compare: the runs differ in {} ({} and {}); such windows are not comparable.",
                                         key, left.dump(), right.dump()));
        }
    }
}

// Comparing two commits or two compilers is what the command is for, so these are told and not refused.
std::vector<std::string> differences(const json& a, const json& b) {
    std::vector<std::string> notes;
    const auto compare = [&](const char* of, const char* key) {
        const json left = a.at(of).value(key, json());
        const json right = b.at(of).value(key, json());
        if (left != right) {
            notes.push_back(fmt::format("the runs differ in {}: A {}, B {}", key, left.dump(), right.dump()));
        }
    };
    for (const char* key : {"commit", "dirty", "tool_version", "build", "flags", "libraries"}) {
        compare("host", key);
    }
    compare("plan", "sample_every");
    return notes;
}

json to_json(const Reading& reading) {
    return {{"ratio_low", reading.ratio.low}, {"ratio_high", reading.ratio.high}, {"verdict", reading.verdict},
            {"reason", reading.reason},       {"windows_a", reading.windows_a},   {"windows_b", reading.windows_b}};
}

json to_json(const ComparedCell& cell) {
    json out = to_json(cell.all);
    out.update({{"cell", cell.name},
                {"op", cell.op},
                {"median_a_per_s", cell.median_a},
                {"median_b_per_s", cell.median_b},
                {"noise_floor", cell.floor},
                {"flagged", cell.flagged},
                {"failed", cell.failed},
                {"undisturbed", to_json(cell.undisturbed)}});
    return out;
}

std::string words(const Reading& reading) {
    return reading.reason.empty() ? reading.verdict : fmt::format("{}: {}", reading.verdict, reading.reason);
}

std::string words(const Interval& ratio) {
    return ratio.known() ? fmt::format("{:.3f} to {:.3f}", ratio.low, ratio.high) : "none";
}

void print_cells(const std::vector<ComparedCell>& cells) {
    fmt::print("{:<46} {:<16} {:>12} {:>12} {:>20}  {}\n", "cell", "operation", "A, 1/s", "B, 1/s",
               "B/A, 95 % interval", "verdict");
    for (const ComparedCell& cell : cells) {
        fmt::print("{:<46} {:<16} {:>12.4g} {:>12.4g} {:>20}  {}\n", cell.name, cell.op, cell.median_a, cell.median_b,
                   words(cell.all.ratio), words(cell.all));
        if (cell.flagged != 0 && cell.failed.empty()) {
            fmt::print("{:<89} {:>20}  {}\n",
                       fmt::format("  without {} of {} windows, in which a thread was preempted", cell.flagged,
                                   cell.all.windows_a + cell.all.windows_b),
                       words(cell.undisturbed.ratio), words(cell.undisturbed));
        }
    }
}

void print_outcome(const std::vector<ComparedCell>& cells, const std::string& dir_a, const std::string& dir_b,
                   bool as_json) {
    if (as_json) {
        json list = json::array();
        for (const ComparedCell& cell : cells) {
            list.push_back(to_json(cell));
        }
        fmt::print("{}\n", list.dump(1));
        return;
    }
    fmt::print("A: {}\nB: {}\n", dir_a, dir_b);
    print_cells(cells);
    fmt::print(
        "\nMedians over windows; bootstrap interval, of at least {} windows. A difference is claimed only where the "
        "whole interval lies beyond the noise that the A/A pairs of both runs show.\n",
        kMinForInterval);
}

}  // namespace

int compare_command(const std::string& dir_a, const std::string& dir_b, bool other_machines, bool as_json) {
    const RunFiles a(dir_a);
    const RunFiles b(dir_b);
    a.require();
    b.require();
    const json run_a = a.read_run();
    const json run_b = b.read_run();
    if (run_a.at("tool") != run_b.at("tool")) {
        throw UsageError("compare: one run was measured and the other simulated; they are never compared.");
    }
    require_same_machine(run_a.at("host"), run_b.at("host"), other_machines);
    require_same_windows(run_a, run_b);
    std::FILE* const notes = as_json ? stderr : stdout;
    for (const std::string& note : differences(run_a, run_b)) {
        fmt::print(notes, "note: {}\n", note);
    }
    const ComparedRuns compared = compare_windows(a.read_windows(), b.read_windows(), headline_ops(run_a));
    const std::string controls = fmt::format("{}", fmt::join(compared.controls, ", "));
    if (compared.cells.empty()) {
        throw UsageError(
            controls.empty()
                ? "compare: the runs have no cell in common (workload, lock, threads, placement, lock home "
                  "and parameters)."
                : fmt::format("compare: the runs have only control locks in common ({}), which are never "
                              "compared.",
                              controls));
    }
    if (!controls.empty()) {
        fmt::print(notes, "note: never compared, as control locks: {}\n", controls);
    }
    print_outcome(compared.cells, dir_a, dir_b, as_json);
    const bool failed = std::any_of(compared.cells.begin(), compared.cells.end(),
                                    [](const ComparedCell& cell) { return !cell.failed.empty(); });
    return failed ? kExitFailed : kExitDone;
}

}  // namespace lockbench
