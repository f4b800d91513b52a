// SPDX-License-Identifier: MIT
// The PAPI provider, on hosts that have no PMU too: the fake kernel opens what is asked for and LIBPFM_FORCE_PMU makes
// libpfm4 resolve another CPU's names. Each case runs in a forked child, as PAPI starts once a process.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/counters.hpp"
#include "bench/counters_event_table.hpp"
#include "tests/bench/count_window.hpp"
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/fake_tree.hpp"
#include "tests/bench/in_child.hpp"

namespace lockbench {
namespace {

using testing::count_window;
using testing::entry;
using testing::expect_whole;
using testing::in_child;
using testing::kernel;
using testing::kPages;
using testing::touch_pages;

TEST(Papi, OnThisHostWhateverIsAbsentIsNullWithAReasonAndSoftwareCountsAreRight) {
    const nlohmann::json result = in_child([] { return count_window({}); });
    ASSERT_TRUE(result.is_object());
    expect_whole(result);
    EXPECT_GE(result["counters"]["voluntary_switches"], 10);
    EXPECT_GE(result["counters"]["minor_faults"], kPages);
    if (access("/sys/bus/event_source/devices/cpu", F_OK) != 0) {
        EXPECT_GE(result["plan"]["level"], kLevelSoftware);
        EXPECT_TRUE(result["counters"]["cycles"].is_null());
        EXPECT_NE(result["reasons"]["cycles"], "");
    }
    if (entry(result, "page_faults")["available"] == true) {
        EXPECT_GE(result["counters"]["page_faults"], kPages);
        EXPECT_GT(result["counters"]["task_clock"], 0);
    }
    if (entry(result, "context_switches")["available"] == true) {
        EXPECT_GE(result["counters"]["context_switches"], 10) << "user-only counting would silently read 0";
    }
}

TEST(Papi, AfterAForkTheChildCountsItself) {
    const nlohmann::json result = in_child([] {
        count_window({});
        return in_child([] { return count_window({}); });
    });
    ASSERT_TRUE(result.is_object());
    expect_whole(result);
    if (entry(result, "page_faults")["available"] == true) {
        EXPECT_GE(result["counters"]["page_faults"], kPages);
    }
}

TEST(Papi, EachThreadCountsItself) {
    const nlohmann::json result = in_child([] {
        const auto provider = make_counter_provider({.select = {"page_faults"}});
        const CounterPlan& plan = provider->probe();
        std::vector<std::vector<std::optional<std::int64_t>>> values(2);
        std::vector<std::thread> team;
        for (std::size_t t = 0; t < 2; ++t) {
            team.emplace_back([&, t] {
                const auto set = provider->make_thread_set();
                set->open();
                touch_pages(1000);  // before the window
                set->start();
                touch_pages(t == 0 ? 100 : 200);
                values[t] = set->stop();
                set->start();  // a second window starts from zero
                set->stop();
                set->close();
            });
        }
        for (std::thread& one : team) {
            one.join();
        }
        const auto at = plan.find("page_faults");
        return nlohmann::json{{"there", at.has_value()},
                              {"a", at ? values[0][*at].value_or(-1) : 0},
                              {"b", at ? values[1][*at].value_or(-1) : 0}};
    });
    if (!result["there"].get<bool>()) {
        GTEST_SKIP() << "this host counts no page faults through PAPI";
    }
    EXPECT_GE(result["a"], 100);
    EXPECT_LT(result["a"], 190);
    EXPECT_GE(result["b"], 200);
    EXPECT_LT(result["b"], 290);
}

// A build without PAPI has nothing to fake; it says so instead, which is checked here.
class FakePmu : public ::testing::Test {
  protected:
    void SetUp() override {
        const nlohmann::json result = in_child([] { return count_window({}); });
        ASSERT_TRUE(result.is_object());
        if (testing::built_without_papi(result["plan"])) {
            GTEST_SKIP() << "built without PAPI";
        }
    }
};

nlohmann::json with_fake_pmu(const char* pmu, const CounterRequest& request, int counters = 1000) {
    return in_child([&] {
        setenv("LIBPFM_FORCE_PMU", pmu, 1);
        kernel.active = true;
        kernel.hardware_per_group = counters;
        return count_window(request);
    });
}

TEST_F(FakePmu, TransferEventsGiveLevelOneAndKeepTheFallbacksAway) {
    const nlohmann::json result = with_fake_pmu("skx", {});
    EXPECT_EQ(result["plan"]["level"], kLevelTransfer);
    EXPECT_EQ(result["plan"]["domain"], "user+kernel");
    EXPECT_EQ(entry(result, "cache_misses")["reason"], "not tried: better events count here; ask for it by name");
    EXPECT_EQ(with_fake_pmu("amd64_fam19h_zen4", {})["plan"]["level"], kLevelFillSource);
    EXPECT_EQ(with_fake_pmu("skx", {.select = {"snoop_hits_local"}})["plan"]["level"], kLevelSnoopHit);
    EXPECT_EQ(with_fake_pmu("skx", {.select = {"lock_instructions"}})["plan"]["level"], kLevelGeneric);
}

TEST_F(FakePmu, TooManyEventsKeepTheFirstAndSayWhyTheRestIsMissing) {
    const nlohmann::json result = with_fake_pmu("skx", {}, 2);
    expect_whole(result);
    EXPECT_GT(result["counters"]["hitm_loads_local"], 0);
    EXPECT_GT(result["counters"]["hitm_rfo_local"], 0);
    EXPECT_TRUE(result["counters"]["hitm_loads_remote"].is_null());
    EXPECT_EQ(result["reasons"]["hitm_loads_remote"],
              "too many events: 2 hardware events fill this CPU's counters; ask for fewer by name, or let all take "
              "turns with --multiplex");
    EXPECT_EQ(result["plan"]["level"], kLevelTransfer);
    EXPECT_GE(result["counters"]["voluntary_switches"], 10) << "getrusage counts beside it";
}

TEST_F(FakePmu, WithThisHostsOwnNamesSoftwareAndHardwareEventsShareASet) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        kernel.hardware_per_group = 3;
        return count_window({.select = {"cycles", "instructions", "cache_misses", "llc_load_misses", "page_faults"}});
    });
    expect_whole(result);
    if (result["counters"]["page_faults"].is_null()) {
        GTEST_SKIP() << "this host counts no page faults through PAPI";
    }
    EXPECT_GT(result["counters"]["cycles"], 0);
    EXPECT_GE(result["counters"]["page_faults"], kPages);
    // Candidates keep the table's order, so the last of them is what did not fit.
    EXPECT_NE(result["reasons"]["cache_misses"].get<std::string>().find("too many events: 3"), std::string::npos);
}

