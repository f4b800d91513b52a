// SPDX-License-Identifier: MIT
// One slice of the locks on the Explore platform: those whose place in the registry is LOCKBENCH_SLICE modulo
// LOCKBENCH_SLICES. Compiled once a slice, see cmake/lockcheck_tool.cmake.
#include <tuple>
#include <type_traits>
#include <utility>

#include "bench/lockcheck_cells.hpp"
#include "bench/lockcheck_rmap.hpp"
#include "locks/registry.hpp"

namespace lockbench {
namespace {

template <class L>
explore::Verdict check_client(const Client& client, const explore::Options& options) {
    if constexpr (!L::kInfo.control) {
        if (!client.rmap.empty()) {
            return check_rmap<L>(client.rmap, options);
        }
    }
    return check_lock<L>(client, options);
}

template <std::size_t kIndex, class L>
void add_if_mine(std::vector<std::pair<std::size_t, LockChecker>>& out) {
    if constexpr (kIndex % LOCKBENCH_SLICES == LOCKBENCH_SLICE) {
        static_assert(info_matches_type<Explore, L>());
        out.emplace_back(kIndex, LockChecker{L::kInfo, &check_client<L>});
    }
}

template <class... Ls, class... Controls, std::size_t... kIndices>
void add_all(TypeList<Ls...>, TypeList<Controls...>, std::index_sequence<kIndices...>,
             std::vector<std::pair<std::size_t, LockChecker>>& out) {
    using All = std::tuple<std::type_identity<Ls>..., std::type_identity<Controls>...>;
    (add_if_mine<kIndices, typename std::tuple_element_t<kIndices, All>::type>(out), ...);
}

}  // namespace

template <>
void add_checkers<LOCKBENCH_SLICE>(std::vector<std::pair<std::size_t, LockChecker>>& out) {
    using Locks = AllLocks<Explore>;
    using Controls = ControlLocks<Explore>;
    add_all(Locks{}, Controls{}, std::make_index_sequence<Locks::kSize + Controls::kSize>{}, out);
}

}  // namespace lockbench
