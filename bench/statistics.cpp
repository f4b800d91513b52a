// SPDX-License-Identifier: MIT
#include "bench/statistics.hpp"

#include <algorithm>
#include <iterator>

#include "platform/ctx.hpp"

namespace lockbench {
namespace {

// Calls `draw(random)` for one ratio each time; the middle 95 % of them.
template <typename Draw>
Interval bootstrap(std::uint64_t seed, unsigned resamples, Draw draw) {
    RandomStream random(seed);
    std::vector<double> ratios;
    for (unsigned i = 0; i < resamples; ++i) {
        const auto [above, below] = draw(random);
        ratios.push_back(below > 0 ? above / below : above > 0 ? std::numeric_limits<double>::infinity() : 1.0);
    }
    std::sort(ratios.begin(), ratios.end());
    const auto at = [&](double p) { return ratios[static_cast<std::size_t>(std::lround(p * (resamples - 1)))]; };
    return {at(0.025), at(0.975)};
}

std::size_t draw_index(RandomStream& random, std::size_t size) {
    return random.below(static_cast<std::uint32_t>(size));
}

double resample(const std::vector<double>& values, RandomStream& random) {
    std::vector<double> drawn;
    for (std::size_t i = 0; i < values.size(); ++i) {
        drawn.push_back(values[draw_index(random, values.size())]);
    }
    return median(std::move(drawn));
}

struct Spread {
    double mean = 0;
    double squares = 0;  // of the distances from the mean, summed
};

Spread spread_of(const double* begin, const double* end) {
    Spread spread;
    for (const double* value = begin; value != end; ++value) {
        spread.mean += *value / static_cast<double>(end - begin);
    }
    for (const double* value = begin; value != end; ++value) {
        spread.squares += (*value - spread.mean) * (*value - spread.mean);
    }
    return spread;
}

}  // namespace

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
    if (a.size() < kMinForInterval || b.size() < kMinForInterval) {
        return {};
    }
    return bootstrap(seed, resamples, [&](RandomStream& random) {
        const double above = resample(a, random);
        return std::pair(above, resample(b, random));
    });
}

Interval ratio_of_pairs(const std::vector<std::pair<double, double>>& pairs, std::uint64_t seed, unsigned resamples) {
    std::vector<std::pair<double, double>> whole;
    std::copy_if(pairs.begin(), pairs.end(), std::back_inserter(whole),
                 [](const auto& pair) { return pair.first > 0 && pair.second > 0; });
    if (whole.size() < kMinForInterval) {
        return {};
    }
    return bootstrap(seed, resamples, [&](RandomStream& random) {
        std::vector<double> first;
        std::vector<double> second;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            const auto& [a, b] = whole[draw_index(random, whole.size())];
            first.push_back(a);
            second.push_back(b);
        }
        return std::pair(median(std::move(first)), median(std::move(second)));
    });
}

double farthest(const Interval& ratio) { return std::max(ratio.high, 1 / ratio.low); }

bool two_modes(std::vector<double> values) {
    values.erase(std::remove_if(values.begin(), values.end(), [](double value) { return !(value > 0); }), values.end());
    const std::size_t count = values.size();
    if (count < kMinForModes) {
        return false;
    }
    std::sort(values.begin(), values.end());
    std::transform(values.begin(), values.end(), values.begin(), [](double value) { return std::log(value); });
    const std::size_t side = std::max<std::size_t>(3, (count + 4) / 5);
    for (std::size_t at = side; at + side <= count; ++at) {
        const Spread low = spread_of(values.data(), values.data() + at);
        const Spread high = spread_of(values.data() + at, values.data() + count);
        const double pooled = std::sqrt((low.squares + high.squares) / static_cast<double>(count - 2));
        const double apart = high.mean - low.mean;
        constexpr double kDistance = 6;  // in pooled standard deviations
        if (apart >= std::log(1.1) && apart > kDistance * std::max(pooled, 1e-9)) {
            return true;
        }
    }
    return false;
}

Comparison compare_ratio(const Interval& ratio, double noise_floor) {
    if (ratio.low <= 1 && ratio.high >= 1) {
        return farthest(ratio) <= kAlike ? Comparison::alike : Comparison::includes_one;
    }
    if (std::max(ratio.low, 1 / ratio.high) <= noise_floor) {
        return Comparison::within_noise;
    }
    return ratio.low > 1 ? Comparison::a_higher : Comparison::b_higher;
}

}  // namespace lockbench
