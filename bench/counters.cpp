// SPDX-License-Identifier: MIT
#include "bench/counters.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <map>

#include "bench/counters_event_table.hpp"
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

nlohmann::ordered_json entry_of(const CounterSpec& spec, const std::string* reason) {
    nlohmann::ordered_json entry;
    entry["name"] = spec.name;
    entry["event"] = spec.event;
    const bool has_code = spec.source == CounterSource::papi || spec.source == CounterSource::kernel;
    entry["by"] = source_name(spec.source);
    entry["code"] = has_code ? nlohmann::ordered_json(perf_syntax(spec.code)) : nlohmann::ordered_json();
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

ThreadUsage thread_usage_now() {
    rusage usage{};
    check(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage(RUSAGE_THREAD) cannot fail");
    return {usage.ru_nvcsw, usage.ru_nivcsw, usage.ru_minflt};
}

ThreadUsage operator-(const ThreadUsage& after, const ThreadUsage& before) {
    return {after.voluntary_switches - before.voluntary_switches,
            after.involuntary_switches - before.involuntary_switches, after.minor_faults - before.minor_faults};
}

CounterTotals total_counters(const CounterPlan& plan, const std::vector<CounterReading>& threads) {
    CounterTotals totals{nlohmann::ordered_json::object(), nlohmann::ordered_json::object(),
                         nlohmann::ordered_json::object()};
    for (std::size_t i = 0; i < plan.counted.size(); ++i) {
        const std::string& name = plan.counted[i].name;
        std::int64_t sum = 0;
        std::string reason = threads.empty() ? "no thread was counted" : "";
        double share = 1;
        for (const CounterReading& thread : threads) {
            const std::optional<std::int64_t> value = i < thread.values.size() ? thread.values[i] : std::nullopt;
            sum += value.value_or(0);
            share = std::min(share, i < thread.shares.size() ? thread.shares[i] : 1);
            if (!value && reason.empty()) {
                reason = i < thread.reasons.size() && !thread.reasons[i].empty() ? thread.reasons[i] : "not counted";
            }
        }
        totals.counters[name] = reason.empty() ? nlohmann::ordered_json(sum) : nlohmann::ordered_json();
        if (!reason.empty()) {
            totals.reasons[name] = reason;
        } else if (share < 1) {
            totals.shares[name] = share;
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
    json["note"] = text_or_null(plan.note);
    json["multiplexed"] = plan.multiplexed;
    json["counters"] = counters_list(plan);
    return json;
}

std::string counters_text(const CounterPlan& plan) {
    std::string text = fmt::format("counters: level {} of 7, {}\n", plan.level, level_text(plan.level));
    if (!plan.pmu.empty()) {
        text += fmt::format("  event table {}{}\n", plan.pmu, plan.domain.empty() ? "" : ", counts in " + plan.domain);
    }
    if (!plan.note.empty()) {
        text += fmt::format("  {}\n", plan.note);
    }
    if (plan.multiplexed) {
        text += "  hardware events take turns: their values are scaled from the part of the window they counted\n";
    }
    for (const CounterSpec& spec : plan.counted) {
        text += fmt::format("  {:<22} {} ({}; level {}; {} {})\n", spec.name, spec.what_it_counts, spec.unit,
                            spec.level, source_name(spec.source), spec.event);
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
