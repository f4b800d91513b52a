// SPDX-License-Identifier: MIT
// What becomes of counts on their way into a window: overlap, percentiles, fairness, flags, missing counters.
#include "bench/record.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "bench/cells.hpp"
#include "bench/memory.hpp"
#include "bench/verified_place.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

ThreadResult ran(std::uint64_t start_ns, std::uint64_t end_ns) {
    ThreadResult thread;
    thread.start_ns = start_ns;
    thread.end_ns = end_ns;
    thread.cpu_asked = thread.cpu_at_start = thread.cpu_at_end = 0;
    thread.node = 0;
    thread.uses_mode = {true, true};
    return thread;
}

CounterSpec named(const char* name) {
    CounterSpec spec;
    spec.name = name;
    return spec;
}

struct Window {
    WindowLabel label;
    WindowRequest request;
    WindowResult result;
    CounterPlan counters;

    Window() {
        label.lock = find_lock("qrwlock")->info;
        label.workload = find_workload("rw_mix");
        request.params = default_params(*label.workload);
        request.cpus = {0, 1};
        request.qnode_nodes = {0, 0};
        request.homes = {0, 0};
        result.threads = {ran(1000, 101'000), ran(1000, 101'000)};
        result.lock_pages = result.data_pages = {{0, 4}};
        result.qnode_pages = {{{0, 1}}, {{0, 1}}};
    }
    [[nodiscard]] json record() const { return window_to_json(label, request, result, counters); }
    [[nodiscard]] bool flagged(const char* name) const {
        const json flags = record().at("flags");
        return std::find(flags.begin(), flags.end(), name) != flags.end();
    }
};

TEST(OverlapTest, IsTheShareOfTheWindowInWhichAllRan) {
    EXPECT_DOUBLE_EQ(overlap_of({ran(0, 100)}), 1);
    EXPECT_DOUBLE_EQ(overlap_of({ran(0, 100), ran(0, 50)}), 0.5);
    EXPECT_DOUBLE_EQ(overlap_of({ran(0, 75), ran(25, 100)}), 0.5);
    EXPECT_DOUBLE_EQ(overlap_of({ran(0, 10), ran(20, 30)}), 0) << "one after the other is no contention at all";
}

TEST(JainTest, OneForAllAlikeAndOneOverNForAWinner) {
    EXPECT_DOUBLE_EQ(jain_index({5, 5, 5}).get<double>(), 1);
    EXPECT_DOUBLE_EQ(jain_index({9, 0, 0}).get<double>(), 1.0 / 3);
    EXPECT_TRUE(jain_index({0, 0}).is_null());
}

TEST(WaitsTest, APercentileWantsTenSamplesBeyondIt) {
    Histogram hist;
    const auto is_null = [&](const char* name) { return waits_to_json(hist, 1, 8).at(name).is_null(); };
    for (int i = 0; i < 19; ++i) {
        hist.add(7);
    }
    EXPECT_TRUE(is_null("p50"));
    hist.add(7);
    EXPECT_FALSE(is_null("p50"));
    EXPECT_TRUE(is_null("p90"));
    for (int i = 0; i < 80; ++i) {
        hist.add(9);
    }
    EXPECT_FALSE(is_null("p90"));
    EXPECT_TRUE(is_null("p99"));
    for (int i = 0; i < 9900; ++i) {
        hist.add(11);
    }
    const json waits = waits_to_json(hist, 12, 8);
    EXPECT_EQ(waits.at("p99.9"), 11);
    EXPECT_EQ(waits.at("max"), 12);
    EXPECT_EQ(waits.at("sampled_every"), 8);
    EXPECT_EQ(waits.at("hist"), (json{{7, 20}, {9, 80}, {11, 9900}}));
    EXPECT_TRUE(waits_to_json(Histogram{}, 0, 8).at("max").is_null()) << "nothing timed is not a wait of 0 ns";
}

