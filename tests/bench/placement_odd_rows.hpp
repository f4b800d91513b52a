// SPDX-License-Identifier: MIT
// Machines that lack something or tell it oddly; how to read a row stands in placement_rows.hpp.
#pragma once

#include <string>

#include "tests/bench/placement_rows.hpp"

namespace lockbench::test {

inline constexpr Row kOddMachines[] = {
    // A cpuset: core i is CPUs i and i+8; LLCs are cores 0,1 2,3 | 4,5 6,7. Left are 8 of core 0, both of 1 and 2, none
    // of 3, both of 4, 13 of core 5, 6 of core 6, none of 7.
    {.name = "cpuset_with_holes",
     .source = "Two-socket machine in a cpuset cgroup (kind of dump linux/16amd64-8n2c-cpusets).",
     .machine =
         [] {
             const std::string all = load_synthetic("pack:2 [numa] l3:2 core:2 pu:2(indexes=2*8:1*2)").xml;
             return from_text(replaced(all, "allowed_cpuset=\"0x0000ffff\"", "allowed_cpuset=\"0x00003756\""));
         },
     .compact = "8 1 9 2 10 4 12 13 6",
     .smt_last = "8 1 2 4 13 6 9 10 12",
     .spread = "8 4 2 6 1 13 9 12 10",
     .one_node = "8 1 2 9 10",
     .one_per_llc = "8 2 4 6 1 10 13 9 12",
     .one_per_node = "8 4 1 13 2 6 9 12 10",
     .writers = "8 1 2 9 10",
     .readers = "4 13 6 12",
     .same = "",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "the cpuset hides CPUs 0,3,5,7,11,14,15",
     .pairs = {{{8, 0, Distance::same_core},  // hidden, but there
                {8, 1, Distance::same_llc},
                {1, 10, Distance::same_node},
                {4, 6, Distance::same_node},
                {8, 4, Distance::other_package}}}},

    // Core i is CPUs i and i+6; packages are cores 0-2 and 3-5. Offline: the second of core 1, core 2, the first of
    // core 3. Package 0's third CPU is a second thread: one_per_llc takes it in its third round, spread after all first
    // threads.
    {.name = "offline_cpus",
     .source = "Two-socket machine with CPUs taken offline (kind of dump linux/16em64t-4s2c2t-offlines).",
     .machine =
         [] {
             const std::string all = load_synthetic("pack:2 [numa] l3:1 core:3 pu:2(indexes=2*6:1*2)").xml;
             return from_text(with_offline(all, {2, 3, 7, 8}));
         },
     .compact = "0 6 1 9 4 10 5 11",
     .smt_last = "0 1 9 4 5 6 10 11",
     .spread = "0 9 1 4 5 6 10 11",
     .one_node = "0 1 6",
     .one_per_llc = "0 9 1 4 6 5 10 11",
     .one_per_node = "0 9 1 4 6 5 10 11",
     .writers = "0 1 6",
     .readers = "9 4 5 10 11",
     .same = "one_per_node is one_per_llc",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "",
     .pairs = {{{0, 6, Distance::same_core},
                {1, 6, Distance::same_llc},
                {9, 4, Distance::same_llc},
                {1, 9, Distance::other_package},
                {9, 3, Distance::unknown}}}},  // not there

    // One socket, LLCs 0,1 and 2,3, and CXL memory as node 1, which has no CPUs and hangs at the machine's root.
    {.name = "bare_memory_beside_one_socket",
     .source = "One socket with a CXL memory expander.",
     .machine =
         [] {
             const std::string plain = load_synthetic("pack:1 [numa(memory=8GB)] l3:2 core:2 pu:1").xml;
             return from_text(with_distances(with_bare_node(plain, 1, 1U << 30U), {0, 1}, {10, 24, 24, 10}));
         },
     .compact = "0-3",
     .smt_last = "0-3",
     .spread = "0 2 1 3",
     .one_node = "0-3",
     .one_per_llc = "0 2 1 3",
     .one_per_node = "0-3",
     .writers = "0-3",
     .readers = "",
     .same = "smt_last is compact; one_node is compact; one_per_llc is spread; one_per_node is compact; "
             "readers_remote is compact",
     .with_cpus = "0",
     .with_memory = "0 1",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_llc},
                {0, 2, Distance::same_node},
                {1, 3, Distance::same_node},
                {3, 2, Distance::same_llc},
                {3, 3, Distance::self}}}},

    // CXL memory under each package: nodes 2 and 3, by the figures farther from 0 than node 1 is. CPUs 0-3 and 4-7,
    // cores 0,1 2,3 ..
    {.name = "bare_memory_under_packages",
     .source = "Two sockets with a second, slower memory each (dump linux/memorysidecaches, Xeon 6230, cut).",
     .machine =
         [] {
             const std::string plain =
                 load_synthetic("pack:2 [numa(memory=8GB indexes=0,2,1,3)] [numa(memory=16GB)] l3:1 core:2 pu:2").xml;
             return from_text(
                 with_distances(plain, {0, 1, 2, 3}, {10, 21, 14, 28, 21, 10, 28, 14, 14, 28, 10, 35, 28, 14, 35, 10}));
         },
     .compact = "0-7",
     .smt_last = "0-6/2 1-7/2",
     .spread = "0 4 2 6 1 5 3 7",
     .one_node = "0 2 1 3",
     .one_per_llc = "0 4 2 6 1 5 3 7",
     .one_per_node = "0 4 2 6 1 5 3 7",
     .writers = "0 2 1 3",
     .readers = "4 6 5 7",
     .same = "one_per_llc is spread; one_per_node is spread",
     .with_cpus = "0 1",
     .with_memory = "0 2 1 3",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_core},
                {1, 2, Distance::same_llc},
                {3, 4, Distance::other_package},
                {4, 5, Distance::same_core},
                {7, 4, Distance::same_llc}}}},

    // Threadripper 2990WX: four nodes of CPUs 0-3, 4-7, 8-11, 12-15, LLCs 0,1 2,3 ..; nodes 1 and 3 have no memory.
    // Equal figures in one package: readers go to the first of the others that has memory.
    {.name = "nodes_without_memory",
     .source = "Threadripper 2990WX: two of four dies have no memory channels.",
     .machine =
         [] {
             std::string xml =
                 with_figures("pack:1 group:4 [numa(memory=8GB)] l3:2 core:2 pu:1", 4, [](auto, auto) { return 16; });
             for (const char* node : {"\"NUMANode\" os_index=\"1\"", "\"NUMANode\" os_index=\"3\""}) {
                 const std::size_t at = xml.find(node);
                 xml = xml.substr(0, at) + replaced(xml.substr(at), "local_memory=\"8000000000\"", "");
             }
             return from_text(xml);
         },
     .compact = "0-15",
     .smt_last = "0-15",
     .spread = "0-12/4 2-14/4 1-13/4 3-15/4",
     .one_node = "0-3",
     .one_per_llc = "0-14/2 1-15/2",
     .one_per_node = "0-12/4 1-13/4 2-14/4 3-15/4",
     .writers = "0-3",
     .readers = "8-11",
     .same = "smt_last is compact",
     .with_cpus = "0-3",
     .with_memory = "0 2",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_llc},
                {0, 2, Distance::same_node},
                {3, 4, Distance::same_package},
                {0, 15, Distance::same_package},
                {14, 12, Distance::same_node}}}},

    // POWER8 in SMT2: eight numbers a core, two in use; an LLC a core; nodes 0 and 8.
    {.name = "sparse_numbers_and_a_cache_a_core",
     .source = "POWER8 in SMT2 (dump xml/power8gpudistances).",
     .machine =
         [] {
             const char* text = "pack:2 [numa(memory=8GB indexes=0,8)] l3:2 core:1 pu:2(indexes=0,1,8,9,16,17,24,25)";
             return from_text(with_distances(load_synthetic(text).xml, {0, 8}, {10, 40, 40, 10}));
         },
     .compact = "0 1 8 9 16 17 24 25",
     .smt_last = "0 8 16 24 1 9 17 25",
     .spread = "0 16 8 24 1 17 9 25",
     .one_node = "0 8 1 9",
     .one_per_llc = "0 8 16 24 1 9 17 25",
     .one_per_node = "0 16 8 24 1 17 9 25",
     .writers = "0 8 1 9",
     .readers = "16 24 17 25",
     .same = "one_per_llc is smt_last; one_per_node is spread",
     .with_cpus = "0 8",
     .with_memory = "0 8",
     .notes = "",
     .pairs = {{{0, 1, Distance::same_core},
                {1, 8, Distance::same_node},
                {9, 16, Distance::other_package},
                {24, 16, Distance::same_node},
                {0, 2, Distance::unknown}}}},

    // AArch64 clusters of four cores that share an L2, no L3: 0-3 4-7 | 8-11 12-15, two nodes in one package.
    {.name = "clusters_that_share_an_l2",
     .source = "AArch64 server of clusters without L3 (dump linux/128arm-2pa2n8cluster4co, cut).",
     .machine = [] { return load_synthetic("pack:1 group:2 [numa] l2:2 core:4 pu:1"); },
     .compact = "0-15",
     .smt_last = "0-15",
     .spread = "0 8 4 12 1 9 5 13 2 10 6 14 3 11 7 15",
     .one_node = "0-7",
     .one_per_llc = "0-12/4 1-13/4 2-14/4 3-15/4",
     .one_per_node = "0 8 1 9 2 10 3 11 4 12 5 13 6 14 7 15",
     .writers = "0-7",
     .readers = "8-15",
     .same = "smt_last is compact",
     .with_cpus = "0 1",
     .with_memory = "0 1",
     .notes = "no L3 cache: the last cache is an L2",
     .pairs = {{{0, 3, Distance::same_llc},
                {3, 4, Distance::same_node},
                {7, 8, Distance::same_package},
                {0, 15, Distance::same_package},
                {12, 15, Distance::same_llc}}}},

    // A board with a cluster of four cores, 0-3, and one of two, 4 and 5; neither L3 nor package.
    {.name = "unlike_clusters_without_a_package",
     .source = "AArch64 board of a big and a little cluster whose kernel tells no package.",
     .machine =
         [] {
             return from_text(with_offline(load_synthetic("l2:2 core:4 pu:1").xml, {6, 7}));
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
     .notes = "no Package objects: each NUMA node counts as a package; no L3 cache: the last cache is an L2",
     .pairs = {{{0, 3, Distance::same_llc},
                {3, 4, Distance::same_node},
                {5, 4, Distance::same_llc},
                {0, 5, Distance::same_node},
                {0, 6, Distance::unknown}}}},

    // A guest without packages: nodes are CPUs 0-3, 4-7, 8-11, 12-15; cores 0,1 2,3 ..; node 2 is farthest from 0.
    {.name = "nodes_without_packages",
     .source = "Guest whose hypervisor tells nodes and no packages.",
     .machine =
         [] {
             const std::string plain = load_synthetic("numa:4 l3:1 core:2 pu:2").xml;
             return from_text(
                 with_distances(plain, {0, 1, 2, 3}, {10, 20, 40, 20, 20, 10, 20, 40, 40, 20, 10, 20, 20, 40, 20, 10}));
         },
     .compact = "0-15",
     .smt_last = "0-14/2 1-15/2",
     .spread = "0-12/4 2-14/4 1-13/4 3-15/4",
     .one_node = "0 2 1 3",
     .one_per_llc = "0-12/4 2-14/4 1-13/4 3-15/4",
     .one_per_node = "0-12/4 2-14/4 1-13/4 3-15/4",
     .writers = "0 2 1 3",
     .readers = "8 10 9 11",
     .same = "one_per_llc is spread; one_per_node is spread",
     .with_cpus = "0-3",
     .with_memory = "0-3",
     .notes = "no Package objects: each NUMA node counts as a package",
     .pairs = {{{0, 1, Distance::same_core},
                {1, 2, Distance::same_llc},
                {3, 4, Distance::other_package},
                {0, 8, Distance::other_package},
                {15, 12, Distance::same_llc}}}},

    // A guest with neither caches nor nodes told: packages 0-3 and 4-7, cores 0,1 2,3 .., one node over all.
    {.name = "no_caches_and_one_node_over_two_packages",
     .source = "Guest whose hypervisor tells neither caches nor nodes (QEMU's -smp alone).",
     .machine = [] { return load_synthetic("pack:2 core:2 pu:2"); },
     .compact = "0-7",
     .smt_last = "0-6/2 1-7/2",
     .spread = "0 4 2 6 1 5 3 7",
     .one_node = "0-6/2 1-7/2",
     .one_per_llc = "0 4 2 6 1 5 3 7",
     .one_per_node = "0-6/2 1-7/2",
     .writers = "0-6/2 1-7/2",
     .readers = "",
     .same = "one_node is smt_last; one_per_llc is spread; one_per_node is smt_last; readers_remote is smt_last",
     .with_cpus = "0",
     .with_memory = "0",
     .notes = "no caches: each package counts as a last-level cache",
     .pairs = {{{0, 1, Distance::same_core},
                {1, 2, Distance::same_llc},
                {3, 4, Distance::same_node},
                {0, 7, Distance::same_node},
                {7, 6, Distance::same_core}}}},
};

}  // namespace lockbench::test
