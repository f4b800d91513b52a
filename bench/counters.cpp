// SPDX-License-Identifier: MIT
#include "bench/counters.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "bench/counters_candidates.hpp"
#include "bench/counters_event_table.hpp"
#include "bench/glob.hpp"
#include "platform/check.hpp"

namespace lockbench {

namespace {

constexpr std::array<std::string_view, 7> kLevelTexts = {
    "line transfers: hits on lines modified in another core",
    "line transfers by source: fills from other caches, or invalidations by other CPUs",
    "hits in another core's cache, whatever the line's state: no count of transfers",
    "generic hardware events: nothing about transfers between cores",
    "software events of the kernel: nothing about cache lines",
    "getrusage: switches and faults, nothing about cache lines",
    "nothing is counted",
};

class RusageProvider final : public CounterProvider {
  public:
    RusageProvider(const CounterRequest& request, const std::string& reason) {
        for (const Candidate& candidate : selected_candidates(candidates_for(""), request.select)) {
            plan_.unavailable.push_back({candidate.spec, reason});
        }
        plan_.counted = rusage_specs();
        set_level(plan_);
    }
    const CounterPlan& probe() override { return plan_; }
    [[nodiscard]] std::unique_ptr<ThreadCounters> make_thread_set() override {
        return std::make_unique<RusageThreadCounters>();
    }

  private:
    CounterPlan plan_;
};

nlohmann::ordered_json entry_of(const CounterSpec& spec, const std::string* reason) {
    nlohmann::ordered_json entry;
    entry["name"] = spec.name;
    entry["event"] = spec.event;
    entry["level"] = spec.level;
    entry["unit"] = spec.unit;
    entry["counts"] = spec.what_it_counts;
    entry["available"] = reason == nullptr;
    entry["reason"] = reason == nullptr ? nlohmann::ordered_json() : nlohmann::ordered_json(*reason);
    return entry;
}

// Breaks `items`, joined by commas, into lines of at most `width` columns after `indent` blanks.
std::string wrapped_list(const std::vector<std::string>& items, std::size_t indent, std::size_t width) {
    std::string text(indent, ' ');
    std::size_t column = indent;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::size_t length = items[i].size() + (i + 1 < items.size() ? 1 : 0);
        if (column > indent && column + 1 + length > width) {
            text += '\n';
            text.append(indent, ' ');
            column = indent;
        }
        if (column > indent) {
            text += ' ';
            ++column;
        }
        text += items[i];
        if (i + 1 < items.size()) {
            text += ',';
        }
        column += length;
    }
    text += '\n';
    return text;
}

}  // namespace

std::string_view level_text(int level) {
    check(level >= kLevelTransfer && level <= kLevelNone, "counter levels are 1 to 7");
    return kLevelTexts[static_cast<std::size_t>(level) - 1];
}

std::optional<std::size_t> CounterPlan::find(std::string_view name) const {
    for (std::size_t i = 0; i < counted.size(); ++i) {
        if (counted[i].name == name) {
            return i;
        }
    }
    return std::nullopt;
}

void set_level(CounterPlan& plan) {
    plan.level = kLevelNone;
    for (const CounterSpec& spec : plan.counted) {
        plan.level = std::min(plan.level, spec.level);
    }
}

std::vector<Candidate> selected_candidates(std::vector<Candidate> all, const std::vector<std::string>& globs) {
    if (globs.empty()) {
        return all;
    }
    std::erase_if(all, [&globs](const Candidate& candidate) {
        return std::none_of(globs.begin(), globs.end(),
                            [&](const std::string& glob) { return glob_matches(glob, candidate.spec.name); });
    });
    for (Candidate& candidate : all) {
        candidate.fallback = false;  // asked for by name, so it stands in for nothing
    }
    return all;
}

