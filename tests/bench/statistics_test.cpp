// SPDX-License-Identifier: MIT
// Medians, intervals and what becomes of them: the rules of the report, whose own tests are in plot_stats_test.py.
#include "bench/statistics.hpp"

#include <gtest/gtest.h>

namespace lockbench {
namespace {

const std::vector<double> kSix = {100, 101, 99, 102, 98, 100};

std::vector<double> times(double factor, std::vector<double> values) {
    for (double& value : values) {
        value *= factor;
    }
    return values;
}

TEST(StatisticsTest, MedianAndIntervals) {
    EXPECT_DOUBLE_EQ(median({3, 1, 2}), 2);
    EXPECT_DOUBLE_EQ(median({4, 1, 2, 3}), 2.5);
    const Interval same = ratio_of_medians(kSix, kSix, 1);
    EXPECT_LE(same.low, 1);
    EXPECT_GE(same.high, 1);
    const Interval twice = ratio_of_medians(times(2, kSix), kSix, 1);
    EXPECT_GT(twice.low, 1.9);
    EXPECT_LT(twice.high, 2.1);
    EXPECT_EQ(ratio_of_medians(times(0, kSix), kSix, 1).high, 0) << "what stands still is a rate, too";
}

TEST(StatisticsTest, FiveValuesGiveNoInterval) {
    const std::vector<double> five(kSix.begin(), kSix.end() - 1);
    EXPECT_FALSE(ratio_of_medians(five, kSix, 1).known());
    EXPECT_FALSE(ratio_of_medians(kSix, five, 1).known());
    EXPECT_TRUE(ratio_of_medians(kSix, kSix, 1).known());
    EXPECT_FALSE(ratio_of_pairs({{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 0}}, 1).known()) << "a 0 makes no pair";
}

TEST(StatisticsTest, PairsAreDrawnTogether) {
    // Each block is twice as fast as the one before, and b always half of a: only pairs show that.
    std::vector<std::pair<double, double>> pairs;
    for (double rate = 2; rate < 1000; rate *= 2) {
        pairs.emplace_back(rate, rate / 2);
    }
    const Interval ratio = ratio_of_pairs(pairs, 1);
    EXPECT_DOUBLE_EQ(ratio.low, 2);
    EXPECT_DOUBLE_EQ(ratio.high, 2);
}

TEST(StatisticsTest, ADifferenceWithinTheNoiseFloorIsNone) {
    EXPECT_EQ(compare_ratio({1.02, 1.05}, 1.01), Comparison::a_higher);
    EXPECT_EQ(compare_ratio({1.02, 1.05}, 1.02), Comparison::within_noise) << "the nearer end counts";
    EXPECT_EQ(compare_ratio({0.8, 0.9}, 1.1), Comparison::b_higher);
    EXPECT_EQ(compare_ratio({0.8, 0.9}, 1.2), Comparison::within_noise) << "the floor holds on both sides of 1";
    EXPECT_EQ(compare_ratio({0.9, 1.1}, 1), Comparison::includes_one);
    EXPECT_EQ(compare_ratio({0.96, 1.04}, 1), Comparison::alike);
}

TEST(StatisticsTest, AnIntervalReachesAsFarAsItsFartherEnd) {
    EXPECT_DOUBLE_EQ(farthest({0.5, 1.2}), 2);
    EXPECT_DOUBLE_EQ(farthest({0.9, 1.3}), 1.3);
}

TEST(StatisticsTest, TwoModes) {
    EXPECT_TRUE(two_modes({100, 101, 99, 100, 200, 201, 199, 200}));
    EXPECT_FALSE(two_modes({100, 101, 99, 100, 200, 201, 199})) << "of seven nothing is told";
    EXPECT_FALSE(two_modes({100, 101, 99, 100, 100, 101, 200, 201})) << "a mode has three windows";
    EXPECT_FALSE(two_modes({100, 100, 100, 100, 105, 105, 105, 105})) << "within 10 %";
    EXPECT_FALSE(two_modes({100, 110, 120, 130, 140, 150, 160, 170})) << "a spread is not two groups";
}

}  // namespace
}  // namespace lockbench
