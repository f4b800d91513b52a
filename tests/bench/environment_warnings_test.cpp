// SPDX-License-Identifier: MIT
// Each warning, from a host on which nothing is wrong but one thing.
#include <gtest/gtest.h>

#include <set>

#include "bench/environment.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

// Bare metal, release build, quiet.
json clean_host() {
    return json{{"cpu", {{"virtual", nullptr}, {"cores", 8}, {"cpus", 8}, {"present_cpus", 8}, {"nodes", 2}}},
                {"steal", {{"before_s", 0.0}, {"after_s", 0.0}}},
                {"load",
                 {{"before", 3.0},
                  {"after", 3.0},
                  {"psi_some_avg10", 50.0},
                  {"other_cpus_before", 0.02},
                  {"other_cpus_during", 0.01},
                  {"swapped_pages", 0},
                  {"migrated_pages", 0}}},
                {"cgroup", {{"cpu_max", nullptr}, {"throttled_us", 0}}},
                {"memory", {{"swap_used_bytes", 0}}},
                {"governor", "performance"},
                {"turbo", "off"},
                {"smt", "off"},
                {"numa_balancing", "off"},
                {"thp", "madvise"},
                {"clocksource", "tsc"},
                {"perf_event_paranoid", 1},
                {"privileged", false},
                {"build", {{"optimised", true}, {"assertions", false}, {"sanitizers", ""}, {"preset", "release"}}},
                {"commit", "0123abc"},
                {"dirty", false}};
}

std::vector<std::string> codes(const json& host) {
    std::vector<std::string> found;
    for (const HostWarning& warning : host_warnings(host)) {
        EXPECT_TRUE(warning.text.ends_with(".")) << warning.text;
        EXPECT_GT(warning.text.size(), 40U) << "a sentence that tells what to do";
        found.push_back(warning.code);
    }
    return found;
}

struct Fault {
    const char* code;
    const char* pointer;  // JSON pointer into host
    json value;
    const char* says;  // part of the text
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) {
    return out << fault.code << ' ' << fault.pointer << '=' << fault.value;
}

class OneFault : public ::testing::TestWithParam<Fault> {};

TEST_P(OneFault, GivesItsWarningAloneAndSaysWhatToDo) {
    json host = clean_host();
    ASSERT_TRUE(codes(host).empty());
    host[json::json_pointer(GetParam().pointer)] = GetParam().value;
    EXPECT_EQ(codes(host), std::vector<std::string>{GetParam().code});
    const std::vector<HostWarning> found = host_warnings(host);
    ASSERT_FALSE(found.empty());
    EXPECT_NE(found[0].text.find(GetParam().says), std::string::npos) << found[0].text;
}

std::vector<Fault> faults() {
    return {
        {"debug_build", "/build/optimised", false, "cmake --preset release"},
        {"debug_build", "/build/assertions", true, "cmake --preset release"},
        {"sanitizer_build", "/build/sanitizers", "thread", "sanitizers (thread)"},
        {"preset", "/build/preset", "custom", "preset custom"},
        {"dirty_commit", "/dirty", true, "commit before measuring"},
        {"no_commit", "/commit", nullptr, "git clone"},
        {"virtual_machine", "/cpu/virtual", "kvm", "virtual machine (kvm)"},
        {"steal", "/steal/after_s", 0.5, "took 0.50 CPU seconds during the run"},
        {"other_load", "/load/other_cpus_during", 0.75, "0.75 CPUs busy during the run"},
        {"cgroup_quota", "/cgroup/cpu_max", json{150000, 100000}, "1.50 CPUs"},
        {"throttled", "/cgroup/throttled_us", 2500, "2.5 ms"},
        {"governor", "/governor", "powersave", "cpupower frequency-set -g performance"},
        {"governor", "/governor", "performance,powersave", "governor is performance,powersave"},
        {"turbo", "/turbo", "on", "no_turbo"},
        {"numa_balancing", "/numa_balancing", "on", "sysctl kernel.numa_balancing=0"},
        {"cpus_hidden", "/placement", json{{"hidden_cpus", "0-2"}}, "may not use CPUs 0-2"},
        {"topology_guessed", "/placement", json{{"stand_ins", {"no caches", "no nodes"}}}, "(no caches; no nodes)"},
        {"no_sysfs", "/placement", json{{"sysfs", false}}, "mount -t sysfs sysfs /sys"},
        {"memory_policy", "/placement", json{{"memory_policy", "bind over nodes 0"}},
         "(bind over nodes 0): it was dropped"},
        {"memory_policy", "/placement", json{{"memory_policy", "bind"}, {"memory_policy_kept", "why"}},
         "dropped (why)"},
        {"memory_unbound", "/placement", json{{"memory_unbound", "mbind failed"}},
         "to nodes: mbind failed. Run outside"},
        {"pages_migrated", "/load/migrated_pages", 12, "moved 12 pages"},
        {"thp", "/thp", "always", "echo madvise"},
        {"swap", "/memory/swap_used_bytes", 5 * 1024 * 1024, "5 MiB"},
        {"swapping", "/load/swapped_pages", 3, "3 pages"},
        {"clocksource", "/clocksource", "hpet", "hpet"},
        {"clocksource", "/clocksource", nullptr, "not known"},
        {"cpus_offline", "/cpu/present_cpus", 10, "2 of 10 CPUs are offline"},
        {"perf_paranoid", "/perf_event_paranoid", 2, "sysctl kernel.perf_event_paranoid=1"},
        {"perf_paranoid", "/perf_event_paranoid", 3, "perf_event_paranoid is 3"},
    };
}

