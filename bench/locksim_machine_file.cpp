// SPDX-License-Identifier: MIT
#include "bench/locksim_machine_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "bench/errors.hpp"
#include "bench/nearest.hpp"

namespace lockbench {
namespace {

constexpr std::array<std::string_view, 4> kSources = {"measured", "published", "fitted", "assumed"};
constexpr double kMostLatencyNs = 1e6;

bool among(std::string_view word, std::span<const std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

void MachineNode::fail(const std::string& what) const {
    throw UsageError(fmt::format("{}: {} {}.", file_, path_.empty() ? "the file" : "'" + path_ + "'", what));
}

void MachineNode::require(std::initializer_list<std::string_view> fields,
                          std::initializer_list<std::string_view> optional) const {
    if (!value_.is_object()) {
        fail("is not an object");
    }
    std::vector<std::string_view> known(fields);
    known.insert(known.end(), optional);
    for (const auto& [field, unused] : value_.items()) {
        static_cast<void>(unused);
        if (std::find(known.begin(), known.end(), field) == known.end()) {
            MachineNode(value_, file_, path_.empty() ? field : path_ + "." + field)
                .fail("is no field of such a file" + hint(field, known));
        }
    }
    for (const std::string_view field : fields) {
        if (!has(field)) {
            fail(fmt::format("has no '{}'", field));
        }
    }
}

MachineNode MachineNode::at(std::string_view field) const {
    if (!has(field)) {
        fail(fmt::format("has no '{}'", field));
    }
    return {value_.at(std::string(field)), file_,
            path_.empty() ? std::string(field) : fmt::format("{}.{}", path_, field)};
}

std::string MachineNode::text() const {
    if (!value_.is_string() || value_.get<std::string>().empty()) {
        fail("is not a text");
    }
    return value_.get<std::string>();
}

void MachineNode::require_source(std::initializer_list<std::string_view> more) const {
    std::vector<std::string_view> fields = {"source", "note"};
    fields.insert(fields.end(), more);
    if (!value_.is_object()) {
        fail("is not an object with a source");
    }
    for (const auto& [field, unused] : value_.items()) {
        static_cast<void>(unused);
        if (std::find(fields.begin(), fields.end(), field) == fields.end()) {
            fail(fmt::format("has an unknown '{}'{}", field, hint(field, fields)));
        }
    }
    const std::string source = at("source").text();
    if (!among(source, kSources)) {
        at("source").fail(fmt::format("is '{}', none of {}", source, fmt::join(kSources, ", ")));
    }
    static_cast<void>(at("note").text());
}

double MachineNode::number(std::string_view field, double least, double most) const {
    const MachineNode node = at(field);
    if (!node.value_.is_number()) {
        node.fail("is not a number");
    }
    const auto value = node.value_.get<double>();
    if (!(value >= least && value <= most)) {
        node.fail(fmt::format("is {:g}; it has to be from {:g} to {:g}", value, least, most));
    }
    return value;
}

void MachineNode::require_numbers(std::size_t count, double most) const {
    const auto is_right = [most](const nlohmann::json& value) { return value.is_number_unsigned() && value <= most; };
    if (!value_.is_array() || value_.size() != count || !std::all_of(value_.begin(), value_.end(), is_right)) {
        fail(fmt::format("is not a list of {} whole numbers up to {:g}", count, most));
    }
}

sim::Time MachineNode::time(double most_ns) const {
    require_source({"value"});
    return static_cast<sim::Time>(std::llround(number("value", 0, most_ns) * static_cast<double>(sim::kPerNs)));
}

std::uint32_t MachineNode::count(std::uint32_t least, std::uint32_t most) const {
    require_source({"value"});
    const double value = number("value", least, most);
    if (value != std::floor(value)) {
        at("value").fail("is not a whole number");
    }
    return static_cast<std::uint32_t>(value);
}

std::string MachineNode::word(std::initializer_list<std::string_view> words) const {
    require_source({"value"});
    std::string value = at("value").text();
    if (words.size() != 0 && !among(value, std::span(words.begin(), words.size()))) {
        at("value").fail(fmt::format("is '{}', none of {}", value, fmt::join(words, ", ")));
    }
    return value;
}

bool MachineNode::flag() const {
    require_source({"value"});
    if (!at("value").value_.is_boolean()) {
        at("value").fail("is not true or false");
    }
    return at("value").value_.get<bool>();
}

sim::HopCosts MachineNode::costs(double clock_ghz, const std::vector<sim::Hop>& hops) const {
    require_source({"unit", "same_llc", "same_package", "one_hop", "two_hops"});
    const std::string unit = at("unit").text();
    if (unit != "ns" && unit != "cycles") {
        at("unit").fail(fmt::format("is '{}', neither ns nor cycles", unit));
    }
    const double per_ns = unit == "ns" ? 1 : clock_ghz;
    sim::HopCosts costs{};
    double nearer = 0;
    for (std::size_t i = 0; i < sim::kHopCount; ++i) {
        const std::string_view name = sim::kHopNames[i];
        const bool needed = std::find(hops.begin(), hops.end(), static_cast<sim::Hop>(i)) != hops.end();
        if (!needed) {
            if (has(name)) {
                at(name).fail("is a distance that this machine does not have");
            }
            continue;
        }
        const double value = number(name, 0, kMostLatencyNs);
        if (value <= 0) {
            at(name).fail("is no time for a transfer");
        }
        if (value < nearer) {
            at(name).fail(fmt::format("is {:g}, less than for a shorter distance ({:g})", value, nearer));
        }
        nearer = value;
        costs[i] = static_cast<sim::Time>(std::llround(value / per_ns * static_cast<double>(sim::kPerNs)));
    }
    return costs;
}

}  // namespace lockbench
