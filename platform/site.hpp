// SPDX-License-Identifier: MIT
// Where in the source an operation of the seam stands: what the checking platforms show in their traces.
#pragma once

#include "platform/platform.hpp"

namespace lockbench {

// A place in the source.
struct Site {
    const char* file = nullptr;
    int line = 0;

    static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        return {file, line};
    }
};

// An order and the place that named it: the implicit conversion happens at the call of an atomic operation, so that the
// call site needs no parameter of its own.
struct At {
    Order order;
    Site site;

    // NOLINTNEXTLINE(google-explicit-constructor): the conversion is the point
    constexpr At(Order named, const char* file = __builtin_FILE(), int line = __builtin_LINE())
        : order(named), site{file, line} {}
};

}  // namespace lockbench
