// SPDX-License-Identifier: MIT
// How the slices of the registry come together: each slice adds its locks with their place in the registry.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "bench/cells.hpp"

namespace lockbench {

template <std::size_t kSlice>
void add_slice(std::vector<std::pair<std::size_t, LockRunner>>& out);

}  // namespace lockbench
