// SPDX-License-Identifier: MIT
// The slices put together.
#include "bench/locksim_cells.hpp"

#include <algorithm>

namespace lockbench {
namespace {

template <std::size_t... kSlices>
std::vector<SimLock> collect(std::index_sequence<kSlices...>) {
    std::vector<std::pair<std::size_t, SimLock>> found;
    (add_sim_locks<kSlices>(found), ...);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<SimLock> locks;
    locks.reserve(found.size());
    for (auto& [place, lock] : found) {
        locks.push_back(std::move(lock));
    }
    return locks;
}

}  // namespace

const std::vector<SimLock>& sim_locks() {
    static const std::vector<SimLock> locks = collect(std::make_index_sequence<LOCKBENCH_SLICES>{});
    return locks;
}

}  // namespace lockbench
