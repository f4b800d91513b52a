// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "bench/locksim_published.hpp"

namespace lockbench {
namespace {

// The part of a curve that a shape looks at; empty if a value is missing.
Curve part(const Curves& curves, const std::string& series, std::uint32_t from, std::uint32_t to) {
    Curve found;
    const auto curve = curves.find(series);
    if (curve != curves.end()) {
        for (const auto& [threads, value] : curve->second) {
            if (threads >= from && threads <= to) {
                if (std::isnan(value)) {
                    return {};
                }
                found.emplace(threads, value);
            }
        }
    }
    return found;
}

double mean(const Curve& curve) {
    double sum = 0;
    for (const auto& [threads, value] : curve) {
        sum += value;
    }
    return sum / static_cast<double>(curve.size());
}

std::uint32_t peak(const Curve& curve) {
    return std::max_element(curve.begin(), curve.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
}

bool within(double value, const Shape& shape) { return value >= shape.least && value <= shape.most; }

Seen flat(const Shape& shape, const Curve& curve) {
    const auto [least, most] = std::minmax_element(curve.begin(), curve.end(),
                                                   [](const auto& a, const auto& b) { return a.second < b.second; });
    const double factor = most->second / least->second;
    return {true, factor <= shape.most,
            fmt::format("{:.2f} times, {:.4g} at {} and {:.4g} at {}", factor, least->second, least->first,
                        most->second, most->first)};
}

// Every count of both, one divided by the other; the farthest from the middle of what is allowed is told.
Seen pairs(const Shape& shape, const Curve& curve, const Curve& other) {
    const double middle = std::sqrt(std::max(shape.least, 1e-9) * shape.most);
    Seen seen{true, true, ""};
    double farthest = -1;
    for (const auto& [threads, value] : curve) {
        const auto against = other.find(threads);
        if (against == other.end()) {
            return {};
        }
        // What is counted may be none: none of none is as many.
        const double ratio = against->second == 0 && value == 0 ? 1 : value / against->second;
        seen.holds = seen.holds && within(ratio, shape);
        const double far = std::fabs(std::log(std::max(ratio, 1e-9) / middle));
        if (far > farthest) {
            farthest = far;
            seen.text = fmt::format("{:.3g} times at {}", ratio, threads);
        }
    }
    return seen;
}

}  // namespace

Seen look_at(const Shape& shape, const Curves& curves, const Curves& published) {
    const Curve curve = part(curves, shape.series, shape.from, shape.to);
    const bool to_published = shape.rule == Rule::level || shape.rule == Rule::peak || shape.rule == Rule::each;
    const Curve other = shape.rule == Rule::ratio ? part(curves, shape.other, shape.from, shape.to)
                        : to_published            ? part(published, shape.series, shape.from, shape.to)
                                                  : curve;
    if (curve.empty() || other.empty()) {
        return {};
    }
    switch (shape.rule) {
        case Rule::flat:
            return flat(shape, curve);
        case Rule::change: {
            const auto from = curve.find(shape.from);
            const auto to = curve.find(shape.to);
            if (from == curve.end() || to == curve.end()) {
                return {};
            }
            const double ratio = to->second / from->second;
            return {true, within(ratio, shape), fmt::format("{:.3g} times", ratio)};
        }
        case Rule::level: {
            const double ratio = mean(curve) / mean(other);
            return {true, within(ratio, shape), fmt::format("{:.3g} times", ratio)};
        }
        case Rule::peak: {
            const double ratio = static_cast<double>(peak(curve)) / peak(other);
            return {true, within(ratio, shape), fmt::format("at {}, published at {}", peak(curve), peak(other))};
        }
        case Rule::ratio:
        case Rule::each:
            return pairs(shape, curve, other);
        case Rule::kCount:
            break;
    }
    return {};
}

}  // namespace lockbench
