// SPDX-License-Identifier: MIT
#include "platform/explore/engines.hpp"

namespace lockbench::explore {
namespace {

constexpr Model kGraphModels[] = {Model::rc11, Model::sc};

constexpr Model kStateModels[] = {Model::sc, Model::tso};

constexpr EngineKind kEngines[] = {
    {"g", "all execution graphs", kGraphModels, "executions", &explore_graphs},
    {"s", "all states, of clients that may go on for ever", kStateModels, "states", &explore_states, true, 8, false},
    {"r", "executions drawn at random", kGraphModels, "executions", &explore_random, false, kMaxFibers},
};

}  // namespace

std::string_view to_string(Model model) {
    constexpr std::string_view kNames[] = {"sc", "rc11", "tso"};
    return kNames[static_cast<std::size_t>(model)];
}

std::span<const EngineKind> engine_kinds() { return kEngines; }

}  // namespace lockbench::explore
