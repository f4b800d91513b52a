// SPDX-License-Identifier: MIT
// A simulated machine as plain numbers: what bench/ hands to the engine after it has read and checked a machine file.
//
// All times are integer picoseconds. What each number means and where it comes from stands in docs/simulate.md and in
// the machine files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "platform/stats.hpp"
#include "platform/units.hpp"

namespace lockbench::sim {

using Time = std::uint64_t;  // ps
inline constexpr Time kPerNs = 1000;

// How far two cores, or a core and a node's memory, are apart. Cores that share a private cache (SMT siblings) exchange
// no transfers at all.
enum class Hop : std::uint8_t { same_llc, same_package, one_hop, two_hops, kCount };
inline constexpr std::size_t kHopCount = static_cast<std::size_t>(Hop::kCount);
inline constexpr std::array<std::string_view, kHopCount> kHopNames = {"same_llc", "same_package", "one_hop",
                                                                      "two_hops"};

// Where a request finds its line: in memory only, clean in several caches, clean in one, dirty in one, dirty in one
// with clean copies elsewhere (MOESI).
enum class Found : std::uint8_t { memory, shared, exclusive, modified, owned, kCount };
inline constexpr std::size_t kFoundCount = static_cast<std::size_t>(Found::kCount);
inline constexpr std::array<std::string_view, kFoundCount> kFoundNames = {"memory", "shared", "exclusive", "modified",
                                                                          "owned"};

// What a request is for.
enum class Access : std::uint8_t { read, write, kCount };
inline constexpr std::size_t kAccessCount = static_cast<std::size_t>(Access::kCount);
inline constexpr std::array<std::string_view, kAccessCount> kAccessNames = {"read", "write"};

enum class Protocol : std::uint8_t { mesi, mesif, moesi };

using HopCosts = std::array<Time, kHopCount>;

struct Machine {
    std::string name;
    Protocol protocol = Protocol::mesi;
    // A line that another last-level cache holds is fetched by way of its home node's directory (EPYC).
    bool through_home = false;

    // Places. Vectors over CPUs go by the operating system's number; cores, groups (last-level caches) and packages are
    // dense.
    std::vector<std::uint16_t> core_of_cpu;
    std::vector<NodeId> node_of_cpu;
    std::vector<std::uint16_t> group_of_core;  // ascending: the cores of a group are neighbours
    std::vector<std::uint16_t> package_of_group;
    std::vector<std::uint16_t> package_of_node;   // by node number
    std::vector<std::vector<std::uint8_t>> hops;  // between packages: 0, 1 or 2
    std::vector<std::uint8_t> distances;          // Distance of two CPUs, row by row, for hand-off counts

    // From request to data, unloaded, by what is asked, what is found and how far away.
    std::array<std::array<HopCosts, kFoundCount>, kAccessCount> latency{};
    // Legs of a transfer, permille of its latency: request to the home, and from there to whoever holds the line. What
    // is left brings the data. When the data is there, the line stays busy for one more request leg.
    std::uint32_t request_permille = 333;
    std::uint32_t probe_permille = 333;
    Time occupy_read = 0;  // the line stays busy so long for each read that is served from shared copies
    Time ack = 0;          // each further copy that a write invalidates
    // Inside the core.
    Time op = 0;    // code around one operation of the seam
    Time load = 0;  // hits in the private cache
    Time store = 0;
    Time rmw = 0;  // a locked instruction on a line that is held
    Time fence = 0;
    Time pause = 0;
    Time poll = 0;                   // one turn of a waiting loop
    std::uint32_t store_buffer = 1;  // entries
    std::uint32_t jitter_permille = 0;
    // Scheduler and kernel.
    Time syscall = 0;
    Time context_switch = 0;
    Time wake = 0;          // what waking a sleeper costs its waker
    Time wake_latency = 0;  // until the woken one's CPU, if idle, runs it
    Time quantum = 0;
    Time ipi = 0;       // for each CPU that is interrupted
    Time allocate = 0;  // a slab's alloc or free, without the lines of the object

    [[nodiscard]] std::size_t cpus() const { return core_of_cpu.size(); }
    [[nodiscard]] std::size_t cores() const { return group_of_core.size(); }
    [[nodiscard]] std::size_t groups() const { return package_of_group.size(); }
    [[nodiscard]] std::size_t nodes() const { return package_of_node.size(); }

    [[nodiscard]] Hop hop_of_packages(std::size_t a, std::size_t b) const {
        const std::uint8_t count = hops[a][b];
        return count == 0 ? Hop::same_package : count == 1 ? Hop::one_hop : Hop::two_hops;
    }
    [[nodiscard]] Hop hop_of_groups(std::size_t a, std::size_t b) const {
        return a == b ? Hop::same_llc : hop_of_packages(package_of_group[a], package_of_group[b]);
    }
    // From a core's group to the memory of a node. Memory of the own package counts as the nearest.
    [[nodiscard]] Hop hop_to_node(std::size_t group, std::size_t node) const {
        const Hop hop = hop_of_packages(package_of_group[group], package_of_node[node]);
        return hop == Hop::same_package ? Hop::same_llc : hop;
    }
    [[nodiscard]] Time cost(Access access, Found found, Hop hop) const {
        return latency[static_cast<std::size_t>(access)][static_cast<std::size_t>(found)]
                      [static_cast<std::size_t>(hop)];
    }
};

}  // namespace lockbench::sim
