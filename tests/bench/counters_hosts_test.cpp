// SPDX-License-Identifier: MIT
// Hosts that give fewer counters than asked for, share them out, or forbid the call: a PMU of N counters, events that
// take turns, a seccomp filter, another perf_event_paranoid.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>

#include "tests/bench/count_window.hpp"
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/in_child.hpp"

namespace lockbench {
namespace {

using testing::count_window;
using testing::entry;
using testing::expect_whole;
using testing::in_child;
using testing::kernel;

// A Skylake-SP of so many counters a thread, which its events by name and by code have to share.
nlohmann::json on_counters(int counters, const CounterRequest& request) {
    return in_child([&] {
        setenv("LIBPFM_FORCE_PMU", "skx", 1);
        kernel.active = true;
        kernel.hardware_per_thread = counters;
        return count_window(request);
    });
}

// The same through codes alone, wherever PAPI is not built in.
nlohmann::json by_code(int counters, bool multiplex, const std::vector<std::string>& select) {
    const testing::FakeTree tree;
    testing::put_cpu(tree, "GenuineIntel", 6, 85, 4);
    return in_child([&] {
        kernel.active = true;
        kernel.hardware_per_thread = counters;
        return count_window({.select = select, .root = tree.root(), .use_papi = false, .multiplex = multiplex});
    });
}

std::vector<std::string> counted(const nlohmann::json& result) {
    std::vector<std::string> names;
    for (const auto& one : result["plan"]["counters"]) {
        if (one["available"] == true && one["level"] < kLevelSoftware) {
            names.push_back(one["name"]);
        }
    }
    return names;
}

TEST(FewCounters, BothWaysOfCountingShareThemAndTheFirstOfTheTableWin) {
    if (testing::built_without_papi(in_child([] { return count_window({}); })["plan"])) {
        GTEST_SKIP() << "built without PAPI";
    }
    using Names = std::vector<std::string>;
    const CounterRequest request{.select = {"hitm_*", "snoop_hits_local"}};
    const Names all = {"hitm_loads_local", "hitm_rfo_local", "hitm_loads_remote", "hitm_rfo_remote",
                       "snoop_hits_local"};
    for (const int counters : {1, 2, 3, 4, 5}) {
        const nlohmann::json result = on_counters(counters, request);
        expect_whole(result);
        EXPECT_EQ(counted(result), Names(all.begin(), all.begin() + counters)) << counters;
        EXPECT_TRUE(result["shares"].empty()) << "what is counted is counted whole";
        for (const std::string& name : counted(result)) {
            EXPECT_GT(result["counters"][name], 0) << name;
            EXPECT_EQ(entry(result, name)["by"], name == "hitm_rfo_remote" ? "perf_event_open" : "PAPI");
        }
    }
    EXPECT_EQ(on_counters(3, request)["reasons"]["hitm_rfo_remote"],
              "could not be started beside 3 other hardware events (no counter was free beside what else counts)");
}

TEST(FewCounters, ByCodeTheLastOfTheTableAreLeftOut) {
    const nlohmann::json result = by_code(2, false, {"hitm_*"});
    expect_whole(result);
    EXPECT_EQ(counted(result), (std::vector<std::string>{"hitm_loads_local", "hitm_rfo_local"}));
    EXPECT_EQ(result["plan"]["multiplexed"], false);
}

TEST(FewCounters, AThreadWhoseCountersAreTakenHasNullsWithAReason) {
    const nlohmann::json result = in_child([] {
        kernel.active = true;
        const auto provider = make_counter_provider({.select = {"cycles", "page_faults"}, .use_papi = false});
        const CounterPlan& plan = provider->probe();
        kernel.hardware_per_thread = 0;
        const auto set = provider->make_thread_set();
        set->open();
        set->start();
        const auto values = set->stop();
        const CounterTotals totals = total_counters(plan, {{values, set->reasons(), set->shares()}});
        kernel.hardware_per_thread = 1000;
        set->start();
        return nlohmann::json{
            {"counters", totals.counters}, {"reasons", totals.reasons}, {"again", set->stop()[0].has_value()}};
    });
    EXPECT_TRUE(result["counters"]["cycles"].is_null());
    EXPECT_NE(result["reasons"].value("cycles", "").find("no counter was free"), std::string::npos) << result;
    EXPECT_FALSE(result["counters"]["involuntary_switches"].is_null());
    EXPECT_EQ(result["again"], true) << "the next window counts again";
}

TEST(Turns, ValuesAreScaledAndTheirShareIsTold) {
    const nlohmann::json result = by_code(3, true, {"hitm_*", "snoop_hits_local", "cycles", "task_clock"});
    expect_whole(result);
    EXPECT_EQ(result["plan"]["multiplexed"], true);
    EXPECT_EQ(counted(result).size(), 6U);
    const double clock = result["counters"]["task_clock"];
    for (const std::string& name : counted(result)) {
        EXPECT_NEAR(result["shares"].value(name, 1.0), 0.5, 0.01) << name;
        // The fake PMU counts the task clock: half of it, scaled, is the whole again.
        EXPECT_NEAR(result["counters"][name].get<double>() / clock, 1, 0.3) << name;
    }
    EXPECT_FALSE(result["shares"].contains("task_clock")) << "the kernel's own events need no turn";
}

TEST(Turns, WhatFitsIsNotScaled) {
    const nlohmann::json result = by_code(8, true, {"hitm_*"});
    expect_whole(result);
    EXPECT_EQ(counted(result).size(), 4U);
    EXPECT_TRUE(result["shares"].empty());
}

TEST(Turns, AnEventWithoutATurnIsNullWithAReason) {
    const nlohmann::json result = by_code(0, true, {"hitm_loads_local"});
    EXPECT_TRUE(result["counters"]["hitm_loads_local"].is_null());
    EXPECT_NE(result["reasons"].value("hitm_loads_local", "").find("had none in this window"), std::string::npos);
    EXPECT_TRUE(result["shares"].empty());
}

// perf_event_open answers with `number` in this process from now on, as under a container's filter.
bool forbid_perf_event_open(unsigned number) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offsetof(seccomp_data, nr))),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(code)), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(Forbidden, AFilterIsNotTakenForAMissingPmu) {
    for (const auto& [number, words] : {std::pair{EPERM, "forbidden, as by a container's seccomp filter"},
                                        std::pair{ENOSYS, "this kernel has no perf_event_open"}}) {
        const nlohmann::json result = in_child([number = number]() -> nlohmann::json {
            return forbid_perf_event_open(static_cast<unsigned>(number)) ? count_window({}) : nlohmann::json();
        });
        if (result.is_null()) {
            GTEST_SKIP() << "this host allows no seccomp filter";
        }
        expect_whole(result);
        for (const char* name : {"cycles", "context_switches"}) {
            EXPECT_NE(result["reasons"].value(name, "").find(words), std::string::npos) << name << result["reasons"];
        }
        EXPECT_EQ(result["plan"]["level"], kLevelRusage);
        EXPECT_GE(result["counters"]["voluntary_switches"], 10);
    }
}

