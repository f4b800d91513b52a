// SPDX-License-Identifier: MIT
// Medians, bootstrap confidence intervals and the rules by which a ratio becomes a verdict: those of the report
// (plotting/stats.py, plotting/compare.py). Deterministic: the resampling is seeded.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace lockbench {

// With fewer values a 95 % interval of a median does not exist: even their whole range covers it in less than 95 % of
// all cases.
inline constexpr std::size_t kMinForInterval = 6;
inline constexpr std::size_t kMinForModes = 8;
inline constexpr double kAlike = 1.05;  // "about the same" means within 5 %

struct Interval {
    double low = std::numeric_limits<double>::quiet_NaN();  // both NaN where there are too few values
    double high = std::numeric_limits<double>::quiet_NaN();

    [[nodiscard]] bool known() const { return !std::isnan(low) && !std::isnan(high); }
};

// Middle value, or the mean of the two middle ones. 0 for nothing.
double median(std::vector<double> values);

// 95 % percentile bootstrap of median(a) / median(b), for samples that are not paired. Unknown where either side has
// fewer than kMinForInterval values.
Interval ratio_of_medians(const std::vector<double>& a, const std::vector<double>& b, std::uint64_t seed,
                          unsigned resamples = 4000);

// The same for pairs (a, b), which are drawn together: what a block did to both cancels. Pairs with a 0 take no part.
Interval ratio_of_pairs(const std::vector<std::pair<double, double>>& pairs, std::uint64_t seed,
                        unsigned resamples = 4000);

// How far from 1 a known interval reaches, as a factor of at least 1.
double farthest(const Interval& ratio);

// The values fall into two groups (see "bimodal" in results/README.md).
bool two_modes(std::vector<double> values);

enum class Comparison {
    a_higher,
    b_higher,
    alike,
    includes_one,  // ... and reaches farther from it than kAlike
    within_noise,
};
// Reads a known interval of a / b. Higher or lower only where the whole interval lies beyond `noise_floor`, a factor.
Comparison compare_ratio(const Interval& ratio, double noise_floor);

}  // namespace lockbench
