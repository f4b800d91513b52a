// SPDX-License-Identifier: MIT
// hwloc's objects turned into a Topology. What differs between machines and releases of hwloc is met here and nowhere
// else.
#pragma once

#include <hwloc.h>

#include "bench/topology.hpp"

namespace lockbench {

// Of a topology that hwloc has loaded; it is to be sound (require_sound). Throws HostError.
[[nodiscard]] Topology read_topology(hwloc_topology_t topology);

}  // namespace lockbench
