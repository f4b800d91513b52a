// SPDX-License-Identifier: MIT
// The two ways to count events of the calling thread, under one interface: PAPI, and the kernel's perf_event_open by
// code. A thread may use both at once; its windows nest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/counters.hpp"
#include "bench/counters_absence.hpp"

namespace lockbench {

// Why an event, or a whole set, does not count.
struct EventError {
    Refusal refusal = Refusal::other;
    std::string detail;  // in the words of who refuses
};

struct EventCount {
    std::int64_t value = 0;
    double share = 1;  // of the time between start and stop; 0: it never had a counter
};

// Events of one thread, which makes every call. Files and sets are given back by the destructor.
class EventSet {
  public:
    EventSet() = default;
    EventSet(const EventSet&) = delete;
    EventSet& operator=(const EventSet&) = delete;
    virtual ~EventSet() = default;

    virtual std::optional<EventError> add(const CounterSpec& spec) = 0;
    // Starts all that were added, from zero.
    virtual std::optional<EventError> start() = 0;
    // One count an event, in the order of adding.
    virtual std::optional<EventError> stop(std::vector<EventCount>& counts) = 0;
};

struct EngineOptions {
    bool kernel_too = true;  // hardware events count in kernel mode too
    bool multiplex = false;
    int papi_component = -1;
};

// What PAPI is on this host; `off` says why it does not count, empty where it does. Starts the library.
struct PapiState {
    std::string off;
    int component = -1;
    std::vector<std::string> pmus;
};
[[nodiscard]] PapiState start_papi(const CounterHost& host, bool kernel_too);
// Whether libpfm4 knows the name on this CPU: says nothing of the kernel.
[[nodiscard]] bool papi_knows(const std::string& event);

[[nodiscard]] std::unique_ptr<EventSet> make_papi_set(const EngineOptions& options);
[[nodiscard]] std::unique_ptr<EventSet> make_kernel_set(const EngineOptions& options);

// libpfm4's name of the CPU that proc/cpuinfo under `root` tells, known to the installed libpfm4 or not; empty: no
// table is for it.
[[nodiscard]] std::string pmu_of_cpu(const std::filesystem::path& root);

}  // namespace lockbench
