// SPDX-License-Identifier: MIT
#include "bench/topology.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/errors.hpp"
#include "bench/pin.hpp"
#include "bench/topology_guard.hpp"
#include "tests/bench/errors_of.hpp"
#include "tests/bench/topology_text.hpp"

namespace lockbench {
namespace {

using test::from_text;
using test::host_error;
using test::replaced;
using test::with_bare_node;
using test::with_distances;

constexpr const char* kMilan = "pack:2 [numa] l3:8 core:8 pu:2";
constexpr const char* kFourSockets = "pack:4 [numa] l3:1 l2:10 core:1 pu:1";
constexpr const char* kEightSmtLinux = "pack:8 [numa] l3:1 core:10 pu:2(indexes=2*80:1*2)";

TEST(topology, counts_what_the_description_says) {
    const Topology milan = load_synthetic(kMilan);
    EXPECT_EQ(milan.count_packages(), 2U);
    EXPECT_EQ(milan.nodes.size(), 2U);
    EXPECT_EQ(milan.count_llcs(), 16U);
    EXPECT_EQ(milan.count_cores(), 128U);
    EXPECT_EQ(milan.cpus.size(), 256U);
    EXPECT_FALSE(milan.is_this_system);
    EXPECT_TRUE(milan.notes.empty());
    EXPECT_TRUE(milan.node_distances.empty());
    EXPECT_FALSE(milan.node_distance(0, 1).has_value());
}

TEST(topology, siblings_far_apart_in_number_are_one_core) {
    const Topology machine = load_synthetic(kEightSmtLinux);
    ASSERT_EQ(machine.cpus.size(), 160U);
    const Cpu* first = machine.find(13);
    const Cpu* second = machine.find(93);
    ASSERT_TRUE(first != nullptr && second != nullptr);
    EXPECT_EQ(first->core, second->core);
    EXPECT_EQ(first->package, 1);
    EXPECT_EQ(first->smt_rank, 0);
    EXPECT_EQ(second->smt_rank, 1);
    EXPECT_EQ(machine.distance(13, 93), Distance::same_core);
}

TEST(topology, packages_interleaved_in_number) {
    const Topology machine = load_synthetic("pack:4 [numa] l3:1 core:2 pu:1(indexes=0,4,1,5,2,6,3,7)");
    EXPECT_EQ(machine.distance(0, 1), Distance::other_package);
    EXPECT_EQ(machine.distance(0, 4), Distance::same_llc);
    EXPECT_EQ(machine.nodes[1].cpus, (std::vector<CpuId>{1, 5}));
}

TEST(topology, smt_rank_counts_threads_even_under_caches_of_their_own) {
    // Every thread has its own L1 and L2 below the core, as some emulators tell: no thread has a sibling beside it in
    // the tree.
    const Topology machine = load_synthetic("pack:1 l3:1 core:2 l2:2 l1:1 pu:1");
    std::vector<int> ranks;
    for (const Cpu& cpu : machine.cpus) {
        ranks.push_back(cpu.smt_rank);
    }
    EXPECT_EQ(ranks, (std::vector<int>{0, 1, 0, 1}));
}

TEST(topology, without_l3_the_last_cache_counts) {
    const Topology machine = load_synthetic("pack:2 l2:2 core:2 pu:1");
    EXPECT_EQ(machine.count_llcs(), 4U);
    EXPECT_EQ(machine.notes, (std::vector<std::string>{"no L3 cache: the last cache is an L2"}));
}

TEST(topology, without_caches_the_package_counts) {
    const Topology machine = load_synthetic("pack:2 core:2 pu:1");
    EXPECT_EQ(machine.count_llcs(), 2U);
    EXPECT_EQ(machine.distance(0, 1), Distance::same_llc);
    EXPECT_EQ(machine.notes, (std::vector<std::string>{"no caches: each package counts as a last-level cache"}));
}

TEST(topology, without_packages_the_node_counts) {
    const Topology machine = load_synthetic("numa:2 l3:1 core:2 pu:1");
    EXPECT_EQ(machine.count_packages(), 2U);
    EXPECT_EQ(machine.distance(0, 2), Distance::other_package);
    EXPECT_EQ(machine.notes, (std::vector<std::string>{"no Package objects: each NUMA node counts as a package"}));
}

TEST(topology, without_cores_threads_stand_alone_or_share_a_first_level_cache) {
    const Topology alone = load_synthetic("pack:1 l3:1 pu:4");
    EXPECT_EQ(alone.count_cores(), 4U);
    EXPECT_EQ(alone.notes, (std::vector<std::string>{"no Core objects: each CPU counts as a core"}));
    const Topology sharing = load_synthetic("pack:1 l3:1 l1:2 pu:2");
    EXPECT_EQ(sharing.count_cores(), 2U);
    EXPECT_EQ(sharing.distance(0, 1), Distance::same_core);
    EXPECT_EQ(sharing.cpus[1].smt_rank, 1);
}

TEST(topology, bare_machine) {
    const Topology machine = load_synthetic("pu:2");
    EXPECT_EQ(machine.count_packages(), 1U);
    EXPECT_EQ(machine.count_llcs(), 1U);
    EXPECT_EQ(machine.nodes_with_cpus(), (std::vector<NodeId>{0}));
    EXPECT_EQ(machine.notes.size(), 3U);
}

TEST(topology, distances_name_the_innermost_thing_shared) {
    const Topology machine = load_synthetic("pack:2 group:2 [numa] l3:2 core:2 pu:2");
    const std::vector<Distance> from_0 = {machine.distance(0, 0), machine.distance(0, 1), machine.distance(0, 2),
                                          machine.distance(0, 4), machine.distance(0, 8), machine.distance(0, 16)};
    EXPECT_EQ(from_0, (std::vector<Distance>{Distance::self, Distance::same_core, Distance::same_llc,
                                             Distance::same_node, Distance::same_package, Distance::other_package}));
    EXPECT_EQ(machine.distance(0, 99), Distance::unknown);
    EXPECT_EQ(machine.distance(16, 0), Distance::other_package);
}

TEST(topology, a_cache_over_several_nodes_is_nearer_than_they_are) {
    const Topology sub_numa = load_synthetic("pack:2 l3:1 group:2 [numa] core:2 pu:1");
    EXPECT_EQ(sub_numa.nodes.size(), 4U);
    EXPECT_EQ(sub_numa.distance(0, 2), Distance::same_llc);
}

TEST(topology, a_node_over_several_packages_is_nearer_than_they_are) {
    const Topology board = load_synthetic("group:2 [numa] pack:2 l3:1 core:2 pu:1");
    EXPECT_EQ(board.distance(0, 2), Distance::same_node);
    EXPECT_EQ(board.distance(0, 4), Distance::other_package);
}

TEST(topology, distance_table_is_indexed_by_system_number) {
    const Topology machine = load_synthetic("pack:2 [numa] l3:1 core:2 pu:1(indexes=0,5,2,3)");
    ASSERT_EQ(machine.table_side(), 6U);
    const std::vector<std::uint8_t> table = machine.distance_table();
    ASSERT_EQ(table.size(), 36U);
    EXPECT_EQ(table[0 * 6 + 5], static_cast<std::uint8_t>(Distance::same_llc));
    EXPECT_EQ(table[5 * 6 + 3], static_cast<std::uint8_t>(Distance::other_package));
    EXPECT_EQ(table[3 * 6 + 3], static_cast<std::uint8_t>(Distance::self));
    EXPECT_EQ(table[0 * 6 + 1], static_cast<std::uint8_t>(Distance::unknown));  // there is no CPU 1
}

TEST(topology, sparse_node_numbers) {
    const Topology machine = load_synthetic("pack:2 [numa(memory=1GB indexes=4,1)] core:2 pu:1");
    EXPECT_EQ(machine.node_numbers(), (std::vector<NodeId>{4, 1}));
    EXPECT_EQ(machine.node_of(0), 4);
    EXPECT_EQ(machine.node_of(3), 1);
    EXPECT_EQ(machine.find_node(0), nullptr);
    EXPECT_EQ(machine.node_of(77), kAnyNode);
}

TEST(topology, second_memory_of_a_package_owns_no_cpus) {
    const Topology machine = load_synthetic("pack:2 [numa(memory=8GB)] [numa(memory=1GB)] core:2 pu:1");
    ASSERT_EQ(machine.nodes.size(), 4U);
    EXPECT_EQ(machine.nodes_with_cpus().size(), 2U);
    EXPECT_EQ(machine.node_of(0), machine.nodes[0].os_index);
    EXPECT_TRUE(machine.nodes[1].cpus.empty());
}

TEST(topology, a_memory_side_cache_does_not_hide_the_node) {
    std::string xml = load_synthetic("pack:2 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    const std::size_t node = xml.find("<object type=\"NUMANode\" os_index=\"1\"");
    ASSERT_NE(node, std::string::npos);
    const std::string end = "</object>";
    xml.insert(xml.find(end, node), end);
    xml.insert(node,
               "<object type=\"MemCache\" cpuset=\"0x0000000c\" complete_cpuset=\"0x0000000c\" "
               "nodeset=\"0x00000002\" complete_nodeset=\"0x00000002\" gp_index=\"1001\" cache_size=\"1024\" "
               "depth=\"1\" cache_linesize=\"64\" cache_associativity=\"0\" cache_type=\"0\">");
    const Topology machine = from_text(xml);
    EXPECT_EQ(machine.node_of(0), 0);
    EXPECT_EQ(machine.node_of(3), 1);
}

TEST(topology, node_without_cpus_is_nobodys) {
    const std::string plain = load_synthetic("pack:2 [numa(memory=8GB)] core:2 pu:1").xml;
    const Topology machine = from_text(with_bare_node(plain, 2, 1U << 30U));
    ASSERT_EQ(machine.nodes.size(), 3U);
    const NumaNode* bare = machine.find_node(2);
    ASSERT_NE(bare, nullptr);
    EXPECT_TRUE(bare->cpus.empty());
    EXPECT_EQ(bare->memory_bytes, 1U << 30U);
    EXPECT_EQ(machine.nodes_with_cpus(), (std::vector<NodeId>{0, 1}));
    EXPECT_EQ(machine.nodes_with_memory().size(), 3U);
}

TEST(topology, a_cpu_outside_every_node_counts_with_the_first_and_says_so) {
    // One node, under the first package.
    std::string xml = load_synthetic("pack:2 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    const std::size_t second = xml.find("<object type=\"NUMANode\" os_index=\"1\"");
    ASSERT_NE(second, std::string::npos);
    const std::size_t end = xml.find("</object>", second) + std::string("</object>").size();
    xml.erase(second, end - second);
    for (const auto& [with, without] : {std::pair("nodeset=\"0x00000003\"", "nodeset=\"0x00000001\""),
                                        std::pair("nodeset=\"0x00000002\"", "nodeset=\"0x0\"")}) {
        for (std::size_t at = xml.find(with); at != std::string::npos; at = xml.find(with)) {
            xml.replace(at, std::string(with).size(), without);
        }
    }
    const Topology machine = from_text(xml);
    EXPECT_EQ(machine.node_of(2), 0);
    ASSERT_FALSE(machine.notes.empty());
    EXPECT_EQ(machine.notes.front(), "CPU 2 is on no NUMA node: it counts with node 0");
    // With memory at the machine's root, that is what all CPUs without nearer memory use.
    EXPECT_EQ(from_text(with_bare_node(xml, 2, 1U << 30U)).node_of(2), 2);
}

TEST(topology, node_without_memory) {
    Topology machine = load_synthetic("pack:2 [numa(memory=8GB)] core:2 pu:1");
    machine.nodes[0].memory_bytes = 0;
    EXPECT_EQ(machine.nodes_with_memory(), (std::vector<NodeId>{1}));
    machine.nodes[1].memory_bytes = 0;  // now sizes are not told at all
    EXPECT_EQ(machine.nodes_with_memory(), (std::vector<NodeId>{0, 1}));
    machine.nodes[0].allowed = false;
    EXPECT_EQ(machine.nodes_with_memory(), (std::vector<NodeId>{1}));
}

TEST(topology, reads_the_distance_matrix) {
    const std::string plain = load_synthetic("pack:4 [numa] l3:1 core:2 pu:1").xml;
    const Topology machine = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 12, 31, 21, 12, 10, 21, 32, 31, 21, 10, 12, 22, 31, 12, 10}));
    EXPECT_EQ(machine.node_distance(0, 2), 31U);
    EXPECT_EQ(machine.node_distance(1, 3), 32U);
    EXPECT_EQ(machine.node_distance(3, 0), 22U);  // not symmetric: row is where it starts
    EXPECT_EQ(machine.node_distance(0, 3), 21U);
    EXPECT_FALSE(machine.node_distance(0, 9).has_value());
}

