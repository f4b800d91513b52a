// SPDX-License-Identifier: MIT
// What would spoil a measurement, by the facts of `host`. Each rule says nothing where the fact is unknown, but for
// those whose absence is itself the trouble (frequency, commit). Thresholds are named; they are ours and stand on the
// wide side of noise.
#include <fmt/format.h>

#include <array>
#include <set>
#include <string_view>

#include "bench/environment.hpp"
#include "bench/environment_facts.hpp"

namespace lockbench {

namespace {

using nlohmann::json;

// Other processes may use this share of one CPU before it counts as load; a clock tick in half a second is 2 %.
constexpr double kOtherCpus = 0.05;
// Without a measurement of ours the load average has to do; it also remembers what ended a minute ago.
constexpr double kLoadAverage = 0.5;
constexpr double kPsiPercent = 5.0;
constexpr double kMib = 1024.0 * 1024.0;

Text virtual_machine(const json& host) {
    const auto name = text(host, "cpu", "virtual");
    if (!name) {
        return std::nullopt;
    }
    return fmt::format(
        "This is a virtual machine ({}): CPUs may share cores, caches may not be what they seem, times include the "
        "hypervisor's. Take "
        "figures for publication on bare metal.",
        *name);
}

Text steal(const json& host) {
    const auto before = number(host, "steal", "before_s");
    const auto after = number(host, "steal", "after_s");
    if (before && after && *after > *before) {
        return fmt::format(
            "The hypervisor took {:.2f} CPU seconds during the run: repeat when its other guests are quiet.",
            *after - *before);
    }
    if (before && !after && *before > 0) {
        return fmt::format(
            "The hypervisor has taken {:.2f} CPU seconds since boot and may do so again: compare steal before and "
            "after.",
            *before);
    }
    return std::nullopt;
}

Text governor(const json& host) {
    const auto name = text(host, "governor");
    if (!name || *name == "performance") {
        return std::nullopt;
    }
    return fmt::format(
        "The frequency governor is {}: set it to performance (as root: cpupower frequency-set -g performance).", *name);
}

Text turbo(const json& host) {
    if (text(host, "turbo") != "on") {
        return std::nullopt;
    }
    return "Turbo is on, so the clock depends on how many CPUs are busy: switch it off (as root: echo 1 > "
           "/sys/devices/system/cpu/intel_pstate/no_turbo, or echo 0 > /sys/devices/system/cpu/cpufreq/boost).";
}

Text frequency_unknown(const json& host) {
    if (text(host, "governor") || text(host, "turbo")) {
        return std::nullopt;
    }
    return "Governor and turbo cannot be seen from here, so the CPUs' clock may vary unseen: watch the A/A pair's "
           "noise floor.";
}

Text smt(const json& host) {
    const auto cores = number(host, "cpu", "cores");
    const auto cpus = number(host, "cpu", "cpus");
    const bool siblings = !cores || !cpus || *cpus > *cores;
    if (text(host, "smt") != "on" || !siblings) {
        return std::nullopt;
    }
    return "SMT is on: two CPUs of a core share its caches and slow each other. Use placement smt_last or compact "
           "knowingly, or switch "
           "it off (as root: echo off > /sys/devices/system/cpu/smt/control).";
}

Text numa_balancing(const json& host) {
    const auto nodes = number(host, "cpu", "nodes");
    if (text(host, "numa_balancing") != "on" || (nodes && *nodes < 2)) {
        return std::nullopt;
    }
    return "Automatic NUMA balancing is on and may move pages in the middle of a window: as root, sysctl "
           "kernel.numa_balancing=0.";
}

Text other_load(const json& host) {
    const auto during = number(host, "load", "other_cpus_during");
    if (during && *during > kOtherCpus) {
        return fmt::format("Other processes kept {:.2f} CPUs busy during the run: stop them and repeat.", *during);
    }
    if (during) {
        return std::nullopt;
    }
    const auto before = number(host, "load", "other_cpus_before");
    if (before && *before > kOtherCpus) {
        return fmt::format("Other processes keep {:.2f} CPUs busy: stop them first.", *before);
    }
    if (before) {
        return std::nullopt;
    }
    if (const auto psi = number(host, "load", "psi_some_avg10"); psi && *psi > kPsiPercent) {
        return fmt::format("Tasks waited for a CPU in {:.0f} % of the last 10 s: wait until other work is done.", *psi);
    }
    if (const auto load = number(host, "load", "before"); load && *load > kLoadAverage) {
        return fmt::format("The load average is {:.2f}: wait until other work is done.", *load);
    }
    return std::nullopt;
}

Text cgroup_quota(const json& host) {
    const json* max = find(host, "cgroup", "cpu_max");
    if (max == nullptr || !max->is_array() || max->size() != 2 || !(*max)[0].is_number() || !(*max)[1].is_number()) {
        return std::nullopt;
    }
    const double cpus = (*max)[0].get<double>() / (*max)[1].get<double>();
    return fmt::format(
        "A control group limits this process to {:.2f} CPUs and stops all its threads when that is used up: run "
        "outside "
        "the container or lift the limit.",
        cpus);
}

Text throttled(const json& host) {
    const auto us = number(host, "cgroup", "throttled_us");
    if (!us || *us <= 0) {
        return std::nullopt;
    }
    constexpr double kUsPerMs = 1000.0;
    return fmt::format("The control group's CPU limit held the run back for {:.1f} ms: lift it and repeat.",
                       *us / kUsPerMs);
}

Text swapped_out(const json& host) {
    const auto used = number(host, "memory", "swap_used_bytes");
    if (!used || *used <= 0) {
        return std::nullopt;
    }
    return fmt::format(
        "{:.0f} MiB are swapped out, so memory is or was short: free some, or switch swap off (as root: swapoff -a).",
        *used / kMib);
}

Text swapping(const json& host) {
    const auto pages = number(host, "load", "swapped_pages");
    if (!pages || *pages <= 0) {
        return std::nullopt;
    }
    return fmt::format("{:.0f} pages were swapped in or out during the run: free memory and repeat.", *pages);
}

Text pages_migrated(const json& host) {
    const auto pages = number(host, "load", "migrated_pages");
    if (!pages || *pages <= 0) {
        return std::nullopt;
    }
    return fmt::format(
        "NUMA balancing moved {:.0f} pages during the run: as root, sysctl kernel.numa_balancing=0, and repeat.",
        *pages);
}

Text thp(const json& host) {
    if (text(host, "thp") != "always") {
        return std::nullopt;
    }
    return "Transparent huge pages are set to always, so pages may be joined in the middle of a window: as root, echo "
           "madvise > "
           "/sys/kernel/mm/transparent_hugepage/enabled.";
}

Text clocksource(const json& host) {
    // Read in user space, in tens of nanoseconds. All others cost a system call or a slow device each.
    static const std::set<std::string> fast = {"tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page"};
    const auto name = text(host, "clocksource");
    if (!name) {
        return "The kernel's clock source is not known: compare the cost of a clock reading with other hosts before "
               "trusting waits.";
    }
    if (fast.contains(*name)) {
        return std::nullopt;
    }
    return fmt::format(
        "The kernel's clock source is {}, which is slow to read: find out why it is not tsc (kernel log), or boot with "
        "tsc=reliable if the CPUs' counters agree.",
        *name);
}

Text debug_build(const json& host) {
    const auto optimised = truth(host, "build", "optimised");
    const auto asserts = truth(host, "build", "assertions");
    if ((!optimised || *optimised) && (!asserts || !*asserts)) {
        return std::nullopt;
    }
    return "This is a debug build: measure with cmake --preset release.";
}

Text sanitizer_build(const json& host) {
    const auto sanitizers = text(host, "build", "sanitizers");
    if (!sanitizers || sanitizers->empty()) {
        return std::nullopt;
    }
    return fmt::format("This build has sanitizers ({}): measure with cmake --preset release.", *sanitizers);
}

Text preset(const json& host) {
    const auto name = text(host, "build", "preset");
    if (!name || *name == "release") {
        return std::nullopt;
    }
    return fmt::format("This is preset {}: only figures of preset release compare with others.", *name);
}

Text dirty_commit(const json& host) {
    if (truth(host, "dirty") != true) {
        return std::nullopt;
    }
    return "The source has changes that are in no commit, so nobody can build it again: commit before measuring.";
}

Text no_commit(const json& host) {
    if (find(host, "commit") != nullptr) {
        return std::nullopt;
    }
    return "The source's commit is not known: build from a git clone.";
}

Text cpus_offline(const json& host) {
    const auto online = number(host, "cpu", "cpus");
    const auto present = number(host, "cpu", "present_cpus");
    if (!online || !present || *online >= *present) {
        return std::nullopt;
    }
    return fmt::format("{:.0f} of {:.0f} CPUs are offline: switch them on, or say so beside the figures.",
                       *present - *online, *present);
}

Text perf_paranoid(const json& host) {
    const auto level = number(host, "perf_event_paranoid");
    const bool root = truth(host, "privileged").value_or(false);
    constexpr double kNobody = 3;    // Debian's own level: PAPI gives up, even for root
    constexpr double kNoKernel = 2;  // ordinary users count no kernel mode, so no context switches
    if (!level || *level < (root ? kNobody : kNoKernel)) {
        return std::nullopt;
    }
    return fmt::format(
        "perf_event_paranoid is {:.0f}, which takes counters away: as root, sysctl kernel.perf_event_paranoid=1.",
        *level);
}

struct Rule {
    std::string_view code;
    Text (*says)(const json& host);
};

// The gravest first.
constexpr std::array kRules = {
    Rule{"debug_build", debug_build},
    Rule{"sanitizer_build", sanitizer_build},
    Rule{"preset", preset},
    Rule{"dirty_commit", dirty_commit},
    Rule{"no_commit", no_commit},
    Rule{"virtual_machine", virtual_machine},
    Rule{"steal", steal},
    Rule{"other_load", other_load},
    Rule{"cgroup_quota", cgroup_quota},
    Rule{"throttled", throttled},
    Rule{"governor", governor},
    Rule{"turbo", turbo},
    Rule{"frequency_unknown", frequency_unknown},
    Rule{"smt", smt},
    Rule{"cpus_offline", cpus_offline},
    Rule{"cpus_hidden", cpus_hidden},
    Rule{"topology_guessed", topology_guessed},
    Rule{"no_sysfs", no_sysfs},
    Rule{"memory_policy", memory_policy},
    Rule{"memory_unbound", memory_unbound},
    Rule{"numa_balancing", numa_balancing},
    Rule{"pages_migrated", pages_migrated},
    Rule{"thp", thp},
    Rule{"swap", swapped_out},
    Rule{"swapping", swapping},
    Rule{"clocksource", clocksource},
    Rule{"perf_paranoid", perf_paranoid},
};

}  // namespace

std::vector<HostWarning> host_warnings(const nlohmann::json& host) {
    std::vector<HostWarning> found;
    for (const Rule& rule : kRules) {
        if (auto said = rule.says(host)) {
            found.push_back({std::string(rule.code), std::move(*said)});
        }
    }
    return found;
}

nlohmann::json to_json(const std::vector<HostWarning>& warnings) {
    nlohmann::json list = nlohmann::json::array();
    for (const HostWarning& warning : warnings) {
        list.push_back({{"code", warning.code}, {"text", warning.text}});
    }
    return list;
}

std::vector<std::string> host_warning_codes() {
    std::vector<std::string> codes;
    codes.reserve(kRules.size());
    for (const Rule& rule : kRules) {
        codes.emplace_back(rule.code);
    }
    return codes;
}

}  // namespace lockbench
