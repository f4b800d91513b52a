// SPDX-License-Identifier: MIT
// A list of types and the two things that are done with one.
#pragma once

#include <cstddef>

namespace lockbench {

template <class... Ts>
struct TypeList {
    static constexpr std::size_t kSize = sizeof...(Ts);
};

// Calls f.template operator()<T>() for each T of the list, in order.
template <class... Ts, class F>
constexpr void for_each_type(TypeList<Ts...>, F&& f) {
    (f.template operator()<Ts>(), ...);
}

template <class A, class B>
struct Concat;
template <class... As, class... Bs>
struct Concat<TypeList<As...>, TypeList<Bs...>> {
    using type = TypeList<As..., Bs...>;
};
template <class A, class B>
using ConcatT = typename Concat<A, B>::type;

}  // namespace lockbench
