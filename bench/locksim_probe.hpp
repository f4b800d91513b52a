// SPDX-License-Identifier: MIT
// Small experiments on a simulated machine that are no workloads: what published tables of latencies and of transfers
// are held against.
#pragma once

#include <cstdint>

#include "bench/locksim_published.hpp"
#include "platform/sim/machine.hpp"

namespace lockbench {

// ns of one transfer between two CPUs that flip a word by compare-exchange in turn, both trying all the time: half a
// round trip. The word lies on `home`.
double ping_pong_ns(const sim::Machine& machine, CpuId a, CpuId b, NodeId home, std::uint64_t seed);

// Throws UsageError where the machine or the lock is not one to be probed.
void check_probe(const PublishedSeries& series, const sim::Machine& machine);
// The value of one cell of a probing series that was checked.
double probe(const PublishedSeries& series, const sim::Machine& machine, std::uint32_t threads, std::uint64_t seed);

}  // namespace lockbench
