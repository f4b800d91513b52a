// SPDX-License-Identifier: MIT
// Words for traces, the same from every engine.
#pragma once

#include <cstdint>
#include <string>

#include "platform/explore/core.hpp"

namespace lockbench::explore {

std::string kind_name(Kind kind);
constexpr bool tells_life(Kind kind) { return kind == Kind::release || kind == Kind::reuse; }
std::string order_name(Order order);
std::string thread_name(ThreadId tid);
// Pointers into the arena by the name of what they point to.
std::string value_name(const Arena& arena, std::uint64_t value);

}  // namespace lockbench::explore
