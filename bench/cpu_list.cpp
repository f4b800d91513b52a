// SPDX-License-Identifier: MIT
#include "bench/cpu_list.hpp"

#include <cstddef>

namespace lockbench {

std::string format_numbers(std::span<const std::int32_t> numbers, char separator) {
    std::string text;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) {
            ++end;
        }
        if (end - i < 3) {
            end = i + 1;
        }
        if (!text.empty()) {
            text += separator;
        }
        text += std::to_string(numbers[i]);
        if (end - i > 1) {
            text += '-' + std::to_string(numbers[end - 1]);
        }
        i = end;
    }
    return text.empty() ? "none" : text;
}

}  // namespace lockbench
