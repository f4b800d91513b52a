// SPDX-License-Identifier: MIT
// How many CPUs and nodes a machine may have.
#pragma once

namespace lockbench {

// CPU numbers below this: twice what Linux is built for at most. Tables are square in it.
inline constexpr unsigned kMostCpuNumber = 16384;
// What Linux is built for at most.
inline constexpr unsigned kMostNodeNumber = 1024;

}  // namespace lockbench
