// SPDX-License-Identifier: MIT
// What can come between a counter and its value, on each microarchitecture whose names libpfm4 knows: no PMU, no
// permission, perf_event_paranoid 3, too few counters, turns. That they count, tests/bench/counters_codes_test.cpp
// shows.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "bench/counters_event_table.hpp"
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

struct Pmu {
    std::string name;
    std::vector<std::string> counters;  // of its table, in order, those that it has
};

std::ostream& operator<<(std::ostream& out, const Pmu& pmu) { return out << pmu.name; }

std::vector<Pmu> pmus() {
    std::vector<Pmu> all;
    for (const EventTable& table : event_tables()) {
        std::vector<std::string> counters;
        for (const EventRow& row : table.rows) {
            if (row.source != CounterSource::none) {
                counters.emplace_back(row.name);
            }
        }
        std::istringstream names{std::string(table.pmus)};
        for (std::string name; table.tested == kTestedNamesAndCodes && names >> name;) {
            all.push_back({name, counters});
        }
    }
    return all;
}

class EachPmu : public ::testing::TestWithParam<Pmu> {
  protected:
    void SetUp() override {
        if (testing::built_without_papi(in_child([] { return count_window({}); })["plan"])) {
            GTEST_SKIP() << "built without PAPI";
        }
    }

    // The counters of its table in one window, after `prepare`, which says whether the scene could be set.
    template <class Prepare>
    static nlohmann::json window(Prepare prepare, bool multiplex = false) {
        return in_child([&]() -> nlohmann::json {
            setenv("LIBPFM_FORCE_PMU", GetParam().name.c_str(), 1);
            kernel.active = true;
            return prepare() ? count_window({.select = GetParam().counters, .multiplex = multiplex}) : nlohmann::json();
        });
    }

    static std::vector<std::string> counted(const nlohmann::json& result) {
        std::vector<std::string> names;
        for (const std::string& name : GetParam().counters) {
            if (!result["counters"][name].is_null()) {
                names.push_back(name);
            }
        }
        return names;
    }

    static void expect_none(const nlohmann::json& result, const std::string& words) {
        expect_whole(result);
        for (const std::string& name : GetParam().counters) {
            EXPECT_TRUE(result["counters"][name].is_null()) << name;
            EXPECT_NE(result["reasons"].value(name, "").find(words), std::string::npos) << name << result["reasons"];
        }
        EXPECT_EQ(result["plan"]["level"], kLevelRusage);
    }
};

TEST_P(EachPmu, WithoutAPmuEachIsNullWithAReason) {
    expect_none(window([] {
                    kernel.refuse_with = ENOENT;
                    return true;
                }),
                "PMU");
}

TEST_P(EachPmu, WithoutPermissionEachIsNullWithAReason) {
    expect_none(window([] {
                    kernel.refuse_with = EACCES;
                    return true;
                }),
                "permission");
}

TEST_P(EachPmu, AtParanoidThreeEachIsAskedByCode) {
    const testing::FakeTree tree;
    std::ofstream(tree.root() / "paranoid") << "3\n";
    const nlohmann::json result = window([&] {
        return unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               mount((tree.root() / "paranoid").c_str(), "/proc/sys/kernel/perf_event_paranoid", nullptr, MS_BIND,
                     nullptr) == 0;
    });
    if (result.is_null()) {
        GTEST_SKIP() << "needs root and a mount namespace";
    }
    expect_whole(result);
    EXPECT_NE(result["plan"]["note"].get<std::string>().find("PAPI is switched off"), std::string::npos);
    for (const nlohmann::json& one : result["plan"]["counters"]) {
        EXPECT_NE(one["by"], "PAPI") << one;
    }
}

TEST_P(EachPmu, OfOneCounterTheFirstOfTheTableHasIt) {
    const nlohmann::json result = window([] {
        kernel.hardware_per_thread = 1;
        return true;
    });
    expect_whole(result);
    EXPECT_EQ(counted(result), std::vector<std::string>{GetParam().counters.front()});
    for (const std::string& name : GetParam().counters) {
        EXPECT_EQ(result["reasons"].contains(name), name != GetParam().counters.front()) << name;
    }
}

TEST_P(EachPmu, InTurnsAllCountAPart) {
    const nlohmann::json result = window(
        [] {
            kernel.hardware_per_thread = 1;
            return true;
        },
        true);
    expect_whole(result);
    EXPECT_EQ(counted(result), GetParam().counters);
    const double turns = static_cast<double>(GetParam().counters.size());
    for (const std::string& name : GetParam().counters) {
        EXPECT_NEAR(result["shares"].value(name, 1.0), 1 / turns, 0.02) << name;
        EXPECT_EQ(entry(result, name)["by"], "perf_event_open") << "PAPI does not tell the share";
    }
}

INSTANTIATE_TEST_SUITE_P(Codes, EachPmu, ::testing::ValuesIn(pmus()), [](const auto& one) { return one.param.name; });

TEST(Pmus, TheTableHasNineteen) { EXPECT_EQ(pmus().size(), 19U); }

}  // namespace
}  // namespace lockbench
