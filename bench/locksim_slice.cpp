// SPDX-License-Identifier: MIT
// One slice of the product of locks and workloads on the simulated machine: the locks whose place in the registry is
// LOCKBENCH_SLICE modulo LOCKBENCH_SLICES. Compiled once a slice, see cmake/locksim_tool.cmake.
#include <tuple>
#include <type_traits>
#include <utility>

#include "bench/locksim_erase.hpp"
#include "bench/locksim_forms.hpp"
#include "bench/locksim_loop.hpp"
#include "locks/registry.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

template <std::size_t kIndex, class L>
void add_if_mine(std::vector<std::pair<std::size_t, SimLock>>& out) {
    if constexpr (kIndex % LOCKBENCH_SLICES == LOCKBENCH_SLICE) {
        static_assert(info_matches_type<Sim, L>());
        SimLock lock{L::kInfo, {}};
        for_each_type(AllWorkloads<Sim, L>{}, [&]<class W>() { lock.workloads.push_back(erase_sim_workload<W>()); });
        lock.workloads.push_back(erase_sim_workload<LockLoop<L>>());
        out.emplace_back(kIndex, std::move(lock));
    }
}

template <class... Ls, class... Forms, class... Controls, std::size_t... kIndices>
void add_all(TypeList<Ls...>, TypeList<Forms...>, TypeList<Controls...>, std::index_sequence<kIndices...>,
             std::vector<std::pair<std::size_t, SimLock>>& out) {
    using All = std::tuple<std::type_identity<Ls>..., std::type_identity<Forms>..., std::type_identity<Controls>...>;
    (add_if_mine<kIndices, typename std::tuple_element_t<kIndices, All>::type>(out), ...);
}

}  // namespace

template <>
void add_sim_locks<LOCKBENCH_SLICE>(std::vector<std::pair<std::size_t, SimLock>>& out) {
    using Locks = AllLocks<Sim>;
    using Forms = PatchForms<Sim>;
    using Controls = ControlLocks<Sim>;
    add_all(Locks{}, Forms{}, Controls{}, std::make_index_sequence<Locks::kSize + Forms::kSize + Controls::kSize>{},
            out);
}

}  // namespace lockbench
