// SPDX-License-Identifier: MIT
#include "bench/machine_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "bench/machine_boxes.hpp"
#include "bench/machine_tree.hpp"
#include "bench/placement.hpp"

namespace lockbench {
namespace {

constexpr std::size_t kColumns = 100;
constexpr std::size_t kMostBoxRows = 18;       // more detail is in --json
constexpr std::size_t kLeastBoxRows = 8;       // however much else there is to say
constexpr std::size_t kMostNotes = 5;          // a machine with odd CPUs has a note for each
constexpr std::size_t kMostNoteRows = 3;       // of one note
constexpr std::size_t kMostDistanceNodes = 8;  // a larger matrix does not fit beside the rest
constexpr std::size_t kMostThreads = 16;       // drawn for a placement
constexpr std::size_t kMostSource = 50;        // columns of a file's name or description
const std::string kIndent = "  ";

std::string count_of(std::size_t count, const std::string& what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Lines below one another, each behind `indent`.
std::string block(const Lines& lines, const std::string& indent) {
    std::string text;
    for (const std::string& line : lines) {
        text += indent + line + '\n';
    }
    return text;
}

// A sentence in at most `rows` lines, those after the first indented.
std::string sentence(const std::string& text, std::size_t rows) {
    constexpr std::size_t kSpare = 10;
    const std::string more = "...";
    std::string line;
    Lines lines;
    std::istringstream stream(text);
    for (std::string word; stream >> word;) {
        for (const std::string& piece : flow({word}, kColumns - kSpare, "")) {
            if (!line.empty() && line.size() + 1 + piece.size() > kColumns - (lines.empty() ? 0 : kIndent.size())) {
                lines.push_back(line);
                line.clear();
            }
            line += (line.empty() ? "" : " ") + piece;
        }
    }
    lines.push_back(line);
    if (lines.size() > rows) {
        lines.resize(rows);
        lines.back().resize(std::min(lines.back().size(), kColumns - kSpare));
        lines.back() += more;
    }
    std::string out = lines.front() + '\n';
    return out + block({lines.begin() + 1, lines.end()}, kIndent);
}

std::string draw_bare_nodes(const Topology& topology) {
    std::vector<std::string> bare;
    for (const NumaNode& node : topology.nodes) {
        if (node.cpus.empty()) {
            bare.push_back(fmt::format("node {} ({})", node.os_index, memory_text(topology, node)));
        }
    }
    return bare.empty() ? "" : sentence(fmt::format("without CPUs: {}", fmt::join(bare, ", ")), kMostNoteRows);
}

// The one figure of all pairs that `chosen` picks, if there is one.
template <typename Chosen>
std::optional<std::uint64_t> only_figure(const Topology& topology, Chosen chosen) {
    std::set<std::uint64_t> figures;
    for (const NumaNode& from : topology.nodes) {
        for (const NumaNode& to : topology.nodes) {
            if (&from != &to && chosen(from, to)) {
                figures.insert(topology.node_distance(from.os_index, to.os_index).value_or(0));
            }
        }
    }
    return figures.size() == 1 && *figures.begin() != 0 ? std::optional(*figures.begin()) : std::nullopt;
}

// Where two figures say all, they say it better than a matrix.
std::string distances_by_package(const Topology& topology) {
    const auto one_package = [&](const NumaNode& a, const NumaNode& b) {
        const Cpu* first = a.cpus.empty() ? nullptr : topology.find(a.cpus.front());
        const Cpu* second = b.cpus.empty() ? nullptr : topology.find(b.cpus.front());
        return first != nullptr && second != nullptr && first->package == second->package;
    };
    if (const auto all = only_figure(topology, [](const NumaNode&, const NumaNode&) { return true; })) {
        return fmt::format("node distances (10: local): {} between any two\n", *all);
    }
    const bool bare = std::any_of(topology.nodes.begin(), topology.nodes.end(),
                                  [](const NumaNode& node) { return node.cpus.empty(); });
    const auto near = only_figure(topology, one_package);
    const auto far = only_figure(topology, [&](const NumaNode& a, const NumaNode& b) { return !one_package(a, b); });
    if (bare || !near || !far) {
        return "";
    }
    return fmt::format("node distances (10: local): {} in a package, {} to another\n", *near, *far);
}

// "16 to 1; 50 to 2-7": what one row of a matrix says.
std::string distances_from(const Topology& topology, const NumaNode& from) {
    std::map<std::uint64_t, std::vector<NodeId>> by_figure;
    for (const NumaNode& to : topology.nodes) {
        if (&to != &from) {
            by_figure[topology.node_distance(from.os_index, to.os_index).value_or(0)].push_back(to.os_index);
        }
    }
    std::vector<std::string> texts;
    texts.reserve(by_figure.size());
    for (const auto& [figure, nodes] : by_figure) {
        texts.push_back(fmt::format("{} to {}", figure == 0 ? "untold" : std::to_string(figure), ranges(nodes)));
    }
    return fmt::format("{}", fmt::join(texts, "; "));
}

std::string draw_distances(const Topology& topology) {
    if (topology.nodes.size() < 2) {
        return "";
    }
    if (topology.node_distances.empty()) {
        return "node distances: not told by this machine\n";
    }
    std::string by_package = distances_by_package(topology);
    if (!by_package.empty()) {
        return by_package;
    }
    if (topology.nodes.size() > kMostDistanceNodes) {
        const NumaNode& first = topology.nodes.front();
        return sentence(
            fmt::format("node distances (10: local) from node {}: {}", first.os_index, distances_from(topology, first)),
            kMostNoteRows);
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

// Compared over the thread counts of a whole sweep, against the default and the placements before it: a group of equals
// names the one of them that a run of all would measure.
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
    const Placement first = default_placement(topology);
    if (placement == first) {
        return standing;
    }
    std::vector<Placement> before = all_placements();
    before.erase(std::find(before.begin(), before.end(), placement), before.end());
    before.insert(before.begin(), first);
    if (const auto other = same_as(topology, placement, before, counts)) {
        standing.same = to_string(*other);
    }
    return standing;
}

std::string draw_placement(const Topology& topology, Placement placement) {
    const std::string head = fmt::format("  {:<15}", to_string(placement));
    if (const std::optional<Lack> lack = lack_of(topology, placement)) {
        const std::string instead = lack->instead ? fmt::format("; would be {}", to_string(*lack->instead)) : "";
        return fmt::format("{}needs {}{}\n", head, lack->needs, instead);
    }
    const Standing standing = standing_of(topology, placement);
    if (!standing.same.empty()) {
        return head + "as " + standing.same + '\n';
    }
    if (placement == Placement::unpinned) {
        return head + "any usable CPU\n";
    }
    // Up to where two threads would have to share a CPU: from there on the list says nothing new.
    const std::size_t most = std::min(topology.usable().size(), kMostThreads);
    std::size_t threads = most;
    while (threads > 1 && plan(topology, placement, threads).oversubscribed) {
        --threads;
    }
    const Plan planned = plan(topology, placement, threads);
    std::string text = head;
    for (std::size_t i = 0; i < threads; ++i) {
        const bool first_reader = placement == Placement::readers_remote && i == (threads + 1) / 2;
        text += first_reader ? "| " : "";
        text += fmt::format("{} ", planned.cpus[i]);
    }
    if (threads < most) {
        return text + "(more threads share these)\n";
    }
    text.pop_back();
    return text + (topology.usable().size() > threads ? " ..." : "") + '\n';
}

// What is left out of the placements, and why neighbours are missing.
std::string draw_cpus_left_out(const Topology& topology) {
    std::vector<CpuId> usable;
    for (const Cpu& cpu : topology.usable()) {
        usable.push_back(cpu.os_index);
    }
    std::string text;
    if (usable.size() != topology.cpus.size()) {
        text += sentence(fmt::format("usable CPUs: {}; hidden ones are in (brackets)", ranges(usable)), kMostNoteRows);
    }
    if (!topology.offline.empty()) {
        text += sentence("offline CPUs: " + ranges(topology.offline), kMostNoteRows);
    }
    for (std::size_t i = 0; i < std::min(topology.notes.size(), kMostNotes); ++i) {
        text += sentence("note: " + topology.notes[i], kMostNoteRows);
    }
    if (topology.notes.size() > kMostNotes) {
        text += fmt::format("note: ... {} more; --json has all\n", topology.notes.size() - kMostNotes);
    }
    return text;
}

// Of a machine that is not here, the drawing must never be taken for this one.
std::string draw_head(const Topology& topology) {
    std::string source = topology.source;
    if (source.size() > kMostSource) {
        source = source.substr(0, kMostSource - 3) + "...";
    }
    std::string text = topology.is_this_system
                           ? fmt::format("topology of {}\n", source)
                           : fmt::format("topology of ANOTHER MACHINE, not of this one ({})\n", source);
    text += fmt::format("  {}, {}, {}, {}, {}\n", count_of(topology.count_packages(), "package"),
                        count_of(topology.nodes.size(), "node"), count_of(topology.count_llcs(), "last-level cache"),
                        count_of(topology.count_cores(), "core"), count_of(topology.cpus.size(), "CPU"));
    const std::string common = common_facts(topology);
    if (!common.empty()) {
        text += kIndent + common + '\n';
    }
    return text;
}

}  // namespace

std::string draw(const Topology& topology, std::size_t rows) {
    const std::string head = draw_head(topology);
    std::string rest = draw_bare_nodes(topology) + draw_distances(topology) + draw_cpus_left_out(topology);
    rest += fmt::format("placements: CPU of thread 0, 1, 2, .. (readers_remote: writers | readers); default here: {}\n",
                        to_string(default_placement(topology)));
    for (const Placement placement : all_placements()) {
        rest += draw_placement(topology, placement);
    }
    const auto taken = static_cast<std::size_t>(std::count(head.begin(), head.end(), '\n') +
                                                std::count(rest.begin(), rest.end(), '\n'));
    const std::size_t left = std::clamp(rows - std::min(rows, taken), kLeastBoxRows, kMostBoxRows);
    return head + block(draw_boxes(tree_of(topology), kColumns - kIndent.size(), left), kIndent) + rest;
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
    json caches = json::array();
    for (const LastCache& cache : topology.last_caches) {
        caches.push_back({{"level", cache.level}, {"bytes", cache.bytes == 0 ? json() : json(cache.bytes)}});
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
            {"last_caches", caches},
            {"offline", topology.offline},
            {"notes", topology.notes},
            {"default_placement", to_string(default_placement(topology))},
            {"placements", placements}};
}

}  // namespace lockbench