constexpr const char* kParanoid = "/proc/sys/kernel/perf_event_paranoid";

// Shows this process, in a mount namespace of its own, another value of the sysctl.
bool set_paranoid(const testing::FakeTree& tree, const std::string& value) {
    std::ofstream(tree.root() / "paranoid") << value << "\n";
    return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           mount((tree.root() / "paranoid").c_str(), kParanoid, nullptr, MS_BIND, nullptr) == 0;
}

TEST(Paranoid, AtThreePapiIsOffAndTheKernelIsAskedByCode) {
    const testing::FakeTree tree;
    const nlohmann::json result = in_child([&tree]() -> nlohmann::json {
        setenv("LIBPFM_FORCE_PMU", "skx", 1);
        kernel.active = true;
        return set_paranoid(tree, "3") ? count_window({}) : nlohmann::json();
    });
    if (result.is_null()) {
        GTEST_SKIP() << "needs root and a mount namespace";
    }
    expect_whole(result);
    if (!testing::built_without_papi(result["plan"])) {
        EXPECT_EQ(result["plan"]["note"],
                  "PAPI is switched off: perf_event_paranoid is 3; as root: sysctl kernel.perf_event_paranoid=1");
    }
    EXPECT_EQ(entry(result, "cycles")["by"], "perf_event_open");
    EXPECT_GT(result["counters"]["cycles"], 0);
}

TEST(Paranoid, ItsValueIsInTheAdvice) {
    const testing::FakeTree tree;
    const nlohmann::json result = in_child([&tree]() -> nlohmann::json {
        kernel.active = true;
        kernel.refuse_with = EACCES;
        return set_paranoid(tree, "4") ? count_window({}) : nlohmann::json();
    });
    if (result.is_null()) {
        GTEST_SKIP() << "needs root and a mount namespace";
    }
    expect_whole(result);
    EXPECT_EQ(result["reasons"].value("cycles", ""),
              "no permission to count hardware events: perf_event_paranoid is 4; as root: sysctl "
              "kernel.perf_event_paranoid=1");
    EXPECT_EQ(result["plan"]["level"], kLevelRusage);
}

}  // namespace
}  // namespace lockbench
