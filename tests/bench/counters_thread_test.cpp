// SPDX-License-Identifier: MIT
// What a measured thread reports when the host changes its mind after the probe, and what the probe drops that opens
// but does not start.
#include <gtest/gtest.h>

#include <barrier>
#include <filesystem>
#include <iterator>
#include <memory>
#include <thread>

#include "bench/counters.hpp"
#include "bench/counters_absence.hpp"
#include "tests/bench/count_window.hpp"
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
        nlohmann::json made = {{"plan", to_json(plan)}};
        std::thread measured([&] {
            const auto set = provider->make_thread_set();
            set->open();
            set->start();
            const auto values = set->stop();
            const CounterTotals totals = total_counters(plan, {{values, set->reasons()}});
            made["counters"] = totals.counters;
            made["reasons"] = totals.reasons;
            set->close();
        });
        measured.join();
        return made;
    });
}

class ChangedHost : public ::testing::Test {
  protected:
    void SetUp() override {
        const nlohmann::json result = window_after({.select = {"cycles"}}, [] {});
        if (testing::built_without_papi(result["plan"])) {
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
              "too many events: 1 hardware events fill this CPU's counters; ask for fewer by name, or let all take "
              "turns with --multiplex");
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

TEST_F(ChangedHost, TwoThreadsCountAtTheSameTime) {
    const nlohmann::json result = in_child([]() -> nlohmann::json {
        setenv("LIBPFM_FORCE_PMU", "skx", 1);
        kernel.active = true;
        const auto provider = make_counter_provider({.select = {"hitm_loads_local"}});
        const CounterPlan& plan = provider->probe();
        std::barrier both(2);
        const auto body = [&](bool& counted) {
            const auto set = provider->make_thread_set();
            set->open();
            both.arrive_and_wait();
            set->start();
            both.arrive_and_wait();  // both run now
            counted = set->stop().at(plan.find("hitm_loads_local").value()).has_value();
            set->close();
        };
        bool first = false;
        bool second = false;
        std::thread other([&] { body(second); });
        body(first);
        other.join();
        return {first, second};
    });
    EXPECT_EQ(result, (nlohmann::json{true, true})) << "one running set a thread, not one a process";
}

TEST_F(ChangedHost, WindowsStartFromZeroAndSetsGiveTheirFilesBack) {
    const nlohmann::json result = in_child([]() -> nlohmann::json {
        const auto open_files = [] {
            return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                 std::filesystem::directory_iterator());
        };
        setenv("LIBPFM_FORCE_PMU", "skx", 1);
        kernel.active = true;
        const auto provider = make_counter_provider({.select = {"hitm_*_local"}});
        const std::size_t voluntary = provider->probe().find("voluntary_switches").value();
        const auto before = open_files();
        nlohmann::json switches = nlohmann::json::array();
        for (int i = 0; i < 3; ++i) {
            const auto set = provider->make_thread_set();
            set->open();
            for (const int naps : {50, 0}) {
                set->start();
                for (int nap = 0; nap < naps; ++nap) {
                    usleep(50);
                }
                switches.push_back(set->stop()[voluntary].value_or(-1));
            }
            set->close();
        }
        return {{"leaked", open_files() - before}, {"switches", switches}};
    });
    EXPECT_EQ(result["leaked"], 0);
    for (const std::size_t window : {0U, 2U, 4U}) {
        EXPECT_GE(result["switches"][window], 50);
        EXPECT_LT(result["switches"][window], 100) << "nothing from before the window";
        EXPECT_LT(result["switches"][window + 1], 50);
    }
}

TEST_F(ChangedHost, TheRawProbeTellsUserFromKernelMode) {
    const nlohmann::json result = in_child([]() -> nlohmann::json {
        kernel.active = true;
        kernel.refuse_kernel_mode = EACCES;
        const CounterHost host = probe_counter_host("/");
        return {host.user_errno, host.kernel_errno};
    });
    EXPECT_EQ(result, (nlohmann::json{0, EACCES}));
}

}  // namespace
}  // namespace lockbench
