// SPDX-License-Identifier: MIT
// The child process of one block, as its parent sees it: lines on a pipe, an end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace lockbench {

struct ChildEnd {
    int exit_code = 0;  // 128 + signal for a child that was killed
    std::string text;   // "ended with code 1", "was killed by signal 11 (Segmentation fault)"
};

class BlockProcess {
  public:
    // Starts this binary again as `lockbench child DIR BLOCK`, without address randomisation undone: each child draws
    // its own layout.
    BlockProcess(const std::filesystem::path& dir, std::uint32_t block);
    ~BlockProcess();
    BlockProcess(const BlockProcess&) = delete;
    BlockProcess& operator=(const BlockProcess&) = delete;

    // The next line; nothing when the child closed its end, when it was silent for `limit` (it is killed then), or long
    // after `interrupted` was set and the child did not go by itself.
    std::optional<std::string> read_line(std::chrono::nanoseconds limit, const std::atomic<bool>& interrupted);
    ChildEnd wait(const std::atomic<bool>& interrupted);

  private:
    void kill_child();
    pid_t pid_ = -1;
    int pipe_ = -1;
    bool timed_out_ = false;
    std::string buffer_;
};

}  // namespace lockbench
