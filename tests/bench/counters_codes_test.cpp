// SPDX-License-Identifier: MIT
// Every counter of every CPU of the event table, on a fake PMU that writes down what it is asked for: by PAPI's name
// under LIBPFM_FORCE_PMU, and by code for the CPU's numbers in proc/cpuinfo. The codes are here a second time, from the
// vendors' event lists and not from the table, so that neither can change alone.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "bench/counters_candidates.hpp"
#include "bench/counters_engines.hpp"
#include "tests/bench/count_window.hpp"
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/in_child.hpp"

namespace lockbench {
namespace {

using testing::count_window;
using testing::entry;
using testing::in_child;
using testing::kernel;

// CPUs, then a row a counter: name, who counts it where PAPI works, config and config1.
constexpr const char* kExpected = R"(
wsm_dp
  hitm_loads_local     papi   20f   0
  hitm_rfo_local       papi   1b7   402
  hitm_loads_remote    papi   40f   0
  hitm_rfo_remote      papi   1bb   802
  lock_instructions    none   0     0
snb ivb
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
snb_ep
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  hitm_loads_remote    kernel 1bb   107fc00001
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
  hitm_rfo_remote      none   0     0
ivb_ep
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  hitm_loads_remote    papi   10d3  0
  hitm_rfo_remote      kernel 1bb   107fc20002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
hsw
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       kernel 1b7   10003c0002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
bdw
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
hsw_ep bdw_ep
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  hitm_loads_remote    papi   10d3  0
  hitm_rfo_remote      kernel 1bb   103fc00002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
skl
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10001c0002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
skx clx
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  hitm_loads_remote    papi   4d3   0
  hitm_rfo_remote      kernel 1bb   103fc00002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
icl
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
icx
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   1b7   10003c0002
  hitm_loads_remote    papi   4d3   0
  hitm_reads_remote    papi   1b7   1030000477
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
spr emr gnr
  hitm_loads_local     papi   4d2   0
  hitm_rfo_local       papi   12a   10003c0002
  hitm_loads_remote    papi   4d3   0
  hitm_reads_remote    papi   12a   1030004477
  snoop_hits_local     papi   2d2   0
  lock_instructions    papi   21d0  0
amd64_fam17h_zen1
  fills_cache_home_local  kernel 243  0
  fills_cache_home_remote kernel 1043 0
  l2_read_misses       papi   864   0
  lock_instructions    papi   625   0
amd64_fam17h_zen2
  fills_cache_home_local  papi 243  0
  fills_cache_home_remote papi 1043 0
  lock_instructions    papi   e25   0
amd64_fam19h_zen3
  fills_same_ccx       papi   244   0
  fills_other_ccx      papi   1444  0
  fills_other_ccx_remote papi 1044  0
  lock_instructions    kernel e25   0
amd64_fam19h_zen4
  fills_same_ccx       papi   244   0
  fills_other_ccx      papi   1444  0
  fills_other_ccx_remote papi 1044  0
  lock_instructions    none   0     0
amd64_fam1ah_zen5
  fills_same_ccx       papi   244   0
  fills_other_ccx      papi   1444  0
  fills_other_ccx_remote papi 1044  0
  lock_instructions    kernel 1f25  0
arm_n1 arm_n2 arm_v1 arm_v2
  l1d_invalidations    papi   48    0
  l2d_invalidations    papi   58    0
  remote_accesses      papi   31    0
  exclusive_store_failures papi 6e  0
  llc_read_misses      papi   37    0
)";

struct Expected {
    std::string by;
    std::uint64_t config = 0;
    std::uint64_t config1 = 0;
};

// By PMU, then by counter.
std::map<std::string, std::map<std::string, Expected>> expected() {
    std::map<std::string, std::map<std::string, Expected>> all;
    std::vector<std::string> pmus;
    std::istringstream lines(kExpected);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        if (line.starts_with(" ")) {
            Expected one;
            words >> name >> one.by >> std::hex >> one.config >> one.config1;
            for (const std::string& pmu : pmus) {
                all[pmu][name] = one;
            }
        } else {
            pmus.clear();
            while (words >> name) {
                pmus.push_back(name);
            }
        }
    }
    return all;
}

std::vector<std::string> pmus_of(const EventTable& table) {
    std::istringstream list{std::string(table.pmus)};
    std::vector<std::string> pmus;
    for (std::string pmu; list >> pmu;) {
        pmus.push_back(pmu);
    }
    return pmus;
}

