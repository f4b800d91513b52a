// SPDX-License-Identifier: MIT
// The time of day as text.
#pragma once

#include <ctime>
#include <string>

namespace lockbench {

// Now, in UTC, as strftime has it.
inline std::string utc_now(const char* format) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char text[64];
    std::strftime(text, sizeof text, format, &utc);
    return text;
}

}  // namespace lockbench