TEST(topology, the_distance_matrix_survives_export_and_reload) {
    const std::string plain = load_synthetic("pack:2 [numa] core:2 pu:1").xml;
    const Topology once = from_text(with_distances(plain, {0, 1}, {10, 21, 22, 10}));
    const Topology twice = from_text(once.xml);
    EXPECT_EQ(twice.node_distance(0, 1), 21U);
    EXPECT_EQ(twice.node_distance(1, 0), 22U);
}

TEST(topology, a_matrix_without_its_name_is_taken_by_kind) {
    const std::string plain = load_synthetic("pack:2 [numa] core:2 pu:1").xml;
    const std::string named = with_distances(plain, {0, 1}, {10, 21, 21, 10});
    const Topology machine = from_text(replaced(named, " name=\"NUMALatency\"", ""));
    EXPECT_EQ(machine.node_distance(0, 1), 21U);
}

TEST(topology, farthest_node_by_matrix_then_by_package) {
    const std::string plain = load_synthetic("pack:2 group:2 [numa] l3:1 core:2 pu:1").xml;
    const std::vector<NodeId> all = {0, 1, 2, 3};
    EXPECT_EQ(from_text(plain).farthest_node(0, all), 2);  // nothing told: another package
    const Topology told = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 11, 20, 30, 11, 10, 30, 20, 20, 30, 10, 11, 30, 20, 11, 10}));
    EXPECT_EQ(told.farthest_node(0, all), 3);
    EXPECT_EQ(told.farthest_node(3, all), 0);
    EXPECT_EQ(told.farthest_node(1, all), 2);
    const Topology close = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 21, 20, 20, 21, 10, 20, 20, 20, 20, 10, 21, 20, 20, 21, 10}));
    EXPECT_EQ(close.farthest_node(2, all), 3);  // the figures come before the packages
    const std::vector<NodeId> only = {1};
    EXPECT_EQ(told.farthest_node(1, only), 1);
    const Topology flat = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10}));
    EXPECT_EQ(flat.farthest_node(0, all), 2);  // equal figures: another package
}

