// SPDX-License-Identifier: MIT
#include "bench/by_hand.hpp"

namespace lockbench::by_hand {
namespace {

std::string name_of(const Path& path) {
    std::string text;
    for (std::size_t i = 0; i < path.size; ++i) {
        const Access& access = path.accesses[i];
        text += text.empty() ? "" : " ";
        for (const auto& operation : detail::kOperations) {
            if (operation.value == access.operation) {
                text += operation.text;
            }
        }
        text += std::to_string(access.bits);
    }
    return text;
}

}  // namespace

std::string floor_name(std::string_view acquire, std::string_view release) {
    return acquire.empty() ? "" : name_of(parse(acquire, 0, false)) + "+" + name_of(parse(release, 0, false));
}

}  // namespace lockbench::by_hand
