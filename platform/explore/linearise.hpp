// SPDX-License-Identifier: MIT
// An execution graph as one order of its events, for models with such an order and for people who read it.
#pragma once

#include <vector>

#include "platform/explore/graph.hpp"

namespace lockbench::explore {

struct Linear {
    std::vector<EventId> order;  // po and rf hold in it
    std::size_t stale = 0;       // events that mo or fr puts before one that comes earlier here
};

// Keeps po, rf, mo and fr where they go together; then, and only then, stale is 0.
Linear linearise(const Graph& graph);

}  // namespace lockbench::explore
