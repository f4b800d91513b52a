// SPDX-License-Identifier: MIT
#include "bench/locksim_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/record.hpp"
#include "bench/refusals.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

json moves_to_json(const sim::Traffic& traffic) {
    json out = json::object();
    for (std::size_t access = 0; access < sim::kAccessCount; ++access) {
        for (std::size_t found = 0; found < sim::kFoundCount; ++found) {
            for (std::size_t hop = 0; hop < sim::kHopCount; ++hop) {
                const std::uint64_t count = traffic.moves[access][found][hop];
                if (count != 0) {
                    out[std::string(sim::kAccessNames[access])][std::string(sim::kFoundNames[found])]
                       [std::string(sim::kHopNames[hop])] = count;
                }
            }
        }
    }
    return out;
}

// From the layer's folder on: where the sources lay when they were compiled is nobody's concern.
std::string site_text(const Site& site) {
    if (site.file == nullptr) {
        return "";
    }
    std::string file = site.file;
    std::size_t begin = 0;
    for (const char* layer : {"platform/", "locks/", "workloads/", "bench/", "tests/"}) {
        const std::size_t at = file.rfind(layer);
        begin = at == std::string::npos ? begin : std::max(begin, at);
    }
    return fmt::format("{}:{}", file.substr(begin), site.line);
}

// Types of the rmap model carry all of its locks in their names.
std::string short_name(const std::string& name) { return name.substr(0, name.find("<RmapEnv")); }

std::uint64_t acquisitions_of(const WindowResult& result) {
    std::uint64_t sum = 0;
    for (const ThreadResult& thread : result.threads) {
        sum += thread.stats.acquisitions(Mode::read) + thread.stats.acquisitions(Mode::write);
    }
    return sum;
}

WindowLabel label_of(const SimPlan& plan, std::size_t window) {
    const SimCell& cell = plan.cell_of(window);
    WindowLabel label;
    label.lock = cell.lock->info;
    label.workload = cell.workload->info;
    label.placement = plan.placement;
    label.lock_home = plan.lock_home;
    label.repetition = static_cast<std::uint32_t>(window % plan.seeds);
    label.block = label.repetition;
    label.order = window;
    label.run_seed = plan.seed;
    label.oversubscribed = cell.place.oversubscribed;
    label.illegal = is_illegal(*label.workload, label.lock, cell.params);
    label.allow_convoy = cell.place.oversubscribed && cell.lock->info.convoys;
    return label;
}

}  // namespace

json sim_window_to_json(const SimPlan& plan, const SimMachine& machine, std::size_t window,
                        const WindowRequest& request, const SimWindow& result) {
    json out = window_to_json(label_of(plan, window), request, result.result, CounterPlan{});
    // Nothing here may differ between two runs, two builds or two hosts.
    out["platform"] = "sim";
    out["machine"] = machine.numbers.name;
    out["build"] = "locksim " LOCKBENCH_VERSION;
    out["process"] = 0;
    out["started_at"] = nullptr;
    const SimFindings& findings = result.findings;
    const bool holds = findings.longest_timer_ns * kTimersInWindow <= plan.window_ns;
    out["sim"] = {{"transfers", moves_to_json(findings.traffic)},
                  {"invalidated", findings.traffic.invalidated},
                  {"waited_for_lines_ns", findings.traffic.waited / sim::kPerNs},
                  {"accesses", findings.accesses},
                  {"events", findings.events},
                  {"fingerprint", fmt::format("{:016x}", findings.fingerprint)},
                  {"longest_timer_ns", findings.longest_timer_ns},
                  {"short_for_timer", !holds}};
    if (!findings.report.empty()) {
        out["checks"]["passed"] = false;
        out["checks"]["failed"].push_back(findings.report);
    }
    return out;
}

json line_map_to_json(const SimPlan& plan, std::size_t window, const SimWindow& result) {
    const SimCell& cell = plan.cell_of(window);
    json places = json::array();
    for (const sim::Place& place : result.findings.map.places()) {
        const sim::Traffic& traffic = place.traffic;
        if (traffic.total() == 0) {
            continue;
        }
        json hops = json::object();
        std::uint64_t memory = 0;
        for (std::size_t hop = 0; hop < sim::kHopCount; ++hop) {
            std::uint64_t count = 0;
            for (std::size_t access = 0; access < sim::kAccessCount; ++access) {
                for (std::size_t found = 1; found < sim::kFoundCount; ++found) {
                    count += traffic.moves[access][found][hop];
                }
                memory += traffic.moves[access][static_cast<std::size_t>(sim::Found::memory)][hop];
            }
            hops[std::string(sim::kHopNames[hop])] = count;
        }
        places.push_back({{"object", result.findings.map.kinds()[place.kind].name},
                          {"offset", place.offset},
                          {"first_by", site_text(place.site)},
                          {"transfers", traffic.total()},
                          {"distance", hops},
                          {"from_memory", memory},
                          {"moves", moves_to_json(traffic)},
                          {"invalidated", traffic.invalidated},
                          {"waited_ns", traffic.waited / sim::kPerNs}});
    }
    std::stable_sort(places.begin(), places.end(),
                     [](const json& a, const json& b) { return a["transfers"] > b["transfers"]; });
    return {{"lock", cell.lock->info.name},
            {"workload", cell.workload->info->name},
            {"threads", cell.threads},
            {"order", window},
            {"acquisitions", acquisitions_of(result.result)},
            {"places", places}};
}

std::string line_map_text(const json& map) {
    constexpr std::size_t kRows = 20;
    const double per = std::max(1.0, map.at("acquisitions").get<double>());
    std::string text = fmt::format("line map: {} {} {} threads, {} acquisitions; transfers for each of these\n",
                                   map.at("workload").get<std::string>(), map.at("lock").get<std::string>(),
                                   map.at("threads").get<int>(), map.at("acquisitions").get<std::uint64_t>());
    text += fmt::format("  {:<34} {:>6}  {:<34} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}\n", "object", "offset",
                        "first missed at", "all", "llc", "package", "1 hop", "2 hops", "memory", "copies", "ns waited");
    std::size_t row = 0;
    for (const json& place : map.at("places")) {
        if (++row > kRows) {
            text += fmt::format("  and {} places more\n", map.at("places").size() - kRows);
            break;
        }
        const json& hops = place.at("distance");
        const auto each = [&](const json& count) { return count.get<double>() / per; };
        text += fmt::format(
            "  {:<34.34} {:>6}  {:<34.34} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>9.3f} "
            "{:>9.1f}\n",
            short_name(place.at("object").get<std::string>()), place.at("offset").get<int>(),
            place.at("first_by").get<std::string>(), each(place.at("transfers")), each(hops.at("same_llc")),
            each(hops.at("same_package")), each(hops.at("one_hop")), each(hops.at("two_hops")),
            each(place.at("from_memory")), each(place.at("invalidated")), each(place.at("waited_ns")));
    }
    return text;
}

}  // namespace lockbench
