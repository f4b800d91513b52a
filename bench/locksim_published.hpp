// SPDX-License-Identifier: MIT
// Published tables that the simulated machine is held against: files of results/published, compiled in, or others like
// them. A table says what was measured, on which machine, by which lock and loop, with each number's source; and in
// words and as a rule what its figures look like ("shapes"). docs/validation.md describes the fields.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "platform/units.hpp"

namespace lockbench {

inline constexpr double kNotGiven = std::numeric_limits<double>::quiet_NaN();

// By thread count; kNotGiven where the source has no figure.
using Curve = std::map<std::uint32_t, double>;
using Curves = std::map<std::string, Curve>;  // by the name of the series

// What a curve looks like.
enum class Rule : std::uint8_t {
    flat,    // from .. to: the greatest is at most `most` times the least
    change,  // the value at `to` is `least` to `most` times that at `from`
    level,   // from .. to: the mean is `least` to `most` times the published one
    ratio,   // from .. to: this series is `least` to `most` times `other` at each count
    peak,    // the count with the greatest value is `least` to `most` times the published one
    each,    // each value is `least` to `most` times the published one
    kCount
};

struct Shape {
    std::string words;
    Rule rule = Rule::flat;
    std::string series;
    std::string other;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    double least = 0;
    double most = 0;
    std::string why;  // where the simulated machine is known not to have it: how and why
};

struct Seen {
    bool known = false;  // all the values that the rule looks at are there
    bool holds = false;
    std::string text;  // what was seen, with its numbers
};

// `published` is what rules that compare with it compare with.
Seen look_at(const Shape& shape, const Curves& curves, const Curves& published);

// How a series' values come about.
enum class Measure : std::uint8_t {
    kops_per_s,  // sum over all threads
    ns_per_op,   // for each thread
    ms_for,      // until each thread has done `operations`
    speed_up,    // threads that think, on average
    ping_pong,   // ns of a transfer between two CPUs, by compare-exchange
    hand_over,   // transfers of a queue of threads that goes through a lock
    kCount
};

struct PublishedSeries {
    std::string name;
    std::string note;
    std::string machine;
    Measure measure = Measure::kops_per_s;
    // A workload.
    std::string lock;
    std::string workload;
    std::vector<std::string> params;  // as for --param
    std::vector<std::string> ops;
    // Probes.
    std::vector<CpuId> cpus;
    NodeId home = 0;
    std::string count;  // reads, writes, invalidated
    Curve published;    // its keys are the thread counts that are simulated
};

struct PublishedTable {
    std::string name;
    std::string title;
    std::string citation;
    std::string unit;
    double operations = 0;
    std::uint32_t window_us = 0;
    std::uint32_t warmup_us = 0;
    std::vector<PublishedSeries> series;
    std::vector<Shape> shapes;
};

std::string_view to_string(Rule rule);
std::string_view to_string(Measure measure);

// `name`: one of those that are shipped, or the path of a file. Throws UsageError; also where the published figures do
// not have a shape that is said of them.
PublishedTable load_published(const std::string& name);
PublishedTable parse_published(const std::string& text, const std::string& file);
Curves published_curves(const PublishedTable& table);

struct ShippedTable {
    std::string_view name;
    std::string_view text;
};
std::vector<ShippedTable> shipped_tables();

}  // namespace lockbench
