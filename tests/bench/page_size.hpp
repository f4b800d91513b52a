// SPDX-License-Identifier: MIT
// The size of a page here, bytes.
#pragma once

#include <unistd.h>

#include <cstddef>

namespace lockbench::test {

inline std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace lockbench::test
