// SPDX-License-Identifier: MIT
// How the rules of host_warnings read a `host`, and the rules that live in a file of their own.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockbench {

using Text = std::optional<std::string>;

// host.a.b as number or text; nothing where it is missing, null or of another kind.
[[nodiscard]] inline const nlohmann::json* find(const nlohmann::json& host, std::string_view a,
                                                std::string_view b = {}) {
    const auto first = host.find(std::string(a));
    if (first == host.end() || first->is_null()) {
        return nullptr;
    }
    if (b.empty()) {
        return &*first;
    }
    if (!first->is_object()) {
        return nullptr;
    }
    const auto second = first->find(std::string(b));
    return second == first->end() || second->is_null() ? nullptr : &*second;
}

[[nodiscard]] inline std::optional<double> number(const nlohmann::json& host, std::string_view a,
                                                  std::string_view b = {}) {
    const nlohmann::json* found = find(host, a, b);
    return found != nullptr && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

[[nodiscard]] inline Text text(const nlohmann::json& host, std::string_view a, std::string_view b = {}) {
    const nlohmann::json* found = find(host, a, b);
    return found != nullptr && found->is_string() ? Text(found->get<std::string>()) : std::nullopt;
}

[[nodiscard]] inline std::optional<bool> truth(const nlohmann::json& host, std::string_view a,
                                               std::string_view b = {}) {
    const nlohmann::json* found = find(host, a, b);
    return found != nullptr && found->is_boolean() ? std::optional(found->get<bool>()) : std::nullopt;
}

// Rules about where threads and memory can go: what is wrong and what to do, or nothing.
[[nodiscard]] Text cpus_hidden(const nlohmann::json& host);
[[nodiscard]] Text topology_guessed(const nlohmann::json& host);
[[nodiscard]] Text no_sysfs(const nlohmann::json& host);
[[nodiscard]] Text memory_policy(const nlohmann::json& host);
[[nodiscard]] Text memory_unbound(const nlohmann::json& host);

}  // namespace lockbench