TEST(Codes, TheTableHasWhatTheVendorsListAndNothingElse) {
    auto left = expected();
    for (const EventTable& table : event_tables()) {
        for (const std::string& pmu : pmus_of(table)) {
            for (const EventRow& row : table.rows) {
                ASSERT_EQ(left[pmu].count(std::string(row.name)), 1U) << pmu << ' ' << row.name;
                const Expected one = left[pmu][std::string(row.name)];
                EXPECT_EQ(row.code.config, one.config) << pmu << ' ' << row.name;
                EXPECT_EQ(row.code.config1, one.config1) << pmu << ' ' << row.name;
                EXPECT_EQ(row.source == CounterSource::papi, one.by == "papi") << pmu << ' ' << row.name;
                EXPECT_EQ(row.source == CounterSource::kernel, one.by == "kernel") << pmu << ' ' << row.name;
                left[pmu].erase(std::string(row.name));
            }
            EXPECT_TRUE(left[pmu].empty()) << pmu;
            left.erase(pmu);
        }
    }
    EXPECT_TRUE(left.empty());
}

// Counts one row alone: its entry and value, and the raw events that were asked for meanwhile.
nlohmann::json count_alone(CounterRequest request, const std::string& name) {
    request.select = {name};
    kernel.asked.clear();
    const nlohmann::json result = count_window(request, 16, 0);
    nlohmann::json raw = nlohmann::json::array();
    for (const testing::AskedEvent& event : kernel.asked) {
        if (event.type == PERF_TYPE_RAW) {
            raw.push_back({event.config, event.config1});
        }
    }
    return {{"pmu", result["plan"]["pmu"]},
            {"entry", entry(result, name)},
            {"value", result["counters"][name]},
            {"reason", result["reasons"].value(name, "")},
            {"raw", raw}};
}

void expect_asked(const nlohmann::json& one, const Expected& wanted, const std::string& by, const std::string& what) {
    EXPECT_EQ(one["entry"]["by"], by) << what;
    ASSERT_FALSE(one["raw"].empty()) << what;
    for (const auto& code : one["raw"]) {
        EXPECT_EQ(code, nlohmann::json::array({wanted.config, wanted.config1})) << what;
    }
    ASSERT_TRUE(one["value"].is_number()) << what << one;
    EXPECT_GT(one["value"], 0) << what;
}

void expect_rows(const nlohmann::json& result, const std::string& pmu, bool with_papi) {
    const auto rows = expected().at(pmu);
    for (const auto& [name, wanted] : rows) {
        ASSERT_TRUE(result.contains(name)) << pmu << ' ' << name << ' ' << result;
        const nlohmann::json& one = result[name];
        std::string what = pmu;
        what.append(" ").append(name);
        EXPECT_EQ(one["pmu"], pmu);
        if (wanted.by == "none") {
            EXPECT_TRUE(one["value"].is_null()) << what;
            EXPECT_NE(one["reason"], "") << what;
        } else {
            expect_asked(one, wanted, with_papi && wanted.by == "papi" ? "PAPI" : "perf_event_open", what);
        }
    }
}

TEST(Codes, ByNameThroughPapi) {
    const nlohmann::json here = in_child([] { return count_window({}); });
    if (testing::built_without_papi(here["plan"])) {
        GTEST_SKIP() << "built without PAPI";
    }
#if !defined(__x86_64__)
    GTEST_SKIP() << "libpfm4 has the tables of other architectures only there";
#endif
    std::size_t pmus = 0;
    for (const EventTable& table : event_tables()) {
        if (table.tested != kTestedNamesAndCodes) {
            continue;
        }
        for (const std::string& pmu : pmus_of(table)) {
            ++pmus;
            const nlohmann::json result = in_child([&] {
                setenv("LIBPFM_FORCE_PMU", pmu.c_str(), 1);
                kernel.active = true;
                nlohmann::json rows;
                for (const EventRow& row : table.rows) {
                    rows[std::string(row.name)] = count_alone({.root = "/nowhere"}, std::string(row.name));
                }
                return rows;
            });
            expect_rows(result, pmu, true);
        }
    }
    EXPECT_EQ(pmus, 19U);
}

