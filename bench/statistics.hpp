// SPDX-License-Identifier: MIT
// Medians and bootstrap confidence intervals. Deterministic: the resampling is seeded.
#pragma once

#include <cstdint>
#include <vector>

namespace lockbench {

struct Interval {
    double low = 0;
    double high = 0;
};

// Middle value, or the mean of the two middle ones. 0 for nothing.
double median(std::vector<double> values);

// 95 % percentile bootstrap of median(a) / median(b), for samples that are not paired. Needs two values on each side;
// with fewer the interval is [0, infinity): one measurement says nothing about its own spread.
Interval ratio_of_medians(const std::vector<double>& a, const std::vector<double>& b, std::uint64_t seed,
                          unsigned resamples = 4000);

enum class Comparison { a_higher, b_higher, cannot_say };
// Higher or lower only where the interval excludes 1 and its nearer end is farther from 1 than the noise floor, an
// interval of the ratio of a cell to itself.
Comparison compare_ratio(const Interval& ratio, const Interval& noise_floor);

}  // namespace lockbench
