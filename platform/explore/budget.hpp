// SPDX-License-Identifier: MIT
// How long an exploration may go on, the same for every engine: what it counts, seconds, and a signal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

class Budget {
  public:
    // `unit`: what `most` counts. The clock is looked at every `clock_every` turns, which is cheaper than a turn.
    Budget(const Options& options, const char* unit, std::uint64_t most, std::uint64_t clock_every)
        : options_(options), unit_(unit), most_(most), clock_every_(clock_every) {}

    // Whether to stop after `done` units in the `turn`th turn: `verdict` then says by what. Tells of progress.
    bool spent(std::uint64_t done, std::uint64_t turn, Verdict& verdict) {
        if (most_ != 0 && done >= most_) {
            verdict.stopped_by = std::to_string(most_) + " " + unit_;
        } else if (interrupted != 0) {
            verdict.stopped_by = kStoppedBySignal;
        } else if (turn % clock_every_ == 0) {
            const double now = seconds();
            if (options_.max_seconds != 0 && now >= options_.max_seconds) {
                verdict.stopped_by = "time";
            } else if (options_.progress && now >= next_progress_) {
                options_.progress(verdict.counts, now);
                next_progress_ = now + 1;
            }
        }
        return !verdict.stopped_by.empty();
    }
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    }

  private:
    const Options& options_;
    const char* unit_;
    std::uint64_t most_;
    std::uint64_t clock_every_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    double next_progress_ = 1;
};

}  // namespace lockbench::explore
