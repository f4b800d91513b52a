// SPDX-License-Identifier: MIT
#include "bench/topology.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

template <typename Key>
std::size_t count_distinct(const std::vector<Cpu>& cpus, Key key) {
    std::set<int> seen;
    for (const Cpu& cpu : cpus) {
        seen.insert(key(cpu));
    }
    return seen.size();
}

Distance distance_between(const Cpu& a, const Cpu& b) {
    if (a.os_index == b.os_index) {
        return Distance::self;
    }
    if (a.core == b.core) {
        return Distance::same_core;
    }
    if (a.llc == b.llc) {
        return Distance::same_llc;
    }
    if (a.node == b.node) {
        return Distance::same_node;
    }
    return a.package == b.package ? Distance::same_package : Distance::other_package;
}

}  // namespace

std::vector<Cpu> Topology::usable() const {
    std::vector<Cpu> found;
    std::copy_if(cpus.begin(), cpus.end(), std::back_inserter(found), [](const Cpu& cpu) { return cpu.allowed; });
    return found;
}

const Cpu* Topology::find(CpuId cpu) const {
    const auto found = std::find_if(cpus.begin(), cpus.end(), [&](const Cpu& one) { return one.os_index == cpu; });
    return found == cpus.end() ? nullptr : &*found;
}

const NumaNode* Topology::find_node(NodeId node) const {
    const auto found =
        std::find_if(nodes.begin(), nodes.end(), [&](const NumaNode& one) { return one.os_index == node; });
    return found == nodes.end() ? nullptr : &*found;
}

NodeId Topology::node_of(CpuId cpu) const {
    const Cpu* found = find(cpu);
    return found == nullptr ? kAnyNode : found->node;
}

std::vector<NodeId> Topology::node_numbers() const {
    std::vector<NodeId> numbers;
    for (const NumaNode& node : nodes) {
        numbers.push_back(node.os_index);
    }
    return numbers;
}

std::vector<NodeId> Topology::nodes_with_cpus() const {
    std::vector<NodeId> found;
    for (const Cpu& cpu : cpus) {
        if (cpu.allowed && std::find(found.begin(), found.end(), cpu.node) == found.end()) {
            found.push_back(cpu.node);
        }
    }
    return found;
}

bool Topology::has_memory(const NumaNode& node) const {
    // Some descriptions leave sizes out altogether; then none of the nodes can be called empty.
    const bool sizes_known =
        std::any_of(nodes.begin(), nodes.end(), [](const NumaNode& one) { return one.memory_bytes != 0; });
    return node.memory_bytes != 0 || !sizes_known;
}

std::vector<NodeId> Topology::nodes_with_memory() const {
    std::vector<NodeId> found;
    for (const NumaNode& node : nodes) {
        if (node.allowed && has_memory(node)) {
            found.push_back(node.os_index);
        }
    }
    return found;
}

std::size_t Topology::count_packages() const {
    return count_distinct(cpus, [](const Cpu& cpu) { return cpu.package; });
}

std::size_t Topology::count_llcs() const {
    return count_distinct(cpus, [](const Cpu& cpu) { return cpu.llc; });
}

std::size_t Topology::count_cores() const {
    return count_distinct(cpus, [](const Cpu& cpu) { return cpu.core; });
}

std::optional<std::uint64_t> Topology::node_distance(NodeId from, NodeId to) const {
    const NumaNode* row = find_node(from);
    const NumaNode* column = find_node(to);
    if (node_distances.empty() || row == nullptr || column == nullptr) {
        return std::nullopt;
    }
    const std::uint64_t value =
        node_distances[static_cast<std::size_t>(row - nodes.data())][static_cast<std::size_t>(column - nodes.data())];
    return value == 0 ? std::nullopt : std::optional(value);
}