TEST(WindowTest, RatesChargeEachThreadForItsOwnTime) {
    Window window;
    window.result.threads = {ran(0, 1'000'000'000), ran(0, 500'000'000)};
    window.result.threads[0].stats.ops[0] = 100;
    window.result.threads[1].stats.ops[0] = 100;
    const std::string op(window.label.workload->ops[0].name);
    EXPECT_DOUBLE_EQ(window.record().at("ops_per_s").at(op).get<double>(), 300);
    EXPECT_EQ(window.record().at("ops").at(op), 200);
    EXPECT_TRUE(window.flagged("overlap_low"));
}

TEST(WindowTest, FlagsSayWhatIsWrongAndNothingElse) {
    const Window plain;
    EXPECT_FALSE(plain.flagged("overlap_low"));
    EXPECT_FALSE(plain.flagged("involuntary_switch"));
    EXPECT_FALSE(plain.flagged("check_failed"));
    EXPECT_FALSE(plain.flagged("home_unverified"));
    EXPECT_FALSE(plain.flagged("placement_unverified"));
    EXPECT_FALSE(plain.flagged("untimed"));
    EXPECT_TRUE(plain.flagged("few_samples"));

    Window window;
    window.result.threads[1].usage.involuntary_switches = 1;
    EXPECT_TRUE(window.flagged("involuntary_switch"));
    window = Window();
    window.result.threads[0].unplaced = "the kernel refused CPUs 0: Invalid argument";
    EXPECT_TRUE(window.flagged("placement_unverified"));
    window = Window();
    window.result.home_problems = {"mbind failed"};
    EXPECT_TRUE(window.flagged("home_unverified"));
    EXPECT_EQ(window.record().at("homes").at("reason"), json::array({"mbind failed"}));
    window = Window();
    window.result.lock_pages = {{0, 3}, {1, 1}};
    EXPECT_TRUE(window.flagged("home_unverified"));
    window = Window();
    window.result.verdict.failures = {"two writers at once"};
    EXPECT_TRUE(window.flagged("check_failed"));
    EXPECT_EQ(window.record().at("checks").at("failed").at(0), "two writers at once");
    window = Window();
    window.result.stuck = true;
    EXPECT_TRUE(window.flagged("killed"));
    EXPECT_FALSE(window.record().at("checks").at("passed").get<bool>());
    window = Window();
    window.label.oversubscribed = true;
    window.label.allow_convoy = true;
    EXPECT_TRUE(window.flagged("oversubscribed"));
    EXPECT_TRUE(window.flagged("convoy_allowed"));
    window = Window();
    EXPECT_FALSE(window.flagged("illegal_allowed"));
    window.label.illegal = true;
    EXPECT_TRUE(window.flagged("illegal_allowed"));
    window = Window();
    window.label.untimed = true;
    window.request.sample_every = 0;
    EXPECT_TRUE(window.flagged("untimed"));
    EXPECT_TRUE(window.record().at("wait_ns").at("read").is_null());
}

TEST(WindowTest, AThreadThatIsNotWhereItWasBoundHasNoLabelOfPlace) {
    Window window;
    window.result.threads[1].cpu_asked = 1;
    window.result.threads[1].node = 1;
    for (std::size_t i = 0; i < kDistanceCount; ++i) {
        window.result.threads[0].stats.handoff[i] = i + 1;
    }
    window.result.threads[0].stats.sites[0][0] = window.result.threads[1].stats.sites[0][0] = 5;
    const json placed = window.record();
    EXPECT_EQ(placed.at("cpus"), (json{0, 1}));
    EXPECT_EQ(placed.at("placement_reason"), json::array());
    EXPECT_EQ(placed.at("handoff").at("same_core"), 2);
    EXPECT_DOUBLE_EQ(placed.at("jain").at("nodes").get<double>(), 1);

    window.result.threads[1].unplaced = "changed under the run: asked for CPUs 1, got 0,1";
    const json moved = window.record();
    EXPECT_EQ(moved.at("cpus"), (json{0, nullptr}));
    EXPECT_EQ(moved.at("placement_reason"),
              json::array({"thread 1: changed under the run: asked for CPUs 1, got 0,1"}));
    EXPECT_EQ(moved.at("handoff").at("self"), 1) << "a thread is itself wherever it runs";
    EXPECT_EQ(moved.at("handoff").at("same_core"), 0);
    EXPECT_EQ(moved.at("handoff").at("unknown"), 2 + 3 + 4 + 5 + 6 + 7);
    EXPECT_TRUE(moved.at("jain").at("nodes").is_null());
}

TEST(WindowTest, QueueNodesAreVerifiedThreadByThread) {
    Window window;
    window.result.qnode_pages[1] = {{1, 1}};
    EXPECT_TRUE(window.flagged("home_unverified"));
    window.request.qnode_nodes = {0, 1};
    EXPECT_FALSE(window.flagged("home_unverified"));
    json homes = window.record().at("homes").at("qnodes");
    EXPECT_EQ(homes.at("asked"), (json{0, 1}));
    EXPECT_EQ(homes.at("got"), (json{{"0", 1}, {"1", 1}}));
    EXPECT_EQ(homes.at("by_thread"), (json{{{"0", 1}}, {{"1", 1}}}));
    std::swap(window.result.qnode_pages[0], window.result.qnode_pages[1]);
    EXPECT_EQ(window.record().at("homes").at("qnodes").at("got"), homes.at("got"));
    EXPECT_TRUE(window.flagged("home_unverified")) << "each has the other's";
    window.request.qnode_nodes = {kAnyNode, kAnyNode};
    EXPECT_FALSE(window.flagged("home_unverified"));
    EXPECT_TRUE(window.record().at("homes").at("qnodes").at("asked").is_null());
}

TEST(WindowTest, InterleavedMemoryIsVerifiedToo) {
    Window window;
    window.request.homes.data = kInterleaveNodes;
    window.result.data_pages = {{memory::nodes().front(), 4}};
    EXPECT_EQ(window.flagged("home_unverified"), memory::nodes().size() > 1);
    window.result.data_pages = {{-14, 4}};  // EFAULT
    EXPECT_TRUE(window.flagged("home_unverified"));
    EXPECT_EQ(window.record().at("homes").at("data").at("asked"), "interleave");
}

TEST(WindowTest, FairnessOverNodesGoesByWhereThreadsRan) {
    Window window;
    window.result.threads[0].stats.sites[0][0] = 30;
    window.result.threads[1].stats.sites[0][0] = 10;
    const auto nodes = [&] { return window.record().at("jain").at("nodes"); };
    EXPECT_TRUE(nodes().is_null()) << "one node";
    window.result.threads[1].node = 1;  // their queue nodes stay together
    EXPECT_DOUBLE_EQ(nodes().get<double>(), 0.8);
    window.result.threads[0].node = window.result.threads[1].node;
    window.request.qnode_nodes = {0, 1};
    EXPECT_TRUE(nodes().is_null());
}

TEST(WindowTest, ACounterThatOneThreadLacksIsNullWithItsReason) {
    Window window;
    window.counters.counted = {named("cycles"), named("faults")};
    window.counters.unavailable = {{named("hitm"), "no PMU"}};
    window.result.threads[0].counters = {{5, 1}, {"", ""}};
    window.result.threads[1].counters = {{std::nullopt, 2}, {"taken by another", ""}};
    const json record = window.record();
    EXPECT_TRUE(record.at("counters").at("cycles").is_null());
    EXPECT_EQ(record.at("counters_reason").at("cycles"), "taken by another");
    EXPECT_EQ(record.at("counters").at("faults"), 3);
    EXPECT_TRUE(record.at("counters").at("hitm").is_null());
    EXPECT_EQ(record.at("counters_reason").at("hitm"), "no PMU");
}

TEST(WindowTest, WaitsOfThreadsAreMergedAndStarvationIsTheWorst) {
    Window window;
    for (int i = 0; i < 30; ++i) {
        window.result.threads[0].stats.modes[0].wait_ns.add(5);
        window.result.threads[1].stats.modes[0].wait_ns.add(9);
    }
    window.result.threads[0].starvation_ns = {100, 0};
    window.result.threads[1].starvation_ns = {700, 0};
    const json record = window.record();
    EXPECT_EQ(record.at("wait_ns").at("read").at("hist"), (json{{5, 30}, {9, 30}}));
    EXPECT_EQ(record.at("longest_starvation_ns").at("read"), 700);
    window.result.threads[0].uses_mode = window.result.threads[1].uses_mode = {true, false};
    EXPECT_TRUE(window.record().at("wait_ns").at("write").is_null()) << "a mode that nobody uses has no waits";
}

}  // namespace
}  // namespace lockbench
