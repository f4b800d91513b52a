// SPDX-License-Identifier: MIT
// The progress line: what runs, how much is done, how long is left. On a terminal it rewrites itself; elsewhere a line
// every ten seconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace lockbench {

class Progress {
  public:
    // `first_guess_s`: what one step is expected to take until some were seen.
    Progress(std::size_t steps, double first_guess_s);

    void skip() { ++skipped_; }  // a step that an earlier process did
    void begin(std::uint32_t block, std::uint32_t blocks, const std::string& what);
    void done();
    void finish();

    // "1 h 02 min", "3 min 05 s", "40 s".
    static std::string duration_text(double seconds);
    [[nodiscard]] double seconds_left() const;

  private:
    void print(bool force);
    using Clock = std::chrono::steady_clock;
    std::size_t steps_;
    std::size_t skipped_ = 0;
    std::size_t done_ = 0;
    double first_guess_s_;
    bool terminal_;
    std::string what_;
    Clock::time_point begin_;
    Clock::time_point printed_{};
};

}  // namespace lockbench
