// SPDX-License-Identifier: MIT
// Whether threads and memory were where a window's labels say.
#pragma once

#include <string>
#include <vector>

#include "bench/window.hpp"

namespace lockbench {

// HomeReport::verified() on the nodes that this process may use.
[[nodiscard]] bool home_verified(NodeId asked, const NodePages& got);
// One node and one block a thread: a sum would hide two threads that have each other's.
[[nodiscard]] bool qnodes_verified(const std::vector<NodeId>& asked, const std::vector<NodePages>& got);

// A thread that was not where it was bound makes every label of its place a guess: its CPU, distances, its node.
[[nodiscard]] bool all_placed(const std::vector<ThreadResult>& threads);
// A sentence for each thread that was not.
[[nodiscard]] std::vector<std::string> placement_reasons(const std::vector<ThreadResult>& threads);

}  // namespace lockbench
