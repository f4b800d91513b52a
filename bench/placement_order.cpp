// SPDX-License-Identifier: MIT
#include "bench/placement_order.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace lockbench {
namespace {

using Path = std::vector<int>;

// Sorts by key, equal keys staying in hwloc's order.
template <typename Key>
std::vector<CpuId> order_by(std::vector<PlacedCpu> cpus, Key key) {
    std::stable_sort(cpus.begin(), cpus.end(), [&](const PlacedCpu& a, const PlacedCpu& b) { return key(a) < key(b); });
    std::vector<CpuId> order;
    order.reserve(cpus.size());
    for (const PlacedCpu& cpu : cpus) {
        order.push_back(cpu.os_index);
    }
    return order;
}

// One CPU of each group in turn, groups in the order in which they are met.
template <typename Group>
std::vector<CpuId> one_per_group(const std::vector<PlacedCpu>& cpus, Group group) {
    std::vector<PlacedCpu> sorted = cpus;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const PlacedCpu& a, const PlacedCpu& b) { return a.smt_rank < b.smt_rank; });
    std::map<int, std::size_t> met;
    std::map<CpuId, std::size_t> round;
    for (const PlacedCpu& cpu : sorted) {
        round[cpu.os_index] = met[group(cpu)]++;
    }
    std::map<int, std::size_t> place;
    for (const PlacedCpu& cpu : cpus) {
        place.emplace(group(cpu), place.size());
    }
    return order_by(cpus,
                    [&](const PlacedCpu& cpu) { return std::pair(round.at(cpu.os_index), place.at(group(cpu))); });
}

}  // namespace

int group_of(const Cpu& cpu, std::size_t level) {
    const std::array<int, kPathLevels> groups = {cpu.package, cpu.node, cpu.llc, cpu.core};
    return groups[level];
}

// Levels from the outermost to the innermost. Which contains which differs: a package can hold several nodes (NPS4) or
// a node several packages (a board of four sockets), an LLC several nodes (sub-NUMA clusters) or the other way round.
// The level with fewer groups is the outer one.
std::array<std::size_t, kPathLevels> nesting(const std::vector<Cpu>& cpus) {
    std::array<std::size_t, kPathLevels> count{};
    for (std::size_t level = 0; level < kPathLevels; ++level) {
        std::set<int> groups;
        for (const Cpu& cpu : cpus) {
            groups.insert(group_of(cpu, level));
        }
        count[level] = groups.size();
    }
    std::array<std::size_t, kPathLevels> levels{};
    std::iota(levels.begin(), levels.end(), 0U);
    std::stable_sort(levels.begin(), levels.end(), [&](std::size_t a, std::size_t b) { return count[a] < count[b]; });
    return levels;
}

std::vector<PlacedCpu> placed_cpus(const Topology& topology) {
    const std::vector<Cpu> usable = topology.usable();
    const auto levels = nesting(usable);
    std::map<Path, std::map<int, std::size_t>> children;  // of a group: its subgroups and their ranks
    std::map<Path, std::size_t> met_in_core;
    std::vector<PlacedCpu> placed;
    for (const Cpu& cpu : usable) {
        PlacedCpu one;
        one.os_index = cpu.os_index;
        one.node = cpu.node;
        one.llc = cpu.llc;
        Path path;
        for (std::size_t depth = 0; depth < kPathLevels; ++depth) {
            auto& siblings = children[path];
            const int group = group_of(cpu, levels[depth]);
            one.path_rank[depth] = siblings.emplace(group, siblings.size()).first->second;
            path.push_back(group);
        }
        one.smt_rank = met_in_core[path]++;
        placed.push_back(one);
    }
    return placed;
}

std::vector<CpuId> compact_order(const std::vector<PlacedCpu>& cpus) {
    return order_by(cpus, [](const PlacedCpu&) { return 0; });
}

std::vector<CpuId> smt_last_order(const std::vector<PlacedCpu>& cpus) {
    return order_by(cpus, [](const PlacedCpu& cpu) { return cpu.smt_rank; });
}

std::vector<CpuId> spread_order(const std::vector<PlacedCpu>& cpus) {
    // From the cores outwards: the CPUs of a group go by their turn in its subgroups, then by the subgroup. So packages
    // take turns for as long as they have CPUs, even where a mask leaves one more caches or cores than another.
    std::vector<PlacedCpu> order = cpus;
    std::map<CpuId, std::size_t> turn;
    for (std::size_t depth = kPathLevels; depth-- > 0;) {
        std::stable_sort(order.begin(), order.end(), [&](const PlacedCpu& a, const PlacedCpu& b) {
            return std::pair(turn[a.os_index], a.path_rank[depth]) < std::pair(turn[b.os_index], b.path_rank[depth]);
        });
        std::map<std::vector<std::size_t>, std::size_t> dealt;  // of a group: its CPUs, each SMT rank for itself
        for (const PlacedCpu& cpu : order) {
            std::vector<std::size_t> group = {cpu.smt_rank};
            group.insert(group.end(), cpu.path_rank.begin(),
                         cpu.path_rank.begin() + static_cast<std::ptrdiff_t>(depth));
            turn[cpu.os_index] = dealt[group]++;
        }
    }
    return order_by(cpus, [&](const PlacedCpu& cpu) { return std::pair(cpu.smt_rank, turn.at(cpu.os_index)); });
}

std::vector<CpuId> node_order(const std::vector<PlacedCpu>& cpus, NodeId node) {
    std::vector<PlacedCpu> own;
    std::copy_if(cpus.begin(), cpus.end(), std::back_inserter(own),
                 [&](const PlacedCpu& cpu) { return cpu.node == node; });
    return smt_last_order(own);
}

std::vector<CpuId> one_per_llc_order(const std::vector<PlacedCpu>& cpus) {
    return one_per_group(cpus, [](const PlacedCpu& cpu) { return cpu.llc; });
}

std::vector<CpuId> one_per_node_order(const std::vector<PlacedCpu>& cpus) {
    return one_per_group(cpus, [](const PlacedCpu& cpu) { return cpu.node; });
}

}  // namespace lockbench
