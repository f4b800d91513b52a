// SPDX-License-Identifier: MIT
// Counters of the measured threads: which events this host can count, which it cannot and why, and the counting itself.
//
// A counter is started just before a window and stopped just after it, by the thread that it counts; it is never read
// inside. What cannot be counted is null with a reason, never 0. Software counters that need no permission come from
// getrusage and are always there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockbench {

// How directly a counter speaks of cache lines moving between cores; 1 is best. Only levels 1 and 2 count transfers:
// nothing below may be called bouncing.
inline constexpr int kLevelTransfer = 1;    // loads and ownership requests that hit a line modified in another core
inline constexpr int kLevelFillSource = 2;  // fills by source cache (AMD), invalidations from other cores (ARM)
inline constexpr int kLevelSnoopHit = 3;    // hits in another core's cache, whatever the line's state
inline constexpr int kLevelGeneric = 4;     // cache misses, lock instructions, cycles
inline constexpr int kLevelSoftware = 5;  // the kernel's events: context switches, migrations, page faults, task clock
inline constexpr int kLevelRusage = 6;    // getrusage(RUSAGE_THREAD)
inline constexpr int kLevelNone = 7;      // nothing

// One sentence for people: what figures of this level can show.
[[nodiscard]] std::string_view level_text(int level);

// Who counts.
enum class CounterSource {
    none,
    papi,    // by libpfm4's name
    kernel,  // perf_event_open by code: what PAPI cannot say, on hosts where PAPI is off, and what takes turns
    rusage,
};

// The kernel's numbers of the types of events; bench/counters_kernel.cpp compares them with its header.
enum class EventType : std::uint32_t { hardware = 0, software = 1, hw_cache = 3, raw = 4 };

// What perf_event_open is asked for.
struct EventCode {
    EventType type = EventType::software;
    std::uint64_t config = 0;
    std::uint64_t config1 = 0;  // of a raw off-core event: the response
};

struct CounterSpec {
    std::string name;   // ours, the same on every machine where the same thing is counted: hitm_loads_local, ...
    std::string event;  // a libpfm4 name, what `perf stat -e` takes, or a field of getrusage; empty if there is none
    std::string what_it_counts;  // one phrase
    int level = kLevelNone;
    std::string unit = "events";
    CounterSource source = CounterSource::none;
    EventCode code = {};  // of a PAPI event too: what its name stands for
};

struct UnavailableCounter {
    CounterSpec spec;
    std::string reason;  // one plain sentence, with what to do where something can be done
};

struct CounterPlan {
    std::vector<CounterSpec> counted;  // order of the values of ThreadCounters::stop
    std::vector<UnavailableCounter> unavailable;
    std::string pmu;           // libpfm4's name of this CPU's table; empty: none found
    std::string note;          // one sentence where PAPI does not count here; empty: it does
    bool multiplexed = false;  // hardware events take turns: values are scaled, and their share of the window is told
    std::string domain;        // "user+kernel" or "user": where hardware events count; empty: there are none
    int level = kLevelNone;

    // Position in `counted`, or nothing.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
};

// Sets plan.level from what is counted.
void set_level(CounterPlan& plan);

// The counters of one measured thread. open, start, stop and close are called by that thread, in this order; start and
// stop may repeat.
class ThreadCounters {
  public:
    ThreadCounters() = default;
    ThreadCounters(const ThreadCounters&) = delete;
    ThreadCounters& operator=(const ThreadCounters&) = delete;
    virtual ~ThreadCounters() = default;

    virtual void open() = 0;
    virtual void start() = 0;
    // Counts since start, one for each of plan.counted; nothing where this thread could not count.
    virtual std::vector<std::optional<std::int64_t>> stop() = 0;
    virtual void close() = 0;
    // Why a value of the last stop is missing, one for each of plan.counted; empty where it is not.
    [[nodiscard]] virtual std::vector<std::string> reasons() const = 0;
    // The part of the last window in which each of plan.counted had a counter: below 1 its value is scaled up from that
    // part. Empty: all 1.
    [[nodiscard]] virtual std::vector<double> shares() const { return {}; }
};

class CounterProvider {
  public:
    CounterProvider() = default;
    CounterProvider(const CounterProvider&) = delete;
    CounterProvider& operator=(const CounterProvider&) = delete;
    virtual ~CounterProvider() = default;

    // Asks the host once; later calls return the same plan.
    virtual const CounterPlan& probe() = 0;
    // Counters for one thread, by the plan. Made by any thread, opened by the measured one.
    [[nodiscard]] virtual std::unique_ptr<ThreadCounters> make_thread_set() = 0;
};

struct CounterRequest {
    // Names or globs. Empty: transfer events and what goes with them, generic misses only where there is no transfer
    // event. The getrusage counters come always, as windows are flagged by them.
    std::vector<std::string> select = {};
    std::filesystem::path root = "/";  // where proc and sys are looked for
    bool use_papi = true;
    // More events than the CPU has counters take turns. Without it those that come last in the table are left out.
    bool multiplex = false;
};

// PAPI where it is built in and says what is meant, the kernel's perf_event_open by code where not, getrusage always.
// Make it in the process that measures: PAPI's state does not survive a fork.
[[nodiscard]] std::unique_ptr<CounterProvider> make_counter_provider(const CounterRequest& request);

// Every name that --counters may select on some machine, in table order.
[[nodiscard]] std::vector<std::string> counter_names();

// Switches and faults of the calling thread since its start; needs no permission. Windows are flagged by
// `involuntary_switches`.
struct ThreadUsage {
    std::int64_t voluntary_switches = 0;
    std::int64_t involuntary_switches = 0;
    std::int64_t minor_faults = 0;
};
[[nodiscard]] ThreadUsage thread_usage_now();
[[nodiscard]] ThreadUsage operator-(const ThreadUsage& after, const ThreadUsage& before);

// What one thread counted in one window.
struct CounterReading {
    std::vector<std::optional<std::int64_t>> values;
    std::vector<std::string> reasons;
    std::vector<double> shares = {};  // as ThreadCounters::shares
};

// A window's `counters` and `counters_reason`: the sum over threads, null as soon as one thread has none, as a part is
// not a sum. `counters_share`: of each value that is scaled, the smallest part of the window that a thread counted.
struct CounterTotals {
    nlohmann::ordered_json counters;
    nlohmann::ordered_json reasons;
    nlohmann::ordered_json shares;
};
[[nodiscard]] CounterTotals total_counters(const CounterPlan& plan, const std::vector<CounterReading>& threads);

// `lockbench list counters --json`: [{name event by code level unit counts available reason}], reason null where
// available, code what perf_event_open is asked for, null for getrusage.
[[nodiscard]] nlohmann::ordered_json counters_list(const CounterPlan& plan);
// run.json: {level, level_text, pmu, domain, note, multiplexed, counters: the list above}.
[[nodiscard]] nlohmann::ordered_json to_json(const CounterPlan& plan);
// The section of `lockbench machine`: what is counted, what is not and why.
[[nodiscard]] std::string counters_text(const CounterPlan& plan);

}  // namespace lockbench
