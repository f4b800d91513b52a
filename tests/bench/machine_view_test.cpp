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

constexpr std::size_t kColumns = 100;
constexpr std::size_t kMostRows = 33;  // host and counters have the rest of a screen of 50

// The drawing, each line no wider than a screen.
std::string drawn(const Topology& machine, std::size_t most_rows = kMostRows) {
    std::string text = draw(machine);
    const std::vector<std::string> lines = lines_of(text);
    EXPECT_LE(lines.size(), most_rows) << text;
    for (const std::string& line : lines) {
        EXPECT_LE(line.size(), kColumns) << line;
        EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; })) << line;
    }
    return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(draw, two_virtual_cpus) {
    EXPECT_EQ(drawn(load_synthetic("pack:1 [numa(memory=1GB)] l3:1 core:2 pu:1")),
              "topology of ANOTHER MACHINE, not of this one (synthetic: pack:1 [numa(memory=1GB)] l3:1 core:...)\n"
              "  1 package, 1 node, 1 last-level cache, 2 cores, 2 CPUs\n"
              "  each core 1 CPU\n"
              "  +- package 0, node 0 (953 MiB), L3 0 (16 MiB) -+\n"
              "  | [0] [1]                                      |\n"
              "  +----------------------------------------------+\n"
              "placements: CPU of thread 0, 1, 2, .. (readers_remote: writers | readers); default here: compact\n"
              "  compact        0 1\n"
              "  spread         as compact\n"
              "  smt_last       as compact\n"
              "  one_node       as compact\n"
              "  one_per_llc    needs two last-level caches; would be compact\n"
              "  one_per_node   needs two NUMA nodes with usable CPUs; would be compact\n"
              "  readers_remote needs two NUMA nodes with usable CPUs; would be compact\n"
              "  unpinned       any usable CPU\n");
    Topology here = load_synthetic("pu:1");
    here.is_this_system = true;
    here.source = "this system";
    EXPECT_EQ(lines_of(drawn(here)).front(), "topology of this system");
}

TEST(draw, nodes_distances_hidden_cpus_and_notes) {
    const std::string plain = load_synthetic("pack:2 [numa(memory=64GiB)] core:2 pu:2").xml;
    const std::string bare = test::with_bare_node(plain, 2, 512U << 20U);
    const Topology machine = test::from_text(
        test::with_distances(bare, {0, 1, 2}, {10, 21, 40, 21, 10, 40, 40, 40, 10}), {{{0, 1, 2, 4, 5}}});
    const std::string text = drawn(machine);
    EXPECT_TRUE(has(text, "+- package 0, node 0 (64 GiB), LLC 0 -+ +- package 1, node 1 (64 GiB), LLC 1 -+\n")) << text;
    EXPECT_TRUE(has(text, "| [0 1]   [2 (3)]                     | | [4 5] (6 7)                         |\n")) << text;
    EXPECT_TRUE(has(text, "without CPUs: node 2 (512 MiB)\n")) << text;
    EXPECT_TRUE(
        has(text, "           0    1    2\n     0:   10   21   40\n     1:   21   10   40\n     2:   40   40   10\n"))
        << text;
    EXPECT_TRUE(has(text, "usable CPUs: 0-2,4,5; hidden ones are in (brackets)\n")) << text;
    EXPECT_TRUE(has(text, "note: no caches: each package counts as a last-level cache\n")) << text;
    EXPECT_TRUE(has(text, "default here: smt_last\n")) << text;
    EXPECT_TRUE(has(text, "  smt_last       0 2 4 1 5\n")) << text;
    EXPECT_TRUE(has(text, "  one_node       0 2 1 (more threads share these)\n")) << text;
    EXPECT_TRUE(has(text, "  readers_remote 0 2 1 | 4 5\n")) << text;
}

