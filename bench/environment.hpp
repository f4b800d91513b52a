// SPDX-License-Identifier: MIT
// What is recorded of the host (run.json, `host`), how loaded it was before and after a run, and what would spoil a
// measurement. Every field with its unit is in results/README.md. All of it is read from proc and sys under a root that
// tests replace.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace lockbench {

// The facts of `host` that files and the build tell. What this host does not tell is null. The caller adds clock,
// own_cost and counters, which have to be measured, and warnings, which want all the rest.
[[nodiscard]] nlohmann::json read_host(const std::filesystem::path& root = "/");

// The host at one moment. Counters run since boot, so two snapshots tell what happened between them.
struct LoadSnapshot {
    double at_s = 0;                // CLOCK_MONOTONIC
    double own_cpu_s = 0;           // CPU time of this process and of its children that ended
    double busy_cpu_s = 0;          // CPU time of all processes and interrupts, over all CPUs
    std::optional<double> steal_s;  // taken by the hypervisor, over all CPUs
    std::optional<double> load_average_1min;
    std::optional<double> psi_some_avg10;        // % of the last 10 s in which some task waited for a CPU
    std::optional<std::int64_t> swapped_pages;   // in and out
    std::optional<std::int64_t> migrated_pages;  // moved by NUMA balancing
    std::optional<std::int64_t> throttled_us;    // this control group held back by its CPU limit
};
[[nodiscard]] LoadSnapshot read_load(const std::filesystem::path& root = "/");

// CPUs that other processes kept busy between two snapshots, on average.
[[nodiscard]] double other_busy_cpus(const LoadSnapshot& before, const LoadSnapshot& after);

// Two snapshots `for_ms` apart in which this process sleeps: what runs here beside us. Returns the second.
[[nodiscard]] LoadSnapshot watch_idle_host(nlohmann::json& host, int for_ms = 500,
                                           const std::filesystem::path& root = "/");

// Puts host.steal and host.load as found before the run.
void record_load_before(nlohmann::json& host, const LoadSnapshot& before);
// Completes them, and host.cgroup.throttled_us, after it.
void record_load_after(nlohmann::json& host, const LoadSnapshot& before, const LoadSnapshot& after);

struct HostWarning {
    std::string code;  // stable, for scripts
    std::string text;  // what is wrong and what to do
};
// What on this host would spoil, or has spoilt, a measurement. Works on a `host` read back from a file too.
[[nodiscard]] std::vector<HostWarning> host_warnings(const nlohmann::json& host);
[[nodiscard]] nlohmann::json to_json(const std::vector<HostWarning>& warnings);
// Every code that host_warnings can give.
[[nodiscard]] std::vector<std::string> host_warning_codes();

// 16 hexadecimal digits that change when the hardware, the kernel or its command line do; for --resume and compare.
[[nodiscard]] std::string host_id(const nlohmann::json& host);

// The section of `lockbench machine`: the host in a few lines, then the warnings.
[[nodiscard]] std::string environment_text(const nlohmann::json& host, const std::vector<HostWarning>& warnings);

}  // namespace lockbench