TEST(topology, of_equally_far_nodes_one_with_memory_comes_first) {
    const std::string plain = load_synthetic("pack:2 group:2 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    Topology machine = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 12, 32, 32, 12, 10, 32, 32, 32, 32, 10, 12, 32, 32, 12, 10}));
    const std::vector<NodeId> all = {0, 1, 2, 3};
    EXPECT_EQ(machine.farthest_node(0, all), 2);
    machine.nodes[2].memory_bytes = 0;
    EXPECT_EQ(machine.farthest_node(0, all), 3);
    machine.nodes[3].allowed = false;  // then neither gives memory
    EXPECT_EQ(machine.farthest_node(0, all), 2) << "memory does not outweigh the distance";
}

TEST(topology, a_mask_hides_cpus_but_not_what_they_share) {
    const Topology machine = load_synthetic(kFourSockets, {{{3, 12, 13}}});
    EXPECT_EQ(machine.cpus.size(), 40U);
    ASSERT_EQ(machine.usable().size(), 3U);
    EXPECT_EQ(machine.usable()[0].os_index, 3);
    EXPECT_EQ(machine.nodes_with_cpus(), (std::vector<NodeId>{0, 1}));
    EXPECT_EQ(machine.count_packages(), 4U);
    EXPECT_EQ(machine.notes.back(), "the affinity mask hides CPUs 0-2,4-11,14-39");
}

TEST(topology, the_cpuset_of_a_file_hides_cpus_and_memory) {
    std::string xml = load_synthetic("pack:2 [numa(memory=1GB)] l3:1 core:2 pu:1").xml;
    xml = replaced(xml, "allowed_cpuset=\"0x0000000f\"", "allowed_cpuset=\"0x00000006\"");
    xml = replaced(xml, "allowed_nodeset=\"0x00000003\"", "allowed_nodeset=\"0x00000002\"");
    const Topology machine = from_text(xml);
    EXPECT_EQ(machine.usable().size(), 2U);
    EXPECT_EQ(machine.usable()[0].os_index, 1);
    EXPECT_EQ(machine.nodes_with_memory(), (std::vector<NodeId>{1}));
    EXPECT_EQ(machine.notes.front(), "the cpuset hides CPUs 0,3");
    // Mask and cpuset both apply.
    EXPECT_EQ(from_text(xml, {{{0, 1}}}).usable().size(), 1U);
}

TEST(topology, no_cpu_left_is_an_error) {
    const std::string message = host_error([] { load_synthetic("pack:1 core:2 pu:1", {{{7}}}); });
    EXPECT_EQ(message,
              "No CPU of the topology (synthetic: pack:1 core:2 pu:1) may be used: the affinity mask hides CPUs 0,1.");
}

TEST(topology, wrong_descriptions_and_files_are_clear_errors) {
    EXPECT_NE(host_error([] { load_synthetic("pack:2 bogus:3 pu:1"); }).find("'pack:2 bogus:3 pu:1'"),
              std::string::npos);
    EXPECT_EQ(host_error([] { from_text(""); }),
              "test: no topology in hwloc's XML format, or a broken one (there is no <topology version=...>).");
    EXPECT_EQ(host_error([] { from_text("<topology version=\"2.0\"><object type=\"Mach"); }),
              "test: no topology in hwloc's XML format, or a broken one (it says version 2.0).");
    const std::string newer = host_error([] { from_text("<?xml?>\n<topology version=\"3.0\">\n</topology>"); });
    EXPECT_NE(newer.find("XML version 3.0"), std::string::npos) << newer;
    EXPECT_NE(newer.find("reads up to version 2"), std::string::npos) << newer;
    EXPECT_EQ(host_error([] { static_cast<void>(read_xml_file("/nonexistent/topology.xml")); }),
              "Cannot read the topology /nonexistent/topology.xml: No such file or directory.");
}

TEST(topology, export_writes_a_file_that_reads_back_the_same) {
    const std::filesystem::path path = std::filesystem::temp_directory_path() / "lockbench_topology_test.xml";
    const Topology machine = load_synthetic(kMilan);
    machine.export_xml(path.string());
    const Topology again = load_xml_text(read_xml_file(path.string()), path.string());
    std::filesystem::remove(path);
    EXPECT_EQ(again.distance_table(), machine.distance_table());
    EXPECT_EQ(again.source, "XML: " + path.string());
    EXPECT_EQ(host_error([&] { machine.export_xml("/nonexistent/x.xml"); }),
              "Cannot write the topology to /nonexistent/x.xml: No such file or directory.");
    EXPECT_NE(host_error([] { Topology{}.export_xml("x.xml"); }).find("no XML to write to x.xml"), std::string::npos);
}

TEST(topology, a_full_disk_is_noticed) {
    if (!std::filesystem::exists("/dev/full")) {
        GTEST_SKIP() << "this host has no /dev/full";
    }
    const Topology machine = load_synthetic("pack:2 core:2 pu:2");
    EXPECT_EQ(host_error([&] { machine.export_xml("/dev/full"); }),
              "Cannot write the topology to /dev/full: No space left on device.");
    Topology small;
    small.xml = "<topology/>";  // so little that it is written only when the file is closed
    EXPECT_EQ(host_error([&] { small.export_xml("/dev/full"); }),
              "Cannot write the topology to /dev/full: No space left on device.");
}

TEST(topology, this_system_is_within_the_affinity_mask) {
    const Topology machine = load_this_system();
    EXPECT_TRUE(machine.is_this_system);
    EXPECT_EQ(machine.source, "this system");
    machine.require_this_system();
    std::vector<CpuId> usable;
    for (const Cpu& cpu : machine.usable()) {
        usable.push_back(cpu.os_index);
    }
    std::sort(usable.begin(), usable.end());
    EXPECT_EQ(usable, affinity_of_self());
}

TEST(topology, a_narrower_mask_of_this_thread_shows) {
    const std::vector<CpuId> all = affinity_of_self();
    if (all.size() < 2) {
        GTEST_SKIP() << "needs two CPUs, there is " << all.size();
    }
    ASSERT_FALSE(pin_self(all.back()).has_value());
    const Topology machine = load_this_system();
    ASSERT_FALSE(unpin_self(all).has_value());
    ASSERT_EQ(machine.usable().size(), 1U);
    EXPECT_EQ(machine.usable()[0].os_index, all.back());
    EXPECT_GE(machine.cpus.size(), all.size());
}

TEST(topology, another_machine_by_environment_is_not_measured_on) {
    ASSERT_EQ(setenv("HWLOC_SYNTHETIC", kFourSockets, 1), 0);
    const Topology machine = load_this_system();
    ASSERT_EQ(unsetenv("HWLOC_SYNTHETIC"), 0);
    EXPECT_FALSE(machine.is_this_system);
    EXPECT_EQ(machine.usable().size(), 40U);
    const std::string message = host_error([&] { machine.require_this_system(); });
    EXPECT_NE(message.find("synthetic by HWLOC_SYNTHETIC: pack:4"), std::string::npos) << message;
}

}  // namespace
}  // namespace lockbench
