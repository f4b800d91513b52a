// SPDX-License-Identifier: MIT
// One slice of the product of locks and workloads: the locks whose place in the registry is LOCKBENCH_SLICE modulo
// LOCKBENCH_SLICES.
// Compiled once a slice, see cmake/lockbench_tool.cmake.
#include <utility>

#include "bench/cells_registry.hpp"
#include "bench/pair_loop.hpp"
#include "bench/trial.hpp"
#include "locks/native_only.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

template <class L>
LockRunner make_runner() {
    static_assert(info_matches_type<Native, L>());
    LockRunner runner{L::kInfo, {}, nullptr, &pair_loop<L, Mode::write>, nullptr, nullptr};
    if constexpr (L::kInfo.shared) {
        runner.read_pairs = &pair_loop<L, Mode::read>;
    }
    if constexpr (!L::kInfo.paths.lock.empty()) {
        runner.write_floor = &floor_loop<L, Mode::write>;
    }
    if constexpr (!L::kInfo.paths.lock_shared.empty()) {
        runner.read_floor = &floor_loop<L, Mode::read>;
    }
    for_each_type(AllWorkloads<Native, L>{}, [&]<class W>() {
        runner.workloads.push_back({&W::info(), &run_window<W>});
    });
    return runner;
}

template <std::size_t kIndex, class L>
void add_if_mine(std::vector<std::pair<std::size_t, LockRunner>>& out) {
    if constexpr (kIndex % LOCKBENCH_SLICES == LOCKBENCH_SLICE) {
        out.emplace_back(kIndex, make_runner<L>());
    }
}

template <class... Ls, std::size_t... kIndices>
void add_all(TypeList<Ls...>, std::index_sequence<kIndices...>, std::vector<std::pair<std::size_t, LockRunner>>& out) {
    (add_if_mine<kIndices, Ls>(out), ...);
}

}  // namespace

template <>
void add_slice<LOCKBENCH_SLICE>(std::vector<std::pair<std::size_t, LockRunner>>& out) {
    using Locks = AllNativeLocks<Native>;
    add_all(Locks{}, std::make_index_sequence<Locks::kSize>{}, out);
}

}  // namespace lockbench
