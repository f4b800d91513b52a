// SPDX-License-Identifier: MIT
// Verdicts on windows with known rates.
#include "bench/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace lockbench {
namespace {

using nlohmann::json;

const OpsByWorkload kOps = {{"rw_mix", {"read"}}};
// Eight windows within 1 % of each other, in no order.
const std::vector<double> kCalm = {1.000, 1.008, 0.996, 1.002, 0.994, 1.004, 0.998, 1.006};

json window(const std::string& lock, const json& aa, std::uint64_t block, double rate, json flags = json::array()) {
    return {{"platform", "native"},
            {"machine", "this"},
            {"workload", "rw_mix"},
            {"lock", lock},
            {"threads", 2},
            {"placement", "compact"},
            {"lock_home", "local"},
            {"params", {{"reads", 90}}},
            {"aa", aa},
            {"block", block},
            {"ops_per_s", {{"read", rate}}},
            {"checks", {{"passed", true}, {"failed", json::array()}}},
            {"flags", std::move(flags)}};
}

// The A/A pair differs by up to `noise`, the cell of qrwlock runs at `rate`.
std::vector<json> run_of(double rate, double noise = 1.01, std::size_t count = kCalm.size()) {
    std::vector<json> windows;
    for (std::size_t block = 0; block < count; ++block) {
        windows.push_back(window("rwsem_3_10", "a", block, 1000 * kCalm[block]));
        windows.push_back(window("rwsem_3_10", "b", block, 1000 * kCalm[block] * noise));
        windows.push_back(window("qrwlock", nullptr, block, rate * kCalm[block]));
    }
    return windows;
}

ComparedCell cell_of(const std::vector<ComparedCell>& cells, const std::string& lock) {
    const auto found =
        std::find_if(cells.begin(), cells.end(), [&](const ComparedCell& cell) { return cell.name.find(lock) == 7; });
    return found == cells.end() ? ComparedCell{} : *found;
}

ComparedCell compare(const std::vector<json>& a, const std::vector<json>& b) {
    return cell_of(compare_windows(a, b, kOps), "qrwlock");
}

TEST(CompareTest, ADifferenceBeyondTheNoiseIsClaimed) {
    const ComparedCell faster = compare(run_of(100), run_of(200));
    EXPECT_EQ(faster.all.verdict, "B is faster");
    EXPECT_EQ(faster.all.reason, "");
    EXPECT_GT(faster.all.ratio.low, 1.9);
    EXPECT_EQ(compare(run_of(200), run_of(100)).all.verdict, "B is slower");
    EXPECT_EQ(compare(run_of(200), run_of(200)).all.verdict, "about the same");
}

TEST(CompareTest, TheFloorIsAsFarAsTheIntervalOfAPairReaches) {
    const ComparedCell lost = compare(run_of(100), run_of(150, 1.6));
    EXPECT_NEAR(lost.floor, 1.6, 1e-9) << "the noisier of the two runs counts";
    EXPECT_EQ(lost.all.verdict, "cannot say");
    EXPECT_EQ(lost.all.reason, "not clear of the A/A noise of 60.0 %");
    EXPECT_EQ(compare(run_of(100, 1 / 1.6), run_of(150)).all.verdict, "cannot say") << "a floor has no direction";
    EXPECT_EQ(compare(run_of(100), run_of(150)).all.verdict, "B is faster");
}

TEST(CompareTest, ThePairNearestToTheCellTellsTheNoise) {
    std::vector<json> noisy = run_of(100);
    for (std::uint64_t block = 0; block < 8; ++block) {  // a noisy pair, but of other threads
        for (const char* half : {"a", "b"}) {
            json other = window("rwsem_3_10", half, block, *half == 'a' ? 100 : 900);
            other["threads"] = 8;
            noisy.push_back(other);
        }
    }
    EXPECT_EQ(compare(noisy, run_of(200)).all.verdict, "B is faster");
    EXPECT_NEAR(compare(noisy, run_of(200)).floor, 1.01, 1e-9);
}

TEST(CompareTest, FiveWindowsOrNoPairCannotSay) {
    const ComparedCell few = compare(run_of(100), run_of(200, 1.01, 5));
    EXPECT_EQ(few.all.verdict, "cannot say");
    EXPECT_EQ(few.all.reason, "only 8 windows of A and 5 of B, an interval needs 6 of each");
    std::vector<json> alone = run_of(200);
    alone.erase(std::remove_if(alone.begin(), alone.end(), [](const json& one) { return one.at("aa") == "b"; }),
                alone.end());
    const ComparedCell no_pair = compare(run_of(100), alone);
    EXPECT_EQ(no_pair.all.verdict, "cannot say");
    EXPECT_EQ(no_pair.all.reason, "no A/A pair tells the noise of B");
    EXPECT_TRUE(std::isnan(no_pair.floor));
    EXPECT_EQ(compare(alone, alone).all.reason, "no A/A pair tells the noise of A and B");
}

TEST(CompareTest, TwoModesCannotSayUnlessEveryWindowIsOnOneSide) {
    std::vector<json> bimodal = run_of(200);
    for (json& one : bimodal) {
        if (one.at("lock") == "qrwlock" && one.at("block") < 4) {
            one["ops_per_s"]["read"] = 90.0;
        }
    }
    const ComparedCell crossing = compare(run_of(100), bimodal);
    EXPECT_EQ(crossing.all.verdict, "cannot say");
    EXPECT_EQ(crossing.all.reason, "B: two modes, no single number");
    EXPECT_EQ(compare(run_of(10), bimodal).all.verdict, "B is faster");
}

TEST(CompareTest, TheVerdictIsGivenWithoutPreemptedWindowsToo) {
    std::vector<json> disturbed = run_of(200);
    for (json& one : disturbed) {
        if (one.at("lock") == "qrwlock" && one.at("block") < 3) {
            one["flags"] = {"involuntary_switch"};
        }
    }
    const ComparedCell cell = compare(run_of(100), disturbed);
    EXPECT_EQ(cell.all.verdict, "B is faster");
    EXPECT_EQ(cell.flagged, 3U);
    EXPECT_EQ(cell.undisturbed.verdict, "cannot say");
    EXPECT_EQ(cell.undisturbed.windows_b, 5U);
}

TEST(CompareTest, UntimedAndInterruptedWindowsAndHalfBTakeNoPart) {
    std::vector<json> more = run_of(200);
    more.push_back(window("qrwlock", nullptr, 8, 1, {"untimed"}));
    more.push_back(window("qrwlock", nullptr, 8, 1, {"interrupted"}));
    const std::vector<ComparedCell> cells = compare_windows(more, run_of(200), kOps);
    EXPECT_EQ(cell_of(cells, "qrwlock").all.windows_a, 8U);
    EXPECT_EQ(cell_of(cells, "rwsem_3_10").all.windows_a, 8U) << "and not 16";
}

}  // namespace
}  // namespace lockbench
