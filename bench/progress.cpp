// SPDX-License-Identifier: MIT
#include "bench/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace lockbench {

Progress::Progress(std::size_t steps, double first_guess_s)
    : steps_(steps), first_guess_s_(first_guess_s), terminal_(isatty(STDOUT_FILENO) == 1), begin_(Clock::now()) {}

std::string Progress::duration_text(double seconds) {
    const long whole = std::lround(seconds);
    if (whole >= 3600) {
        return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
    }
    return whole >= 60 ? fmt::format("{} min {:02} s", whole / 60, whole % 60) : fmt::format("{} s", whole);
}

double Progress::seconds_left() const {
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
    // The guess counts as ten steps, so that the first ones do not swing the estimate.
    const double per_step = (elapsed + 10 * first_guess_s_) / static_cast<double>(done_ + 10);
    return per_step * static_cast<double>(steps_ - skipped_ - done_);
}

void Progress::begin(std::uint32_t block, std::uint32_t blocks, const std::string& what) {
    what_ = fmt::format("process {}/{}: {}", block + 1, blocks, what);
    print(false);
}

void Progress::done() {
    ++done_;
    print(false);
}

void Progress::finish() {
    what_ = "done";
    print(true);
    if (terminal_) {
        std::fputs("\n", stdout);
    }
    std::fflush(stdout);
}

void Progress::print(bool force) {
    const auto now = Clock::now();
    const auto pause = terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10'000);
    if (!force && now - printed_ < pause) {
        return;
    }
    printed_ = now;
    const std::size_t reached = skipped_ + done_;
    const std::string line =
        fmt::format("[{}/{}] {:3.0f} % {} left  {}", reached, steps_,
                    100.0 * static_cast<double>(reached) / static_cast<double>(steps_ == 0 ? 1 : steps_),
                    duration_text(seconds_left()), what_);
    if (terminal_) {
        std::fputs(fmt::format("\r{:<100.100}", line).c_str(), stdout);
    } else {
        std::fputs((line + "\n").c_str(), stdout);
    }
    std::fflush(stdout);
}

}  // namespace lockbench
