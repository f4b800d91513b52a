// SPDX-License-Identifier: MIT
// A list of types as GoogleTest wants it, and samples of one.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "locks/type_list.hpp"

// The tests go through one lock in so many, from the first on: a build for a second architecture, by a second compiler
// or under a sanitizer may take a sample of the registry, as its compilation is what costs.
#ifndef LOCKBENCH_TEST_EVERY
#define LOCKBENCH_TEST_EVERY 1
#endif

namespace lockbench {

template <class List>
struct TypesOf;
template <class... Ls>
struct TypesOf<TypeList<Ls...>> {
    using type = testing::Types<Ls...>;
};

template <class List, std::size_t kEvery, std::size_t kPlace = 0>
struct OneIn;
template <std::size_t kEvery, std::size_t kPlace>
struct OneIn<TypeList<>, kEvery, kPlace> {
    using type = TypeList<>;
};
template <class L, class... Ls, std::size_t kEvery, std::size_t kPlace>
struct OneIn<TypeList<L, Ls...>, kEvery, kPlace> {
    using First = std::conditional_t<kPlace % kEvery == 0, TypeList<L>, TypeList<>>;
    using type = ConcatT<First, typename OneIn<TypeList<Ls...>, kEvery, kPlace + 1>::type>;
};

// The locks of a list that this build's tests go through.
template <class List>
using TestedOf = typename TypesOf<typename OneIn<List, LOCKBENCH_TEST_EVERY>::type>::type;

}  // namespace lockbench
