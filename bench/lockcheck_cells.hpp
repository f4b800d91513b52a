// SPDX-License-Identifier: MIT
// Every registered lock on the Explore platform, found by name. Compiled in slices like the cells of lockbench.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/lockcheck_client.hpp"

namespace lockbench {

struct LockChecker {
    LockInfo info;
    explore::Verdict (*check)(const Client& client, const explore::Options& options);
};

template <std::size_t kSlice>
void add_checkers(std::vector<std::pair<std::size_t, LockChecker>>& out);

// All locks in registry order, controls last.
const std::vector<LockChecker>& lock_checkers();

}  // namespace lockbench
