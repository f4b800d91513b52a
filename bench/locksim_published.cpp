// SPDX-License-Identifier: MIT
#include "bench/locksim_published.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bench/errors.hpp"
#include "bench/locksim_machine_file.hpp"
#include "bench/nearest.hpp"

namespace lockbench {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Rule::kCount)> kRules = {"flat",  "change", "level",
                                                                                         "ratio", "peak",   "each"};
constexpr std::array<std::string_view, static_cast<std::size_t>(Measure::kCount)> kMeasures = {
    "kops_per_s", "ns_per_op", "ms_for", "speed_up", "ping_pong", "hand_over"};
constexpr double kMost = 1e12;
constexpr double kMostThreads = 4096;

// The place of a word in a list.
template <class Words>
std::size_t word_of(const MachineNode& node, const Words& words) {
    const std::string text = node.text();
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
        node.fail(fmt::format("is '{}', none of {}", text, fmt::join(words, ", ")));
    }
    return static_cast<std::size_t>(found - words.begin());
}

std::string text_or(const MachineNode& node, std::string_view field, const std::string& otherwise) {
    return node.has(field) ? node.at(field).text() : otherwise;
}

std::vector<std::string> texts_or_none(const MachineNode& node, std::string_view field) {
    if (!node.has(field)) {
        return {};
    }
    const nlohmann::json& list = node.at(field).json();
    const auto is_text = [](const nlohmann::json& value) { return value.is_string(); };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_text)) {
        node.at(field).fail("is not a list of texts");
    }
    return list.get<std::vector<std::string>>();
}

Curve curve_of(const MachineNode& node) {
    const nlohmann::json& threads = node.at("threads").json();
    const nlohmann::json& values = node.at("published").json();
    if (!threads.is_array() || !values.is_array() || threads.empty() || threads.size() != values.size()) {
        node.at("published").fail("is not a list of figures, one for each of 'threads'");
    }
    Curve curve;
    for (std::size_t i = 0; i < threads.size(); ++i) {
        if (!threads[i].is_number_unsigned() || threads[i] < 1U || threads[i] > kMostThreads ||
            (i > 0 && threads[i] <= threads[i - 1])) {
            node.at("threads").fail("is not a list of ascending thread counts");
        }
        if (!values[i].is_null() && !(values[i].is_number() && values[i] >= 0 && values[i] < kMost)) {
            node.at("published").fail(fmt::format("has at {} neither a figure nor null", threads[i].dump()));
        }
        curve[threads[i].get<std::uint32_t>()] = values[i].is_null() ? kNotGiven : values[i].get<double>();
    }
    return curve;
}

PublishedSeries series_of(const MachineNode& node, const MachineNode& table) {
    node.require({"name", "threads", "published"},
                 {"note", "machine", "lock", "workload", "params", "ops", "cpus", "home", "count"});
    PublishedSeries series;
    series.name = node.at("name").text();
    series.note = text_or(node, "note", "");
    series.machine = text_or(node, "machine", text_or(table, "machine", ""));
    if (series.machine.empty()) {
        node.fail("has no 'machine', and neither has the table");
    }
    series.measure = static_cast<Measure>(word_of(table.at("measure"), kMeasures));
    series.published = curve_of(node);
    if (series.measure == Measure::ping_pong) {
        node.at("cpus").require_numbers(2, kMostThreads);
        node.at("cpus").json().get_to(series.cpus);
        series.home = static_cast<NodeId>(node.number("home", 0, kMostThreads));
        return series;
    }
    series.lock = node.at("lock").text();
    if (series.measure == Measure::hand_over) {
        constexpr std::array<std::string_view, 3> kCounts = {"reads", "writes", "invalidated"};
        series.count = kCounts[word_of(node.at("count"), kCounts)];
        return series;
    }
    series.workload = node.at("workload").text();
    series.params = texts_or_none(node, "params");
    series.ops = texts_or_none(node, "ops");
    return series;
}

