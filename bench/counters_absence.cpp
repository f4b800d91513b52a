// SPDX-License-Identifier: MIT
#include "bench/counters_absence.hpp"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "bench/host_files.hpp"

namespace lockbench {

namespace {

// Opens and closes one hardware event on the calling thread. User-only is the honest probe: with kernel mode,
// permission is checked before the PMU is looked for, so an ordinary user would get EACCES where there is nothing to
// count.
int open_errno(bool with_kernel) {
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = PERF_TYPE_HARDWARE;
    attr.config = PERF_COUNT_HW_INSTRUCTIONS;
    attr.disabled = 1;
    attr.exclude_kernel = with_kernel ? 0 : 1;
    attr.exclude_hv = 1;
    errno = 0;
    const long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0UL);
    if (fd < 0) {
        return errno;
    }
    close(static_cast<int>(fd));
    return 0;
}

// x86 names its PMU "cpu", hybrid parts "cpu_core"; arm64 "armv8_pmuv3_0" and the like.
bool is_cpu_pmu(std::string_view name) {
    constexpr std::array<std::string_view, 3> kWhole = {"cpu", "cpu_core", "cpu_atom"};
    return std::find(kWhole.begin(), kWhole.end(), name) != kWhole.end() || name.starts_with("armv8_") ||
           name.starts_with("armv9_");
}

std::string paranoid_advice(const CounterHost& host) {
    return fmt::format("perf_event_paranoid is {}; as root: sysctl kernel.perf_event_paranoid=1",
                       host.paranoid ? fmt::to_string(*host.paranoid) : "not readable");
}

std::string permission_text(const RefusalContext& context, const CounterHost& host) {
    const int denied = context.hardware ? host.user_errno : host.kernel_errno;
    if (denied == EPERM) {
        return "perf_event_open is forbidden, as by a container's seccomp filter: run outside it or allow the call";
    }
    if (host.paranoid && *host.paranoid <= 1 && denied != EACCES) {
        return "the kernel refuses permission although perf_event_paranoid allows it: ask the administrator";
    }
    return fmt::format("no permission to count {}: {}", context.hardware ? "hardware events" : "in the kernel",
                       paranoid_advice(host));
}

std::string no_event_text(const RefusalContext& context, const CounterHost& host) {
    if (!context.hardware) {
        return fmt::format("the kernel does not have this event ({})", context.detail);
    }
    if (host.user_errno == EPERM || host.user_errno == EACCES) {
        return permission_text(context, host);
    }
    if (!host.pmu_directory && host.user_errno != 0) {
        return "no PMU: the kernel has no hardware counters here, as in most virtual machines";
    }
    return fmt::format("the kernel does not have this event on this CPU ({})", context.detail);
}

}  // namespace

CounterHost probe_counter_host(const std::filesystem::path& root) {
    CounterHost host;
    const HostFiles files(root);
    for (const std::string& name : files.names_in("sys/bus/event_source/devices")) {
        host.pmu_directory = host.pmu_directory || is_cpu_pmu(name);
    }
    if (const auto paranoid = files.number("proc/sys/kernel/perf_event_paranoid")) {
        host.paranoid = static_cast<int>(*paranoid);
    }
    host.user_errno = open_errno(false);
    host.kernel_errno = open_errno(true);
    return host;
}

std::string refusal_text(const RefusalContext& context, const CounterHost& host) {
    switch (context.refusal) {
        case Refusal::no_event:
            return no_event_text(context, host);
        case Refusal::permission:
            return permission_text(context, host);
        case Refusal::no_syscall:
            if (host.user_errno == ENOSYS) {
                return "this kernel has no perf_event_open";
            }
            break;
        case Refusal::invalid:
            if (context.hardware_added > 0) {
                return fmt::format(
                    "too many events: {} hardware events fill this CPU's counters; ask for fewer by name, or let all "
                    "take "
                    "turns with --multiplex",
                    context.hardware_added);
            }
            return fmt::format("the kernel calls this event invalid ({})", context.detail);
        case Refusal::conflict:
            return fmt::format("cannot count beside the {} other hardware events ({})", context.hardware_added,
                               context.detail);
        case Refusal::start:
            return fmt::format("could not be started beside {} other hardware events ({})", context.hardware_added,
                               context.detail);
        case Refusal::no_turn:
            return "took turns with the other events and had none in this window: ask for fewer by name";
        case Refusal::other:
            break;
    }
    return fmt::format("refused: {}", context.detail);
}

std::string papi_off_text(const std::string& words, const CounterHost& host) {
    if (words.find("paranoid") != std::string::npos) {
        return fmt::format("PAPI is switched off: {}", paranoid_advice(host));
    }
    if (words.find("no default PMU") != std::string::npos || words.find("no PMUs found") != std::string::npos) {
        return "this CPU is unknown to the installed libpfm4, which switches PAPI off: a newer libpfm4 may know it";
    }
    return fmt::format("PAPI's perf_event component is off: {}", words);
}

}  // namespace lockbench
