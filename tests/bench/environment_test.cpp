// SPDX-License-Identifier: MIT
// Facts of hosts that are not here, by trees of files; then a few of this one.
#include "bench/environment.hpp"

#include <gtest/gtest.h>

#include "tests/bench/fake_tree.hpp"

namespace lockbench {
namespace {

using testing::FakeTree;

// A two-socket server with SMT, turbo and cpufreq, in no container.
void put_server(FakeTree& tree) {
    tree.put("proc/cpuinfo",
             "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Some Xeon\n"
             "stepping\t: 7\nmicrocode\t: 0x5003604\ncpu MHz\t\t: 2100.5\nflags\t\t: fpu tsc\n\n"
             "processor\t: 1\nvendor_id\t: Other\nmodel name\t: Another\n");
    tree.put("sys/devices/system/cpu/online", "0-7\n").put("sys/devices/system/cpu/present", "0-9\n");
    tree.put("sys/devices/system/cpu/isolated", "\n").put("sys/devices/system/node/online", "0-1\n");
    for (int cpu = 0; cpu < 8; ++cpu) {
        const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
        const int package = cpu / 2 % 2;
        tree.put(folder + "/topology/physical_package_id", std::to_string(package));
        tree.put(folder + "/topology/core_cpus_list", std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4));
        tree.put(folder + "/cache/index0/level", "1")
            .put(folder + "/cache/index0/shared_cpu_list", std::to_string(cpu));
        tree.put(folder + "/cache/index3/level", "3");
        tree.put(folder + "/cache/index3/shared_cpu_list", package == 0 ? "0-1,4-5" : "2-3,6-7");
    }
    tree.put("sys/devices/system/cpu/cpuidle/current_driver", "intel_idle");
    tree.put("proc/self/status", "Name:\tx\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n");
    tree.put("proc/sys/kernel/osrelease", "6.1.0-37-amd64\n")
        .put("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n");
    tree.put("proc/cmdline", "quiet mitigations=off init=/sbin/other rdinit=/x -- --init-option mitigations=auto\n");
    tree.put("sys/devices/system/cpu/vulnerabilities/meltdown", "Vulnerable\n");
    tree.put("sys/devices/system/cpu/vulnerabilities/mds", "Not affected\n");
    tree.put("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "powersave\n");
    tree.put("sys/devices/system/cpu/cpufreq/policy0/scaling_driver", "intel_pstate\n");
    tree.put("sys/devices/system/cpu/cpufreq/policy1/scaling_governor", "performance\n");
    tree.put("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
    tree.put("sys/devices/system/cpu/smt/control", "on\n");
    tree.put("proc/sys/kernel/numa_balancing", "1\n");
    tree.put("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    tree.put("proc/sys/kernel/randomize_va_space", "2\n").put("proc/sys/kernel/perf_event_paranoid", "3\n");
    tree.put("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    tree.put("proc/meminfo", "MemTotal:       1000 kB\nSwapTotal:       500 kB\nSwapFree:        400 kB\n");
    tree.put("proc/stat", "cpu  100 1 50 1000 7 2 3 40 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
    tree.put("proc/loadavg", "1.50 0.2 0.1 1/99 1234\n");
    tree.put("proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=9.00 total=0\n");
    tree.put("proc/vmstat", "pswpin 10\npswpout 5\nnuma_pages_migrated 7\n");
}

TEST(Host, AServerIsDescribedFieldByField) {
    FakeTree tree;
    put_server(tree);
    const nlohmann::json host = read_host(tree.root());
    const nlohmann::json& cpu = host["cpu"];
    EXPECT_EQ(cpu["model"], "Some Xeon");
    EXPECT_EQ(cpu["vendor"], "GenuineIntel");
    EXPECT_EQ(cpu["family"], 6);
    EXPECT_EQ(cpu["model_number"], 85);
    EXPECT_EQ(cpu["stepping"], 7);
    EXPECT_EQ(cpu["mhz"], 2100.5);
    EXPECT_EQ(cpu["cpus"], 8);
    EXPECT_EQ(cpu["present_cpus"], 10);
    EXPECT_EQ(cpu["sockets"], 2);
    EXPECT_EQ(cpu["cores"], 4);
    EXPECT_EQ(cpu["llcs"], 2);
    EXPECT_EQ(cpu["nodes"], 2);
    EXPECT_EQ(cpu["allowed_cpus"], "0-3");
    EXPECT_TRUE(cpu["isolated_cpus"].is_null());
    EXPECT_TRUE(cpu["virtual"].is_null());
    EXPECT_EQ(host["microcode"], "0x5003604");
    EXPECT_EQ(host["kernel"], "6.1.0-37-amd64 #1 SMP PREEMPT_DYNAMIC");
    EXPECT_EQ(host["cmdline"], "quiet mitigations=off") << "init's name and arguments are not the kernel's";
    EXPECT_EQ(host["mitigations"], (nlohmann::json{{"mds", "Not affected"}, {"meltdown", "Vulnerable"}}));
    EXPECT_EQ(host["governor"], "performance,powersave");
    EXPECT_EQ(host["frequency_driver"], "intel_pstate");
    EXPECT_EQ(host["turbo"], "on");
    EXPECT_EQ(host["smt"], "on");
    EXPECT_EQ(host["numa_balancing"], "on");
    EXPECT_EQ(host["thp"], "always");
    EXPECT_EQ(host["aslr"], "2");
    EXPECT_EQ(host["clocksource"], "hpet");
    EXPECT_EQ(host["perf_event_paranoid"], 3);
    EXPECT_EQ(host["memory"]["total_bytes"], 1'024'000);
    EXPECT_EQ(host["memory"]["swap_used_bytes"], 102'400);
}

TEST(Host, AnEmptyTreeIsAllNullAndNothingIsZero) {
    FakeTree tree;
    const nlohmann::json host = read_host(tree.root());
    for (const char* field : {"microcode", "kernel", "cmdline", "mitigations", "governor", "frequency_driver", "turbo",
                              "smt", "numa_balancing", "thp", "aslr", "clocksource", "perf_event_paranoid"}) {
        EXPECT_TRUE(host.contains(field) && host[field].is_null()) << field << ' ' << host[field];
    }
    for (const char* group : {"cpu", "memory", "cgroup", "steal", "load"}) {
        for (const auto& [name, value] : host[group].items()) {
            EXPECT_TRUE(value.is_null()) << group << '.' << name << ' ' << value;
        }
    }
}

TEST(Host, TurboHasThreeSwitches) {
    FakeTree tree;
    const auto turbo = [&tree] { return read_host(tree.root())["turbo"]; };
    tree.put("sys/devices/system/cpu/cpufreq/policy0/boost", "0\n");
    EXPECT_EQ(turbo(), "off");
    tree.put("sys/devices/system/cpu/cpufreq/policy1/boost", "1\n");
    EXPECT_EQ(turbo(), "on") << "one policy that may boost is enough";
    tree.put("sys/devices/system/cpu/cpufreq/boost", "0\n");
    EXPECT_EQ(turbo(), "off");
    tree.put("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
    EXPECT_EQ(turbo(), "on");
    tree.put("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
    EXPECT_EQ(turbo(), "off");
}

TEST(Host, HypervisorsAreNamedByWhatTheyLeave) {
    FakeTree tree;
    const auto seen = [&tree] { return read_host(tree.root())["cpu"]["virtual"]; };
    tree.put("proc/cpuinfo", "flags : fpu\n").put("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
    EXPECT_TRUE(seen().is_null()) << "a cloud's bare metal is no virtual machine";
    tree.put("proc/cpuinfo", "flags : fpu hypervisor\n");
    EXPECT_EQ(seen(), "amazon");
    tree.remove("sys/class")
        .put("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc kvm-clock acpi_pm\n");
    EXPECT_EQ(seen(), "kvm");
    tree.remove("sys/devices");
    EXPECT_EQ(seen(), "unnamed");
    tree.put("sys/hypervisor/type", "xen\n");
    EXPECT_EQ(seen(), "xen");
}

TEST(Host, ArmHasNumbersInsteadOfNames) {
    FakeTree tree;
    tree.put(
        "proc/cpuinfo",
        "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\nCPU revision : 1\n\nprocessor : 1\ncpu family : 9\n");
    const nlohmann::json cpu = read_host(tree.root())["cpu"];
    EXPECT_EQ(cpu["vendor"], "0x41");
    EXPECT_EQ(cpu["model"], "ARM part 0xd0c");
    EXPECT_EQ(cpu["stepping"], 1);
    EXPECT_TRUE(cpu["family"].is_null()) << "another processor's field";
}

TEST(Cgroup, VersionTwoTakesTheTightestLimitUpToTheRoot) {
    FakeTree tree;
    tree.put("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        .put("proc/self/cgroup", "0::/a/b\n");
    tree.put("sys/fs/cgroup/a/cpu.max", "150000 100000\n").put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    tree.put("sys/fs/cgroup/a/memory.max", "1000\n").put("sys/fs/cgroup/a/b/memory.max", "max\n");
    tree.put("sys/fs/cgroup/a/b/cpuset.cpus.effective", "2-3\n");
    nlohmann::json cgroup = read_host(tree.root())["cgroup"];
    EXPECT_EQ(cgroup["version"], 2);
    EXPECT_EQ(cgroup["cpu_max"], (nlohmann::json{150000, 100000}));
    EXPECT_EQ(cgroup["memory_max_bytes"], 1000);
    EXPECT_EQ(cgroup["cpuset"], "2-3");
    tree.put("sys/fs/cgroup/a/b/cpu.max", "20000 50000\n");
    cgroup = read_host(tree.root())["cgroup"];
    EXPECT_EQ(cgroup["cpu_max"], (nlohmann::json{20000, 50000})) << "0.4 CPUs are tighter than 1.5";
    tree.put("sys/fs/cgroup/a/b/cpu.max", "120000 50000\n");
    EXPECT_EQ(read_host(tree.root())["cgroup"]["cpu_max"], (nlohmann::json{150000, 100000}))
        << "the group above is the tighter one, though its quota is the larger number";
    tree.put("sys/fs/cgroup/a/cpu.max", "max 100000\n").put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    EXPECT_TRUE(read_host(tree.root())["cgroup"]["cpu_max"].is_null()) << "max is no limit";
}

TEST(Cgroup, VersionOneHasAHierarchyEachController) {
    FakeTree tree;
    tree.put("proc/self/mountinfo",
             "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
             "34 31 0:31 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n"
             "35 31 0:32 / /sys/fs/my\\040memory rw - cgroup cgroup rw,memory\n");
    tree.put("proc/self/cgroup", "4:memory:/job\n3:cpuset:/\n2:cpu,cpuacct:/job\n");
    tree.put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
        .put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    tree.put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n");
    tree.put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    tree.put("sys/fs/cgroup/cpuset/cpuset.effective_cpus", "0-1\n");
    tree.put("sys/fs/my memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree.put("sys/fs/my memory/job/memory.limit_in_bytes", "4096\n");
    nlohmann::json cgroup = read_host(tree.root())["cgroup"];
    EXPECT_EQ(cgroup["version"], 1);
    EXPECT_EQ(cgroup["cpu_max"], (nlohmann::json{50000, 100000}));
    EXPECT_EQ(cgroup["cpuset"], "0-1");
    EXPECT_EQ(cgroup["memory_max_bytes"], 4096);
    tree.put("sys/fs/my memory/job/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_TRUE(read_host(tree.root())["cgroup"]["memory_max_bytes"].is_null());
}

TEST(Cgroup, APathThatIsNotMountedHereMeansTheMountPoint) {
    FakeTree tree;
    tree.put("proc/self/mountinfo", "31 23 0:28 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    tree.put("proc/self/cgroup", "0::/docker/x\n").put("sys/fs/cgroup/cpu.max", "10000 100000\n");
    EXPECT_EQ(read_host(tree.root())["cgroup"]["cpu_max"], (nlohmann::json{10000, 100000}));
    tree.put("proc/self/cgroup", "0::/docker/x/inner\n").put("sys/fs/cgroup/inner/cpu.max", "5000 100000\n");
    EXPECT_EQ(read_host(tree.root())["cgroup"]["cpu_max"], (nlohmann::json{5000, 100000})) << "below what is mounted";
    tree.put("proc/self/cgroup", "0::/somewhere/else\n");
    EXPECT_EQ(read_host(tree.root())["cgroup"]["cpu_max"], (nlohmann::json{10000, 100000}));
    tree.put("proc/self/cgroup", "0::/../../outside\n");
    EXPECT_NO_THROW((void)read_host(tree.root()));
}

TEST(Load, ASnapshotReadsWhatRunsSinceBoot) {
    FakeTree tree;
    put_server(tree);
    const LoadSnapshot now = read_load(tree.root());
    const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
    EXPECT_DOUBLE_EQ(now.busy_cpu_s, (100 + 1 + 50 + 2 + 3) * tick)
        << "idle, waiting, stolen and guest time is not busy";
    EXPECT_DOUBLE_EQ(now.steal_s.value_or(-1), 40 * tick);
    EXPECT_DOUBLE_EQ(now.load_average_1min.value_or(-1), 1.5);
    EXPECT_DOUBLE_EQ(now.psi_some_avg10.value_or(-1), 12.5);
    EXPECT_EQ(now.swapped_pages, 15);
    EXPECT_EQ(now.migrated_pages, 7);
    EXPECT_FALSE(now.throttled_us);
    EXPECT_GT(now.at_s, 0);

    const FakeTree empty;
    const LoadSnapshot nothing = read_load(empty.root());
    EXPECT_FALSE(nothing.steal_s || nothing.load_average_1min || nothing.psi_some_avg10 || nothing.swapped_pages ||
                 nothing.migrated_pages);
}

TEST(Load, ThrottledTimeIsReadInBothVersions) {
    FakeTree tree;
    tree.put("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        .put("proc/self/cgroup", "0::/a\n");
    tree.put("sys/fs/cgroup/a/cpu.stat", "usage_usec 5\nnr_throttled 2\nthrottled_usec 1234\n");
    EXPECT_EQ(read_load(tree.root()).throttled_us, 1234);
    tree.put("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
    tree.put("proc/self/cgroup", "2:cpu:/\n");
    tree.put("sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 2\nthrottled_time 7000000\n");
    EXPECT_EQ(read_load(tree.root()).throttled_us, 7000);
}

TEST(Load, OthersAreAllThatIsBusyButUs) {
    LoadSnapshot before;
    before.at_s = 10;
    before.busy_cpu_s = 100;
    before.own_cpu_s = 5;
    LoadSnapshot after = before;
    after.at_s = 12;
    after.busy_cpu_s = 104;
    after.own_cpu_s = 8;
    EXPECT_DOUBLE_EQ(other_busy_cpus(before, after), 0.5);
    after.own_cpu_s = 10;
    EXPECT_EQ(other_busy_cpus(before, after), 0) << "ticks round; there is no negative load";
    after.own_cpu_s = 8;
    after.at_s = before.at_s;
    EXPECT_EQ(other_busy_cpus(before, after), 0);
}

TEST(Load, BeforeAndAfterGoIntoTheHost) {
    nlohmann::json host = read_host(FakeTree().root());
    LoadSnapshot before;
    before.steal_s = 1.5;
    before.load_average_1min = 0.25;
    before.psi_some_avg10 = 2.0;
    before.throttled_us = 100;
    before.swapped_pages = 10;
    record_load_before(host, before);
    EXPECT_EQ(host["steal"], (nlohmann::json{{"before_s", 1.5}, {"after_s", nullptr}}));
    EXPECT_EQ(host["load"]["before"], 0.25);
    EXPECT_EQ(host["load"]["psi_some_avg10"], 2.0);
    LoadSnapshot after = before;
    after.at_s = 10;
    after.busy_cpu_s = 5;
    after.steal_s = 2.0;
    after.load_average_1min = 1.0;
    after.throttled_us = 350;
    after.swapped_pages = 13;
    record_load_after(host, before, after);
    EXPECT_EQ(host["steal"]["after_s"], 2.0);
    EXPECT_EQ(host["load"]["after"], 1.0);
    EXPECT_EQ(host["load"]["before"], 0.25);
    EXPECT_EQ(host["load"]["other_cpus_during"], 0.5);
    EXPECT_EQ(host["load"]["swapped_pages"], 3);
    EXPECT_TRUE(host["load"]["migrated_pages"].is_null()) << "unknown before and after is not 0";
    EXPECT_EQ(host["cgroup"]["throttled_us"], 250);
}

TEST(Load, WatchingAnIdleTreeSeesNobody) {
    FakeTree tree;
    put_server(tree);
    nlohmann::json host = read_host(tree.root());
    const LoadSnapshot last = watch_idle_host(host, 1, tree.root());
    EXPECT_EQ(host["load"]["other_cpus_before"], 0);
    EXPECT_DOUBLE_EQ(last.load_average_1min.value_or(0), 1.5);
}

TEST(HostId, ChangesWithTheMachineAndTheKernelNotWithTheMoment) {
    FakeTree tree;
    put_server(tree);
    const std::string id = host_id(read_host(tree.root()));
    EXPECT_EQ(id.size(), 16U);
    tree.put("proc/loadavg", "9.0 9 9 1/1 1\n").put("proc/self/status", "Cpus_allowed_list:\t1\n");
    tree.put("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
    EXPECT_EQ(host_id(read_host(tree.root())), id);
    for (const auto& [file, text] :
         std::vector<std::pair<std::string, std::string>>{{"proc/sys/kernel/osrelease", "6.2\n"},
                                                          {"proc/cmdline", "quiet\n"},
                                                          {"sys/devices/system/cpu/online", "0-3\n"},
                                                          {"proc/meminfo", "MemTotal: 2000 kB\n"},
                                                          {"sys/devices/system/cpu/smt/control", "off\n"}}) {
        FakeTree other;
        put_server(other);
        other.put(file, text);
        EXPECT_NE(host_id(read_host(other.root())), id) << file;
    }
    EXPECT_EQ(host_id(nlohmann::json::parse(read_host(tree.root()).dump())), id) << "the same from run.json";
    EXPECT_EQ(host_id(nlohmann::json::object()).size(), 16U);
}

TEST(Host, ThisOneTellsAtLeastItsKernelAndItsCpus) {
    const nlohmann::json host = read_host();
    EXPECT_TRUE(host["kernel"].is_string());
    EXPECT_GE(host["cpu"]["cpus"], 1);
    EXPECT_GE(host["memory"]["total_bytes"], 1);
    EXPECT_TRUE(host["binary_id"].is_string());
    EXPECT_TRUE(host["compiler"].is_string());
}

TEST(Text, ShowsWhatIsKnownAndMarksWhatIsNot) {
    FakeTree tree;
    put_server(tree);
    const nlohmann::json host = read_host(tree.root());
    const std::string text = environment_text(host, {{"smt", "Two CPUs of a core share it."}});
    EXPECT_NE(text.find("Some Xeon (family 6, model 85, stepping 7, microcode 0x5003604)"), std::string::npos) << text;
    EXPECT_NE(text.find("8 online of 10, 4 cores, 2 sockets, 2 nodes, 2 last-level caches; may use 0-3"),
              std::string::npos);
    EXPECT_NE(text.find("turbo on, SMT on"), std::string::npos);
    EXPECT_NE(text.find("warnings: 1\n  smt\n    Two CPUs"), std::string::npos) << text;
    EXPECT_NE(environment_text(host, {}).find("warnings: none"), std::string::npos);
    EXPECT_NE(environment_text(read_host(FakeTree().root()), {}).find("turbo ?, SMT ?"), std::string::npos);
    EXPECT_NE(environment_text(nlohmann::json::object(), {}).find("CPU         ?"), std::string::npos);
}

TEST(Text, FitsAScreen) {
    const nlohmann::json host = read_host(FakeTree().root());
    std::istringstream lines(environment_text(host, {{"x", std::string(400, 'w') + " " + std::string(30, 'a')},
                                                     {"y", "a b c d " + std::string(90, 'z') + " e"}}));
    for (std::string line; std::getline(lines, line);) {
        EXPECT_TRUE(line.size() <= 100 || line.find(' ', 4) == std::string::npos) << line;
    }
}

}  // namespace
}  // namespace lockbench
