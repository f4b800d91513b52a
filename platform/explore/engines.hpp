// SPDX-License-Identifier: MIT
// The engines by name: what lockcheck offers, and which models each knows.
#pragma once

#include <span>
#include <string_view>

#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

std::string_view to_string(Model model);

struct EngineKind {
    std::string_view name;
    std::string_view what;
    std::span<const Model> models;  // the usual one first
    std::string_view counts;        // what its verdicts count
    Verdict (*explore)(const Program& program, const Options& options);
    bool endless = false;     // takes clients whose threads never end
    std::size_t threads = 8;  // of a client, at most
    bool reuse = true;        // memory that ends comes back to others, as the reverse map needs it
};
std::span<const EngineKind> engine_kinds();

}  // namespace lockbench::explore
