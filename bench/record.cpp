// SPDX-License-Identifier: MIT
#include "bench/record.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>

#include "bench/memory.hpp"
#include "bench/verified_place.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

constexpr double kOverlapLimit = 0.95;
constexpr std::uint64_t kFewSamples = 20;  // below this not even a median is given

json pages_to_json(const NodePages& pages) {
    json out = json::object();
    for (const auto& [node, count] : pages) {
        out[std::to_string(node)] = count;
    }
    return out;
}

json wish_to_json(NodeId asked) {
    return asked == kAnyNode ? json(nullptr) : asked == kInterleaveNodes ? json("interleave") : json(asked);
}

json home_to_json(NodeId asked, const NodePages& got) {
    return {{"asked", wish_to_json(asked)}, {"got", pages_to_json(got)}};
}

// Each thread's block is asked for and found on its own: a sum would hide two threads that have each other's.
json qnodes_to_json(const std::vector<NodeId>& asked, const std::vector<NodePages>& got) {
    json wishes = json::array();
    std::transform(asked.begin(), asked.end(), std::back_inserter(wishes), wish_to_json);
    const bool alike = std::adjacent_find(asked.begin(), asked.end(), std::not_equal_to<>()) == asked.end();
    NodePages sum;
    json by_thread = json::array();
    for (const NodePages& pages : got) {
        by_thread.push_back(pages_to_json(pages));
        for (const auto& [node, count] : pages) {
            sum[node] += count;
        }
    }
    const json wish = !alike ? wishes : asked.empty() ? json(nullptr) : wishes.front();
    return {{"asked", wish}, {"got", pages_to_json(sum)}, {"by_thread", by_thread}};
}

double seconds_between(std::uint64_t begin_ns, std::uint64_t end_ns) {
    return static_cast<double>(end_ns - begin_ns) * 1e-9;
}

double thread_seconds(const ThreadResult& thread) {
    return std::max(seconds_between(thread.start_ns, thread.end_ns), 1e-9);
}

// Longest stretch in which any thread ran: the window's length.
double window_seconds(const std::vector<ThreadResult>& threads) {
    std::uint64_t begin = UINT64_MAX;
    std::uint64_t end = 0;
    for (const ThreadResult& thread : threads) {
        begin = std::min(begin, thread.start_ns);
        end = std::max(end, thread.end_ns);
    }
    return end > begin ? seconds_between(begin, end) : 0;
}

std::uint64_t start_skew_ns(const std::vector<ThreadResult>& threads) {
    const auto [first, last] = std::minmax_element(
        threads.begin(), threads.end(), [](const auto& a, const auto& b) { return a.start_ns < b.start_ns; });
    return last->start_ns - first->start_ns;
}

void add_operations(json& out, const WorkloadInfo& info, const std::vector<ThreadResult>& threads) {
    json ops = json::object();
    json rates = json::object();
    for (std::size_t op = 0; op < info.ops.size(); ++op) {
        std::uint64_t count = 0;
        double rate = 0;
        for (const ThreadResult& thread : threads) {
            count += thread.stats.ops[op];
            // Each thread by its own time: a late starter must not be charged for time in which it did not run.
            rate += static_cast<double>(thread.stats.ops[op]) / thread_seconds(thread);
        }
        ops[std::string(info.ops[op].name)] = count;
        rates[std::string(info.ops[op].name)] = rate;
    }
    out["ops"] = ops;
    out["ops_per_s"] = rates;
}

void add_sites(json& out, const WorkloadInfo& info, const std::vector<ThreadResult>& threads) {
    json sites = json::object();
    std::uint64_t failed = 0;
    for (std::size_t site = 0; site < info.sites.size(); ++site) {
        std::uint64_t count = 0;
        for (const ThreadResult& thread : threads) {
            count += thread.stats.sites[site][0] + thread.stats.sites[site][1];
            failed += thread.stats.try_failed[site];
        }
        sites[std::string(info.sites[site])] = count;
    }
    out["sites"] = sites;
    out["acquisitions"]["try_failed"] = failed;
}

void add_modes(json& out, const WindowRequest& request, const std::vector<ThreadResult>& threads) {
    constexpr std::array<const char*, kModeCount> kModes = {"read", "write"};
    for (std::size_t mode = 0; mode < kModeCount; ++mode) {
        Histogram hist;
        std::uint64_t max_ns = 0;
        std::uint64_t starved_ns = 0;
        std::uint64_t acquired = 0;
        std::vector<double> rates;
        for (const ThreadResult& thread : threads) {
            const std::uint64_t count = thread.stats.acquisitions(static_cast<Mode>(mode));
            acquired += count;
            hist.merge(thread.stats.modes[mode].wait_ns);
            max_ns = std::max(max_ns, thread.stats.modes[mode].wait_ns_max);
            starved_ns = std::max(starved_ns, thread.starvation_ns[mode]);
            if (thread.uses_mode[mode]) {
                rates.push_back(static_cast<double>(count) / thread_seconds(thread));
            }
        }
        const bool used = !rates.empty();
        const bool timed = request.sample_every != 0;
        out["acquisitions"][kModes[mode]] = acquired;
        out["wait_ns"][kModes[mode]] =
            used && timed ? waits_to_json(hist, max_ns, request.sample_every) : json(nullptr);
        out["longest_starvation_ns"][kModes[mode]] = used && timed ? json(starved_ns) : json(nullptr);
        out["jain"][kModes[mode]] = rates.size() > 1 ? jain_index(rates) : json(nullptr);
    }
}

