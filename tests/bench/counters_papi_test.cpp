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
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/in_child.hpp"

namespace lockbench {
namespace {

using testing::in_child;
using testing::kernel;

constexpr int kPages = 256;

// Touches fresh pages: as many page faults as pages.
void touch_pages(int pages) {
    const auto size = static_cast<std::size_t>(pages) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (int i = 0; i < pages; ++i) {
        static_cast<volatile char*>(memory)[static_cast<long>(i) * sysconf(_SC_PAGESIZE)] = 1;
    }
    munmap(memory, size);
}

// The plan, and what one window over `pages` page faults and `naps` sleeps counted: {plan, counters, reasons}.
nlohmann::json count_window(const CounterRequest& request, int pages = kPages, int naps = 10) {
    const std::unique_ptr<CounterProvider> provider = make_counter_provider(request);
    const CounterPlan& plan = provider->probe();
    const auto set = provider->make_thread_set();
    set->open();
    set->start();
    touch_pages(pages);
    for (int i = 0; i < naps; ++i) {
        usleep(100);
    }
    const auto values = set->stop();
    const CounterTotals totals = total_counters(plan, {{values, set->reasons()}});
    set->close();
    return {
        {"plan", to_json(plan)}, {"counters", totals.counters}, {"reasons", totals.reasons}, {"calls", kernel.calls}};
}

nlohmann::json entry(const nlohmann::json& result, const std::string& name) {
    for (const auto& one : result["plan"]["counters"]) {
        if (one["name"] == name) {
            return one;
        }
    }
    return {};
}

// Every null has a reason, everything else has none.
void expect_whole(const nlohmann::json& result) {
    for (const auto& [name, value] : result["counters"].items()) {
        EXPECT_EQ(value.is_null(), result["reasons"].contains(name)) << name;
        EXPECT_EQ(entry(result, name)["available"] == true, !value.is_null()) << name;
    }
}

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
        if (result["reasons"].value("cycles", "").starts_with("this lockbench was built without PAPI")) {
            EXPECT_EQ(result["plan"]["level"], kLevelRusage);
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

bool known_to_libpfm(const std::string& pmu) { return pmu != "emr" && pmu != "gnr" && pmu != "amd64_fam1ah_zen5"; }

// Every x86 row of the table, one after the other (a real PMU would not hold them all at once).
TEST_F(FakePmu, EveryRowOfEveryTableResolvesAndIsCounted) {
    if (access("/proc/sys/kernel/perf_event_paranoid", F_OK) != 0) {
        GTEST_SKIP() << "no perf_event_open on this host";
    }
    int rows = 0;
    for (const EventTable& table : event_tables()) {
        std::istringstream list{std::string(table.pmus)};
        for (std::string pmu; list >> pmu;) {
            if (pmu.starts_with("arm_") || !known_to_libpfm(pmu)) {
                continue;
            }
            const nlohmann::json result = with_fake_pmu(pmu.c_str(), {});
            EXPECT_EQ(result["plan"]["pmu"], pmu);
            expect_whole(result);
            for (const EventRow& row : table.rows) {
                const nlohmann::json one = entry(result, std::string(row.name));
                if (row.event.empty()) {
                    EXPECT_EQ(one["reason"], row.absent);
                } else if (!row.event.starts_with("perf_raw::")) {  // hidden by LIBPFM_FORCE_PMU
                    EXPECT_EQ(one["available"], true) << pmu << ' ' << one;
                    EXPECT_GT(result["counters"][std::string(row.name)], 0) << pmu << ' ' << row.name;
                    ++rows;
                }
            }
        }
    }
    EXPECT_GE(rows, 70);
}

TEST_F(FakePmu, TransferEventsGiveLevelOneAndKeepTheFallbacksAway) {
    const nlohmann::json result = with_fake_pmu("skx", {});
    EXPECT_EQ(result["plan"]["level"], kLevelTransfer);
    EXPECT_EQ(result["plan"]["domain"], "user+kernel");
    EXPECT_EQ(entry(result, "cache_misses")["reason"], "not tried: transfer events count here; ask for it by name");
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
              "too many events: 2 hardware events fill this CPU's counters; ask for fewer by name");
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
        setenv("LIBPFM_DISABLED_PMUS", "amd64_fam19h_zen3,amd64_fam19h_zen4,amd64_fam17h_zen2,amd64_fam17h_zen1", 1);
        setenv("LIBPFM_FORCE_PMU", "amd64_fam10h_istanbul", 1);
        return count_window({});
    });
    expect_whole(result);
    EXPECT_EQ(result["reasons"]["line_transfers"], "libpfm4 does not know this CPU");
    EXPECT_EQ(result["reasons"]["cache_misses"], "unknown event: libpfm4 has no such name for this CPU");
    EXPECT_EQ(result["plan"]["level"], kLevelRusage);
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

TEST_F(FakePmu, AnUnknownCpuIsSaidToBe) {
    const nlohmann::json result = in_child([] {
        std::string disabled = "ix86arch";
        for (const EventTable& table : event_tables()) {
            std::istringstream list{std::string(table.pmus)};
            for (std::string pmu; list >> pmu;) {
                disabled += "," + pmu;
            }
        }
        setenv("LIBPFM_DISABLED_PMUS", disabled.c_str(), 1);
        return count_window({});
    });
    expect_whole(result);
    EXPECT_NE(result["reasons"]["line_transfers"].get<std::string>().find("unknown to the installed libpfm4"),
              std::string::npos)
        << result["reasons"];
    EXPECT_EQ(result["plan"]["level"], kLevelRusage);
    EXPECT_GE(result["counters"]["voluntary_switches"], 10);
}

TEST_F(FakePmu, NoNameOfAnyPmuIsSaidToo) {
    const nlohmann::json result = in_child([] {
        setenv("LIBPFM_FORCE_PMU", "no_such_pmu", 1);
        return count_window({});
    });
    expect_whole(result);
    EXPECT_NE(result["reasons"]["line_transfers"].get<std::string>().find("unknown to the installed libpfm4"),
              std::string::npos)
        << result["reasons"];
}

TEST_F(FakePmu, NotAskedForFallsToGetrusage) {
    const nlohmann::json result = in_child([] {
        CounterRequest request;
        request.use_papi = false;
        return count_window(request);
    });
    expect_whole(result);
    EXPECT_EQ(result["plan"]["level"], kLevelRusage);
    EXPECT_EQ(result["reasons"]["cycles"], "PAPI was not asked for");
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
