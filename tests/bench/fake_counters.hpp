// SPDX-License-Identifier: MIT
// A counter provider for tests: the plan, the counts and the failures are what the test says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/counters.hpp"
#include "platform/check.hpp"

namespace lockbench::testing {

struct FakeCounters {
    CounterPlan plan;
    // Called at every stop with the running number of the thread set (0, 1, ...) and of the window on it; one value a
    // counter.
    std::function<std::vector<std::optional<std::int64_t>>(std::size_t set, std::size_t window)> counts;
    std::vector<std::string> reasons;  // what reasons() returns; empty: all empty
    std::vector<std::string> calls;    // "open 0", "start 0", ... in order; not locked, so for one thread at a time
    std::size_t sets = 0;
};

class FakeThreadCounters final : public ThreadCounters {
  public:
    FakeThreadCounters(FakeCounters& fake, std::size_t set) : fake_(fake), set_(set) {}

    void open() override { log("open"); }
    void start() override { log("start"); }
    std::vector<std::optional<std::int64_t>> stop() override {
        log("stop");
        auto values = fake_.counts(set_, window_++);
        check(values.size() == fake_.plan.counted.size(), "the fake gives one value a counter");
        return values;
    }
    void close() override { log("close"); }
    [[nodiscard]] std::vector<std::string> reasons() const override {
        return fake_.reasons.empty() ? std::vector<std::string>(fake_.plan.counted.size()) : fake_.reasons;
    }

  private:
    void log(const std::string& what) { fake_.calls.push_back(what + " " + std::to_string(set_)); }

    FakeCounters& fake_;
    std::size_t set_;
    std::size_t window_ = 0;
};

class FakeCounterProvider final : public CounterProvider {
  public:
    explicit FakeCounterProvider(FakeCounters& fake) : fake_(fake) { set_level(fake_.plan); }
    const CounterPlan& probe() override { return fake_.plan; }
    [[nodiscard]] std::unique_ptr<ThreadCounters> make_thread_set() override {
        return std::make_unique<FakeThreadCounters>(fake_, fake_.sets++);
    }

  private:
    FakeCounters& fake_;
};

}  // namespace lockbench::testing
