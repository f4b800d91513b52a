// SPDX-License-Identifier: MIT
#include "platform/explore/words.hpp"

#include <cstdio>

namespace lockbench::explore {

std::string kind_name(Kind kind) {
    // In the order of Kind; what a program calls them.
    constexpr const char* kKinds[] = {"load", "store", "init",  "rmw",    "await",   "poll",
                                      "get",  "set",   "fence", "choose", "release", "reuse"};
    return kKinds[static_cast<std::size_t>(kind)];
}

std::string order_name(Order order) {
    constexpr const char* kOrders[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
    return kOrders[static_cast<std::size_t>(order)];
}

std::string thread_name(ThreadId tid) { return "thread " + std::to_string(tid); }

std::string value_name(const Arena& arena, std::uint64_t value) {
    const auto* const pointer = reinterpret_cast<const void*>(value);
    if (value != 0 && arena.contains(pointer)) {
        return "&" + arena.name(arena.offset(pointer));
    }
    char text[24];
    std::snprintf(text, sizeof text, "%#llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace lockbench::explore
