// SPDX-License-Identifier: MIT
// This host, as the measuring process needs it: memory hooks and distances installed in the platform, and placement for
// plans.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "bench/plan.hpp"
#include "bench/topology.hpp"

namespace lockbench {

// Loads the topology of this system and gives the Native platform its memory hooks and its table of distances. Drops a
// memory policy of the caller's. Throws HostError, also for a topology that claims to be this system's and is not.
void install_host();
// The topology that install_host loaded.
const Topology& host_topology();
CpuId first_usable_cpu();
// host.placement: what the process may use, and what it found out about binding threads and memory.
nlohmann::json placement_facts();

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