NodeId Topology::farthest_node(NodeId from, std::span<const NodeId> among) const {
    const bool told =
        std::all_of(among.begin(), among.end(), [&](NodeId to) { return node_distance(from, to).has_value(); });
    const auto package_of = [&](NodeId node) {
        const auto cpu = std::find_if(cpus.begin(), cpus.end(), [&](const Cpu& one) { return one.node == node; });
        return cpu == cpus.end() ? -1 : cpu->package;
    };
    const std::vector<NodeId> with_memory = nodes_with_memory();
    const auto far = [&](NodeId to) -> std::uint64_t {
        if (to == from) {
            return 0;
        }
        // Figures first, then packages, then memory: threads on a node without memory have their own data elsewhere.
        const auto gives = std::find(with_memory.begin(), with_memory.end(), to) != with_memory.end();
        return 4 * (told ? *node_distance(from, to) : 1) + (package_of(to) != package_of(from) ? 2 : 0) +
               (gives ? 1 : 0);
    };
    return *std::max_element(among.begin(), among.end(), [&](NodeId a, NodeId b) { return far(a) < far(b); });
}

Distance Topology::distance(CpuId a, CpuId b) const {
    const Cpu* from = find(a);
    const Cpu* to = find(b);
    return from == nullptr || to == nullptr ? Distance::unknown : distance_between(*from, *to);
}

std::size_t Topology::table_side() const {
    std::size_t side = 0;
    for (const Cpu& cpu : cpus) {
        side = std::max(side, static_cast<std::size_t>(cpu.os_index) + 1);
    }
    return side;
}

std::vector<std::uint8_t> Topology::distance_table() const {
    const std::size_t side = table_side();
    std::vector<std::uint8_t> table(side * side, static_cast<std::uint8_t>(Distance::unknown));
    for (const Cpu& a : cpus) {
        for (const Cpu& b : cpus) {
            table[static_cast<std::size_t>(a.os_index) * side + static_cast<std::size_t>(b.os_index)] =
                static_cast<std::uint8_t>(distance_between(a, b));
        }
    }
    return table;
}

std::optional<std::string> difference(const Topology& claimed, const Topology& own) {
    const auto only_in = [](const Topology& a, const Topology& b) -> const Cpu* {
        const auto found =
            std::find_if(a.cpus.begin(), a.cpus.end(), [&](const Cpu& cpu) { return b.find(cpu.os_index) == nullptr; });
        return found == a.cpus.end() ? nullptr : &*found;
    };
    if (const Cpu* cpu = only_in(claimed, own)) {
        return "it has CPU " + std::to_string(cpu->os_index) + ", this system has not";
    }
    if (const Cpu* cpu = only_in(own, claimed)) {
        return "this system has CPU " + std::to_string(cpu->os_index) + ", it has not";
    }
    for (const Cpu& cpu : own.cpus) {
        if (const NodeId node = claimed.node_of(cpu.os_index); node != cpu.node) {
            return "it has CPU " + std::to_string(cpu.os_index) + " on node " + std::to_string(node) +
                   ", this system on node " + std::to_string(cpu.node);
        }
    }
    // The numbers of packages, caches and cores are made up in the order of reading; which CPUs share one is not.
    const std::pair<const char*, int Cpu::*> kinds[] = {
        {"package", &Cpu::package}, {"last-level cache", &Cpu::llc}, {"core", &Cpu::core}};
    for (const auto& [name, number] : kinds) {
        std::map<int, int> to_own;
        std::map<int, int> to_claimed;
        for (const Cpu& cpu : own.cpus) {
            const int theirs = claimed.find(cpu.os_index)->*number;
            if (to_own.emplace(theirs, cpu.*number).first->second != cpu.*number ||
                to_claimed.emplace(cpu.*number, theirs).first->second != theirs) {
                return "it groups CPU " + std::to_string(cpu.os_index) + " and others by " + name +
                       " otherwise than this system";
            }
        }
    }
    return std::nullopt;
}

void Topology::export_xml(const std::string& path) const {
    if (xml.empty()) {
        throw HostError("This topology was not read by hwloc, so there is no XML to write to " + path + ".");
    }
    errno = 0;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << xml;
    file.close();
    if (!file) {
        throw HostError("Cannot write the topology to " + path + ": " + std::strerror(errno) + ".");
    }
}

void Topology::require_this_system() const {
    if (!is_this_system) {
        throw HostError("The topology is not this system's (" + source +
                        "): threads cannot be bound by it and nothing can be measured. Unset HWLOC_XMLFILE and "
                        "HWLOC_SYNTHETIC; such a topology is good for 'lockbench machine' only.");
    }
}

}  // namespace lockbench
