// SPDX-License-Identifier: MIT
// What a measured thread reports when the host changes its mind after the probe, and what the probe drops that opens
// but does not start.
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "bench/counters.hpp"
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/in_child.hpp"

namespace lockbench {
namespace {

using testing::in_child;
using testing::kernel;

// One window of one thread, with `change` between the probe and the thread.
nlohmann::json window_after(const CounterRequest& request, void (*change)()) {
    return in_child([&]() -> nlohmann::json {
        setenv("LIBPFM_FORCE_PMU", "skx", 1);
        kernel.active = true;
        kernel.refuse_start_above = 2;
        const auto provider = make_counter_provider(request);
        const CounterPlan& plan = provider->probe();
        change();
        CounterTotals totals;
        std::thread measured([&] {
            const auto set = provider->make_thread_set();
            set->open();
            set->start();
            const auto values = set->stop();
            totals = total_counters(plan, {{values, set->reasons()}});
            set->close();
        });
        measured.join();
        return {{"plan", to_json(plan)}, {"counters", totals.counters}, {"reasons", totals.reasons}};
    });
}

class ChangedHost : public ::testing::Test {
  protected:
    void SetUp() override {
        const nlohmann::json result = window_after({.select = {"cycles"}}, [] {});
        if (result["reasons"].value("cycles", "").starts_with("this lockbench was built without PAPI")) {
            GTEST_SKIP() << "built without PAPI";
        }
    }
    CounterRequest pair_{.select = {"hitm_*_local"}};
};

TEST_F(ChangedHost, AnUnchangedOneCountsThePair) {
    const nlohmann::json result = window_after(pair_, [] {});
    EXPECT_FALSE(result["counters"]["hitm_loads_local"].is_null()) << result;
    EXPECT_FALSE(result["counters"]["hitm_rfo_local"].is_null()) << result;
}

TEST_F(ChangedHost, AThreadThatCannotOpenItsEventsSaysSo) {
    const nlohmann::json result = window_after(pair_, [] { kernel.refuse_with = ENOENT; });
    for (const char* name : {"hitm_loads_local", "hitm_rfo_local"}) {
        EXPECT_TRUE(result["counters"][name].is_null()) << name;
        EXPECT_NE(result["reasons"].value(name, "").find("does not have this event"), std::string::npos) << result;
    }
    EXPECT_FALSE(result["counters"]["involuntary_switches"].is_null());
}

TEST_F(ChangedHost, AThreadThatGetsFewerCountersKeepsThoseItGot) {
    const nlohmann::json result = window_after(pair_, [] { kernel.hardware_per_group = 1; });
    EXPECT_GT(result["counters"]["hitm_loads_local"], 0) << result;
    EXPECT_TRUE(result["counters"]["hitm_rfo_local"].is_null());
    EXPECT_EQ(result["reasons"]["hitm_rfo_local"],
              "too many events: 1 hardware events fill this CPU's counters; ask for fewer by name");
}

TEST_F(ChangedHost, AThreadThatCannotStartHasNullsNotZeros) {
    const nlohmann::json result = window_after(pair_, [] { kernel.refuse_start_above = 0; });
    for (const char* name : {"hitm_loads_local", "hitm_rfo_local"}) {
        EXPECT_TRUE(result["counters"][name].is_null()) << name;
        EXPECT_NE(result["reasons"].value(name, "").find("could not be started"), std::string::npos) << result;
    }
}

TEST_F(ChangedHost, TheProbeDropsTheLastEventsUntilTheRestStarts) {
    const nlohmann::json result = window_after({.select = {"hitm_*", "snoop_*"}}, [] {});
    EXPECT_EQ(result["plan"]["level"], kLevelTransfer);
    EXPECT_GT(result["counters"]["hitm_loads_local"], 0) << result;
    EXPECT_GT(result["counters"]["hitm_rfo_local"], 0);
    for (const char* name : {"hitm_loads_remote", "snoop_hits_local"}) {
        EXPECT_TRUE(result["counters"][name].is_null()) << name;
        EXPECT_NE(result["reasons"].value(name, "").find("could not be started"), std::string::npos) << result;
    }
}

}  // namespace
}  // namespace lockbench
