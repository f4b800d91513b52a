// SPDX-License-Identifier: MIT
#include "bench/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

namespace lockbench {
namespace {

using nlohmann::json;
constexpr std::uint64_t kSeed = 20130927;

bool has_flag(const json& window, const char* name) {
    const json& flags = window.at("flags");
    return std::find(flags.begin(), flags.end(), name) != flags.end();
}

// Workload, parameters, placement and lock home: what an A/A pair shares with the cells that it stands for.
std::string variant_of(const json& window) {
    std::string key;
    for (const char* part : {"platform", "machine", "workload", "params", "placement", "lock_home"}) {
        key += window.value(part, json()).dump() + ' ';
    }
    return key;
}

// All windows of one lock on one variant and thread count.
struct Cell {
    std::string label;
    std::string lock;
    std::string workload;
    std::string variant;
    const json* params = nullptr;
    int threads = 0;
    bool control = false;
    bool failed = false;                                      // any window, a killed one too: its figures prove nothing
    std::map<std::string, std::vector<const json*>> by_half;  // by "aa"; "" outside a pair

    // Half "a" of a pair stands for its cell; "b" is there to tell the noise.
    [[nodiscard]] const std::vector<const json*>& windows() const {
        static const std::vector<const json*> none;
        for (const char* half : {"", "a", "b"}) {
            if (const auto found = by_half.find(half); found != by_half.end()) {
                return found->second;
            }
        }
        return none;
    }
};

using Cells = std::map<std::string, Cell>;

// Names the parameters that tell cells of one workload apart: those of a sweep.
void label_sweeps(Cells& cells) {
    std::map<std::string, std::map<std::string, std::set<std::string>>> values;
    for (const auto& [key, cell] : cells) {
        for (const auto& [param, value] : cell.params->items()) {
            values[cell.workload][param].insert(value.dump());
        }
    }
    for (auto& [key, cell] : cells) {
        for (const auto& [param, value] : cell.params->items()) {
            if (values[cell.workload][param].size() > 1) {
                cell.label += fmt::format(" {}={}", param, value.dump());
            }
        }
    }
}

Cells sort_into_cells(const std::vector<json>& windows) {
    Cells cells;
    for (const json& window : windows) {
        if (window.at("workload") == "uncontended") {
            continue;
        }
        const auto lock = window.at("lock").get<std::string>();
        const int threads = window.at("threads");
        const std::string variant = variant_of(window);
        Cell& cell = cells[fmt::format("{}{} {}", variant, lock, threads)];
        cell.lock = lock;
        cell.workload = window.at("workload");
        cell.label = fmt::format("{} {} {} thr", cell.workload, lock, threads);
        cell.params = &window.at("params");
        cell.control |= has_flag(window, "broken");
        cell.failed |= has_flag(window, "check_failed") || has_flag(window, "killed") ||
                       !window.at("checks").at("passed").get<bool>();
        cell.variant = variant;
        cell.threads = threads;
        if (!has_flag(window, "killed") && !has_flag(window, "interrupted") && !has_flag(window, "untimed")) {
            cell.by_half[window.at("aa").is_null() ? "" : window.at("aa").get<std::string>()].push_back(&window);
        }
    }
    label_sweeps(cells);
    return cells;
}

std::optional<double> rate_of(const json& window, const std::string& op) {
    const json& rates = window.at("ops_per_s");
    return rates.is_object() && rates.contains(op) ? std::optional<double>(rates.at(op).get<double>()) : std::nullopt;
}

std::vector<double> rates_of(const std::vector<const json*>& windows, const std::string& op, bool undisturbed) {
    std::vector<double> rates;
    for (const json* window : windows) {
        const auto rate = rate_of(*window, op);
        if (rate.has_value() && !(undisturbed && has_flag(*window, "involuntary_switch"))) {
            rates.push_back(*rate);
        }
    }
    return rates;
}

// Rates of the two halves of an A/A pair in the blocks that measured both.
std::vector<std::pair<double, double>> pairs_of(const Cell& cell, const std::string& op) {
    const auto by_block = [&](const char* half) {
        std::map<std::uint64_t, std::vector<double>> rates;
        if (const auto found = cell.by_half.find(half); found != cell.by_half.end()) {
            for (const json* window : found->second) {
                if (const auto rate = rate_of(*window, op)) {
                    rates[window->at("block").get<std::uint64_t>()].push_back(*rate);
                }
            }
        }
        return rates;
    };
    std::vector<std::pair<double, double>> pairs;
    const auto second = by_block("b");
    for (const auto& [block, rates] : by_block("a")) {
        if (const auto twin = second.find(block); twin != second.end()) {
            pairs.emplace_back(median(twin->second), median(rates));
        }
    }
    return pairs;
}

// The noise of one run by its A/A pairs.
class Floors {
  public:
    Floors(const Cells& cells, const OpsByWorkload& ops) {
        for (const auto& [key, cell] : cells) {
            const auto headline = ops.find(cell.workload);
            if (headline == ops.end()) {
                continue;
            }
            for (const std::string& op : headline->second) {
                const Interval ratio = ratio_of_pairs(pairs_of(cell, op), kSeed);
                if (ratio.known()) {
                    pairs_.push_back({&cell, op, farthest(ratio)});
                }
            }
        }
    }