TEST_F(FakePmu, GenericMissesAreTriedWhereNoTransferEventIsKnown) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        setenv("LIBPFM_FORCE_PMU", "amd64_fam10h_istanbul", 1);
        return count_window({.root = "/nowhere"});
    });
    expect_whole(result);
    EXPECT_EQ(result["reasons"]["line_transfers"], "no event that counts transfers is known for this CPU");
    EXPECT_EQ(entry(result, "cache_misses")["by"], "perf_event_open") << "libpfm4 then hides the kernel's own names";
    EXPECT_GT(result["counters"]["cache_misses"], 0);
    EXPECT_EQ(result["plan"]["level"], kLevelGeneric);
}

TEST_F(FakePmu, AForbiddenCallIsAPermissionNotAMissingPmu) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        kernel.refuse_with = EPERM;
        return count_window({});
    });
    expect_whole(result);
    EXPECT_NE(result["reasons"]["cycles"].get<std::string>().find("seccomp"), std::string::npos) << result["reasons"];
    EXPECT_EQ(result["plan"]["level"], kLevelRusage);
    EXPECT_GE(result["counters"]["voluntary_switches"], 10);
}

TEST_F(FakePmu, ParanoiaIsNamedWithTheSysctlToSet) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        kernel.refuse_with = EACCES;
        return count_window({});
    });
    expect_whole(result);
    EXPECT_NE(result["reasons"]["cycles"].get<std::string>().find("sysctl kernel.perf_event_paranoid=1"),
              std::string::npos);
}

TEST_F(FakePmu, AnOrdinaryUserCountsInUserModeOnlyAndIsTold) {
    const nlohmann::json result = in_child([] {
        setenv("LIBPFM_FORCE_PMU", "icx", 1);
        kernel.active = true;
        kernel.refuse_kernel_mode = EACCES;
        return count_window({});
    });
    expect_whole(result);
    EXPECT_EQ(result["plan"]["domain"], "user");
    EXPECT_GT(result["counters"]["hitm_rfo_local"], 0);
}

