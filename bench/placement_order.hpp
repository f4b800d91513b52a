// SPDX-License-Identifier: MIT
// The orders behind the placements. Every usable CPU has a path of ranks, outermost level first; every order is a sort
// by some of them.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "bench/topology.hpp"
#include "platform/units.hpp"

namespace lockbench {

inline constexpr std::size_t kPathLevels = 4;  // package, node, LLC, core, in the machine's own nesting

struct PlacedCpu {
    CpuId os_index = 0;
    NodeId node = 0;
    int llc = 0;
    std::size_t smt_rank = 0;  // among the usable CPUs of the core
    std::array<std::size_t, kPathLevels>
        path_rank{};  // rank of the CPU's group among its siblings in the group outside it
};

// package 0, node 1, LLC 2, core 3.
int group_of(const Cpu& cpu, std::size_t level);
// Those levels from the outermost to the innermost.
std::array<std::size_t, kPathLevels> nesting(const std::vector<Cpu>& cpus);

// Usable CPUs in hwloc's order.
std::vector<PlacedCpu> placed_cpus(const Topology& topology);

std::vector<CpuId> compact_order(const std::vector<PlacedCpu>& cpus);
std::vector<CpuId> smt_last_order(const std::vector<PlacedCpu>& cpus);
std::vector<CpuId> spread_order(const std::vector<PlacedCpu>& cpus);
std::vector<CpuId> node_order(const std::vector<PlacedCpu>& cpus, NodeId node);
std::vector<CpuId> one_per_llc_order(const std::vector<PlacedCpu>& cpus);
std::vector<CpuId> one_per_node_order(const std::vector<PlacedCpu>& cpus);

}  // namespace lockbench
