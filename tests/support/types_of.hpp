// SPDX-License-Identifier: MIT
// A list of types as GoogleTest wants it.
#pragma once

#include <gtest/gtest.h>

#include "locks/type_list.hpp"

namespace lockbench {

template <class List>
struct TypesOf;
template <class... Ls>
struct TypesOf<TypeList<Ls...>> {
    using type = testing::Types<Ls...>;
};

}  // namespace lockbench
