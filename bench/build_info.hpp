// SPDX-License-Identifier: MIT
// What a result records of the program that measured it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockbench {

// compiler, flags, build, libraries, commit, dirty, tool_version: fields of `host` in run.json.
[[nodiscard]] nlohmann::json build_facts();

// Compiler and preset, as in every window: "gcc-12.2.0/release".
[[nodiscard]] std::string build_name();

// "build-id:" and the linker's build id, or "fnv1a64:" and a hash of the whole file where it has none. Nothing if it
// cannot be read.
[[nodiscard]] std::optional<std::string> binary_id(const std::filesystem::path& executable = "/proc/self/exe");

// FNV-1a (Fowler, Noll, Vo), 64 bits: tells files and hosts apart, resists no forger.
[[nodiscard]] std::uint64_t fnv1a64(std::string_view bytes);

}  // namespace lockbench
