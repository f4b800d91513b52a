// SPDX-License-Identifier: MIT
// What a validation says: as an object of validation.json and as lines for people.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/locksim_validate.hpp"
#include "bench/statistics.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

// A shape holds if the medians have it, and four of five seeds: one that chance decides does not.
constexpr std::size_t kSeedsHold = 4;
constexpr std::size_t kSeedsOf = 5;

json number_or_null(double value) { return std::isnan(value) ? json(nullptr) : json(value); }

std::vector<double> given(const std::vector<double>& values) {
    std::vector<double> found;
    std::copy_if(values.begin(), values.end(), std::back_inserter(found),
                 [](double value) { return !std::isnan(value); });
    return found;
}

json row_of(std::uint32_t threads, double published, const std::vector<double>& values) {
    const std::vector<double> known = given(values);
    // A seed in which nothing happened has no value, and then the cell has none.
    const bool whole = known.size() == values.size() && !known.empty();
    const double middle = whole ? median(known) : kNotGiven;
    json row = {{"threads", threads},
                {"published", number_or_null(published)},
                {"simulated", number_or_null(middle)},
                {"values", json::array()}};
    for (const double value : values) {
        row["values"].push_back(number_or_null(value));
    }
    // Of a published nothing there is no relative error.
    const bool compares = !std::isnan(published) && whole && published != 0;
    row["error_percent"] = compares ? json((middle / published - 1) * 100) : json(nullptr);
    return row;
}

Curves curves_of(const std::map<std::string, Simulated>& simulated, std::size_t seed, bool medians) {
    Curves curves;
    for (const auto& [name, cells] : simulated) {
        for (const auto& [threads, values] : cells) {
            const bool whole = given(values).size() == values.size();
            curves[name][threads] = !medians ? values[seed] : whole ? median(values) : kNotGiven;
        }
    }
    return curves;
}

json shape_of(const Shape& shape, const PublishedTable& table, const std::map<std::string, Simulated>& simulated) {
    const Curves published = published_curves(table);
    const Seen paper = look_at(shape, published, published);
    const Seen seen = look_at(shape, curves_of(simulated, 0, true), published);
    const std::size_t seeds = simulated.begin()->second.begin()->second.size();
    std::size_t holding = 0;
    for (std::size_t seed = 0; seed < seeds; ++seed) {
        holding += look_at(shape, curves_of(simulated, seed, false), published).holds ? 1 : 0;
    }
    return {{"words", shape.words},
            {"rule", to_string(shape.rule)},
            {"series", shape.series},
            {"other", shape.other},
            {"least", shape.least},
            {"most", shape.most},
            {"published", paper.text},
            {"simulated", seen.known ? seen.text : "values are missing"},
            {"holds", seen.holds && holding * kSeedsOf >= seeds * kSeedsHold},
            {"seeds_holding", holding},
            {"seeds", seeds},
            {"why", shape.why}};
}

std::string figure_text(const json& value) {
    return value.is_null() ? "-" : fmt::format("{:.5g}", value.get<double>());
}

std::string spread_text(const json& values) {
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    for (const json& value : values) {
        if (value.is_null()) {
            return "-";
        }
        least = std::min(least, value.get<double>());
        most = std::max(most, value.get<double>());
    }
    return fmt::format("{:.5g} to {:.5g}", least, most);
}

}  // namespace

json validation_to_json(const PublishedTable& table, const std::map<std::string, Simulated>& simulated) {
    json out = {{"name", table.name},          {"title", table.title},    {"citation", table.citation},
                {"unit", table.unit},          {"series", json::array()}, {"shapes", json::array()},
                {"window_us", table.window_us}};
    for (const PublishedSeries& series : table.series) {
        json rows = json::array();
        for (const auto& [threads, values] : simulated.at(series.name)) {
            rows.push_back(row_of(threads, series.published.at(threads), values));
        }
        out["series"].push_back({{"name", series.name},
                                 {"machine", series.machine},
                                 {"lock", series.lock},
                                 {"workload", series.workload},
                                 {"params", series.params},
                                 {"note", series.note},
                                 {"rows", rows}});
    }
    for (const Shape& shape : table.shapes) {
        out["shapes"].push_back(shape_of(shape, table, simulated));
    }
    return out;
}

std::string validation_text(const json& table) {
    std::string text = fmt::format("{}: {} ({}). SIMULATED beside published: {}\n", table.at("name").get<std::string>(),
                                   table.at("title").get<std::string>(), table.at("unit").get<std::string>(),
                                   table.at("citation").get<std::string>());
    text += fmt::format("  {:<44} {:>7} {:>11} {:>11}  {:<24} {:>8}\n", "series", "threads", "published", "simulated",
                        "least to most of the seeds", "error");
    for (const json& series : table.at("series")) {
        for (const json& row : series.at("rows")) {
            const json& error = row.at("error_percent");
            text += fmt::format("  {:<44.44} {:>7} {:>11} {:>11}  {:<26} {:>6}\n", series.at("name").get<std::string>(),
                                row.at("threads").get<int>(), figure_text(row.at("published")),
                                figure_text(row.at("simulated")), spread_text(row.at("values")),
                                error.is_null() ? "-" : fmt::format("{:+.1f} %", error.get<double>()));
        }
    }
    for (const json& shape : table.at("shapes")) {
        text += fmt::format("  {} {}: {} ({} of {} seeds)\n", shape.at("holds").get<bool>() ? "PASS" : "FAIL",
                            shape.at("words").get<std::string>(), shape.at("simulated").get<std::string>(),
                            shape.at("seeds_holding").get<int>(), shape.at("seeds").get<int>());
        if (const auto why = shape.at("why").get<std::string>(); !why.empty()) {
            text += fmt::format("       why: {}\n", why);
        }
    }
    return text;
}

}  // namespace lockbench