ThreadUsage thread_usage_now() {
    rusage usage{};
    check(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage(RUSAGE_THREAD) cannot fail");
    return {usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt};
}

ThreadUsage operator-(const ThreadUsage& after, const ThreadUsage& before) {
    return {after.voluntary_switches - before.voluntary_switches,
            after.involuntary_switches - before.involuntary_switches, after.minor_faults - before.minor_faults};
}

std::vector<std::optional<std::int64_t>> RusageThreadCounters::stop() {
    const ThreadUsage used = thread_usage_now() - before_;
    return {used.voluntary_switches, used.involuntary_switches, used.minor_faults};
}

std::vector<std::string> RusageThreadCounters::reasons() const {
    return std::vector<std::string>(rusage_specs().size());
}

std::unique_ptr<CounterProvider> make_rusage_provider(const CounterRequest& request, const std::string& reason) {
    return std::make_unique<RusageProvider>(request, reason);
}

std::vector<std::string> counter_names() {
    std::vector<std::string> names;
    std::set<std::string> seen;
    const auto add = [&](const std::string& name) {
        if (seen.insert(name).second) {
            names.push_back(name);
        }
    };
    for (const EventTable& table : event_tables()) {
        for (const EventRow& row : table.rows) {
            add(std::string(row.name));
        }
    }
    for (const Candidate& candidate : candidates_for("")) {
        add(candidate.spec.name);
    }
    for (const CounterSpec& spec : rusage_specs()) {
        add(spec.name);
    }
    return names;
}

CounterTotals total_counters(const CounterPlan& plan, const std::vector<CounterReading>& threads) {
    CounterTotals totals{nlohmann::ordered_json::object(), nlohmann::ordered_json::object()};
    for (std::size_t i = 0; i < plan.counted.size(); ++i) {
        const std::string& name = plan.counted[i].name;
        std::int64_t sum = 0;
        std::string reason = threads.empty() ? "no thread was counted" : "";
        for (const CounterReading& thread : threads) {
            check(thread.values.size() == plan.counted.size(), "a thread's reading has one value a counter");
            sum += thread.values[i].value_or(0);
            if (!thread.values[i] && reason.empty()) {
                reason = i < thread.reasons.size() && !thread.reasons[i].empty() ? thread.reasons[i] : "not counted";
            }
        }
        totals.counters[name] = reason.empty() ? nlohmann::ordered_json(sum) : nlohmann::ordered_json();
        if (!reason.empty()) {
            totals.reasons[name] = reason;
        }
    }
    for (const UnavailableCounter& missing : plan.unavailable) {
        totals.counters[missing.spec.name] = nullptr;
        totals.reasons[missing.spec.name] = missing.reason;
    }
    return totals;
}

nlohmann::ordered_json counters_list(const CounterPlan& plan) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const CounterSpec& spec : plan.counted) {
        list.push_back(entry_of(spec, nullptr));
    }
    for (const UnavailableCounter& missing : plan.unavailable) {
        list.push_back(entry_of(missing.spec, &missing.reason));
    }
    return list;
}

nlohmann::ordered_json to_json(const CounterPlan& plan) {
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
    };
    nlohmann::ordered_json json;
    json["level"] = plan.level;
    json["level_text"] = level_text(plan.level);
    json["pmu"] = text_or_null(plan.pmu);
    json["domain"] = text_or_null(plan.domain);
    json["counters"] = counters_list(plan);
    return json;
}

std::string counters_text(const CounterPlan& plan) {
    std::string text = fmt::format("counters: level {} of 7, {}\n", plan.level, level_text(plan.level));
    if (!plan.pmu.empty()) {
        text += fmt::format("  event table {}{}\n", plan.pmu, plan.domain.empty() ? "" : ", counts in " + plan.domain);
    }
    for (const CounterSpec& spec : plan.counted) {
        text += fmt::format("  {:<22} {} ({}; {})\n", spec.name, spec.what_it_counts, spec.unit, spec.event);
    }
    // One block a reason: on most hosts one cause takes away many counters.
    std::vector<std::string> order;
    std::map<std::string, std::vector<std::string>> by_reason;
    for (const UnavailableCounter& missing : plan.unavailable) {
        if (by_reason[missing.reason].empty()) {
            order.push_back(missing.reason);
        }
        by_reason[missing.reason].push_back(missing.spec.name);
    }
    for (const std::string& reason : order) {
        text += fmt::format("  not counted: {}\n", reason) + wrapped_list(by_reason[reason], 4, 100);
    }
    return text;
}

}  // namespace lockbench
