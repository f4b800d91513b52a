// SPDX-License-Identifier: MIT
// This host, as the measuring process needs it: memory hooks and distances installed in the platform, and placement for
// plans.
#pragma once

#include "bench/plan.hpp"
#include "bench/topology.hpp"

namespace lockbench {

// Loads the topology of this system and gives the Native platform its memory hooks and its table of distances. Throws
// HostError.
void install_host();
// The topology that install_host loaded.
const Topology& host_topology();
CpuId first_usable_cpu();

// Placement on `topology`. Throws HostError from place() for what the machine lacks.
HostPlacer make_placer(const Topology& topology);

// Binds the calling thread for the length of a scope, then gives it back the process's first mask.
class PinnedScope {
  public:
    explicit PinnedScope(CpuId cpu);
    ~PinnedScope();
    PinnedScope(const PinnedScope&) = delete;
    PinnedScope& operator=(const PinnedScope&) = delete;

  private:
    std::vector<CpuId> before_;
};

}  // namespace lockbench
