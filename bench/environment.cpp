// SPDX-License-Identifier: MIT
#include "bench/environment.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <set>
#include <string_view>

#include "bench/build_info.hpp"
#include "bench/environment_parts.hpp"

namespace lockbench {

namespace {

// "release version". The version tells the build and its preemption model.
nlohmann::json kernel_of(const HostFiles& files) {
    const auto release = files.line("proc/sys/kernel/osrelease");
    const auto version = files.line("proc/sys/kernel/version");
    if (!release) {
        return {};
    }
    return version ? *release + " " + *version : *release;
}

// Without what is for init and not for the kernel: its name, and all that follows "--".
std::optional<std::string> kernel_parameters(const HostFiles& files) {
    const auto line = files.line("proc/cmdline");
    if (!line) {
        return std::nullopt;
    }
    std::string kept;
    for (const std::string& word : words_of(*line)) {
        if (word == "--") {
            break;
        }
        if (!word.starts_with("init=") && !word.starts_with("rdinit=")) {
            kept += kept.empty() ? word : " " + word;
        }
    }
    return kept;
}

nlohmann::json mitigations_of(const HostFiles& files) {
    nlohmann::json all = nlohmann::json::object();
    const std::filesystem::path folder = "sys/devices/system/cpu/vulnerabilities";
    for (const std::string& name : files.names_in(folder)) {
        all[name] = or_null(files.line(folder / name));
    }
    return all.empty() ? nlohmann::json() : all;
}

// The distinct values of a cpufreq file over all policies, joined by commas.
std::optional<std::string> policies(const HostFiles& files, const std::string& file) {
    std::set<std::string> values;
    const std::filesystem::path folder = "sys/devices/system/cpu/cpufreq";
    for (const std::string& name : files.names_in(folder)) {
        if (const auto value = name.starts_with("policy") ? files.line(folder / name / file) : std::nullopt) {
            values.insert(*value);
        }
    }
    std::string joined;
    for (const std::string& value : values) {
        joined += joined.empty() ? value : "," + value;
    }
    return joined.empty() ? std::nullopt : std::optional(joined);
}

// Each driver has a switch of its own; a policy that may boost is enough for "on".
std::optional<std::string> turbo_of(const HostFiles& files) {
    if (const auto off = files.number("sys/devices/system/cpu/intel_pstate/no_turbo")) {
        return *off == 0 ? "on" : "off";
    }
    if (const auto on = files.number("sys/devices/system/cpu/cpufreq/boost")) {
        return *on != 0 ? "on" : "off";
    }
    if (const auto each = policies(files, "boost")) {
        return each->find('1') != std::string::npos ? "on" : "off";
    }
    return std::nullopt;
}

std::optional<std::string> on_off(const std::optional<std::int64_t>& number) {
    return number ? std::optional<std::string>(*number != 0 ? "on" : "off") : std::nullopt;
}

// "always [madvise] never" -> "madvise"
std::optional<std::string> bracketed(const std::optional<std::string>& choice) {
    if (!choice) {
        return std::nullopt;
    }
    const std::size_t open = choice->find('[');
    const std::size_t close = choice->find(']');
    if (open == std::string::npos || close == std::string::npos || close < open) {
        return choice;
    }
    return choice->substr(open + 1, close - open - 1);
}

// A "Name:   123 kB" line of meminfo, in bytes.
std::optional<std::int64_t> meminfo_bytes(const HostFiles& files, std::string_view name) {
    constexpr std::int64_t kBytesPerKib = 1024;
    for (const std::string& line : files.lines("proc/meminfo")) {
        const std::vector<std::string> words = words_of(line);
        if (words.size() >= 2 && words[0] == name) {
            const auto kib = number_of(words[1]);
            return kib ? std::optional(*kib * kBytesPerKib) : std::nullopt;
        }
    }
    return std::nullopt;
}

nlohmann::json memory_of(const HostFiles& files) {
    const auto total = meminfo_bytes(files, "MemTotal:");
    const auto swap = meminfo_bytes(files, "SwapTotal:");
    const auto swap_free = meminfo_bytes(files, "SwapFree:");
    return {{"total_bytes", or_null(total)},
            {"swap_bytes", or_null(swap)},
            {"swap_used_bytes", swap && swap_free ? nlohmann::json(*swap - *swap_free) : nlohmann::json()}};
}

}  // namespace

nlohmann::json read_host(const std::filesystem::path& root) {
    const HostFiles files(root);
    nlohmann::json host;
    host["cpu"] = cpu_facts(files);
    host["microcode"] = or_null(microcode_of(files));
    host["memory"] = memory_of(files);
    host["kernel"] = kernel_of(files);
    host["cmdline"] = or_null(kernel_parameters(files));
    host["mitigations"] = mitigations_of(files);
    host["governor"] = or_null(policies(files, "scaling_governor"));
    host["frequency_driver"] = or_null(policies(files, "scaling_driver"));
    host["turbo"] = or_null(turbo_of(files));
    host["smt"] = or_null(files.line("sys/devices/system/cpu/smt/control"));
    host["numa_balancing"] = or_null(on_off(files.number("proc/sys/kernel/numa_balancing")));
    host["thp"] = or_null(bracketed(files.line("sys/kernel/mm/transparent_hugepage/enabled")));
    host["aslr"] = or_null(files.line("proc/sys/kernel/randomize_va_space"));
    host["clocksource"] = or_null(files.line("sys/devices/system/clocksource/clocksource0/current_clocksource"));
    host["perf_event_paranoid"] = or_null(files.number("proc/sys/kernel/perf_event_paranoid"));
    host["privileged"] = geteuid() == 0;
    host["cgroup"] = cgroup_facts(files);
    host["steal"] = {{"before_s", nullptr}, {"after_s", nullptr}};
    host["load"] = {{"before", nullptr}, {"after", nullptr}, {"psi_some_avg10", nullptr}};
    host.update(build_facts());
    host["binary_id"] = or_null(binary_id());
    return host;
}

std::string host_id(const nlohmann::json& host) {
    nlohmann::json same = nlohmann::json::object();
    for (const char* field : {"microcode", "kernel", "cmdline", "mitigations", "smt"}) {
        same[field] = host.value(field, nlohmann::json());
    }
    same["cpu"] = host.value("cpu", nlohmann::json::object());
    if (same["cpu"].is_object()) {
        same["cpu"].erase("mhz");           // of the moment
        same["cpu"].erase("allowed_cpus");  // of the process
    }
    same["memory"] = host.contains("memory") && host["memory"].is_object()
                         ? host["memory"].value("total_bytes", nlohmann::json())
                         : nlohmann::json();
    return fmt::format("{:016x}", fnv1a64(same.dump()));
}

}  // namespace lockbench
