// SPDX-License-Identifier: MIT
#include "bench/locksim_fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>

#include "bench/errors.hpp"
#include "bench/locksim_probe.hpp"
#include "bench/statistics.hpp"

namespace lockbench {
namespace {

constexpr double kMostNs = 1e6;
constexpr double kAllowedPercent = 5;
constexpr std::size_t kMostCpus = 4096;

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(at, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

// What a message shows of a file's text: its beginning, and nothing that a terminal obeys.
std::string shown(const std::string& text) {
    constexpr std::size_t kMost = 24;
    std::string part = text.substr(0, kMost);
    std::replace_if(
        part.begin(), part.end(), [](char letter) { return letter < ' ' || letter > '~'; }, '?');
    return part + (text.size() > kMost ? ".." : "");
}

double cell_of(const std::string& text, const std::string& where) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value > 0 && value < kMostNs)) {
        throw UsageError(fmt::format("{}: '{}' is no latency in ns.", where, shown(text)));
    }
    return value;
}

// The machine's CPU that the matrix has at a place: Linux's order against that of the topology's description.
std::vector<CpuId> cpus_in_linux_order(const SimMachine& machine) {
    std::vector<Cpu> cpus = machine.topology.cpus;
    std::stable_sort(cpus.begin(), cpus.end(), [](const Cpu& a, const Cpu& b) {
        return std::pair(a.smt_rank, a.core) < std::pair(b.smt_rank, b.core);
    });
    std::vector<CpuId> numbers;
    numbers.reserve(cpus.size());
    for (const Cpu& cpu : cpus) {
        numbers.push_back(cpu.os_index);
    }
    return numbers;
}

std::string class_of(const sim::Machine& machine, CpuId a, CpuId b) {
    const std::uint16_t core_a = machine.core_of_cpu[static_cast<std::size_t>(a)];
    const std::uint16_t core_b = machine.core_of_cpu[static_cast<std::size_t>(b)];
    if (core_a == core_b) {
        return "smt";
    }
    const std::uint16_t group = machine.group_of_core[core_a];
    const sim::Hop hop = machine.hop_of_groups(group, machine.group_of_core[core_b]);
    const std::string name(sim::kHopNames[static_cast<std::size_t>(hop)]);
    return hop == sim::Hop::same_package && machine.hops.size() > 1
               ? fmt::format("{} of package {}", name, machine.package_of_group[group])
               : name;
}

double rank(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
}

// What the machine's own ping-pong gives. A line that lies on the pair's own node, as nobody told where it lay; one
// that another socket's pairs are slower by lies there.
double simulated(const SimMachine& machine, const FittedClass& fitted) {
    const NodeId home = machine.numbers.node_of_cpu[static_cast<std::size_t>(fitted.b)];
    return ping_pong_ns(machine.numbers, fitted.a, fitted.b, home, 1);
}

// Packages whose own pairs differ by more than noise: the line has a home, and one package is far from it.
std::string home_note(const std::map<std::string, FittedClass>& classes) {
    double least = kMostNs;
    double most = 0;
    std::string far;
    for (const auto& [name, fitted] : classes) {
        if (name.starts_with("same_package")) {
            least = std::min(least, fitted.median_ns);
            far = fitted.median_ns > most ? name : far;
            most = std::max(most, fitted.median_ns);
        }
    }
    return most > 1.25 * least ? far : "";
}

}  // namespace

