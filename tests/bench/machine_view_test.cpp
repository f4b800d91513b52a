// SPDX-License-Identifier: MIT
#include "bench/machine_view.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/bench/topology_text.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

TEST(draw, two_virtual_cpus) {
    EXPECT_EQ(draw(load_synthetic("pack:1 [numa(memory=1GB)] l3:1 core:2 pu:1")),
              "topology of synthetic: pack:1 [numa(memory=1GB)] l3:1 core:2 pu:1: 1 package, 1 node, 1 LLC, 2 cores, 2 "
              "CPUs\n"
              "  package 0   node 0   953 MiB    LLC 0: 0,1\n"
              "placements (CPU of thread 0, 1, 2, ..; readers_remote: writers | readers)\n"
              "  compact        0 1\n"
              "  spread         as compact\n"
              "  smt_last       as compact\n"
              "  one_node       as compact\n"
              "  one_per_llc    needs two last-level caches; the usable CPUs of this machine share one, so it would be "
              "compact.\n"
              "  one_per_node   needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it would be "
              "compact.\n"
              "  readers_remote needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it would be "
              "compact.\n"
              "  unpinned       any usable CPU\n");
}

TEST(draw, nodes_distances_hidden_cpus_and_notes) {
    const std::string plain = load_synthetic("pack:2 [numa(memory=64GiB)] core:2 pu:2").xml;
    const std::string bare = test::with_bare_node(plain, 2, 512U << 20U);
    const Topology machine = test::from_text(
        test::with_distances(bare, {0, 1, 2}, {10, 21, 40, 21, 10, 40, 40, 40, 10}), {{{0, 1, 2, 4, 5, 6, 7}}});
    const std::string text = draw(machine);
    EXPECT_NE(text.find("  package 0   node 0   64 GiB     LLC 0: 0-3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  no CPUs     node 2   512 MiB\n"), std::string::npos) << text;
    EXPECT_NE(
        text.find("           0    1    2\n     0:   10   21   40\n     1:   21   10   40\n     2:   40   40   10\n"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("usable CPUs: 0-2,4-7 (hidden: 3)\n"), std::string::npos) << text;
    EXPECT_NE(text.find("note: no caches: each package counts as a last-level cache\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  smt_last       0 2 4 6 1 5 7\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  readers_remote 0 2 1 0 | 4 6 5\n"), std::string::npos) << text;
}

TEST(draw, a_large_machine_fits_on_a_screen) {
    const std::string plain = load_synthetic("pack:24 [numa] l3:8 core:2 pu:2").xml;
    std::vector<std::uint64_t> ids(24);
    std::vector<std::uint64_t> values(std::size_t{24} * 24, 79);
    for (std::size_t i = 0; i < 24; ++i) {
        ids[i] = i;
        values[i * 24 + i] = 10;
    }
    values[1] = 15;
    const Topology machine = test::from_text(test::with_distances(plain, ids, values));
    const std::string text = draw(machine);
    const std::vector<std::string> lines = lines_of(text);
    EXPECT_LE(lines.size(), 30U);
    for (const std::string& line : lines) {
        EXPECT_LE(line.size(), 120U) << line;
    }
    EXPECT_NE(text.find("  ... 8 more\n"), std::string::npos) << text;
    EXPECT_NE(text.find("; ... "), std::string::npos) << text;
    EXPECT_NE(text.find("node distances (10: local): 15 to 79\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  compact        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 ...\n"), std::string::npos) << text;
    const std::string untold = draw(load_synthetic("pack:2 [numa] core:1 pu:1"));
    EXPECT_NE(untold.find("node distances: not told by this machine\n"), std::string::npos) << untold;
}

TEST(machine_json, holds_every_cpu_node_and_placement) {
    const std::string plain = load_synthetic("pack:2 [numa(memory=8GB)] l3:1 core:2 pu:2").xml;
    const Topology machine = test::from_text(test::with_distances(plain, {0, 1}, {10, 21, 22, 10}));
    const json object = to_json(machine);
    EXPECT_EQ(object["source"], "XML: test");
    EXPECT_EQ(object["is_this_system"], false);
    EXPECT_EQ(object["packages"], 2);
    EXPECT_EQ(object["cores"], 4);
    EXPECT_EQ(object["llcs"], 2);
    ASSERT_EQ(object["cpus"].size(), 8U);
    EXPECT_EQ(object["cpus"][5].dump(),
              R"({"allowed":true,"core":2,"cpu":5,"llc":1,"node":1,"package":1,"smt_rank":1})");
    EXPECT_EQ(object["nodes"][1].dump(), R"({"allowed":true,"cpus":[4,5,6,7],"memory_bytes":8000000000,"node":1})");
    EXPECT_EQ(object["node_distances"].dump(), "[[10,21],[22,10]]");
    EXPECT_EQ(object["placements"]["smt_last"]["cpus"].dump(), "[0,2,4,6,1,3,5,7]");
    EXPECT_EQ(object["placements"]["smt_last"]["same_as"], nullptr);
    EXPECT_EQ(object["placements"]["one_per_llc"]["same_as"], "spread");
    EXPECT_EQ(object["placements"]["unpinned"]["cpus"], nullptr);
    const json small = to_json(load_synthetic("pack:1 l3:1 core:2 pu:1"));
    EXPECT_EQ(small["node_distances"], nullptr);
    EXPECT_EQ(small["placements"]["one_per_node"]["cpus"], nullptr);
    EXPECT_NE(small["placements"]["one_per_node"]["lacks"], nullptr);
}

}  // namespace
}  // namespace lockbench
