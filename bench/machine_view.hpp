// SPDX-License-Identifier: MIT
// The topology for people and for programs: what `lockbench machine` prints of it.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/topology.hpp"

namespace lockbench {

inline constexpr std::size_t kScreenRows = 50;  // of a terminal that is not maximised, 100 columns wide

// Packages, nodes and last-level caches as boxes in boxes with their CPUs, node distances, and where each placement
// puts the first threads. At most 100 columns. The boxes take what `rows` leaves to them, within reason: less room,
// less detail.
std::string draw(const Topology& topology, std::size_t rows = kScreenRows);

// The same in full, with every CPU and node; sizes in bytes.
nlohmann::json to_json(const Topology& topology);

}  // namespace lockbench
