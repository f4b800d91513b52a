// SPDX-License-Identifier: MIT
#include "bench/nearest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "bench/cpu_list.hpp"

namespace lockbench {
namespace {

TEST(edit_distance, counts_edits) {
    EXPECT_EQ(edit_distance("", ""), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
    EXPECT_EQ(edit_distance("abc", ""), 3U);
    EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
    EXPECT_EQ(edit_distance("rwesm", "rwsem"), 1U);  // a swap is one edit
    EXPECT_EQ(edit_distance("Compact", "compact"), 0U);
    EXPECT_EQ(edit_distance("ca", "abc"), 3U);  // no letter is touched twice
}

TEST(nearest, picks_the_candidate_with_the_fewest_edits) {
    const std::vector<std::string_view> names = {"compact", "spread", "smt_last", "one_node", "one_per_node"};
    EXPECT_EQ(nearest("compct", names), "compact");
    EXPECT_EQ(nearest("one_per_nod", names), "one_per_node");
    EXPECT_EQ(nearest("smtlast", names), "smt_last");
    EXPECT_EQ(nearest("SPREAD", names), "spread");
}

TEST(nearest, a_name_cut_short_wins_over_an_equal_distance) {
    const std::vector<std::string> names = {"aim8", "aim7x"};
    EXPECT_EQ(nearest("aim7", names), "aim7x");
}

TEST(nearest, nothing_to_choose_from) { EXPECT_EQ(nearest("x", std::vector<std::string>{}), ""); }

TEST(hint, names_what_is_near_and_nothing_else) {
    const std::vector<std::string> options = {"--locks", "--threads", "--allow-convoy", "--no-aa"};
    EXPECT_EQ(hint("--lock", options), "; the nearest is --locks");
    EXPECT_EQ(hint("--tread", options), "; the nearest is --threads");
    EXPECT_EQ(hint("--al", options), "; the nearest is --allow-convoy") << "a name cut short";
    EXPECT_EQ(hint("--frobnicate", options), "");
    EXPECT_EQ(hint("--x", options), "");
    EXPECT_EQ(hint("--", options), "");
    const std::vector<std::string> commands = {"run", "list", "machine", "compare"};
    EXPECT_EQ(hint("rnu", commands), "; the nearest is run");
    EXPECT_EQ(hint("zap", commands), "");
    EXPECT_EQ(hint("x", std::vector<std::string>{}), "");
}

TEST(format_numbers, joins_runs_of_three) {
    EXPECT_EQ(format_numbers(std::vector<std::int32_t>{}), "none");
    EXPECT_EQ(format_numbers(std::vector<std::int32_t>{4}), "4");
    EXPECT_EQ(format_numbers(std::vector<std::int32_t>{0, 1}), "0,1");
    EXPECT_EQ(format_numbers(std::vector<std::int32_t>{0, 1, 2, 7, 9, 10, 11}), "0-2,7,9-11");
    EXPECT_EQ(format_numbers(std::vector<std::int32_t>{3, 2, 1}, ' '), "3 2 1");
}

}  // namespace
}  // namespace lockbench
