// SPDX-License-Identifier: MIT
// What the providers share: the choice among candidates and the getrusage counters of a thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/counters.hpp"
#include "bench/counters_event_table.hpp"

namespace lockbench {

// Those that a glob names, in table order; all if there is no glob.
[[nodiscard]] std::vector<Candidate> selected_candidates(std::vector<Candidate> all,
                                                         const std::vector<std::string>& globs);

// Values in the order of rusage_specs().
class RusageThreadCounters final : public ThreadCounters {
  public:
    void open() override {}
    void start() override { before_ = thread_usage_now(); }
    std::vector<std::optional<std::int64_t>> stop() override;
    void close() override {}
    [[nodiscard]] std::vector<std::string> reasons() const override;

  private:
    ThreadUsage before_;
};

}  // namespace lockbench