TEST_F(FakePmu, AnOrdinaryUserLosesSwitchesLoudlyNotSilently) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        kernel.refuse_kernel_mode = EACCES;
        return count_window({});
    });
    expect_whole(result);
    EXPECT_TRUE(result["counters"]["context_switches"].is_null()) << "0 would be a lie";
    EXPECT_NE(result["reasons"]["context_switches"].get<std::string>().find("no permission to count in the kernel"),
              std::string::npos)
        << result["reasons"];
    EXPECT_GE(result["counters"]["voluntary_switches"], 10);
}

TEST_F(FakePmu, NoSyscallAtAll) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        kernel.refuse_with = ENOSYS;
        return count_window({});
    });
    expect_whole(result);
    EXPECT_EQ(result["reasons"]["cycles"], "this kernel has no perf_event_open");
}

// As on a CPU newer than libpfm4: PAPI is off, also for the kernel's software events.
void forget_every_pmu() {
    std::string disabled = "ix86arch";
    for (const EventTable& table : event_tables()) {
        std::istringstream list{std::string(table.pmus)};
        for (std::string pmu; list >> pmu;) {
            disabled += "," + pmu;
        }
    }
    setenv("LIBPFM_DISABLED_PMUS", disabled.c_str(), 1);
}

TEST_F(FakePmu, AnUnknownCpuIsSaidToBeAndTheKernelCountsItsOwnEvents) {
    const nlohmann::json result = in_child([] {
        forget_every_pmu();
        kernel.active = true;
        return count_window({.root = "/nowhere"});
    });
    expect_whole(result);
    EXPECT_NE(result["plan"]["note"].get<std::string>().find("unknown to the installed libpfm4"), std::string::npos);
    EXPECT_EQ(result["reasons"]["line_transfers"], "no event that counts transfers is known for this CPU");
    EXPECT_EQ(result["plan"]["level"], kLevelGeneric);
    EXPECT_GT(result["counters"]["cycles"], 0);
    EXPECT_GE(result["counters"]["page_faults"], kPages);
    EXPECT_GE(result["counters"]["context_switches"], 10);
}

TEST_F(FakePmu, ACpuNewerThanLibpfmCountsByCode) {
    const testing::FakeTree tree;
    const nlohmann::json result = in_child([&tree] {
        testing::put_cpu(tree, "AuthenticAMD", 26, 2, 1);
        forget_every_pmu();
        kernel.active = true;
        return count_window({.root = tree.root()});
    });
    expect_whole(result);
    EXPECT_EQ(result["plan"]["pmu"], "amd64_fam1ah_zen5");
    EXPECT_EQ(result["plan"]["level"], kLevelFillSource);
    EXPECT_EQ(entry(result, "fills_other_ccx")["event"], "cpu/config=0x1444/");
    EXPECT_GT(result["counters"]["fills_other_ccx"], 0);
}

TEST_F(FakePmu, NoNameOfAnyPmuIsSaidToo) {
    const nlohmann::json result = in_child([] {
        setenv("LIBPFM_FORCE_PMU", "no_such_pmu", 1);
        return count_window({.root = "/nowhere"});
    });
    expect_whole(result);
    EXPECT_NE(result["plan"]["note"].get<std::string>().find("unknown to the installed libpfm4"), std::string::npos);
}

TEST_F(FakePmu, PapiIsLeftAloneWhereItIsNotAskedFor) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        return count_window({.use_papi = false});
    });
    expect_whole(result);
    EXPECT_EQ(result["plan"]["note"], "PAPI was not asked for");
    EXPECT_EQ(entry(result, "cycles")["by"], "perf_event_open");
}

TEST(Papi, AnOrdinaryUserOfThisHostGetsNullsWithReasonsToo) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "needs root to become somebody else";
    }
    const nlohmann::json result = in_child([] {
        constexpr uid_t kNobody = 65534;
        if (setgid(kNobody) != 0 || setuid(kNobody) != 0) {
            return nlohmann::json("cannot change user");
        }
        return count_window({});
    });
    ASSERT_TRUE(result.is_object()) << result;
    expect_whole(result);
    EXPECT_GE(result["counters"]["voluntary_switches"], 10);
}

}  // namespace
}  // namespace lockbench
