// SPDX-License-Identifier: MIT
// CPU and node numbers as people write them: 0-3,8,10-11.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace lockbench {

// Keeps the order given and joins runs of three or more ascending neighbours; "none" when empty.
std::string format_numbers(std::span<const std::int32_t> numbers, char separator = ',');

}  // namespace lockbench
