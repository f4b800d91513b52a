// SPDX-License-Identifier: MIT
#include "bench/machine_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/cpu_list.hpp"
#include "bench/placement.hpp"

namespace lockbench {
namespace {

constexpr std::size_t kMostColumns = 100;
constexpr std::size_t kMostRows = 16;          // of packages and nodes
constexpr std::size_t kMostDistanceNodes = 8;  // a larger matrix does not fit beside the rest
constexpr std::size_t kMostThreads = 16;       // drawn for a placement
constexpr std::uint64_t kMiBShown = 10'240;    // from here on GiB
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

std::string count_of(std::size_t count, const std::string& what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string memory_text(const NumaNode* node) {
    if (node == nullptr || node->memory_bytes == 0) {
        return "no memory told";
    }
    const std::uint64_t mib = node->memory_bytes / kMiB;
    return mib < kMiBShown ? fmt::format("{} MiB", mib) : fmt::format("{} GiB", (mib + 512) / 1024);
}

std::vector<CpuId> sorted(std::vector<CpuId> cpus) {
    std::sort(cpus.begin(), cpus.end());
    return cpus;
}

// One row: a package and a node, with the CPUs of each last-level cache in it.
struct Row {
    int package;
    NodeId node;
    std::vector<std::pair<int, std::vector<CpuId>>> llcs;
};

std::vector<Row> rows_of(const Topology& topology) {
    std::vector<Row> rows;
    for (const Cpu& cpu : topology.cpus) {
        auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const Row& one) { return one.package == cpu.package && one.node == cpu.node; });
        if (row == rows.end()) {
            row = rows.insert(rows.end(), Row{cpu.package, cpu.node, {}});
        }
        auto llc =
            std::find_if(row->llcs.begin(), row->llcs.end(), [&](const auto& one) { return one.first == cpu.llc; });
        if (llc == row->llcs.end()) {
            llc = row->llcs.insert(row->llcs.end(), {cpu.llc, {}});
        }
        llc->second.push_back(cpu.os_index);
    }
    return rows;
}

std::string draw_row(const Topology& topology, const Row& row) {
    std::string text = fmt::format("  package {:<3} node {:<3} {:<10}", row.package, row.node,
                                   memory_text(topology.find_node(row.node)));
    for (std::size_t i = 0; i < row.llcs.size(); ++i) {
        const std::string cell = fmt::format("{}LLC {}: {}", i == 0 ? " " : ";  ", row.llcs[i].first,
                                             format_numbers(sorted(row.llcs[i].second)));
        if (i > 0 && text.size() + cell.size() > kMostColumns) {
            return text + fmt::format("; ... {} more", row.llcs.size() - i);
        }
        text += cell;
    }
    return text;
}

std::string draw_rows(const Topology& topology) {
    const std::vector<Row> rows = rows_of(topology);
    std::string text;
    for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) {
        text += draw_row(topology, rows[i]) + '\n';
    }
    if (rows.size() > kMostRows) {
        text += fmt::format("  ... {} more\n", rows.size() - kMostRows);
    }
    for (const NumaNode& node : topology.nodes) {
        if (node.cpus.empty()) {
            text += fmt::format("  no CPUs     node {:<3} {}\n", node.os_index, memory_text(&node));
        }
    }
    return text;
}

std::string draw_distances(const Topology& topology) {
    if (topology.node_distances.empty()) {
        return topology.nodes.size() > 1 ? "node distances: not told by this machine\n" : "";
    }
    if (topology.nodes.size() > kMostDistanceNodes) {
        std::uint64_t least = UINT64_MAX;
        std::uint64_t most = 0;
        for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
            for (std::size_t j = 0; j < topology.nodes.size(); ++j) {
                const std::uint64_t value = topology.node_distances[i][j];
                if (i != j && value != 0) {
                    least = std::min(least, value);
                    most = std::max(most, value);
                }
            }
        }
        return fmt::format("node distances (10: local): {} to {}\n", least, most);
    }
    std::string text = "node distances (10: local)\n       ";
    for (const NumaNode& node : topology.nodes) {
        text += fmt::format(" {:>4}", node.os_index);
    }
    for (std::size_t i = 0; i < topology.nodes.size(); ++i) {
        text += fmt::format("\n  {:>4}:", topology.nodes[i].os_index);
        for (const std::uint64_t value : topology.node_distances[i]) {
            text += value == 0 ? "    -" : fmt::format(" {:>4}", value);
        }
    }
    return text + '\n';
}

// What is said of a placement instead of a list of CPUs; empty if there is a list to show.
struct Standing {
    std::string lacks;
    std::string same;
};

