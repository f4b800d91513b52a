// SPDX-License-Identifier: MIT
// The files of results/published as text, written into an .inc by cmake/locksim_tool.cmake.
#include "bench/locksim_published.hpp"

namespace lockbench {

std::vector<ShippedTable> shipped_tables() {
    return {
#include <locksim_tables.inc>
    };
}

}  // namespace lockbench
