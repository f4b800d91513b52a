// SPDX-License-Identifier: MIT
// Where on a machine the probes run, and what one of them took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/probes.hpp"
#include "bench/topology.hpp"
#include "platform/sim/machine.hpp"

namespace lockbench {

// Where a probe ran: on one CPU, on two of a distance, or both threads on one.
enum class ProbePlace : std::uint8_t { alone, shared_cpu, apart };

// ns of one operation, over windows. What others do to this host makes it longer and never shorter, so the median is
// that of the fastest third.
struct ProbeTime {
    double median = 0;
    double least = 0;
    double most = 0;
};

struct ProbeRow {
    ProbeKind kind;
    ProbePlace place = ProbePlace::alone;
    sim::Hop hop = sim::Hop::same_llc;  // of two CPUs that are apart
    std::vector<CpuId> cpus;
    ProbeTime here;
    double simulated = 0;  // ns, the mean of five seeds
    std::string sets;      // the field of the machine's file that was set by it; empty: it is predicted

    [[nodiscard]] std::string place_text() const;
    [[nodiscard]] double error() const { return simulated / here.median - 1; }
};

// How far two CPUs of different cores are apart, for a simulated machine. Two packages count as one hop.
sim::Hop hop_between(const Cpu& a, const Cpu& b);

// The places in which this host can run probes: one pair of cores for each distance that it has.
std::vector<ProbeRow> probe_rows(const Topology& topology);

}  // namespace lockbench
