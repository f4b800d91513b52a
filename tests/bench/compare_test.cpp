// SPDX-License-Identifier: MIT
// Verdicts on windows with known rates.
#include "bench/compare.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

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
    return cell_of(compare_windows(a, b, kOps).cells, "qrwlock");
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

TEST(CompareTest, CellsOfASweepAreToldApartByWhatIsSwept) {
    std::vector<json> windows = run_of(100);
    for (json one : run_of(300)) {
        one["params"]["reads"] = 50;
        windows.push_back(one);
    }
    std::set<std::string> names;
    for (const ComparedCell& cell : compare_windows(windows, windows, kOps).cells) {
        names.insert(cell.name);
    }
    EXPECT_EQ(names.count("rw_mix qrwlock 2 thr reads=50"), 1U);
    EXPECT_EQ(names.count("rw_mix qrwlock 2 thr reads=90"), 1U);
    EXPECT_EQ(compare(run_of(100), run_of(100)).name, "rw_mix qrwlock 2 thr");
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
    const std::vector<ComparedCell> cells = compare_windows(more, run_of(200), kOps).cells;
    EXPECT_EQ(cell_of(cells, "qrwlock").all.windows_a, 8U);
    EXPECT_EQ(cell_of(cells, "rwsem_3_10").all.windows_a, 8U) << "and not 16";
}

TEST(CompareTest, OneFailedWindowLeavesTheCellWithoutVerdict) {
    for (const char* flag : {"check_failed", "killed"}) {
        std::vector<json> failed = run_of(200);
        failed.push_back(window("qrwlock", nullptr, 8, 200, {flag}));
        const ComparedCell cell = compare(run_of(100), failed);
        EXPECT_EQ(cell.all.verdict, "no verdict");
        EXPECT_EQ(cell.all.reason, "B failed the checks");
        EXPECT_EQ(cell.undisturbed.verdict, "no verdict");
        EXPECT_EQ(cell.failed, "B");
    }
    std::vector<json> untimed = run_of(200);
    untimed.push_back(window("qrwlock", nullptr, 8, 200, {"untimed"}));
    untimed.back()["checks"]["passed"] = false;
    EXPECT_EQ(compare(untimed, untimed).failed, "A and B") << "the untimed pass, and no flag to tell it";
    EXPECT_EQ(cell_of(compare_windows(untimed, untimed, kOps).cells, "rwsem_3_10").failed, "") << "a cell for itself";
}

TEST(CompareTest, ACellWithoutASingleRateIsListedAsFailed) {
    std::vector<json> killed = run_of(200);
    for (json& one : killed) {
        if (one.at("lock") == "qrwlock") {
            one["flags"] = {"killed", "check_failed"};
            one["ops_per_s"] = nullptr;
        }
    }
    EXPECT_EQ(compare(killed, run_of(100)).failed, "A");
    EXPECT_EQ(compare(killed, run_of(100)).all.verdict, "no verdict");
}

TEST(CompareTest, ControlLocksAreNeverCompared) {
    std::vector<json> with_control = run_of(200);
    for (std::uint64_t block = 0; block < 8; ++block) {
        with_control.push_back(window("null", nullptr, block, 1e9, {"broken", "check_failed"}));
    }
    const ComparedRuns compared = compare_windows(with_control, with_control, kOps);
    EXPECT_EQ(compared.controls, std::vector<std::string>{"null"});
    EXPECT_EQ(compared.cells.size(), 2U);
    for (const ComparedCell& cell : compared.cells) {
        EXPECT_EQ(cell.failed, "");
    }
}

}  // namespace
}  // namespace lockbench