// Fairness across NUMA nodes: acquisitions by the nodes on which threads ran, wherever their queue nodes lie; null on
// one node or where a thread ran elsewhere.
json jain_of_nodes(const std::vector<ThreadResult>& threads) {
    std::map<NodeId, std::pair<double, double>> nodes;  // rate and threads of each
    for (const ThreadResult& thread : threads) {
        auto& [rate, count] = nodes[thread.node];
        rate += static_cast<double>(thread.stats.acquisitions(Mode::read) + thread.stats.acquisitions(Mode::write)) /
                thread_seconds(thread);
        count += 1;
    }
    if (nodes.size() < 2 || !all_placed(threads)) {
        return nullptr;
    }
    std::vector<double> shares;
    shares.reserve(nodes.size());
    for (const auto& [node, entry] : nodes) {
        shares.push_back(entry.first / entry.second);
    }
    return jain_index(shares);
}

void add_counters(json& out, const std::vector<ThreadResult>& threads, const CounterPlan& plan) {
    std::vector<CounterReading> readings;
    readings.reserve(threads.size());
    for (const ThreadResult& thread : threads) {
        readings.push_back(thread.counters);
    }
    const CounterTotals totals = total_counters(plan, readings);
    out["counters"] = totals.counters;
    out["counters_reason"] = totals.reasons;
    out["counters_share"] = totals.shares;
}

void add_counts(json& out, const std::vector<ThreadResult>& threads) {
    json handoff = json::object();
    for (std::size_t i = 0; i < kDistanceCount; ++i) {
        std::uint64_t count = 0;
        for (const ThreadResult& thread : threads) {
            count += thread.stats.handoff[i];
        }
        handoff[std::string(kDistanceNames[i])] = count;
    }
    if (!all_placed(threads)) {
        // Distances are of the CPUs that threads were bound to. Only "the same thread" holds wherever it ran.
        std::uint64_t others = 0;
        for (std::size_t i = 0; i < kDistanceCount; ++i) {
            json& count = handoff[std::string(kDistanceNames[i])];
            if (static_cast<Distance>(i) != Distance::self) {
                others += count.get<std::uint64_t>();
                count = 0;
            }
        }
        handoff[std::string(kDistanceNames[static_cast<std::size_t>(Distance::unknown)])] = others;
    }
    json events = json::object();
    for (std::size_t i = 0; i < kEventCount; ++i) {
        std::uint64_t count = 0;
        for (const ThreadResult& thread : threads) {
            count += thread.events[i];
        }
        events[std::string(kEventNames[i])] = count;
    }
    json usage = {{"voluntary_switches", 0}, {"involuntary_switches", 0}, {"minor_faults", 0}};
    for (const ThreadResult& thread : threads) {
        usage["voluntary_switches"] = usage["voluntary_switches"].get<std::int64_t>() + thread.usage.voluntary_switches;
        usage["involuntary_switches"] =
            usage["involuntary_switches"].get<std::int64_t>() + thread.usage.involuntary_switches;
        usage["minor_faults"] = usage["minor_faults"].get<std::int64_t>() + thread.usage.minor_faults;
    }
    out["handoff"] = handoff;
    out["events"] = events;
    out["usage"] = usage;
}

std::vector<std::string> flags_of(const WindowLabel& label, const WindowRequest& request, const WindowResult& result,
                                  double overlap, const json& window) {
    std::vector<std::string> flags;
    const auto flag = [&](bool condition, const char* name) {
        if (condition) {
            flags.emplace_back(name);
        }
    };
    const auto few = [&](const char* mode) {
        const json& waits = window["wait_ns"][mode];
        return waits.is_object() && waits["p50"].is_null();
    };
    flag(label.oversubscribed, "oversubscribed");
    flag(label.oversubscribed && label.allow_convoy && label.lock.convoys, "convoy_allowed");
    flag(label.illegal, "illegal_allowed");
    flag(overlap < kOverlapLimit, "overlap_low");
    flag(std::any_of(result.threads.begin(), result.threads.end(),
                     [](const ThreadResult& thread) { return thread.usage.involuntary_switches > 0; }),
         "involuntary_switch");
    flag(few("read") || few("write"), "few_samples");
    flag(!all_placed(result.threads), "placement_unverified");
    flag(!home_verified(request.homes.lock, result.lock_pages) ||
             !home_verified(request.homes.data, result.data_pages) ||
             !qnodes_verified(request.qnode_nodes, result.qnode_pages) || !result.home_problems.empty(),
         "home_unverified");
    flag(!result.verdict.passed() || result.stuck, "check_failed");
    flag(result.stuck, "killed");
    flag(label.untimed, "untimed");
    flag(label.lock.control, "broken");
    return flags;
}

}  // namespace

