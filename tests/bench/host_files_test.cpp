// SPDX-License-Identifier: MIT
#include "bench/host_files.hpp"

#include <gtest/gtest.h>

#include "tests/bench/fake_tree.hpp"

namespace lockbench {
namespace {

TEST(HostFiles, AbsentAndEmptyAreNothing) {
    testing::FakeTree tree;
    tree.put("proc/empty", "\n").put("proc/blank", " 12 345\n").put("proc/word", "max\n").put("proc/two", "a\nb\n");
    const HostFiles files(tree.root());
    EXPECT_FALSE(files.text("proc/none"));
    EXPECT_EQ(files.text("proc/empty"), "\n");
    EXPECT_FALSE(files.line("proc/empty"));
    EXPECT_FALSE(files.line("proc/none"));
    EXPECT_FALSE(files.text("proc")) << "a folder is no file, and reading it must not throw";
    EXPECT_EQ(files.number("proc/blank"), 12);
    EXPECT_FALSE(files.number("proc/word"));
    EXPECT_FALSE(files.number("proc/empty"));
    EXPECT_EQ(files.lines("proc/two"), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(files.lines("proc/none").empty());
    EXPECT_EQ(files.names_in("proc"), (std::vector<std::string>{"blank", "empty", "two", "word"}));
    EXPECT_TRUE(files.names_in("sys").empty());
    EXPECT_TRUE(files.exists("proc/word"));
    EXPECT_FALSE(files.exists("proc/words"));
}

TEST(HostFiles, FilesLargerThanOneReadAreWhole) {
    testing::FakeTree tree;
    const std::string large(100'000, 'x');
    tree.put("large", large);
    EXPECT_EQ(HostFiles(tree.root()).text("large"), large);
}

TEST(HostFiles, NumbersFillTheirText) {
    EXPECT_EQ(number_of("-5"), -5);
    EXPECT_FALSE(number_of("5x"));
    EXPECT_FALSE(number_of(""));
    EXPECT_FALSE(number_of("99999999999999999999"));
}

TEST(HostFiles, CpuLists) {
    EXPECT_EQ(cpus_in_list("0"), 1);
    EXPECT_EQ(cpus_in_list("0-3,8,10-11"), 7);
    EXPECT_EQ(cpus_in_list(""), 0);
    EXPECT_FALSE(cpus_in_list("3-1"));
    EXPECT_FALSE(cpus_in_list("a"));
    EXPECT_FALSE(cpus_in_list("1-"));
}

TEST(HostFiles, Words) {
    EXPECT_EQ(words_of(" a\tb \n c"), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_TRUE(words_of(" \n").empty());
    EXPECT_EQ(trimmed("  a b\n"), "a b");
    EXPECT_EQ(trimmed(" "), "");
}

}  // namespace
}  // namespace lockbench