    // Of the pair nearest to the cell: the same variant, threads and operation, else the worst of the same variant and
    // threads, else the worst with as many threads, else the worst. NaN without any.
    [[nodiscard]] double near(const Cell& cell, const std::string& op) const {
        double best = std::numeric_limits<double>::quiet_NaN();
        int best_rank = -1;
        for (const Pair& pair : pairs_) {
            const bool threads = pair.cell->threads == cell.threads;
            const bool variant = threads && pair.cell->variant == cell.variant;
            const int rank = variant && pair.op == op ? 3 : variant ? 2 : threads ? 1 : 0;
            if (rank > best_rank || (rank == best_rank && pair.factor > best)) {
                best = pair.factor;
                best_rank = rank;
            }
        }
        return best;
    }

  private:
    struct Pair {
        const Cell* cell;
        std::string op;
        double factor;
    };
    std::vector<Pair> pairs_;
};

std::string percent_or_factor(double factor) {
    return factor < 2 ? fmt::format("{:.1f} %", (factor - 1) * 100) : fmt::format("a factor of {:.3g}", factor);
}

// What both runs say about one operation of one cell, before it is read.
struct Sides {
    const Cell& a;
    const Cell& b;
    const std::string& op;
    double floor_a;
    double floor_b;

    // NaN where either is: a run without a pair may be noisier than the other one.
    [[nodiscard]] double floor() const {
        return std::isnan(floor_a) || std::isnan(floor_b) ? std::numeric_limits<double>::quiet_NaN()
                                                          : std::max(floor_a, floor_b);
    }
};

std::string both(bool a, bool b) { return a && b ? "A and B" : a ? "A" : b ? "B" : ""; }

// Every window of one run lies beyond the floor on the same side of every window of the other.
bool same_side(const std::vector<double>& a, const std::vector<double>& b, double floor) {
    const auto [low_a, high_a] = std::minmax_element(a.begin(), a.end());
    const auto [low_b, high_b] = std::minmax_element(b.begin(), b.end());
    return *low_b > *high_a * floor || *high_b * floor < *low_a;
}

Reading cannot_say(Reading reading, const std::string& reason) {
    reading.verdict = "cannot say";
    reading.reason = reason;
    return reading;
}

Reading read_sides(const Sides& sides, bool undisturbed) {
    const std::vector<double> a = rates_of(sides.a.windows(), sides.op, undisturbed);
    const std::vector<double> b = rates_of(sides.b.windows(), sides.op, undisturbed);
    Reading reading;
    reading.windows_a = a.size();
    reading.windows_b = b.size();
    reading.ratio = ratio_of_medians(b, a, kSeed);
    if (sides.a.failed || sides.b.failed) {
        reading.verdict = "no verdict";
        reading.reason = fmt::format("{} failed the checks", both(sides.a.failed, sides.b.failed));
        return reading;
    }
    if (!reading.ratio.known()) {
        return cannot_say(reading, fmt::format("only {} windows of A and {} of B, an interval needs {} of each",
                                               a.size(), b.size(), kMinForInterval));
    }
    const double floor = sides.floor();
    if (std::isnan(floor)) {
        return cannot_say(reading, fmt::format("no A/A pair tells the noise of {}",
                                               both(std::isnan(sides.floor_a), std::isnan(sides.floor_b))));
    }
    // Of all windows, disturbed or not: leaving some out makes no second mode go away.
    const std::string bimodal = both(two_modes(rates_of(sides.a.windows(), sides.op, false)),
                                     two_modes(rates_of(sides.b.windows(), sides.op, false)));
    if (!bimodal.empty() && !same_side(a, b, floor)) {
        return cannot_say(reading, fmt::format("{}: two modes, no single number", bimodal));
    }
    switch (compare_ratio(reading.ratio, floor)) {
        case Comparison::includes_one:
            return cannot_say(reading, "the interval includes 1");
        case Comparison::within_noise:
            return cannot_say(reading, fmt::format("not clear of the A/A noise of {}", percent_or_factor(floor)));
        case Comparison::alike:
            reading.verdict = "about the same";
            break;
        case Comparison::a_higher:  // the ratio is B's rate over A's
            reading.verdict = "B is faster";
            break;
        case Comparison::b_higher:
            reading.verdict = "B is slower";
            break;
    }
    return reading;
}

ComparedCell compare_cell(const Sides& sides) {
    const std::vector<double> a = rates_of(sides.a.windows(), sides.op, false);
    const std::vector<double> b = rates_of(sides.b.windows(), sides.op, false);
    ComparedCell cell;
    cell.name = sides.a.label;
    cell.op = sides.op;
    cell.median_a = median(a);
    cell.median_b = median(b);
    cell.floor = sides.floor();
    cell.all = read_sides(sides, false);
    cell.undisturbed = read_sides(sides, true);
    cell.flagged = a.size() + b.size() - cell.undisturbed.windows_a - cell.undisturbed.windows_b;
    cell.failed = both(sides.a.failed, sides.b.failed);
    return cell;
}

// A cell that failed is listed even if no window of it has a rate.
bool worth_a_row(const Sides& sides) {
    return sides.a.failed || sides.b.failed ||
           (!rates_of(sides.a.windows(), sides.op, false).empty() &&
            !rates_of(sides.b.windows(), sides.op, false).empty());
}

}  // namespace

ComparedRuns compare_windows(const std::vector<json>& a, const std::vector<json>& b,
                             const OpsByWorkload& headline_ops) {
    const Cells cells_a = sort_into_cells(a);
    const Cells cells_b = sort_into_cells(b);
    const Floors floors_a(cells_a, headline_ops);
    const Floors floors_b(cells_b, headline_ops);
    ComparedRuns compared;
    std::set<std::string> controls;
    for (const auto& [key, cell] : cells_a) {
        const auto twin = cells_b.find(key);
        const auto ops = headline_ops.find(cell.workload);
        if (twin == cells_b.end() || ops == headline_ops.end()) {
            continue;
        }
        if (cell.control || twin->second.control) {
            controls.insert(cell.lock);
            continue;
        }
        for (const std::string& op : ops->second) {
            const Sides sides{cell, twin->second, op, floors_a.near(cell, op), floors_b.near(twin->second, op)};
            if (worth_a_row(sides)) {
                compared.cells.push_back(compare_cell(sides));
            }
        }
    }
    compared.controls.assign(controls.begin(), controls.end());
    return compared;
}

}  // namespace lockbench
