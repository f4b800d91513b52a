// SPDX-License-Identifier: MIT
// The files of platform/sim/machines as text, written into an .inc by cmake/locksim_tool.cmake.
#include "bench/locksim_machine.hpp"

namespace lockbench {

std::vector<ShippedMachine> shipped_machines() {
    return {
#include <locksim_machines.inc>
    };
}

}  // namespace lockbench
