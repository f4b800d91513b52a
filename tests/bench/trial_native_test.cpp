// SPDX-License-Identifier: MIT
// What a window measures and what it leaves out: the threads' wait for one another at its start belongs to no counter.
#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "bench/trial.hpp"
#include "locks/ticket.hpp"
#include "workloads/rw_mix.hpp"

namespace lockbench {
namespace {

// What happened when, CLOCK_MONOTONIC in ns.
struct Diary {
    std::mutex mutex;
    std::vector<std::uint64_t> counters_started;
    std::uint64_t last_to_come = 0;  // the late thread left its last step of the warm-up
};
Diary* diary = nullptr;
thread_local bool measured = false;  // this thread's counters have been started

class DiaryCounters : public ThreadCounters {
  public:
    void open() override {}
    void start() override {
        measured = true;
        const std::scoped_lock guard(diary->mutex);
        diary->counters_started.push_back(native::monotonic_ns());
    }
    std::vector<std::optional<std::int64_t>> stop() override { return {}; }
    void close() override {}
    [[nodiscard]] std::vector<std::string> reasons() const override { return {}; }
};

class DiaryProvider : public CounterProvider {
  public:
    const CounterPlan& probe() override { return plan_; }
    [[nodiscard]] std::unique_ptr<ThreadCounters> make_thread_set() override {
        return std::make_unique<DiaryCounters>();
    }

  private:
    CounterPlan plan_;
};

// Its first thread comes late to every meeting.
class LateComer {
  public:
    static const WorkloadInfo& info() { return RwMix<Native, TicketLock<Native>>::info(); }
    struct Thread {
        Thread(LateComer& /*shared*/, Ctx<Native>& context, RoleId /*role*/) : ctx(context) {}
        Ctx<Native>& ctx;
        bool warm = true;
    };
    explicit LateComer(const TrialSetup& /*setup*/) {}

    static void step(Thread& thread) {
        Native::compute(thread.ctx.tid == 0 ? 20'000'000 : 1000);
        if (thread.ctx.tid == 0 && !measured) {
            const std::scoped_lock guard(diary->mutex);
            diary->last_to_come = native::monotonic_ns();
        }
    }
    static void finish(Thread& /*thread*/) {}
    template <class Visit>
    static void for_each_home(Visit&& /*visit*/) {}
    static void verify(Verdict& /*verdict*/) {}
};

TEST(Trial, CountersStartWhenAllThreadsHaveMet) {
    Diary pages;
    diary = &pages;
    DiaryProvider provider;
    WindowRequest request;
    request.params = default_params(LateComer::info());
    request.cpus = {kNoCpu, kNoCpu};
    request.qnode_nodes = {kAnyNode, kAnyNode};
    request.warmup_ns = 1'000'000;
    request.window_ns = 1'000'000;
    request.counters = &provider;
    const WindowResult result = run_window<LateComer>(request);
    ASSERT_FALSE(result.stuck);
    ASSERT_EQ(pages.counters_started.size(), 2U);
    for (const std::uint64_t started : pages.counters_started) {
        EXPECT_GE(started, pages.last_to_come);
    }
    for (const ThreadResult& thread : result.threads) {
        EXPECT_GE(thread.start_ns, pages.last_to_come);
        EXPECT_FALSE(thread.uses_mode[0]) << "nobody took a lock";
    }
}

TEST(Trial, NobodyHasNoDistance) {
    WindowRequest request;
    request.cpus = {0, 0};
    native::World::get().begin_trial({kAnyNode, kAnyNode}, 1);
    const auto rows = distance_rows(request);
    native::World::get().end_trial();
    ASSERT_EQ(rows.size(), 2U);
    ASSERT_EQ(rows[0].size(), 4U);
    EXPECT_EQ(rows[0][0], static_cast<std::uint8_t>(Distance::unknown)) << "nobody has written yet";
    EXPECT_EQ(rows[0][1], static_cast<std::uint8_t>(Distance::self));
    EXPECT_EQ(rows[0][3], static_cast<std::uint8_t>(Distance::unknown)) << "the main thread only built the state";
}

}  // namespace
}  // namespace lockbench
