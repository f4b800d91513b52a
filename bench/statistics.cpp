// SPDX-License-Identifier: MIT
#include "bench/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "platform/ctx.hpp"

namespace lockbench {

double median(std::vector<double> values) {
    if (values.empty()) {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Interval ratio_of_medians(const std::vector<double>& a, const std::vector<double>& b, std::uint64_t seed,
                          unsigned resamples) {
    if (a.size() < 2 || b.size() < 2) {
        return {0, std::numeric_limits<double>::infinity()};
    }
    RandomStream random(seed);
    const auto resample = [&](const std::vector<double>& values) {
        std::vector<double> drawn;
        for (std::size_t i = 0; i < values.size(); ++i) {
            drawn.push_back(values[random.below(static_cast<std::uint32_t>(values.size()))]);
        }
        return median(drawn);
    };
    std::vector<double> ratios;
    for (unsigned i = 0; i < resamples; ++i) {
        const double above = resample(a);
        const double below = resample(b);
        ratios.push_back(below > 0 ? above / below : std::numeric_limits<double>::infinity());
    }
    std::sort(ratios.begin(), ratios.end());
    const auto at = [&](double p) { return ratios[static_cast<std::size_t>(std::lround(p * (resamples - 1)))]; };
    return {at(0.025), at(0.975)};
}

Comparison compare_ratio(const Interval& ratio, const Interval& noise_floor) {
    if (ratio.low > 1 && ratio.low > noise_floor.high) {
        return Comparison::a_higher;
    }
    if (ratio.high < 1 && ratio.high < noise_floor.low) {
        return Comparison::b_higher;
    }
    return Comparison::cannot_say;
}

}  // namespace lockbench