double overlap_of(const std::vector<ThreadResult>& threads) {
    std::uint64_t last_start = 0;
    std::uint64_t first_end = UINT64_MAX;
    for (const ThreadResult& thread : threads) {
        last_start = std::max(last_start, thread.start_ns);
        first_end = std::min(first_end, thread.end_ns);
    }
    const double window = window_seconds(threads);
    return first_end > last_start && window > 0 ? seconds_between(last_start, first_end) / window : 0;
}

json jain_index(const std::vector<double>& shares) {
    double sum = 0;
    double squares = 0;
    for (const double share : shares) {
        sum += share;
        squares += share * share;
    }
    return squares > 0 ? json(sum * sum / (static_cast<double>(shares.size()) * squares)) : json(nullptr);
}

json waits_to_json(const Histogram& hist, std::uint64_t max_ns, std::uint32_t sampled_every) {
    const std::uint64_t total = hist.total();
    constexpr std::array<std::pair<const char*, double>, 4> kPercentiles = {
        {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}};
    json out;
    for (const auto& [name, p] : kPercentiles) {
        // Rounded, as 10/(1-0.9) is a hair above 100 in binary.
        const auto needed = static_cast<std::uint64_t>(std::llround(10.0 / (1.0 - p)));
        out[name] = nullptr;
        if (total < needed || total < kFewSamples) {
            continue;
        }
        const auto rank = static_cast<std::uint64_t>(std::ceil(p * static_cast<double>(total)));
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
            seen += hist.count(bucket);
            if (seen >= rank) {
                out[name] = Histogram::lower_bound(bucket);
                break;
            }
        }
    }
    out["max"] = total == 0 ? json(nullptr) : json(max_ns);
    json buckets = json::array();
    for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
        if (hist.count(bucket) != 0) {
            buckets.push_back({Histogram::lower_bound(bucket), hist.count(bucket)});
        }
    }
    out["hist"] = buckets;
    out["sampled_every"] = sampled_every;
    return out;
}

json params_to_json(const WorkloadInfo& info, const ParamValues& values) {
    json out = json::object();
    for (std::size_t i = 0; i < info.params.size(); ++i) {
        const ParamInfo& param = info.params[i];
        const bool named = !param.names.empty();
        out[std::string(param.key)] =
            named ? json(std::string(param.names[static_cast<std::size_t>(values[i])])) : json(values[i]);
    }
    return out;
}

json window_to_json(const WindowLabel& label, const WindowRequest& request, const WindowResult& result,
                    const CounterPlan& counters) {
    const double overlap = overlap_of(result.threads);
    json cpus = json::array();
    json found = json::array();
    for (const ThreadResult& thread : result.threads) {
        const bool bound = thread.cpu_asked != kNoCpu && thread.unplaced.empty();
        cpus.push_back(bound ? json(thread.cpu_asked) : json(nullptr));
        found.push_back({thread.cpu_at_start, thread.cpu_at_end});
    }
    json out = {{"platform", "native"},
                {"machine", "this"},
                {"lock", label.lock.name},
                {"build", build_name()},
                {"workload", label.workload->name},
                {"params", params_to_json(*label.workload, request.params)},
                {"placement", label.placement},
                {"lock_home", label.lock_home},
                {"threads", request.threads()},
                {"cpus", cpus},
                {"cpus_found", found},
                {"placement_reason", placement_reasons(result.threads)},
                {"repetition", label.repetition},
                {"process", getpid()},
                {"block", label.block},
                {"order", label.order},
                {"seed", label.run_seed},
                {"aa", label.aa.empty() ? json(nullptr) : json(label.aa)},
                {"started_at", result.started_at},
                {"window_s", window_seconds(result.threads)},
                {"overlap", overlap},
                {"start_skew_ns", start_skew_ns(result.threads)},
                {"uncontended", nullptr}};
    out["homes"] = {{"lock", home_to_json(request.homes.lock, result.lock_pages)},
                    {"qnodes", qnodes_to_json(request.qnode_nodes, result.qnode_pages)},
                    {"data", home_to_json(request.homes.data, result.data_pages)},
                    {"reason", result.home_problems}};
    add_operations(out, *label.workload, result.threads);
    add_modes(out, request, result.threads);
    add_sites(out, *label.workload, result.threads);
    out["jain"]["nodes"] = jain_of_nodes(result.threads);
    add_counters(out, result.threads, counters);
    add_counts(out, result.threads);
    out["checks"] = {{"passed", result.verdict.passed() && !result.stuck}, {"failed", result.verdict.failures}};
    if (result.stuck) {
        out["checks"]["failed"].push_back(
            "a thread did not come back within the limit: deadlock, lost wake-up or starvation");
    }
    out["flags"] = flags_of(label, request, result, overlap, out);
    return out;
}

}  // namespace lockbench
