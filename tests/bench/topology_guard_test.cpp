// SPDX-License-Identifier: MIT
// Topologies that no machine has, and those that claim to be of this machine. What they do to the whole tool is in
// hostile_topology_test.py.
#include "bench/topology_guard.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <vector>

#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/pin.hpp"
#include "bench/topology.hpp"
#include "tests/bench/errors_of.hpp"
#include "tests/bench/in_child.hpp"
#include "tests/bench/topology_text.hpp"

namespace {
int played_node = -1;
}

// Comes before the C library's: a machine whose nodes only the CPUs tell is played.
extern "C" int getcpu(unsigned* cpu, unsigned* node) noexcept {
    if (cpu != nullptr) {
        *cpu = 0;
    }
    if (node != nullptr) {
        *node = played_node < 0 ? 0 : static_cast<unsigned>(played_node);
    }
    return 0;
}

namespace lockbench {
namespace {

using test::from_text;
using test::host_error;
using test::replaced;

TEST(topology_guard, a_child_that_comes_through_is_no_error_and_one_that_refuses_is_its_error) {
    EXPECT_EQ(host_error([] { try_in_child("it", [] {}); }), "no HostError");
    EXPECT_EQ(host_error([] { try_in_child("it", [] { throw HostError("for this reason."); }); }), "for this reason.");
}

TEST(topology_guard, a_child_that_dies_is_an_error_with_the_cause) {
    const auto said = [](const std::function<void()>& load) { return host_error([&] { try_in_child("it", load); }); };
    EXPECT_EQ(
        said([] { std::abort(); }),
        "it: no topology that can be used: its objects contradict one another. It is broken, hostile or too large.");
    EXPECT_NE(said([] { raise(SIGUSR1); }).find("kills hwloc by signal 10"), std::string::npos);
    EXPECT_NE(said([] { raise(SIGXCPU); }).find("takes more than 5 s of CPU time"), std::string::npos);
    EXPECT_NE(said([] { _exit(7); }).find("ends with code 7"), std::string::npos);
    // The length is not known to the compiler, which would leave an unused block out.
    volatile std::size_t bytes = std::size_t{2} << 30U;
    EXPECT_EQ(said([&] { std::vector<char>(bytes, '\1').at(bytes / 2) = 0; }), "it takes more than 1 GiB of memory.");
}

TEST(topology_guard, impossible_topologies_are_refused) {
    const std::string xml = load_synthetic("pack:1 core:4 pu:1").xml;
    EXPECT_EQ(host_error([&] { from_text(xml); }), "no HostError");
    const auto said = [&](const std::string& what, const std::string& by) {
        EXPECT_NE(xml.find(what), std::string::npos) << what;
        return host_error([&] { from_text(replaced(xml, what, by)); });
    };
    const std::string second = "type=\"PU\" os_index=\"1\"";
    EXPECT_NE(said(second, "type=\"PU\" os_index=\"16384\"").find("CPU 16384 is beyond 16383"), std::string::npos);
    EXPECT_NE(said(second, "type=\"PU\" os_index=\"0\"").find("CPU 0 is there twice"), std::string::npos);
    EXPECT_NE(said("type=\"NUMANode\" os_index=\"0\"", "type=\"NUMANode\" os_index=\"1024\"")
                  .find("NUMA node 1024 is beyond 1023"),
              std::string::npos);
}

TEST(topology_guard, cpus_of_a_description_are_counted_before_it_is_built) {
    const auto refused = [](const char* description) {
        return host_error([&] { require_few_cpus(description, "it"); }) != "no HostError";
    };
    EXPECT_FALSE(refused("pack:16 l3:8 core:64 pu:2"));
    EXPECT_FALSE(refused("pack:16 [numa(memory=99999999)] l3:8 core:64 pu:2(indexes=2*8192:1*2)"));
    EXPECT_TRUE(refused("pack:16 l3:8 core:64 pu:4"));
    EXPECT_TRUE(refused("16 8 64 4"));
    EXPECT_TRUE(refused("pack:18446744073709551615 pu:18446744073709551615"));
}

TEST(topology_guard, a_matrix_of_cpus_is_none_of_nodes) {
    const std::string xml = test::with_distances(load_synthetic("pack:1 core:4 pu:1").xml, {0, 3}, {10, 20, 20, 10});
    const Topology machine = from_text(replaced(xml, "distances2 type=\"NUMANode\"", "distances2 type=\"PU\""));
    EXPECT_TRUE(machine.node_distances.empty());
}

TEST(topology_guard, machines_differ_by_what_labels_are_made_of) {
    const Topology own = load_synthetic("pack:2 [numa] l3:1 core:2 pu:2");
    const auto differs = [&](const char* description) {
        return difference(load_synthetic(description), own).value_or("same");
    };
    EXPECT_EQ(differs("pack:2 [numa] l3:1 core:2 pu:2"), "same");
    EXPECT_EQ(differs("pack:2 [numa] l3:1 l2:2 core:1 pu:2"), "same") << "an L2 is in no label";
    EXPECT_EQ(differs("pack:2 [numa] l3:1 core:3 pu:2"), "it has CPU 8, this system has not");
    EXPECT_EQ(differs("pack:1 [numa] l3:1 core:2 pu:2"), "this system has CPU 4, it has not");
    EXPECT_EQ(differs("[numa] pack:2 l3:1 core:2 pu:2"), "it has CPU 4 on node 0, this system on node 1");
    EXPECT_EQ(differs("pack:1 numa:2 l3:1 core:2 pu:2"),
              "it groups CPU 4 and others by package otherwise than this system");
    EXPECT_EQ(differs("pack:2 [numa] l3:2 core:1 pu:2"),
              "it groups CPU 2 and others by last-level cache otherwise than this system");
    EXPECT_EQ(differs("pack:2 [numa] l3:1 core:4 pu:1"),
              "it groups CPU 1 and others by core otherwise than this system");
    EXPECT_EQ(differs("pack:2 [numa] l3:1 core:1 pu:4"),
              "it groups CPU 2 and others by core otherwise than this system");
}

// Where hwloc reads the CPUs alone it makes up one node; that is right only if the kernel has each CPU on it.
TEST(topology_guard, a_made_up_node_is_checked_with_each_cpu) {
    const auto install = [](int node) {
        return testing::in_child([node] {
            setenv("HWLOC_COMPONENTS", "x86,stop", 1);
            played_node = node;
            const std::string said = host_error([] { install_host(); });
            return nlohmann::json{{"said", said}, {"told", said == "no HostError" && host_topology().nodes_told}};
        });
    };
    const nlohmann::json right = install(0);
    if (right["told"] == true || right["said"].get<std::string>().find("hwloc cannot read") == 0) {
        GTEST_SKIP() << "this machine does not tell its CPUs' topology without the kernel";
    }
    EXPECT_EQ(right["said"], "no HostError");
    const std::string wrong = install(3)["said"];
    EXPECT_NE(wrong.find("has CPU " + std::to_string(process_mask().front()) + " on node 3: mount sysfs"),
              std::string::npos)
        << wrong;
}

}  // namespace
}  // namespace lockbench
