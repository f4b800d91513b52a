// SPDX-License-Identifier: MIT
// Plans for hosts that are not here: cells, pairs, order, convoys, and the way through run.json.
#include "bench/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

// A host of four CPUs with two placements that differ and one that equals the first.
HostPlacer four_cpus() {
    HostPlacer host;
    host.cpus = 4;
    host.auto_threads = {1, 2, 4};
    host.choose = [](const std::vector<std::string>& globs, const std::vector<std::uint32_t>&) {
        HostPlacer::Chosen chosen;
        for (const std::string& name : globs) {
            if (name == "spread") {
                chosen.notes.push_back("spread is the same as compact here.");
            } else {
                chosen.placements.push_back(name);
            }
        }
        return chosen;
    };
    host.place = [](const std::string&, const std::string&, const std::vector<bool>& reads) {
        CellPlace place;
        for (std::size_t i = 0; i < reads.size(); ++i) {
            place.cpus.push_back(static_cast<CpuId>(i % 4));
            place.qnode_nodes.push_back(0);
        }
        place.oversubscribed = reads.size() > 4;
        place.notes = {"one node: every home is local."};
        return place;
    };
    return host;
}

RunOptions options_for(const std::vector<std::string>& locks, const std::vector<std::uint32_t>& threads) {
    RawRunOptions raw;
    raw.locks = locks;
    raw.workloads = {"rw_mix"};
    raw.seed = "11";
    RunOptions options = check_run_options(raw);
    options.threads = threads;
    options.placements = {"compact"};
    return options;
}

TEST(PlanTest, EveryBlockHoldsEveryCellOnceInAnOrderOfItsOwn) {
    RunOptions options = options_for({"mcs", "qrwlock", "rwsem_3_10"}, {1, 2});
    options.repetitions = 5;
    const RunPlan plan = make_plan(options, four_cpus());
    std::map<std::uint32_t, std::vector<std::size_t>> blocks;
    for (const PlannedWindow& window : plan.windows) {
        EXPECT_EQ(window.order, &window - plan.windows.data());
        EXPECT_EQ(window.repetition, window.block);
        blocks[window.block].push_back(window.cell);
    }
    ASSERT_EQ(blocks.size(), 5U);
    for (auto& [block, cells] : blocks) {
        EXPECT_NE(cells, blocks[(block + 1) % 5]) << "a fresh order for each block";
        EXPECT_EQ(std::set<std::size_t>(cells.begin(), cells.end()).size(), plan.cells.size());
        EXPECT_EQ(cells.size(), plan.cells.size());
    }
}

TEST(PlanTest, OnePairForEachThreadCountAndAnUntimedPassAtOneThread) {
    const RunPlan plan = make_plan(options_for({"mcs", "rwsem_3_10"}, {1, 2}), four_cpus());
    std::map<std::string, int> halves;
    int untimed = 0;
    for (const PlannedCell& cell : plan.cells) {
        ++halves[cell.aa];
        untimed += cell.untimed ? 1 : 0;
        EXPECT_TRUE(cell.aa.empty() || cell.lock->info.name == "rwsem_3_10");
        EXPECT_TRUE(!cell.untimed || cell.threads == 1);
    }
    EXPECT_EQ(halves["b"], 2);
    EXPECT_EQ(untimed, 2) << "both locks";
}

TEST(PlanTest, AutoThreadsComeFromTheHostAndEqualPlacementsAreToldOnce) {
    RunOptions options = options_for({"qrwlock"}, {});
    options.placements = {"compact", "spread"};
    const RunPlan plan = make_plan(options, four_cpus());
    std::set<std::uint32_t> threads;
    for (const PlannedCell& cell : plan.cells) {
        threads.insert(cell.threads);
        EXPECT_EQ(cell.placement, "compact");
        EXPECT_EQ(cell.place.cpus.size(), cell.threads);
    }
    EXPECT_EQ(threads, (std::set<std::uint32_t>{1, 2, 4}));
    EXPECT_EQ(plan.notes,
              (std::vector<std::string>{"spread is the same as compact here.", "one node: every home is local."}))
        << "each once, however many cells it holds for";
}

TEST(PlanTest, FifoSpinLocksBeyondTheCpusAreRefusedByName) {
    const RunOptions options = options_for({"ticket", "rwsem_3_10.yield"}, {8});
    try {
        static_cast<void>(make_plan(options, four_cpus()));
        FAIL() << "a convoy was planned";
    } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()).find("ticket"), std::string::npos);
        EXPECT_EQ(std::string(error.what()).find("rwsem_3_10.yield"), std::string::npos);
    }
    RunOptions allowed = options;
    allowed.allow_convoy = true;
    const RunPlan plan = make_plan(allowed, four_cpus());
    EXPECT_TRUE(plan.cells.front().place.oversubscribed);
    EXPECT_TRUE(std::all_of(plan.cells.begin(), plan.cells.end(), [](const PlannedCell& cell) {
        return cell.aa.empty();
    })) << "an oversubscribed cell says nothing about the noise of the others";
}

