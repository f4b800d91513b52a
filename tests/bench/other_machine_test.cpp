// SPDX-License-Identifier: MIT
#include "bench/other_machine.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "bench/errors.hpp"
#include "tests/bench/errors_of.hpp"

namespace lockbench {
namespace {

using test::error_of;

class OtherMachine : public ::testing::Test {
  protected:
    void SetUp() override {
        folder_ = std::filesystem::path(::testing::TempDir()) / "lockbench_other_machine";
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
        return (folder_ / name).string();
    }

    std::filesystem::path folder_;
};

TEST_F(OtherMachine, files_and_descriptions_are_told_apart) {
    const Topology built = load_other_machine("pack:2 [numa] l3:1 core:4 pu:2");
    EXPECT_EQ(built.cpus.size(), 16U);
    EXPECT_EQ(load_other_machine("2 4 2").cpus.size(), 16U) << "hwloc's short form";
    const std::string path = file("plain name", built.xml);
    EXPECT_EQ(load_other_machine(path).cpus.size(), 16U) << "no .xml in the name";
    EXPECT_EQ(load_other_machine(path).source, "XML: " + path);
    const Topology masked = load_other_machine(path, "0-3,8,10-14/2");
    EXPECT_EQ(masked.usable().size(), 8U);
    EXPECT_EQ(masked.cpus.size(), 16U);
}

TEST_F(OtherMachine, it_is_never_this_one) {
    const std::string path = file("a.xml", load_synthetic("pu:2").xml);
    ASSERT_EQ(setenv("HWLOC_THISSYSTEM", "1", 1), 0);
    const bool here = load_other_machine(path).is_this_system;
    unsetenv("HWLOC_THISSYSTEM");
    EXPECT_FALSE(here);
    // The environment's own machine does not come in between.
    const std::string four = file("b.xml", load_synthetic("pack:1 core:4 pu:1").xml);
    ASSERT_EQ(setenv("HWLOC_XMLFILE", four.c_str(), 1), 0);
    const std::size_t from_file = load_other_machine(path).cpus.size();
    const std::size_t from_words = load_other_machine("pu:3").cpus.size();
    unsetenv("HWLOC_XMLFILE");
    EXPECT_EQ(from_file, 2U);
    EXPECT_EQ(from_words, 3U);
}

TEST_F(OtherMachine, what_is_neither_is_wrong_usage) {
    const auto usage = [](const std::string& text) {
        return error_of<UsageError>([&] { return load_other_machine(text); });
    };
    EXPECT_EQ(usage("pack:2 bogus:3"),
              "--topology: there is no file 'pack:2 bogus:3', and as a description: hwloc does not understand the "
              "synthetic topology 'pack:2 bogus:3'. Set HWLOC_SYNTHETIC_VERBOSE=1 to see where. For example 'pack:2 "
              "[numa] l3:4 core:8 pu:2'.");
    EXPECT_EQ(usage("machine.xml"), "--topology: Cannot read the topology machine.xml: No such file or directory.");
    EXPECT_EQ(usage("./topology"), "--topology: Cannot read the topology ./topology: No such file or directory.");
    EXPECT_EQ(usage(folder_.string()),
              "--topology: Cannot read the topology " + folder_.string() + ": it is no regular file.");
    const std::string broken = file("broken.xml", "<topology version=\"2.0\"><object type=\"Mach");
    EXPECT_EQ(error_of<HostError>([&] { return load_other_machine(broken); }),
              broken + ": no topology in hwloc's XML format, or a broken one (it says version 2.0).");
}

TEST_F(OtherMachine, what_is_larger_than_any_machine_is_refused_before_it_is_built) {
    const auto usage = [](const std::string& text) {
        return error_of<UsageError>([&] { return load_other_machine(text); });
    };
    for (const char* text : {"pack:100 core:200 pu:1", "99999999999999999999 9", "core:4294967296 pu:4294967296"}) {
        EXPECT_NE(usage(text).find("it has more than 16384 CPUs"), std::string::npos) << text;
    }
    EXPECT_EQ(load_other_machine("pack:2 [numa(memory=99999999)] core:2 pu:2(indexes=2*4:1*2)").cpus.size(), 8U)
        << "numbers in brackets are no CPUs";
    EXPECT_EQ(usage("/dev/zero"), "--topology: Cannot read the topology /dev/zero: it is no regular file.");
}

TEST_F(OtherMachine, what_no_machine_has_is_named) {
    EXPECT_EQ(error_of<UsageError>([] { return load_other_machine("pu:4", "2,200"); }),
              "--cpus: the topology has no CPU 200.");
    EXPECT_NE(error_of<UsageError>([] {
                  return load_other_machine("numa:2(memory=-5) pu:2");
              }).find("NUMA node 0 has more memory than there is"),
              std::string::npos);
}

TEST_F(OtherMachine, lists_of_cpus) {
    EXPECT_EQ(parse_cpus("--cpus", "3"), (std::vector<CpuId>{3}));
    EXPECT_EQ(parse_cpus("--cpus", "0-2,8,4-9/3"), (std::vector<CpuId>{0, 1, 2, 8, 4, 7}));
    for (const char* text : {"x", "1-", "-1", "1,,2", "1,", "0-3/", "99999999999", "16384", " 1"}) {
        EXPECT_EQ(error_of<UsageError>([&] { return parse_cpus("--cpus", text); }),
                  "--cpus: '" + std::string(text) + "' is no list of CPUs from 0 to 16383, for example 0-3,8.");
    }
    EXPECT_EQ(error_of<UsageError>([] { return parse_cpus("--cpus", "3-1"); }),
              "--cpus: the range 3-1 in '3-1' holds no CPU.");
    EXPECT_EQ(error_of<UsageError>([] { return parse_cpus("--cpus", "1-3/0"); }),
              "--cpus: the range 1-3/0 in '1-3/0' holds no CPU.");
    EXPECT_EQ(error_of<UsageError>([] { return load_other_machine("pu:2", "0,5"); }),
              "--cpus: the topology has no CPU 5.");
}

}  // namespace
}  // namespace lockbench
