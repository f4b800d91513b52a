// SPDX-License-Identifier: MIT
// Globs of the command line: '*' is any run of characters, '?' any one character, everything else itself. No brackets,
// no braces.
#pragma once

#include <cstddef>
#include <string_view>

namespace lockbench {

// True if all of `text` matches `pattern`. Linear but for one step back to the last star, so no pattern can blow up.
[[nodiscard]] constexpr bool glob_matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

}  // namespace lockbench