// rdma's callback sleeps: with a0 that is for sleeping locks alone.
RunOptions pageable_options(const std::vector<std::string>& locks, const std::string& policies) {
    RunOptions options = options_for(locks, {1, 2});
    options.workloads = {find_workload("pageable_reclaim")};
    options.params = {parse_param("pageable_reclaim.client=rdma"), parse_param("pageable_reclaim.policy=" + policies)};
    options.untimed = false;
    options.aa = false;
    return options;
}

TEST(PlanTest, IllegalCellsAreLeftOutAndRecordedOnce) {
    const RunPlan plan = make_plan(pageable_options({"ticket", "rwsem_3_10"}, "a0,a1"), four_cpus());
    EXPECT_EQ(plan.cells.size(), 6U) << "three legal cells on two thread counts";
    ASSERT_EQ(plan.refused.size(), 1U) << plan.refused.dump();
    EXPECT_EQ(plan.refused[0].at("lock"), "ticket");
    EXPECT_EQ(plan.refused[0].at("params").at("policy"), "a0");
    EXPECT_EQ(plan_from_json(plan_to_json(plan)).refused, plan.refused);
    EXPECT_NE(plan.notes.back().find("refused as illegal"), std::string::npos) << plan.notes.back();
}

TEST(PlanTest, NothingButIllegalCellsIsWrongUsageUnlessAllowed) {
    RunOptions options = pageable_options({"ticket"}, "a0");
    EXPECT_THROW(static_cast<void>(make_plan(options, four_cpus())), UsageError);
    options.allow_illegal = true;
    const RunPlan plan = make_plan(options, four_cpus());
    EXPECT_EQ(plan.cells.size(), 2U);
    EXPECT_TRUE(plan.refused.empty());
}

TEST(PlanTest, SweptParametersFormAProduct) {
    RunOptions options = options_for({"qrwlock"}, {1});
    options.untimed = false;
    options.aa = false;
    const WorkloadInfo& info = *find_workload("rw_mix");
    options.params = {{&info, 0, {1, 2, 3}}, {&info, 1, {1, 2}}};
    EXPECT_EQ(make_plan(options, four_cpus()).cells.size(), 6U);
}

TEST(PlanTest, SurvivesTheWayThroughRunJson) {
    RunOptions options = options_for({"mcs", "rwsem_3_10"}, {1, 2});
    options.window_ns = 12'000'000;
    const RunPlan plan = make_plan(options, four_cpus());
    const nlohmann::json text = plan_to_json(plan);
    const RunPlan again = plan_from_json(nlohmann::json::parse(text.dump()));
    EXPECT_EQ(plan_to_json(again), text);
    EXPECT_EQ(again.window_ns, plan.window_ns);
}

TEST(PlanTest, ADamagedPlanIsRefused) {
    const nlohmann::json good = plan_to_json(make_plan(options_for({"mcs"}, {1}), four_cpus()));
    nlohmann::json bad = good;
    bad["cells"][0]["lock"] = "gone";
    EXPECT_THROW(static_cast<void>(plan_from_json(bad)), UsageError);
    bad = good;
    bad["order"][0][0] = 999;
    EXPECT_THROW(static_cast<void>(plan_from_json(bad)), UsageError);
    bad = good;
    bad.erase("window_ms");
    EXPECT_THROW(static_cast<void>(plan_from_json(bad)), UsageError);
    bad = good;
    bad["cells"][0]["param_values"] = {1};
    EXPECT_THROW(static_cast<void>(plan_from_json(bad)), UsageError);
}

TEST(FloorTest, EveryLockHasAFloorForEachMode) {
    for (const LockRunner& runner : lock_runners()) {
        EXPECT_EQ(runner.write_floor == nullptr, runner.info.control) << runner.info.name;
        EXPECT_EQ(runner.read_floor == nullptr, runner.info.control || !runner.info.shared) << runner.info.name;
        for (const PairLoop floor : {runner.write_floor, runner.read_floor}) {
            if (floor != nullptr) {
                // A check inside ends the test if the words do not come back to what they were.
                floor(100, Spacing::tight);
                floor(100, Spacing::spaced);
            }
        }
    }
}

}  // namespace
}  // namespace lockbench
