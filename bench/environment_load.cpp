// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <thread>

#include "bench/environment.hpp"
#include "bench/environment_parts.hpp"

namespace lockbench {

namespace {

double seconds_of(const timeval& time) {
    constexpr double kMicro = 1e-6;
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * kMicro;
}

double own_cpu_seconds() {
    double sum = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage usage{};
        getrusage(who, &usage);
        sum += seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    }
    return sum;
}

// The "cpu" line of /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice, in ticks; guest is
// within user.
void read_cpu_times(const HostFiles& files, LoadSnapshot& into) {
    const auto ticks_per_s = static_cast<double>(sysconf(_SC_CLK_TCK));
    constexpr std::array<std::size_t, 5> kBusyColumns = {1, 2, 3, 6, 7};
    constexpr std::size_t kStealColumn = 8;
    for (const std::string& line : files.lines("proc/stat")) {
        const std::vector<std::string> words = words_of(line);
        if (words.empty() || words[0] != "cpu") {
            continue;
        }
        for (const std::size_t column : kBusyColumns) {
            if (column < words.size()) {
                into.busy_cpu_s += static_cast<double>(number_of(words[column]).value_or(0)) / ticks_per_s;
            }
        }
        if (const auto steal = kStealColumn < words.size() ? number_of(words[kStealColumn]) : std::nullopt) {
            into.steal_s = static_cast<double>(*steal) / ticks_per_s;
        }
        return;
    }
}

std::optional<double> decimal(const std::string& text) {
    const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    return parsed.is_number() ? std::optional(parsed.get<double>()) : std::nullopt;
}

// "some avg10=0.25 avg60=..." of the CPU pressure file.
std::optional<double> psi_some_avg10(const HostFiles& files) {
    constexpr std::string_view kField = "avg10=";
    for (const std::string& line : files.lines("proc/pressure/cpu")) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() >= 2 && words[0] == "some" && words[1].starts_with(kField)) {
            return decimal(words[1].substr(kField.size()));
        }
    }
    return std::nullopt;
}

// The sum of some lines of vmstat; nothing if one is missing.
std::optional<std::int64_t> vmstat_sum(const HostFiles& files, const std::vector<std::string_view>& names) {
    std::int64_t sum = 0;
    std::size_t found = 0;
    for (const std::string& line : files.lines("proc/vmstat")) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() == 2 && std::find(names.begin(), names.end(), words[0]) != names.end()) {
            sum += number_of(words[1]).value_or(0);
            ++found;
        }
    }
    return found == names.size() ? std::optional(sum) : std::nullopt;
}

template <class T>
nlohmann::json gained(const std::optional<T>& before, const std::optional<T>& after) {
    return before && after ? nlohmann::json(*after - *before) : nlohmann::json();
}

}  // namespace

LoadSnapshot read_load(const std::filesystem::path& root) {
    const HostFiles files(root);
    LoadSnapshot now;
    now.at_s = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    now.own_cpu_s = own_cpu_seconds();
    read_cpu_times(files, now);
    const std::vector<std::string> load = words_of(files.line("proc/loadavg").value_or(""));
    now.load_average_1min = load.empty() ? std::nullopt : decimal(load[0]);
    now.psi_some_avg10 = psi_some_avg10(files);
    now.swapped_pages = vmstat_sum(files, {"pswpin", "pswpout"});
    now.migrated_pages = vmstat_sum(files, {"numa_pages_migrated"});
    now.throttled_us = cgroup_throttled_us(files);
    return now;
}

double other_busy_cpus(const LoadSnapshot& before, const LoadSnapshot& after) {
    const double wall = after.at_s - before.at_s;
    if (wall <= 0) {
        return 0;
    }
    const double others = (after.busy_cpu_s - before.busy_cpu_s) - (after.own_cpu_s - before.own_cpu_s);
    return std::max(0.0, others / wall);  // ticks round either way
}

LoadSnapshot watch_idle_host(nlohmann::json& host, int for_ms, const std::filesystem::path& root) {
    const LoadSnapshot first = read_load(root);
    std::this_thread::sleep_for(std::chrono::milliseconds(for_ms));
    LoadSnapshot second = read_load(root);
    host["load"]["other_cpus_before"] = other_busy_cpus(first, second);
    return second;
}

void record_load_before(nlohmann::json& host, const LoadSnapshot& before) {
    host["steal"]["before_s"] = or_null(before.steal_s);
    host["steal"]["after_s"] = nullptr;
    host["load"]["before"] = or_null(before.load_average_1min);
    host["load"]["psi_some_avg10"] = or_null(before.psi_some_avg10);
}

void record_load_after(nlohmann::json& host, const LoadSnapshot& before, const LoadSnapshot& after) {
    host["steal"]["after_s"] = or_null(after.steal_s);
    nlohmann::json& load = host["load"];
    load["after"] = or_null(after.load_average_1min);
    load["other_cpus_during"] = other_busy_cpus(before, after);
    load["swapped_pages"] = gained(before.swapped_pages, after.swapped_pages);
    load["migrated_pages"] = gained(before.migrated_pages, after.migrated_pages);
    host["cgroup"]["throttled_us"] = gained(before.throttled_us, after.throttled_us);
}

}  // namespace lockbench
