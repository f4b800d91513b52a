// SPDX-License-Identifier: MIT
// Why a counter cannot be had: what the host says about its PMU and its permissions, put into one sentence with what to
// do about it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "bench/counters.hpp"

namespace lockbench {

// What can be learnt of the host without PAPI.
struct CounterHost {
    bool pmu_directory = false;   // sysfs lists a CPU PMU
    std::optional<int> paranoid;  // kernel.perf_event_paranoid
    int user_errno = 0;           // of a raw perf_event_open of INSTRUCTIONS in user mode; 0: it opened
    int kernel_errno = 0;         // the same with kernel mode
};

// Reads proc and sys under `root`; the two raw opens are always those of this host.
[[nodiscard]] CounterHost probe_counter_host(const std::filesystem::path& root);

// What an event met when it was asked for, in the order of the checks.
enum class Refusal {
    no_event,  // the kernel does not have it
    permission,
    no_syscall,
    invalid,   // the kernel calls it invalid: after other events, there are too many of them
    conflict,  // cannot be scheduled beside the others
    start,     // added, but did not start
    no_turn,   // takes turns with others and had none
    other,
};

struct RefusalContext {
    Refusal refusal = Refusal::other;
    bool hardware = true;
    std::size_t hardware_added = 0;  // events that already count
    std::string detail;              // in the words of who refused
};

[[nodiscard]] std::string refusal_text(const RefusalContext& context, const CounterHost& host);

// Why PAPI's perf_event component is off, by its own words.
[[nodiscard]] std::string papi_off_text(const std::string& words, const CounterHost& host);

}  // namespace lockbench
