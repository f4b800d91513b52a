// SPDX-License-Identifier: MIT
#include "bench/placement.hpp"

#include <gtest/gtest.h>

#include "bench/errors.hpp"
#include "tests/bench/errors_of.hpp"
#include "tests/bench/topology_text.hpp"

namespace lockbench {
namespace {

using Cpus = std::vector<CpuId>;
using test::error_of;
using test::from_text;
using test::with_bare_node;
using test::with_distances;

// 4 packages of one node, two LLCs of eight cores with two threads each; CPU numbers in hwloc's order.
constexpr const char* kFour = "pack:4 numa:1 l3:2 core:8 pu:2";
// 8 sockets of ten cores as Linux numbers them: core i is CPUs i and i+80.
constexpr const char* kEight = "pack:8 [numa] l3:1 core:10 pu:2(indexes=2*80:1*2)";
constexpr const char* kNps4 = "pack:2 group:4 [numa] l3:2 core:8 pu:2";
constexpr const char* kTwoVcpus = "pack:1 l3:1 core:2 pu:1";

Cpus cpus_of(const Topology& topology, Placement placement, std::size_t threads) {
    return plan(topology, placement, threads).cpus;
}

TEST(placement, orders_on_four_sockets) {
    const Topology machine = load_synthetic(kFour);
    EXPECT_EQ(cpus_of(machine, Placement::compact, 5), (Cpus{0, 1, 2, 3, 4}));
    EXPECT_EQ(cpus_of(machine, Placement::smt_last, 5), (Cpus{0, 2, 4, 6, 8}));
    EXPECT_EQ(cpus_of(machine, Placement::spread, 10), (Cpus{0, 32, 64, 96, 16, 48, 80, 112, 2, 34}));
    EXPECT_EQ(cpus_of(machine, Placement::one_per_llc, 9), (Cpus{0, 16, 32, 48, 64, 80, 96, 112, 2}));
    EXPECT_EQ(cpus_of(machine, Placement::one_per_node, 6), (Cpus{0, 32, 64, 96, 2, 34}));
    EXPECT_EQ(cpus_of(machine, Placement::one_node, 18),
              (Cpus{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 1, 3}));
    EXPECT_EQ(cpus_of(machine, Placement::readers_remote, 4), (Cpus{0, 2, 32, 34}));
    EXPECT_EQ(cpus_of(machine, Placement::unpinned, 2), (Cpus{kNoCpu, kNoCpu}));
}

TEST(placement, siblings_far_apart_in_number) {
    const Topology machine = load_synthetic(kEight);
    EXPECT_EQ(cpus_of(machine, Placement::compact, 4), (Cpus{0, 80, 1, 81}));
    EXPECT_EQ(cpus_of(machine, Placement::smt_last, 3), (Cpus{0, 1, 2}));
    const Cpus all = cpus_of(machine, Placement::smt_last, 160);
    EXPECT_EQ(all[79], 79);
    EXPECT_EQ(all[80], 80);
    EXPECT_EQ(cpus_of(machine, Placement::spread, 9), (Cpus{0, 10, 20, 30, 40, 50, 60, 70, 1}));
    EXPECT_EQ(cpus_of(machine, Placement::one_node, 12), (Cpus{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 80, 81}));
}

TEST(placement, packages_interleaved_in_number) {
    const Topology machine = load_synthetic("pack:4 [numa] l3:1 core:2 pu:1(indexes=0,4,1,5,2,6,3,7)");
    EXPECT_EQ(cpus_of(machine, Placement::compact, 4), (Cpus{0, 4, 1, 5}));
    EXPECT_EQ(cpus_of(machine, Placement::spread, 8), (Cpus{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(placement, spread_follows_the_machines_own_nesting) {
    // Several nodes a package, two LLCs a node.
    EXPECT_EQ(cpus_of(load_synthetic(kNps4), Placement::spread, 9), (Cpus{0, 128, 32, 160, 64, 192, 96, 224, 16}));
    // Two packages a node: the nodes come first.
    const Topology board = load_synthetic("group:2 [numa] pack:2 l3:1 core:2 pu:1");
    EXPECT_EQ(cpus_of(board, Placement::spread, 8), (Cpus{0, 4, 2, 6, 1, 5, 3, 7}));
    // Two nodes under one LLC: the LLCs are the packages.
    const Topology sub_numa = load_synthetic("pack:2 l3:1 group:2 [numa] core:2 pu:1");
    EXPECT_EQ(cpus_of(sub_numa, Placement::spread, 8), (Cpus{0, 4, 2, 6, 1, 5, 3, 7}));
}

TEST(placement, spread_takes_second_threads_last) {
    const Topology machine = load_synthetic("pack:2 [numa] l3:1 core:2 pu:2");
    EXPECT_EQ(cpus_of(machine, Placement::spread, 8), (Cpus{0, 4, 2, 6, 1, 5, 3, 7}));
}

TEST(placement, hidden_cpus_take_no_part_and_ranks_close_up) {
    // Only the second thread of core 0 is left, both of core 1, one core of the other package.
    const Topology machine = load_synthetic("pack:2 [numa] l3:1 core:2 pu:2", {{{1, 2, 3, 6}}});
    EXPECT_EQ(cpus_of(machine, Placement::compact, 4), (Cpus{1, 2, 3, 6}));
    EXPECT_EQ(cpus_of(machine, Placement::smt_last, 4), (Cpus{1, 2, 6, 3}));
    EXPECT_EQ(cpus_of(machine, Placement::spread, 4), (Cpus{1, 6, 2, 3}));
    EXPECT_EQ(cpus_of(machine, Placement::one_per_node, 4), (Cpus{1, 6, 2, 3}));
    EXPECT_EQ(cpus_of(machine, Placement::one_node, 3), (Cpus{1, 2, 3}));
}

TEST(placement, more_threads_than_cpus_go_round_and_say_so) {
    const Topology machine = load_synthetic(kTwoVcpus);
    const Plan fits = plan(machine, Placement::compact, 2);
    EXPECT_FALSE(fits.oversubscribed);
    EXPECT_FALSE(fits.wrapped);
    EXPECT_EQ(fits.note, "");
    const Plan over = plan(machine, Placement::compact, 5);
    EXPECT_EQ(over.cpus, (Cpus{0, 1, 0, 1, 0}));
    EXPECT_TRUE(over.oversubscribed);
    EXPECT_TRUE(over.wrapped);
    EXPECT_EQ(over.note, "5 threads share the 2 CPUs of this machine.");
    const Plan loose = plan(machine, Placement::unpinned, 3);
    EXPECT_TRUE(loose.oversubscribed);
    EXPECT_EQ(loose.note, "3 threads, left to the scheduler, share 2 CPUs.");
    EXPECT_FALSE(plan(machine, Placement::unpinned, 2).oversubscribed);
}

TEST(placement, one_node_is_oversubscribed_when_the_node_is_full) {
    const Topology machine = load_synthetic("pack:2 [numa] l3:1 core:2 pu:1");
    const Plan over = plan(machine, Placement::one_node, 3);
    EXPECT_EQ(over.cpus, (Cpus{0, 1, 0}));
    EXPECT_TRUE(over.oversubscribed);
    EXPECT_EQ(over.note, "3 threads share the 2 CPUs of node 0.");
}

TEST(placement, a_second_round_is_told_but_is_not_oversubscribed) {
    const Topology machine = load_synthetic(kFour);
    const Plan llcs = plan(machine, Placement::one_per_llc, 9);
    EXPECT_TRUE(llcs.wrapped);
    EXPECT_FALSE(llcs.oversubscribed);
    EXPECT_EQ(llcs.note, "9 threads on 8 last-level caches: some have several.");
    const Plan nodes = plan(machine, Placement::one_per_node, 5);
    EXPECT_TRUE(nodes.wrapped);
    EXPECT_EQ(nodes.note, "5 threads on 4 nodes: some have several.");
    EXPECT_FALSE(plan(machine, Placement::one_per_node, 4).wrapped);
}

TEST(placement, readers_go_to_the_farthest_node) {
    const std::string plain = load_synthetic("pack:4 [numa] l3:1 core:2 pu:1").xml;
    const Topology machine = from_text(
        with_distances(plain, {0, 1, 2, 3}, {10, 16, 22, 16, 16, 10, 16, 22, 22, 16, 10, 16, 16, 22, 16, 10}));
    const std::vector<Side> sides = {Side::reader, Side::writer, Side::reader, Side::reader};
    const Plan placed = plan(machine, Placement::readers_remote, 4, sides);
    EXPECT_EQ(placed.cpus, (Cpus{4, 0, 5, 4}));  // node 2 is two hops away
    EXPECT_TRUE(placed.oversubscribed);
    EXPECT_EQ(placed.note, "4 threads share CPUs: node 0 (writers) has 2, node 2 (readers) has 2.");
    EXPECT_FALSE(plan(machine, Placement::readers_remote, 3).oversubscribed);
    EXPECT_EQ(cpus_of(machine, Placement::readers_remote, 3), (Cpus{0, 1, 4}));  // without sides the first half writes
}

TEST(placement, readers_that_are_not_there_are_told) {
    const Topology machine = load_synthetic(kFour);
    const auto note = [&](const std::vector<Side>& sides) {
        return plan(machine, Placement::readers_remote, sides.size(), sides).note;
    };
    const Side reader = Side::reader;
    const Side writer = Side::writer;
    EXPECT_EQ(note({writer, reader}), "");
    EXPECT_EQ(note({writer}), "");
    EXPECT_EQ(note({writer, writer}), "readers_remote: none of the 2 threads is a reader, so all run on node 0.");
    EXPECT_EQ(note({reader, reader}), "readers_remote: none of the 2 threads is a writer, so all run on node 1.");
    const Topology small = load_synthetic("pack:2 [numa] core:1 pu:1");
    EXPECT_EQ(plan(small, Placement::readers_remote, 2, std::vector<Side>{writer, writer}).note,
              "2 threads share CPUs: node 0 (writers) has 1, node 1 (readers) has 1. "
              "readers_remote: none of the 2 threads is a reader, so all run on node 0.");
}

TEST(placement, a_node_without_cpus_is_no_place_for_readers) {
    const std::string plain = load_synthetic("pack:2 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    const std::string bare = with_bare_node(plain, 2, 1U << 30U);
    const Topology machine = from_text(with_distances(bare, {0, 1, 2}, {10, 20, 60, 20, 10, 60, 60, 60, 10}));
    EXPECT_EQ(cpus_of(machine, Placement::readers_remote, 2), (Cpus{0, 2}));
    EXPECT_EQ(cpus_of(machine, Placement::one_per_node, 4), (Cpus{0, 2, 1, 3}));
}

TEST(placement, sparse_nodes) {
    const Topology machine = load_synthetic("pack:2 [numa(memory=1GB indexes=4,1)] l3:1 core:2 pu:1");
    EXPECT_EQ(plan(machine, Placement::one_node, 3).note, "3 threads share the 2 CPUs of node 4.");
    EXPECT_EQ(cpus_of(machine, Placement::one_per_node, 3), (Cpus{0, 2, 1}));
}

TEST(placement, what_the_machine_lacks_is_said_with_what_it_would_be) {
    const Topology machine = load_synthetic(kTwoVcpus);
    EXPECT_EQ(
        lacks(machine, Placement::one_per_node).value_or("has"),
        "one_per_node needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it would be compact.");
    EXPECT_EQ(
        lacks(machine, Placement::one_per_llc).value_or("has"),
        "one_per_llc needs two last-level caches; the usable CPUs of this machine share one, so it would be compact.");
    EXPECT_EQ(lacks(machine, Placement::readers_remote).value_or("has"),
              "readers_remote needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it would be "
              "compact.");
    EXPECT_EQ(cpus_of(machine, Placement::readers_remote, 3), (Cpus{0, 1, 0}));
    for (const Placement placement :
         {Placement::compact, Placement::spread, Placement::smt_last, Placement::one_node, Placement::unpinned}) {
        EXPECT_FALSE(lacks(machine, placement).has_value()) << to_string(placement);
    }
    for (const Placement placement : all_placements()) {
        EXPECT_FALSE(lacks(load_synthetic(kFour), placement).has_value()) << to_string(placement);
    }
    // Two nodes, but the mask leaves CPUs of one only.
    EXPECT_TRUE(lacks(load_synthetic("pack:2 [numa] core:2 pu:1", {{{2, 3}}}), Placement::one_per_node).has_value());
    EXPECT_TRUE(lacks(load_synthetic("pack:1 l3:2 core:2 pu:1", {{{2, 3}}}), Placement::one_per_llc).has_value());
}

TEST(placement, equal_lists_are_found) {
    const std::vector<std::size_t> counts = {1, 2};
    const std::vector<Placement> all = all_placements();
    const Topology small = load_synthetic(kTwoVcpus);
    EXPECT_EQ(same_as(small, Placement::smt_last, all, counts), Placement::compact);
    EXPECT_EQ(same_as(small, Placement::unpinned, all, counts), std::nullopt);
    const Topology machine = load_synthetic(kEight);
    EXPECT_EQ(same_as(machine, Placement::smt_last, all, counts), Placement::one_node);
    const std::vector<std::size_t> more = {1, 2, 4, 16, 80, 160};
    EXPECT_EQ(same_as(machine, Placement::smt_last, all, more), std::nullopt);
    EXPECT_EQ(same_as(machine, Placement::one_per_llc, all, more), Placement::spread);
    const std::vector<std::size_t> one = {1};
    EXPECT_EQ(same_as(machine, Placement::readers_remote, all, one), Placement::compact);
    // Two writers, then two readers, are as near as possible here; one of each in turn are not.
    const Topology two = load_synthetic("pack:2 [numa] core:2 pu:1");
    const std::vector<std::size_t> four = {4};
    EXPECT_EQ(cpus_of(two, Placement::readers_remote, 4), cpus_of(two, Placement::compact, 4));
    EXPECT_EQ(same_as(two, Placement::readers_remote, all, four), std::nullopt);
}

TEST(placement, nothing_runs_twice) {
    const Topology machine = load_synthetic(kTwoVcpus);
    const std::vector<std::size_t> counts = {1, 2};
    const ChosenPlacements chosen = choose_placements(machine, {"*"}, counts);
    EXPECT_EQ(chosen.run, (std::vector<Placement>{Placement::compact, Placement::unpinned}));
    ASSERT_EQ(chosen.notes.size(), 6U);
    EXPECT_EQ(chosen.notes[0], "spread puts every thread where compact does on this machine: it does not run twice.");
    EXPECT_EQ(
        chosen.notes[3],
        "one_per_llc needs two last-level caches; the usable CPUs of this machine share one, so it would be compact.");
    const ChosenPlacements named = choose_placements(machine, {"smt_last", "compact", "smt_last", "c*"}, counts);
    EXPECT_EQ(named.run, (std::vector<Placement>{Placement::smt_last}));
    EXPECT_EQ(named.notes,
              (std::vector<std::string>{
                  "compact puts every thread where smt_last does on this machine: it does not run twice."}));
    const std::vector<std::size_t> large = {4, 64};
    EXPECT_EQ(choose_placements(load_synthetic(kFour), {"*"}, large).run.size(), kPlacementCount);
}

TEST(placement, a_placement_alone_that_equals_compact_is_told) {
    const Topology machine = load_synthetic(kTwoVcpus);
    const std::vector<std::size_t> counts = {1, 2};
    const ChosenPlacements alone = choose_placements(machine, {"smt_last"}, counts);
    EXPECT_EQ(alone.run, (std::vector<Placement>{Placement::smt_last}));
    EXPECT_EQ(alone.notes,
              (std::vector<std::string>{
                  "smt_last puts every thread where compact does on this machine: nothing tells the two apart."}));
    EXPECT_TRUE(choose_placements(machine, {"compact"}, counts).notes.empty());
    EXPECT_TRUE(choose_placements(machine, {"unpinned"}, counts).notes.empty());
    const std::vector<std::size_t> large = {4, 64};
    EXPECT_TRUE(choose_placements(load_synthetic(kFour), {"smt_last"}, large).notes.empty());
}

TEST(placement, a_named_placement_that_the_machine_lacks_is_an_error) {
    const std::vector<std::size_t> counts = {1, 2};
    const Topology machine = load_synthetic(kTwoVcpus);
    EXPECT_EQ(error_of<HostError>([&] {
                  choose_placements(machine, {"compact", "one_per_node"}, counts);
              }),
              "--placements: one_per_node needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it "
              "would be compact.");
    EXPECT_EQ(error_of<HostError>([&] { choose_placements(machine, {"one_*"}, counts); }), "no error");
}

TEST(placement, the_default_gives_each_thread_a_core) {
    const std::vector<std::size_t> counts = {2};
    const auto chosen = [&](const Topology& machine, const std::vector<std::string>& globs) {
        return choose_placements(machine, globs, counts);
    };
    const ChosenPlacements plain = chosen(load_synthetic(kTwoVcpus), {});
    EXPECT_EQ(plain.run, (std::vector<Placement>{Placement::compact}));
    EXPECT_TRUE(plain.notes.empty());
    const Topology laptop = load_synthetic("pack:1 [numa] l3:1 core:4 pu:2");
    const ChosenPlacements smt = chosen(laptop, {});
    EXPECT_EQ(smt.run, (std::vector<Placement>{Placement::smt_last}));
    ASSERT_EQ(smt.notes.size(), 1U);
    EXPECT_EQ(smt.notes.front(),
              "No --placements: smt_last, a core for each thread while there are cores, because cores of this machine "
              "run several threads; compact fills each core first.");
    // One core alone, or one thread of each core left by a mask: nothing to choose.
    EXPECT_EQ(chosen(load_synthetic("pack:1 core:1 pu:2"), {}).run.front(), Placement::compact);
    EXPECT_EQ(chosen(load_synthetic("pack:1 core:2 pu:2", {{{1, 2}}}), {}).run.front(), Placement::compact);
    // The first placement carries the A/A pairs: the default of globs, the first of names.
    EXPECT_EQ(chosen(laptop, {"*"}).run.front(), Placement::smt_last);
    EXPECT_EQ(chosen(laptop, {"compact", "s*"}).run.front(), Placement::compact);
}

TEST(placement, unknown_names_get_the_nearest) {
    EXPECT_EQ(error_of<UsageError>([] {
                  check_placement_names({"compact", "compct"});
              }),
              "--placements: no placement matches 'compct'; the nearest is 'compact'. 'lockbench list placements' "
              "shows all.");
    EXPECT_EQ(error_of<UsageError>([] { check_placement_names({"sp*", "one_per_???"}); }), "no error");
    EXPECT_NE(error_of<UsageError>([] { static_cast<void>(parse_placement("smtlast")); }).find("'smt_last'"),
              std::string::npos);
    const Topology machine = load_synthetic(kTwoVcpus);
    const std::vector<std::size_t> counts = {1};
    EXPECT_NE(error_of<UsageError>([&] { choose_placements(machine, {"nowhere*"}, counts); }), "no error");
}

TEST(placement, names_read_back) {
    ASSERT_EQ(all_placements().size(), kPlacementCount);
    ASSERT_EQ(placement_names().size(), kPlacementCount);
    for (const Placement placement : all_placements()) {
        EXPECT_EQ(parse_placement(to_string(placement)), placement);
        EXPECT_FALSE(placement_text(placement).empty());
    }
}

TEST(auto_threads, powers_of_two_cores_and_cpus) {
    const auto counts = [](const char* description, bool beyond) {
        std::vector<std::size_t> list;
        for (const ThreadCount& count : auto_threads(load_synthetic(description), beyond)) {
            list.push_back(count.threads);
        }
        return list;
    };
    using Counts = std::vector<std::size_t>;
    EXPECT_EQ(counts(kTwoVcpus, false), (Counts{1, 2}));
    EXPECT_EQ(counts("pu:1", false), (Counts{1}));
    EXPECT_EQ(counts(kEight, false), (Counts{1, 2, 4, 8, 16, 32, 64, 80, 128, 160}));
    EXPECT_EQ(counts("pack:1 core:3 pu:2", false), (Counts{1, 2, 3, 4, 6}));
    EXPECT_EQ(counts(kTwoVcpus, true), (Counts{1, 2, 3, 4}));
    EXPECT_EQ(counts("pack:1 core:8 pu:1", true), (Counts{1, 2, 4, 8, 10, 16}));
}

TEST(auto_threads, counts_beyond_the_cpus_are_marked_and_hidden_cpus_do_not_count) {
    const std::vector<ThreadCount> list = auto_threads(load_synthetic(kFour, {{{0, 1, 2, 40}}}), true);
    std::vector<std::pair<std::size_t, bool>> pairs;
    pairs.reserve(list.size());
    for (const ThreadCount& count : list) {
        pairs.emplace_back(count.threads, count.oversubscribed);
    }
    EXPECT_EQ(pairs, (std::vector<std::pair<std::size_t, bool>>{
                         {1, false}, {2, false}, {3, false}, {4, false}, {5, true}, {8, true}}));
}

}  // namespace
}  // namespace lockbench
