// SPDX-License-Identifier: MIT
// `locksim fit`: latencies by distance from a matrix of core-to-core latencies, and how well a machine has them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "bench/locksim_machine.hpp"

namespace lockbench {

// Raw strings as CLI11 leaves them.
struct RawFitOptions {
    std::string matrix;
    std::string machine;
};

// ns between CPUs as the operating system numbers them; the half below the diagonal is filled.
using LatencyMatrix = std::vector<std::vector<double>>;
// One row a CPU, comma-separated; row i has figures in its first i columns, the rest is empty or figures that are not
// read. Throws UsageError with the line that is wrong.
LatencyMatrix parse_matrix(const std::string& text, const std::string& file);

// The pairs of one distance.
struct FittedClass {
    std::size_t pairs = 0;
    double median_ns = 0;
    double p5_ns = 0;
    double p95_ns = 0;
    double error_percent = 0;  // median over all pairs of how far one is from the class's median
    CpuId a = 0;               // one of the pairs, in the numbers of the machine
    CpuId b = 0;
};
// By name: smt, same_llc, same_package, one_hop, two_hops; of same_package one for each package, " of package N".
// The matrix numbers CPUs as Linux does on x86: one thread of each core first, then the others.
std::map<std::string, FittedClass> fit_matrix(const LatencyMatrix& matrix, const SimMachine& machine);

// Returns an exit code: kExitFailed where the machine is more than 5 % beside the matrix. Throws UsageError.
int run_fit(const RawFitOptions& raw);

}  // namespace lockbench