// Compared over the thread counts of a whole sweep and against the placements before it, so that a group of equals
// names its first.
Standing standing_of(const Topology& topology, Placement placement) {
    std::vector<std::size_t> counts;
    for (const ThreadCount& count : auto_threads(topology)) {
        counts.push_back(count.threads);
    }
    Standing standing;
    if (auto missing = lacks(topology, placement)) {
        standing.lacks = *missing;
        return standing;
    }
    std::vector<Placement> before = all_placements();
    before.erase(std::find(before.begin(), before.end(), placement), before.end());
    if (const auto other = same_as(topology, placement, before, counts)) {
        standing.same = to_string(*other);
    }
    return standing;
}

std::string draw_placement(const Topology& topology, Placement placement) {
    const std::string head = fmt::format("  {:<15}", to_string(placement));
    const Standing standing = standing_of(topology, placement);
    if (!standing.lacks.empty()) {
        // The sentence starts with the name, which the row already shows.
        return head + standing.lacks.substr(to_string(placement).size() + 1) + '\n';
    }
    if (!standing.same.empty()) {
        return head + "as " + standing.same + '\n';
    }
    if (placement == Placement::unpinned) {
        return head + "any usable CPU\n";
    }
    const std::size_t threads = std::min(topology.usable().size(), kMostThreads);
    const Plan planned = plan(topology, placement, threads);
    std::string text = head;
    for (std::size_t i = 0; i < threads; ++i) {
        const bool first_reader = placement == Placement::readers_remote && i == (threads + 1) / 2;
        text += first_reader ? "| " : "";
        text += fmt::format("{} ", planned.cpus[i]);
    }
    text.pop_back();
    return text + (topology.usable().size() > threads ? " ..." : "") + '\n';
}

}  // namespace

std::string draw(const Topology& topology) {
    std::vector<CpuId> usable;
    std::vector<CpuId> hidden;
    for (const Cpu& cpu : topology.cpus) {
        (cpu.allowed ? usable : hidden).push_back(cpu.os_index);
    }
    std::string text = fmt::format("topology of {}: {}, {}, {}, {}, {}\n", topology.source,
                                   count_of(topology.count_packages(), "package"),
                                   count_of(topology.nodes.size(), "node"), count_of(topology.count_llcs(), "LLC"),
                                   count_of(topology.count_cores(), "core"), count_of(topology.cpus.size(), "CPU"));
    text += draw_rows(topology);
    text += draw_distances(topology);
    if (!hidden.empty()) {
        text += fmt::format("usable CPUs: {} (hidden: {})\n", format_numbers(sorted(usable)),
                            format_numbers(sorted(hidden)));
    }
    for (const std::string& note : topology.notes) {
        text += "note: " + note + '\n';
    }
    text += "placements (CPU of thread 0, 1, 2, ..; readers_remote: writers | readers)\n";
    for (const Placement placement : all_placements()) {
        text += draw_placement(topology, placement);
    }
    return text;
}

nlohmann::json to_json(const Topology& topology) {
    using nlohmann::json;
    json cpus = json::array();
    for (const Cpu& cpu : topology.cpus) {
        cpus.push_back({{"cpu", cpu.os_index},
                        {"package", cpu.package},
                        {"node", cpu.node},
                        {"llc", cpu.llc},
                        {"core", cpu.core},
                        {"smt_rank", cpu.smt_rank},
                        {"allowed", cpu.allowed}});
    }
    json nodes = json::array();
    for (const NumaNode& node : topology.nodes) {
        nodes.push_back({{"node", node.os_index},
                         {"memory_bytes", node.memory_bytes},
                         {"allowed", node.allowed},
                         {"cpus", node.cpus}});
    }
    json placements = json::object();
    for (const Placement placement : all_placements()) {
        const Standing standing = standing_of(topology, placement);
        json entry = {{"lacks", standing.lacks.empty() ? json() : json(standing.lacks)},
                      {"same_as", standing.same.empty() ? json() : json(standing.same)}};
        entry["cpus"] = standing.lacks.empty() && placement != Placement::unpinned
                            ? json(plan(topology, placement, topology.usable().size()).cpus)
                            : json();
        placements[std::string(to_string(placement))] = entry;
    }
    return {{"source", topology.source},
            {"is_this_system", topology.is_this_system},
            {"packages", topology.count_packages()},
            {"llcs", topology.count_llcs()},
            {"cores", topology.count_cores()},
            {"cpus", cpus},
            {"nodes", nodes},
            {"node_distances", topology.node_distances.empty() ? json() : json(topology.node_distances)},
            {"notes", topology.notes},
            {"placements", placements}};
}

}  // namespace lockbench
