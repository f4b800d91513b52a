// SPDX-License-Identifier: MIT
// The process that measures one block of windows, under Google Benchmark.
#pragma once

#include <cstdint>
#include <filesystem>

namespace lockbench {

// Measures the windows of `block` that windows.jsonl does not have yet and appends each as soon as it ends. Prints one
// line a step on stdout for the parent: "begin <order>", "done <order>", "uncontended". Returns an exit code.
int run_child(const std::filesystem::path& dir, std::uint32_t block);

}  // namespace lockbench
