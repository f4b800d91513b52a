// SPDX-License-Identifier: MIT
// One row a machine: where every placement puts its threads, how far apart CPUs are, what nothing tells apart there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "bench/placement.hpp"
#include "tests/bench/placement_odd_rows.hpp"
#include "tests/bench/placement_rows.hpp"

namespace lockbench {
namespace {

using Cpus = std::vector<CpuId>;
using test::numbers;
using test::Row;

std::string joined(const std::vector<std::string>& sentences) {
    std::string text;
    for (const std::string& sentence : sentences) {
        text += (text.empty() ? "" : "; ") + sentence;
    }
    return text;
}

class PlacementTopologies : public ::testing::TestWithParam<Row> {
  protected:
    const Row& row_ = GetParam();
    const Topology machine_ = row_.machine();
};

TEST_P(PlacementTopologies, ThreadsGoWhereTheDefinitionSays) {
    const std::pair<Placement, std::string_view> expected[] = {
        {Placement::compact, row_.compact},         {Placement::smt_last, row_.smt_last},
        {Placement::spread, row_.spread},           {Placement::one_node, row_.one_node},
        {Placement::one_per_llc, row_.one_per_llc}, {Placement::one_per_node, row_.one_per_node}};
    for (const auto& [placement, text] : expected) {
        SCOPED_TRACE(to_string(placement));
        Cpus order = numbers(text);
        const Plan full = plan(machine_, placement, order.size());
        EXPECT_EQ(full.cpus, order);
        EXPECT_FALSE(full.oversubscribed);
        order.push_back(order.front());
        const Plan over = plan(machine_, placement, order.size());
        EXPECT_EQ(over.cpus, order);
        EXPECT_TRUE(over.oversubscribed);
    }
}

TEST_P(PlacementTopologies, ReadersGoFarFromWriters) {
    const Cpus writers = numbers(row_.writers);
    const Cpus readers = numbers(row_.readers);
    std::vector<Side> sides;
    Cpus order;
    for (std::size_t turn = 0; turn < std::max(writers.size(), readers.size()); ++turn) {
        if (turn < writers.size()) {
            sides.push_back(readers.empty() && turn % 2 == 1 ? Side::reader : Side::writer);
            order.push_back(writers[turn]);
        }
        if (turn < readers.size()) {
            sides.push_back(Side::reader);
            order.push_back(readers[turn]);
        }
    }
    const Plan full = plan(machine_, Placement::readers_remote, order.size(), sides);
    EXPECT_EQ(full.cpus, order);
    EXPECT_FALSE(full.oversubscribed);
    sides.push_back(Side::reader);
    const Plan over = plan(machine_, Placement::readers_remote, sides.size(), sides);
    EXPECT_EQ(over.cpus.back(), readers.empty() ? writers.front() : readers.front());
    EXPECT_TRUE(over.oversubscribed);
}

TEST_P(PlacementTopologies, WhatCannotBeToldApartIsSaid) {
    std::vector<Placement> run = all_placements();
    std::vector<std::string> notes;
    std::istringstream words{std::string(row_.same)};
    for (std::string name, is, other; words >> name >> is >> other;) {
        other = other.substr(0, other.find(';'));
        run.erase(std::find(run.begin(), run.end(), parse_placement(name)));
        const bool needs_nodes = name == "one_per_node" || name == "readers_remote";
        notes.push_back(fmt::format(
            fmt::runtime(
                needs_nodes && numbers(row_.with_cpus).size() == 1
                    ? "{} needs two NUMA nodes with usable CPUs; this machine has one (node 0), so it would be {}."
                    : "{} puts every thread where {} does on this machine: it does not run twice."),
            name, other));
    }
    // The default comes first: compact, but for machines whose cores run several threads.
    if (row_.smt_last != row_.compact) {
        run.erase(std::find(run.begin(), run.end(), Placement::smt_last));
        run.insert(run.begin(), Placement::smt_last);
    }
    std::vector<std::size_t> counts;
    for (const ThreadCount& count : auto_threads(machine_)) {
        counts.push_back(count.threads);
    }
    EXPECT_EQ(choose_placements(machine_, {}, counts).run, std::vector<Placement>{run.front()});
    const ChosenPlacements chosen = choose_placements(machine_, {"*"}, counts);
    EXPECT_EQ(chosen.run, run);
    EXPECT_EQ(chosen.notes, notes);
}

TEST_P(PlacementTopologies, DistancesAreTheInnermostThingShared) {
    for (const test::Pair& pair : row_.pairs) {
        SCOPED_TRACE(std::to_string(pair.a) + " to " + std::to_string(pair.b));
        EXPECT_EQ(machine_.distance(pair.a, pair.b), pair.distance);
        EXPECT_EQ(machine_.distance(pair.b, pair.a), pair.distance);
    }
}

TEST_P(PlacementTopologies, NodesAndNotesAreThoseOfTheMachine) {
    EXPECT_EQ(machine_.nodes_with_cpus(), numbers(row_.with_cpus));
    EXPECT_EQ(machine_.nodes_with_memory(), numbers(row_.with_memory));
    EXPECT_EQ(joined(machine_.notes), row_.notes);
}

std::string name_of(const ::testing::TestParamInfo<Row>& row) { return std::string(row.param.name); }

INSTANTIATE_TEST_SUITE_P(Built, PlacementTopologies, ::testing::ValuesIn(test::kBuiltMachines), name_of);
INSTANTIATE_TEST_SUITE_P(Odd, PlacementTopologies, ::testing::ValuesIn(test::kOddMachines), name_of);

}  // namespace
}  // namespace lockbench