TEST(draw, nodes_without_memory_and_offline_cpus) {
    std::string xml = load_synthetic("pack:2 [numa(memory=8GiB)] l3:1 core:2 pu:1").xml;
    const std::size_t second = xml.find("\"NUMANode\" os_index=\"1\"");
    xml = xml.substr(0, second) + test::replaced(xml.substr(second), "local_memory=\"8589934592\"", "");
    const std::string text = drawn(test::from_text(test::with_offline(xml, {3})));
    EXPECT_TRUE(has(text, "node 0 (8192 MiB), L3 0 ")) << text;
    EXPECT_TRUE(has(text, "node 1 (no memory), L3 1 ")) << text;
    EXPECT_TRUE(has(text, "offline CPUs: 3\n")) << text;
}

TEST(draw, the_laptop_shows_each_core) {
    const std::string text = drawn(load_synthetic("pack:1 [numa(memory=16GiB)] l3:1 core:8 pu:2(indexes=2*8:1*2)"));
    EXPECT_TRUE(has(text, "  | [0 8]  [1 9]  [2 10] [3 11] [4 12] [5 13] [6 14] [7 15] |\n")) << text;
    EXPECT_TRUE(has(text, "  each core 2 CPUs\n")) << text;
}

TEST(draw, boxes_follow_the_machines_own_nesting) {
    const std::string nps = drawn(load_synthetic("pack:1 group:2 [numa] l3:2 core:2 pu:1"));
    EXPECT_TRUE(has(nps,
                    "  +- package 0 ---------------------------------------------+\n"
                    "  | +- node 0 ----------------+ +- node 1 ----------------+ |\n"
                    "  | | +- L3 0 --+ +- L3 1 --+ | | +- L3 2 --+ +- L3 3 --+ | |\n"
                    "  | | | [0] [1] | | [2] [3] | | | | [4] [5] | | [6] [7] | | |\n"))
        << nps;
    const std::string board = drawn(load_synthetic("group:2 [numa] pack:2 l3:1 core:2 pu:1"));
    EXPECT_TRUE(has(board, "| +- package 0, L3 0 -+ +- package 1, L3 1 -+ |")) << board;
    const std::string clusters = drawn(load_synthetic("pack:2 l3:1 group:2 [numa] core:2 pu:1"));
    EXPECT_TRUE(has(clusters, "+- package 0, L3 0 -")) << clusters;
    const std::string power = drawn(load_synthetic("pack:2 [numa] core:2 l3:1 pu:2"));
    EXPECT_TRUE(has(power, "each core its own L3 16 MiB")) << power;
    EXPECT_TRUE(has(power, "| [0 1] [2 3] ")) << power;
}

TEST(draw, large_machines_show_ranges_where_cores_do_not_fit) {
    const std::string epyc = drawn(load_synthetic("pack:2 [numa] l3:8 core:8 pu:2(indexes=2*128:1*2)"));
    EXPECT_TRUE(has(epyc, "| L3 0: 0-7,128-135     L3 1: 8-15,136-143    L3 2: 16-23,144-151 ")) << epyc;
    const std::string nps4 = drawn(load_synthetic("pack:2 group:4 [numa] l3:2 core:8 pu:2(indexes=2*128:1*2)"));
    EXPECT_TRUE(has(nps4, "| node 7 | L3 14: 112-119,240-247   L3 15: 120-127,248-255 |")) << nps4;
    const std::string xeon = drawn(load_synthetic("pack:4 [numa] l3:1 core:28 pu:2(indexes=2*112:1*2)"));
    EXPECT_TRUE(has(xeon, "| 28 cores: 84-111,196-223 ")) << xeon;
    const std::string ampere = drawn(load_synthetic("pack:1 [numa] l2:80 core:1 pu:1"));
    EXPECT_TRUE(has(ampere, "| [76] [77] [78] [79] ")) << ampere;
    const std::string sockets = drawn(load_synthetic("pack:16 [numa] l3:1 core:32 pu:2(indexes=2*512:1*2)"));
    EXPECT_TRUE(has(sockets, "| 32 cores: 480-511,992-1023 ")) << sockets;
    EXPECT_TRUE(has(sockets, "  compact        0 512 1 513 2 514 3 515 4 516 5 517 6 518 7 519 ...\n")) << sockets;
    // Packages numbered in turn, as some firmware does.
    const std::string across = drawn(load_synthetic("pack:2 [numa] l3:1 core:48 pu:1(indexes=48*2:1*48)"));
    EXPECT_TRUE(has(across, "0-94/2") || has(across, "[0]  [2]  [4] ")) << across;
}

