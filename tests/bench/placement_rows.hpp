// SPDX-License-Identifier: MIT
// What a machine is expected to make of the placements, and the machines as vendors build them; those that lack
// something or tell it oddly are in placement_odd_rows.hpp.
//
// The lists are worked out by hand from the definitions in placement.hpp. They are whole: as many threads as the
// placement has CPUs; "0-6/2" is 0 2 4 6. The comment above a row says what shares what.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <numeric>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/topology.hpp"
#include "tests/bench/topology_text.hpp"

namespace lockbench::test {

struct Pair {
    CpuId a = 0;
    CpuId b = 0;
    Distance distance = Distance::self;
};

struct Row {
    std::string_view name;
    std::string_view source;  // which machines have this shape; "dump": of hwloc 2.9's own tests
    Topology (*machine)();
    std::string_view compact;
    std::string_view smt_last;
    std::string_view spread;
    std::string_view one_node;
    std::string_view one_per_llc;
    std::string_view one_per_node;
    std::string_view writers;  // of readers_remote; where one node has all CPUs, both sides take from this list
    std::string_view readers;
    std::string_view same;       // placements that do not run beside the one named, for the counts of --threads=auto
    std::string_view with_cpus;  // nodes
    std::string_view with_memory;
    std::string_view notes;  // of the topology, joined by "; "
    std::array<Pair, 5> pairs;
};

inline void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

// "0-6/2 9" is 0 2 4 6 9.
inline std::vector<CpuId> numbers(std::string_view text) {
    std::vector<CpuId> list;
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) {
        std::istringstream range(word);
        CpuId first = 0;
        CpuId last = 0;
        CpuId step = 1;
        char mark = 0;
        range >> first;
        last = first;
        range >> mark >> last >> mark >> step;
        for (CpuId cpu = first; cpu <= last; cpu += step) {
            list.push_back(cpu);
        }
    }
    return list;
}

// A machine of `nodes` nodes with the firmware's figures for their distances.
template <typename Figure>
std::string with_figures(const std::string& description, std::size_t nodes, Figure figure) {
    std::vector<std::uint64_t> ids(nodes);
    std::iota(ids.begin(), ids.end(), 0U);
    std::vector<std::uint64_t> values;
    for (std::size_t from = 0; from < nodes; ++from) {
        for (std::size_t to = 0; to < nodes; ++to) {
            values.push_back(from == to ? 10U : static_cast<std::uint64_t>(figure(from, to)));
        }
    }
    return with_distances(load_synthetic(description).xml, ids, values);
}

