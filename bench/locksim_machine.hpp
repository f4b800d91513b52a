// SPDX-License-Identifier: MIT
// Files of simulated machines: read, checked to the last field, and turned into the plain numbers of platform/sim.
//
// A file is a JSON object in which every number stands beside its source (measured, published, fitted, assumed) and a
// sentence about it; docs/simulate.md describes the fields. What is wrong is a UsageError that names file and field.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "bench/topology.hpp"
#include "platform/sim/machine.hpp"

namespace lockbench {

struct SimMachine {
    std::string summary;
    Topology topology;
    sim::Machine numbers;
    std::shared_ptr<const nlohmann::json> file;  // as it was read
};

struct ShippedMachine {
    std::string_view name;
    std::string_view text;
};
// The files of platform/sim/machines, compiled in.
std::vector<ShippedMachine> shipped_machines();

// `name`: one of those that are shipped, or the path of a file.
SimMachine load_sim_machine(const std::string& name);
// Its topology is hwloc's synthetic description, or a file of hwloc's XML format (name.xml, beside `file`), or the one
// given.
SimMachine parse_sim_machine(const std::string& text, const std::string& file, const Topology* topology = nullptr);

}  // namespace lockbench
