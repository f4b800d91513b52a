// SPDX-License-Identifier: MIT
// The parts of `host`, each from its own corner of proc and sys.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/host_files.hpp"

namespace lockbench {

// host.cpu
[[nodiscard]] nlohmann::json cpu_facts(const HostFiles& files);
[[nodiscard]] std::optional<std::string> microcode_of(const HostFiles& files);

// host.cgroup: the tightest limits from this process's group up to the root, version 1 or 2.
[[nodiscard]] nlohmann::json cgroup_facts(const HostFiles& files);
// Time this process's group was held back by its CPU limit, in microseconds since the group was made.
[[nodiscard]] std::optional<std::int64_t> cgroup_throttled_us(const HostFiles& files);

// A value as JSON, or null.
template <class T>
[[nodiscard]] nlohmann::json or_null(const std::optional<T>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace lockbench
