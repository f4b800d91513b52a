// SPDX-License-Identifier: MIT
// How much a test tries.
#pragma once

#include <cstdlib>
#include <string_view>

namespace lockbench::test {

// LOCKBENCH_LONG=1 in the environment: thousands of seeds where hundreds are the rule.
inline bool long_run() {
    const char* value = std::getenv("LOCKBENCH_LONG");
    return value != nullptr && std::string_view(value) != "0" && *value != '\0';
}
inline unsigned seeds(unsigned usual, unsigned factor_long = 10) { return long_run() ? usual * factor_long : usual; }

}  // namespace lockbench::test
