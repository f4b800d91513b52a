// SPDX-License-Identifier: MIT
// How much a test tries.
#pragma once

#include <cstdlib>
#include <string_view>

namespace lockbench::test {

inline bool is_set(const char* variable) {
    const char* value = std::getenv(variable);
    return value != nullptr && std::string_view(value) != "0" && *value != '\0';
}

// LOCKBENCH_LONG=1 in the environment: thousands of seeds where hundreds are the rule.
inline bool long_run() { return is_set("LOCKBENCH_LONG"); }
// LOCKBENCH_EMULATED=1: instructions are translated, and what takes seconds elsewhere would take minutes.
inline bool emulated() { return is_set("LOCKBENCH_EMULATED"); }
inline unsigned seeds(unsigned usual, unsigned factor_long = 10) { return long_run() ? usual * factor_long : usual; }

}  // namespace lockbench::test