LatencyMatrix parse_matrix(const std::string& text, const std::string& file) {
    LatencyMatrix matrix;
    std::vector<std::string> lines = split(text, '\n');
    while (!lines.empty() && (lines.back().empty() || lines.back() == "\r")) {
        lines.pop_back();
    }
    if (lines.size() < 2 || lines.size() > kMostCpus) {
        throw UsageError(fmt::format("{}: {} rows are no matrix of 2 to {} CPUs.", file, lines.size(), kMostCpus));
    }
    for (std::size_t row = 0; row < lines.size(); ++row) {
        std::string line = lines[row];
        if (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        const std::vector<std::string> cells = split(line, ',');
        if (cells.size() < row || cells.size() > lines.size()) {
            throw UsageError(fmt::format("{}:{}: {} columns, where the matrix has {} rows.", file, row + 1,
                                         cells.size(), lines.size()));
        }
        matrix.emplace_back();
        for (std::size_t column = 0; column < row; ++column) {
            matrix.back().push_back(cell_of(cells[column], fmt::format("{}:{}: column {}", file, row + 1, column + 1)));
        }
    }
    return matrix;
}

std::map<std::string, FittedClass> fit_matrix(const LatencyMatrix& matrix, const SimMachine& machine) {
    const std::vector<CpuId> cpus = cpus_in_linux_order(machine);
    if (cpus.size() != matrix.size()) {
        throw UsageError(
            fmt::format("the matrix has {} CPUs and {} has {}.", matrix.size(), machine.numbers.name, cpus.size()));
    }
    std::map<std::string, std::vector<double>> values;
    std::map<std::string, FittedClass> classes;
    for (std::size_t i = 0; i < matrix.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            const std::string name = class_of(machine.numbers, cpus[j], cpus[i]);
            FittedClass& fitted = classes[name];
            if (fitted.pairs++ == 0) {
                fitted.a = cpus[j];
                fitted.b = cpus[i];
            }
            values[name].push_back(matrix[i][j]);
        }
    }
    for (auto& [name, fitted] : classes) {
        std::vector<double>& sorted = values[name];
        std::sort(sorted.begin(), sorted.end());
        fitted.median_ns = median(sorted);
        fitted.p5_ns = rank(sorted, 0.05);
        fitted.p95_ns = rank(sorted, 0.95);
        std::vector<double> errors;
        errors.reserve(sorted.size());
        for (const double value : sorted) {
            errors.push_back(std::fabs(value / fitted.median_ns - 1) * 100);
        }
        fitted.error_percent = median(errors);
    }
    return classes;
}

int run_fit(const RawFitOptions& raw) {
    const SimMachine machine = load_sim_machine(raw.machine);
    std::ifstream in(raw.matrix, std::ios::binary);
    if (!in) {
        throw UsageError(fmt::format("{}: cannot be read.", raw.matrix));
    }
    const LatencyMatrix matrix = parse_matrix(std::string(std::istreambuf_iterator<char>(in), {}), raw.matrix);
    const std::map<std::string, FittedClass> classes = fit_matrix(matrix, machine);
    const std::string far = home_note(classes);
    fmt::print("{} by the distances of {}; ns one way\n", raw.matrix, machine.numbers.name);
    fmt::print("  {:<26} {:>6} {:>8} {:>8} {:>8} {:>15} {:>10} {:>8}\n", "distance", "pairs", "median", "p5", "p95",
               "pairs are off by", "simulated", "error");
    bool fits = true;
    for (const auto& [name, fitted] : classes) {
        std::string simulates = "-";
        std::string error = "-";
        // Threads of one core move no lines here, and the far package of a line with a home is no latency of its own.
        if (name != "smt" && name != far) {
            const double ns = simulated(machine, fitted);
            const double off = (ns / fitted.median_ns - 1) * 100;
            fits = fits && std::fabs(off) <= kAllowedPercent;
            simulates = fmt::format("{:.1f}", ns);
            error = fmt::format("{:+.1f} %", off);
        }
        fmt::print("  {:<26} {:>6} {:>8.1f} {:>8.1f} {:>8.1f} {:>13.1f} % {:>10} {:>8}\n", name, fitted.pairs,
                   fitted.median_ns, fitted.p5_ns, fitted.p95_ns, fitted.error_percent, simulates, error);
    }
    if (!far.empty()) {
        fmt::print(
            "note: {}: its pairs are slower than those of the other package, where the line lay: transfers "
            "go through its home (through_home)\n",
            far);
    }
    fmt::print("{}\n", fits ? "the machine has these latencies within 5 %"
                            : "FAILED: the machine is more than 5 % beside the matrix; the medians above are what its "
                              "file should say");
    return fits ? kExitDone : kExitFailed;
}

}  // namespace lockbench
