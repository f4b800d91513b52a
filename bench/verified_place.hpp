// SPDX-License-Identifier: MIT
// Whether threads and memory were where a window's labels say.
#pragma once

#include <string>
#include <vector>

#include "bench/window.hpp"

namespace lockbench {

// True when every page that was asked for a node lies there; interleaved ones may lie on any that the process may use.
[[nodiscard]] bool home_verified(NodeId asked, const NodePages& got);
// `asked`: one node a thread. Blocks of threads are alike, so each node must hold its threads' share of the pages.
[[nodiscard]] bool qnodes_verified(const std::vector<NodeId>& asked, const NodePages& got);

// A thread that was not where it was bound makes every label of its place a guess: its CPU, distances, its node.
[[nodiscard]] bool all_placed(const std::vector<ThreadResult>& threads);
// A sentence for each thread that was not.
[[nodiscard]] std::vector<std::string> placement_reasons(const std::vector<ThreadResult>& threads);

}  // namespace lockbench
