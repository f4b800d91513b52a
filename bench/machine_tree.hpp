// SPDX-License-Identifier: MIT
// The machine as boxes in boxes, in its own nesting: what the drawing of `lockbench machine` is made of.
#pragma once

#include <string>
#include <vector>

#include "bench/topology.hpp"

namespace lockbench {

// A package, node, last-level cache or core; levels that hold the same CPUs share one group and its name.
struct Group {
    std::string name;  // "package 0, node 0 (64 GiB), L3 0"; empty for the machine and for a core
    std::vector<Group> parts;
    std::vector<const Cpu*> cpus;

    [[nodiscard]] bool is_core() const { return parts.empty(); }
    [[nodiscard]] bool holds_cores() const { return !parts.empty() && parts.front().is_core(); }
    // Groups between this one and the cores.
    [[nodiscard]] std::size_t depth() const;
};

// The CPUs belong to `topology`. Facts that all nodes or all caches share are not in the names but in common_facts.
Group tree_of(const Topology& topology);
// "each node 64 GiB, each L3 32 MiB, each core 2 CPUs"; empty where nothing is common to several.
std::string common_facts(const Topology& topology);

// "0-7,128-135 (8)": hidden CPUs in brackets; "0-6/2" is 0 2 4 6.
std::string cpus_text(const std::vector<const Cpu*>& cpus);
std::string ranges(std::vector<CpuId> cpus);
// "64 GiB", "no memory"; "no size told" where no node tells.
std::string memory_text(const Topology& topology, const NumaNode& node);

}  // namespace lockbench
