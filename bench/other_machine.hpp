// SPDX-License-Identifier: MIT
// A machine that is not here, to be looked at: `lockbench machine --topology=`.
#pragma once

#include <string>

#include "bench/topology.hpp"

namespace lockbench {

// `text`: an XML file as `lstopo` and a run's topology.xml have it ("-": from the standard input), or a synthetic
// description in hwloc's words. `cpus`: those that a process may use, as a list ("0-3,8" or "0-14/2"); empty: all.
// Never is_this_system. Throws UsageError where the text is neither, the file cannot be read or the machine is larger
// than any Linux runs on; HostError where hwloc refuses the file.
Topology load_other_machine(const std::string& text, const std::string& cpus = "");

// Throws UsageError with the part that is no CPU or range.
std::vector<CpuId> parse_cpus(const std::string& option, const std::string& text);

}  // namespace lockbench
