// SPDX-License-Identifier: MIT
// What a call complains of.
#pragma once

#include <string>

#include "bench/errors.hpp"

namespace lockbench::test {

template <typename Error, typename Call>
std::string error_of(Call call) {
    try {
        static_cast<void>(call());
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

template <typename Call>
std::string host_error(Call call) {
    try {
        static_cast<void>(call());
    } catch (const HostError& error) {
        return error.what();
    }
    return "no HostError";
}

}  // namespace lockbench::test