INSTANTIATE_TEST_SUITE_P(Warnings, OneFault, ::testing::ValuesIn(faults()),
                         [](const auto& one) { return std::string(one.param.code) + "_" + std::to_string(one.index); });

TEST(Warnings, SmtNeedsSiblingsToBeThere) {
    json host = clean_host();
    host["smt"] = "on";
    EXPECT_TRUE(codes(host).empty()) << "as many cores as CPUs: nothing to warn of";
    host["cpu"]["cpus"] = 16;
    host["cpu"]["present_cpus"] = 16;
    EXPECT_EQ(codes(host), std::vector<std::string>{"smt"});
    host["smt"] = "notsupported";
    EXPECT_TRUE(codes(host).empty());
}

TEST(Warnings, UnknownFrequencyIsOneOnlyWhenBothAreUnknown) {
    json host = clean_host();
    host["turbo"] = nullptr;
    EXPECT_TRUE(codes(host).empty());
    host["governor"] = nullptr;
    EXPECT_EQ(codes(host), std::vector<std::string>{"frequency_unknown"});
}

TEST(Warnings, StealBeforeARunWarnsOfWhatMayCome) {
    json host = clean_host();
    host["steal"] = {{"before_s", 3.0}, {"after_s", nullptr}};
    EXPECT_EQ(codes(host), std::vector<std::string>{"steal"});
    EXPECT_NE(host_warnings(host)[0].text.find("since boot"), std::string::npos);
    host["steal"]["after_s"] = 3.0;
    EXPECT_TRUE(codes(host).empty()) << "nothing was taken during the run";
}

TEST(Warnings, LoadIsJudgedByTheBestEvidenceThereIs) {
    json host = clean_host();  // its load average and PSI alone would warn
    host["load"]["other_cpus_before"] = 0.5;
    EXPECT_TRUE(codes(host).empty()) << "what ended before the run did not disturb it";
    host["load"]["other_cpus_before"] = 0.02;
    host["load"].erase("other_cpus_during");
    EXPECT_TRUE(codes(host).empty());
    host["load"]["other_cpus_before"] = 0.5;
    EXPECT_EQ(codes(host), std::vector<std::string>{"other_load"});
    host["load"].erase("other_cpus_before");
    EXPECT_NE(host_warnings(host).at(0).text.find("50 % of the last 10 s"), std::string::npos);
    host["load"]["psi_some_avg10"] = 1.0;
    EXPECT_NE(host_warnings(host).at(0).text.find("load average is 3.00"), std::string::npos);
    host["load"]["before"] = 0.1;
    EXPECT_TRUE(codes(host).empty());
}

TEST(Warnings, NumaBalancingIsIdleOnOneNode) {
    json host = clean_host();
    host["numa_balancing"] = "on";
    host["cpu"]["nodes"] = 1;
    EXPECT_TRUE(codes(host).empty());
    host["cpu"]["nodes"] = nullptr;
    EXPECT_EQ(codes(host), std::vector<std::string>{"numa_balancing"});
}

TEST(Warnings, RootIsBarredByHigherParanoiaOnly) {
    json host = clean_host();
    host["privileged"] = true;
    host["perf_event_paranoid"] = 2;
    EXPECT_TRUE(codes(host).empty());
    host["perf_event_paranoid"] = 3;
    EXPECT_EQ(codes(host), std::vector<std::string>{"perf_paranoid"});
}

TEST(Warnings, AHostOfNullsOrOfNothingWarnsOnlyOfWhatCannotBeSeen) {
    const std::vector<std::string> unseen = {"no_commit", "frequency_unknown", "clocksource"};
    EXPECT_EQ(codes(json::object()), unseen);
    EXPECT_EQ(
        codes(json{{"cpu", nullptr}, {"load", 7}, {"cgroup", {{"cpu_max", "max"}}}, {"steal", {{"before_s", "x"}}}}),
        unseen);
}

TEST(Warnings, CodesAreListedOnceEachAndCoverWhatIsGiven) {
    const std::vector<std::string> all = host_warning_codes();
    const std::set<std::string> set(all.begin(), all.end());
    EXPECT_EQ(set.size(), all.size());
    std::set<std::string> tested = {"smt", "frequency_unknown"};
    for (const Fault& fault : faults()) {
        tested.insert(fault.code);
    }
    EXPECT_EQ(tested, set) << "each code has a test of its own";
}

TEST(Warnings, JsonHasCodeAndText) {
    EXPECT_EQ(to_json(std::vector<HostWarning>{{"a", "b"}}), (json::array({{{"code", "a"}, {"text", "b"}}})));
    EXPECT_EQ(to_json(std::vector<HostWarning>{}), json::array());
}

}  // namespace
}  // namespace lockbench