struct Cpu {
    const char* pmu;
    const char* vendor;
    int family;
    int model;
    int stepping;
};
constexpr Cpu kCpus[] = {
    {"wsm_dp", "GenuineIntel", 6, 44, 2},
    {"wsm_dp", "GenuineIntel", 6, 47, 2},
    {"snb", "GenuineIntel", 6, 42, 7},
    {"ivb", "GenuineIntel", 6, 58, 9},
    {"snb_ep", "GenuineIntel", 6, 45, 7},
    {"ivb_ep", "GenuineIntel", 6, 62, 4},
    {"hsw", "GenuineIntel", 6, 60, 3},
    {"bdw", "GenuineIntel", 6, 61, 4},
    {"hsw_ep", "GenuineIntel", 6, 63, 2},
    {"bdw_ep", "GenuineIntel", 6, 79, 1},
    {"skl", "GenuineIntel", 6, 94, 3},
    {"skx", "GenuineIntel", 6, 85, 4},
    {"clx", "GenuineIntel", 6, 85, 7},
    {"icl", "GenuineIntel", 6, 126, 5},
    {"icx", "GenuineIntel", 6, 106, 6},
    {"spr", "GenuineIntel", 6, 143, 8},
    {"emr", "GenuineIntel", 6, 207, 2},
    {"gnr", "GenuineIntel", 6, 173, 1},
    {"gnr", "GenuineIntel", 6, 174, 1},
    {"amd64_fam17h_zen1", "AuthenticAMD", 23, 1, 2},
    {"amd64_fam17h_zen2", "AuthenticAMD", 23, 49, 0},
    {"amd64_fam19h_zen3", "AuthenticAMD", 25, 1, 1},
    {"amd64_fam19h_zen3", "AuthenticAMD", 25, 33, 0},
    {"amd64_fam19h_zen4", "AuthenticAMD", 25, 17, 1},
    {"amd64_fam19h_zen4", "AuthenticAMD", 25, 97, 2},
    {"amd64_fam1ah_zen5", "AuthenticAMD", 26, 2, 1},
};
constexpr std::pair<const char*, const char*> kArmParts[] = {
    {"arm_n1", "0xd0c"}, {"arm_n2", "0xd49"}, {"arm_v1", "0xd40"}, {"arm_v2", "0xd4f"}};

void expect_by_code(const testing::FakeTree& tree, const std::string& pmu) {
    ASSERT_EQ(pmu_of_cpu(tree.root()), pmu);
    const nlohmann::json result = in_child([&] {
        kernel.active = true;
        nlohmann::json counted;
        const auto rows = expected().at(pmu);
        for (const auto& [name, wanted] : rows) {
            counted[name] = count_alone({.root = tree.root(), .use_papi = false}, name);
        }
        return counted;
    });
    expect_rows(result, pmu, false);
}

TEST(Codes, ByCodeForTheNumbersOfTheCpu) {
    std::set<std::string> done;
    for (const Cpu& cpu : kCpus) {
        const testing::FakeTree tree;
        testing::put_cpu(tree, cpu.vendor, cpu.family, cpu.model, cpu.stepping);
        expect_by_code(tree, cpu.pmu);
        done.insert(cpu.pmu);
    }
    for (const auto& [pmu, part] : kArmParts) {
        testing::FakeTree tree;
        tree.put(
            "proc/cpuinfo",
            std::string("processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: ") + part + "\n");
        expect_by_code(tree, pmu);
        done.insert(pmu);
    }
    const auto all = expected();
    for (const auto& [pmu, rows] : all) {
        EXPECT_EQ(done.count(pmu), 1U) << pmu;
    }
}

TEST(Codes, OtherCpusHaveNoTable) {
    for (const Cpu& cpu : {Cpu{"", "GenuineIntel", 6, 255, 0}, Cpu{"", "GenuineIntel", 15, 85, 0},
                           Cpu{"", "AuthenticAMD", 21, 1, 0}, Cpu{"", "Someone", 6, 85, 4}}) {
        const testing::FakeTree tree;
        testing::put_cpu(tree, cpu.vendor, cpu.family, cpu.model, cpu.stepping);
        EXPECT_EQ(pmu_of_cpu(tree.root()), "") << cpu.vendor << cpu.model;
    }
    EXPECT_EQ(pmu_of_cpu("/nowhere"), "");
}

}  // namespace
}  // namespace lockbench