Shape shape_of(const MachineNode& node, const PublishedTable& table) {
    node.require({"words", "rule", "series"}, {"other", "at", "from", "to", "least", "most", "why"});
    Shape shape;
    shape.words = node.at("words").text();
    shape.rule = static_cast<Rule>(word_of(node.at("rule"), kRules));
    std::vector<std::string> names;
    for (const PublishedSeries& series : table.series) {
        names.push_back(series.name);
    }
    shape.series = names[word_of(node.at("series"), names)];
    if (shape.rule == Rule::ratio) {
        shape.other = names[word_of(node.at("other"), names)];
    }
    const bool one = node.has("at");
    shape.from = static_cast<std::uint32_t>(one                ? node.number("at", 1, kMostThreads)
                                            : node.has("from") ? node.number("from", 1, kMostThreads)
                                                               : 1);
    shape.to = one ? shape.from
                   : static_cast<std::uint32_t>(node.has("to") ? node.number("to", 1, kMostThreads) : kMostThreads);
    shape.least = node.has("least") ? node.number("least", 0, kMost) : 0;
    shape.most = node.has("most") ? node.number("most", 0, kMost) : kMost;
    shape.why = text_or(node, "why", "");
    return shape;
}

}  // namespace

std::string_view to_string(Rule rule) { return kRules[static_cast<std::size_t>(rule)]; }
std::string_view to_string(Measure measure) { return kMeasures[static_cast<std::size_t>(measure)]; }

Curves published_curves(const PublishedTable& table) {
    Curves curves;
    for (const PublishedSeries& series : table.series) {
        curves[series.name] = series.published;
    }
    return curves;
}

PublishedTable parse_published(const std::string& text, const std::string& file) {
    nlohmann::json whole;
    try {
        whole = nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& error) {
        throw UsageError(fmt::format("{}: it is not JSON, at byte {}.", file, error.byte));
    }
    const MachineNode root(whole, file, "");
    root.require({"schema_version", "name", "title", "citation", "measure", "unit", "series", "shapes"},
                 {"machine", "operations", "window_us", "warmup_us"});
    static_cast<void>(root.number("schema_version", 1, 1));
    PublishedTable table;
    table.name = root.at("name").text();
    table.title = root.at("title").text();
    table.citation = root.at("citation").text();
    table.unit = root.at("unit").text();
    table.operations = root.at("measure").text() == "ms_for" ? root.number("operations", 1, kMost) : 0;
    table.window_us = static_cast<std::uint32_t>(root.has("window_us") ? root.number("window_us", 1, 1e7) : 0);
    table.warmup_us = static_cast<std::uint32_t>(root.has("warmup_us") ? root.number("warmup_us", 0, 1e7) : 0);
    root.at("series").for_each([&](const MachineNode& node) { table.series.push_back(series_of(node, root)); });
    root.at("shapes").for_each([&](const MachineNode& node) { table.shapes.push_back(shape_of(node, table)); });
    const Curves curves = published_curves(table);
    if (curves.size() != table.series.size()) {
        root.at("series").fail("has two series of one name");
    }
    for (const Shape& shape : table.shapes) {
        // A claim about figures that do not have it would be one about the model alone.
        if (const Seen seen = look_at(shape, curves, curves); seen.known && !seen.holds) {
            root.at("shapes").fail(fmt::format("says '{}', which its own figures do not: {}", shape.words, seen.text));
        }
    }
    return table;
}

PublishedTable load_published(const std::string& name) {
    std::vector<std::string_view> names;
    for (const ShippedTable& table : shipped_tables()) {
        if (table.name == name) {
            return parse_published(std::string(table.text), std::string(table.name) + ".json");
        }
        names.push_back(table.name);
    }
    std::ifstream in(name, std::ios::binary);
    if (!in || std::filesystem::is_directory(name)) {
        throw UsageError(
            fmt::format("--table={}: there is no such table or file; there are {}.", name, fmt::join(names, ", ")));
    }
    return parse_published(std::string(std::istreambuf_iterator<char>(in), {}), name);
}

}  // namespace lockbench