inline constexpr Row kBuiltMachines[] = {
    // Core i is CPUs i and i+8; packages are cores 0-3 and 4-7, each one node and one LLC.
    {.name = "second_threads_numbered_after_all_first",
     .source = "Two-socket Xeon with SMT, as Linux numbers it (dump linux/32intel64-2p8co2t+8ve, cut to four "
               "cores a socket).",
     .machine = [] { return load_synthetic("pack:2 [numa] l3:1 core:4 pu:2(indexes=2*8:1*2)"); },
     .compact = "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15",
     .smt_last = "0-15",
     .spread = "0 4 1 5 2 6 3 7 8 12 9 13 10 14 11 15",
     .one_node = "0-3 8-11",
     .one_per_llc = "0 4 1 5 2 6 3 7 8 12 9 13 10 14 11 15",
     .one_per_node = "0 4 1 5 2 6 3 7 8 12 9 13 10 14 11 15",
     .writers = "0-3 8-11",
     .readers = "4-7 12-15",
     .same = "one_per_llc is spread; one_per_node is spread",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "",
     .pairs = {{{0, 8, Distance::same_core},
                {0, 1, Distance::same_llc},
                {9, 3, Distance::same_llc},
                {3, 4, Distance::other_package},
                {8, 12, Distance::other_package}}}},

    // EPYC: core i is CPUs i and i+16; LLCs are cores 0,1 2,3 .. 14,15; nodes are packages, cores 0-7 and 8-15.
    {.name = "four_caches_a_package",
     .source = "Two-socket EPYC, several L3 a package, one node each (dump x86/AMD-17h-Zen-2xEpyc-7451, cut).",
     .machine = [] { return load_synthetic("pack:2 [numa] l3:4 core:2 pu:2(indexes=2*16:1*2)"); },
     .compact = "0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31",
     .smt_last = "0-31",
     .spread = "0 8 2 10 4 12 6 14 1 9 3 11 5 13 7 15 16 24 18 26 20 28 22 30 17 25 19 27 21 29 23 31",
     .one_node = "0-7 16-23",
     .one_per_llc = "0-14/2 1-15/2 16-30/2 17-31/2",
     .one_per_node = "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15 16 24 17 25 18 26 19 27 20 28 21 29 22 30 23 31",
     .writers = "0-7 16-23",
     .readers = "8-15 24-31",
     .same = "",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "",
     .pairs = {{{0, 16, Distance::same_core},
                {16, 1, Distance::same_llc},
                {1, 2, Distance::same_node},
                {17, 7, Distance::same_node},
                {7, 8, Distance::other_package}}}},

    // EPYC with an affinity mask: of package 0 (LLCs 0,1 2,3 4,5 6,7) one LLC is left, of package 1 (8,9 .. 14,15)
    // three. Turn by turn over packages, package 1 may not have its three LLCs used before package 0 has its second
    // turn.
    {.name = "mask_leaves_packages_unlike",
     .source = "The EPYC shape without SMT, in a container or under taskset.",
     .machine =
         [] {
             return load_synthetic("pack:2 [numa] l3:4 core:2 pu:1", {{{0, 1, 8, 9, 10, 12}}});
         },
     .compact = "0 1 8 9 10 12",
     .smt_last = "0 1 8 9 10 12",
     .spread = "0 8 1 10 12 9",
     .one_node = "0 1",
     .one_per_llc = "0 8 10 12 1 9",
     .one_per_node = "0 8 1 9 10 12",
     .writers = "0 1",
     .readers = "8 9 10 12",
     .same = "smt_last is compact",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "the affinity mask hides CPUs 2-7,11,13-15",
     .pairs = {{{8, 9, Distance::same_llc},
                {9, 10, Distance::same_node},
                {10, 12, Distance::same_node},
                {1, 8, Distance::other_package},
                {10, 11, Distance::same_llc}}}},  // hidden, but there

    // Four sockets in a ring, CPUs 2s and 2s+1. The mask hides socket 0 and CPU 5: the first node is 1, opposite to 3.
    {.name = "mask_hides_the_first_node",
     .source = "Four sockets in a ring under an affinity mask; made up.",
     .machine =
         [] {
             const std::string xml = with_figures("pack:4 [numa] l3:1 core:2 pu:1", 4,
                                                  [](auto from, auto to) { return from % 2 == to % 2 ? 22 : 16; });
             return from_text(xml, {{{2, 3, 4, 6, 7}}});
         },
     .compact = "2-4 6 7",
     .smt_last = "2-4 6 7",
     .spread = "2 4 6 3 7",
     .one_node = "2 3",
     .one_per_llc = "2 4 6 3 7",
     .one_per_node = "2 4 6 3 7",
     .writers = "2 3",
     .readers = "6 7",
     .same = "smt_last is compact; one_per_llc is spread; one_per_node is spread",
     .with_cpus = "1-3",
     .with_memory = "0-3",
     .notes = "the affinity mask hides CPUs 0,1,5",
     .pairs = {{{2, 3, Distance::same_llc},
                {3, 4, Distance::other_package},
                {4, 5, Distance::same_llc},
                {7, 0, Distance::other_package},
                {6, 6, Distance::self}}}},

    // A laptop whose slow cores are on a tile of their own: cores 0-3 under an L3, 4 and 5 under an L2 alone.
    {.name = "cores_beside_the_l3",
     .source = "Laptop of the Meteor Lake kind: low-power cores on a tile without L3.",
     .machine =
         [] {
             std::string xml = load_synthetic("pack:1 [numa(memory=8GB)] l3:2 l2:2 core:2 pu:1").xml;
             const std::size_t open = xml.rfind('\n', xml.rfind("<object type=\"L3Cache\""));
             const std::string indent = xml.substr(open, xml.find('<', open) - open);
             xml.erase(xml.find(indent + "</object>", open), indent.size() + std::string("</object>").size());
             xml.erase(open, xml.find('\n', open + 1) - open);
             return from_text(with_offline(xml, {6, 7}));
         },
     .compact = "0-5",
     .smt_last = "0-5",
     .spread = "0 4 1 5 2 3",
     .one_node = "0-5",
     .one_per_llc = "0 4 1 5 2 3",
     .one_per_node = "0-5",
     .writers = "0-5",
     .readers = "",
     .same = "smt_last is compact; one_node is compact; one_per_llc is spread; one_per_node is compact; "
             "readers_remote is compact",
     .with_cpus = "0",
     .with_memory = "0",
     .notes = "some CPUs have no L3 cache: their last cache is an L2",
     .pairs = {{{0, 3, Distance::same_llc},
                {3, 4, Distance::same_node},
                {4, 5, Distance::same_llc},
                {1, 5, Distance::same_node},
                {0, 6, Distance::unknown}}}},

    // EPYC in NPS2: LLCs 0,1 2,3 .. 14,15; nodes 0-3 4-7 | 8-11 12-15. Both far nodes are equally far: the first.
    {.name = "two_nodes_a_package",
     .source = "Two-socket EPYC in NPS2, with the distances that its firmware tells.",
     .machine =
         [] {
             return from_text(with_figures("pack:2 group:2 [numa] l3:2 core:2 pu:1", 4,
                                           [](auto from, auto to) { return from / 2 == to / 2 ? 12 : 32; }));
         },
     .compact = "0-15",
     .smt_last = "0-15",
     .spread = "0 8 4 12 2 10 6 14 1 9 5 13 3 11 7 15",
     .one_node = "0-3",
     .one_per_llc = "0-14/2 1-15/2",
     .one_per_node = "0-12/4 1-13/4 2-14/4 3-15/4",
     .writers = "0-3",
     .readers = "8-11",
     .same = "smt_last is compact",
     .with_cpus = "0-3",
     .with_memory = "0-3",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_llc},
                {0, 2, Distance::same_node},
                {0, 4, Distance::same_package},
                {7, 8, Distance::other_package},
                {15, 9, Distance::same_package}}}},

    // Xeon with sub-NUMA clusters: core i is CPUs i and i+8; nodes are cores 0,1 2,3 | 4,5 6,7, one LLC spans two of
    // them.
    {.name = "cache_over_two_nodes",
     .source = "Two-socket Xeon with sub-NUMA clusters that share the L3, Linux numbering.",
     .machine = [] { return load_synthetic("pack:2 l3:1 group:2 [numa] core:2 pu:2(indexes=2*8:1*2)"); },
     .compact = "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15",
     .smt_last = "0-15",
     .spread = "0 4 2 6 1 5 3 7 8 12 10 14 9 13 11 15",
     .one_node = "0 1 8 9",
     .one_per_llc = "0 4 1 5 2 6 3 7 8 12 9 13 10 14 11 15",
     .one_per_node = "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15",
     .writers = "0 1 8 9",
     .readers = "4 5 12 13",
     .same = "",
     .with_cpus = "0-3",
     .with_memory = "0-3",
     .notes = "",
     .pairs = {{{1, 9, Distance::same_core},
                {0, 1, Distance::same_llc},
                {0, 2, Distance::same_llc},  // another node, yet the same cache
                {10, 9, Distance::same_llc},
                {3, 4, Distance::other_package}}}},

    // A board with one memory for two packages: core i is CPUs i and i+8; packages are cores 0,1 2,3 | 4,5 6,7,
    // nodes two of them. So nodes are the outermost thing, and packages take turns within them.
    {.name = "node_over_two_packages",
     .source = "Boards of several packages with one memory (dump linux/96em64t-4no4pa3ca2co, IBM x3950 M2, cut).",
     .machine = [] { return load_synthetic("group:2 [numa] pack:2 l3:1 core:2 pu:2(indexes=2*8:1*2)"); },
     .compact = "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15",
     .smt_last = "0-15",
     .spread = "0 4 2 6 1 5 3 7 8 12 10 14 9 13 11 15",
     .one_node = "0-3 8-11",
     .one_per_llc = "0-6/2 1-7/2 8-14/2 9-15/2",
     .one_per_node = "0 4 1 5 2 6 3 7 8 12 9 13 10 14 11 15",
     .writers = "0-3 8-11",
     .readers = "4-7 12-15",
     .same = "",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "",
     .pairs = {{{0, 8, Distance::same_core},
                {0, 9, Distance::same_llc},
                {0, 2, Distance::same_node},  // another package, yet the same node
                {9, 11, Distance::same_node},
                {3, 4, Distance::other_package}}}},

    // Opteron 6100: two dies a package, each a node with its LLC. CPU n is on package n mod 4; dies are 0,4,8 12,16,20
    // | 1,5,9 13,17,21 | .. Die 0 has one link to every even die and to its neighbour, two to the odd ones: the first
    // farthest is the second die of the next package, not its first.
    {.name = "four_sockets_of_two_dies_numbered_across",
     .source = "Four-socket Opteron 6100 (dump linux/48amd64-4pa2n6c-sparse, with its distances, cut to three "
               "cores a die).",
     .machine =
         [] {
             return from_text(
                 with_figures("pack:4 l3:2 [numa] core:3 pu:1(indexes=6*4:1*6)", 8,
                              [](auto from, auto to) { return from / 2 == to / 2 || from % 2 == to % 2 ? 16 : 22; }));
         },
     .compact = "0-20/4 1-21/4 2-22/4 3-23/4",
     .smt_last = "0-20/4 1-21/4 2-22/4 3-23/4",
     .spread = "0-3 12-15 4-7 16-19 8-11 20-23",
     .one_node = "0 4 8",
     .one_per_llc = "0 12 1 13 2 14 3 15 4 16 5 17 6 18 7 19 8 20 9 21 10 22 11 23",
     .one_per_node = "0 12 1 13 2 14 3 15 4 16 5 17 6 18 7 19 8 20 9 21 10 22 11 23",
     .writers = "0 4 8",
     .readers = "13 17 21",
     .same = "smt_last is compact; one_per_node is one_per_llc",
     .with_cpus = "0-7",
     .with_memory = "0-7",
     .notes = "",
     .pairs = {{{0, 4, Distance::same_llc},
                {0, 12, Distance::same_package},
                {0, 1, Distance::other_package},
                {21, 13, Distance::same_llc},
                {20, 21, Distance::other_package}}}},

    // Eight sockets at the corners of a cube, up to three links apart: opposite to 0 is 7. Core i is CPUs i and i+16;
    // socket s is cores 2s and 2s+1.
    {.name = "eight_sockets_in_a_cube",
     .source = "Eight sockets with three links each, SMT; made up after machines of that time.",
     .machine =
         [] {
             return from_text(with_figures("pack:8 [numa] l3:1 core:2 pu:2(indexes=2*16:1*2)", 8,
                                           [](auto from, auto to) { return 10 + 6 * std::popcount(from ^ to); }));
         },
     .compact = "0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31",
     .smt_last = "0-31",
     .spread = "0-14/2 1-15/2 16-30/2 17-31/2",
     .one_node = "0 1 16 17",
     .one_per_llc = "0-14/2 1-15/2 16-30/2 17-31/2",
     .one_per_node = "0-14/2 1-15/2 16-30/2 17-31/2",
     .writers = "0 1 16 17",
     .readers = "14 15 30 31",
     .same = "one_per_llc is spread; one_per_node is spread",
     .with_cpus = "0-7",
     .with_memory = "0-7",
     .notes = "",
     .pairs = {{{0, 16, Distance::same_core},
                {0, 17, Distance::same_llc},
                {1, 2, Distance::other_package},
                {30, 15, Distance::same_llc},
                {16, 30, Distance::other_package}}}},

    // Sixteen sockets on eight boards of two; CPUs 2s and 2s+1 are socket s. Boards 4-7 are behind a second switch.
    {.name = "sixteen_sockets_on_boards",
     .source = "Large Xeon of many boards (dump xml/192em64t-24n8c2t, multi-hop distances, cut).",
     .machine =
         [] {
             return from_text(with_figures("pack:16 [numa] l3:1 core:2 pu:1", 16, [](auto from, auto to) {
                 return from / 2 == to / 2 ? 16 : from / 8 == to / 8 ? 50 : 65;
             }));
         },
     .compact = "0-31",
     .smt_last = "0-31",
     .spread = "0-30/2 1-31/2",
     .one_node = "0 1",
     .one_per_llc = "0-30/2 1-31/2",
     .one_per_node = "0-30/2 1-31/2",
     .writers = "0 1",
     .readers = "16 17",
     .same = "smt_last is compact; one_per_llc is spread; one_per_node is spread",
     .with_cpus = "0-15",
     .with_memory = "0-15",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_llc},
                {1, 2, Distance::other_package},
                {0, 31, Distance::other_package},
                {31, 30, Distance::same_llc},
                {0, 32, Distance::unknown}}}},
};

}  // namespace lockbench::test
