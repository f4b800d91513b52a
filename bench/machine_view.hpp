// SPDX-License-Identifier: MIT
// The topology for people and for programs: what `lockbench machine` prints of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/topology.hpp"

namespace lockbench {

// One screen: packages, nodes and last-level caches with their CPUs, node distances, and where each placement puts the
// first threads.
std::string draw(const Topology& topology);

// The same in full, with every CPU and node; sizes in bytes.
nlohmann::json to_json(const Topology& topology);

}  // namespace lockbench