TEST(draw, less_room_less_detail) {
    const Topology sockets = load_synthetic("pack:16 [numa] l3:1 core:4 pu:2(indexes=2*64:1*2)");
    const std::string small = draw(sockets, 22);
    EXPECT_LE(lines_of(small).size(), 22U) << small;
    EXPECT_TRUE(has(small, "package 15, node 15, L3 15: 60-63,124-127\n")) << small;
    EXPECT_LT(lines_of(draw(sockets, 0)).size(), 25U) << "never without a drawing";
    EXPECT_GT(lines_of(draw(sockets)).size(), 25U);
}

TEST(draw, what_does_not_fit_at_all_is_counted) {
    const std::string text = drawn(load_synthetic("pack:256 [numa] l3:1 core:1 pu:1"));
    EXPECT_TRUE(has(text, " more lines; --json has all\n")) << text;
    // A note for each CPU that lies on no node.
    Topology odd = load_synthetic("pu:2");
    for (int i = 0; i < 9; ++i) {
        odd.notes.push_back("CPU " + std::to_string(i) + " is odd in a way that takes " + std::string(300, 'x'));
    }
    EXPECT_TRUE(has(draw(odd), "note: ... 7 more; --json has all\n"));
    for (const std::string& line : lines_of(draw(odd))) {
        EXPECT_LE(line.size(), kColumns) << line;
    }
}

TEST(draw, distances_in_words_where_few_say_all) {
    const auto machine = [](const char* description, std::size_t nodes, auto figure) {
        std::vector<std::uint64_t> ids(nodes);
        std::vector<std::uint64_t> values;
        for (std::size_t from = 0; from < nodes; ++from) {
            ids[from] = from;
            for (std::size_t to = 0; to < nodes; ++to) {
                values.push_back(from == to ? 10 : static_cast<std::uint64_t>(figure(from, to)));
            }
        }
        return drawn(test::from_text(test::with_distances(load_synthetic(description).xml, ids, values)), 50);
    };
    EXPECT_TRUE(has(machine("pack:2 [numa] core:1 pu:1", 2, [](auto, auto) { return 21; }),
                    "node distances (10: local): 21 between any two\n"));
    EXPECT_TRUE(has(machine("pack:2 group:2 [numa] core:1 pu:1", 4,
                            [](auto from, auto to) { return from / 2 == to / 2 ? 12 : 32; }),
                    "node distances (10: local): 12 in a package, 32 to another\n"));
    EXPECT_TRUE(
        has(machine("pack:4 [numa] core:1 pu:1", 4, [](auto from, auto to) { return from % 2 == to % 2 ? 22 : 16; }),
            "     0:   10   16   22   16\n"));
    EXPECT_TRUE(has(machine("pack:24 [numa] core:1 pu:1", 24,
                            [](auto from, auto to) { return from / 2 == to / 2   ? 16
                                                            : from / 8 == to / 8 ? 50
                                                                                 : 65; }),
                    "node distances (10: local) from node 0: 16 to 1; 50 to 2-7; 65 to 8-23\n"));
    EXPECT_TRUE(has(drawn(load_synthetic("pack:2 [numa] core:1 pu:1")), "node distances: not told by this machine\n"));
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
    EXPECT_EQ(object["last_caches"].dump(), R"([{"bytes":16777216,"level":3},{"bytes":16777216,"level":3}])");
    EXPECT_EQ(object["offline"].dump(), "[]");
    EXPECT_EQ(object["default_placement"], "smt_last");
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
