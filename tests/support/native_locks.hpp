// SPDX-License-Identifier: MIT
// The locks that the native tests go through, as GoogleTest wants them: every lock there is natively, without the
// controls, which do not exclude and have tests of their own.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "locks/native_only.hpp"
#include "locks/registry.hpp"
#include "platform/native.hpp"
#include "tests/support/types_of.hpp"

// One lock in so many, from the first on: a build for a second architecture may take a sample of the registry, as its
// compilation is what costs.
#ifndef LOCKBENCH_TEST_EVERY
#define LOCKBENCH_TEST_EVERY 1
#endif

namespace lockbench::test {

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

using AllRealLocks = ConcatT<AllLocks<Native>, LibraryLocks<Native>>;
using NativeLocks = typename TypesOf<typename OneIn<AllRealLocks, LOCKBENCH_TEST_EVERY>::type>::type;

}  // namespace lockbench::test
