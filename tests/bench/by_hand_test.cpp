// SPDX-License-Identifier: MIT
// The list of accesses in kInfo.paths as a path that can be named and followed. That compiled locks equal it is for
// tests/platform/codegen_test.py.
#include "bench/by_hand.hpp"

#include <gtest/gtest.h>

namespace lockbench::by_hand {
namespace {

TEST(ByHand, EachPartOfAnAccessIsUnderstood) {
    constexpr Path kParsed = parse("node:st64 ld32 (owner:st64 token:ld16) cas8.acq_rel", 0, true);
    static_assert(kParsed.understood && kParsed.size == 5);
    EXPECT_EQ(kParsed.accesses[0].object, Object::node);
    EXPECT_EQ(kParsed.accesses[0].operation, Operation::st);
    EXPECT_EQ(kParsed.accesses[0].bits, 64U);
    EXPECT_EQ(kParsed.accesses[1].object, Object::lock);
    EXPECT_EQ(kParsed.accesses[1].order, __ATOMIC_RELAXED);
    EXPECT_TRUE(kParsed.accesses[2].extra && kParsed.accesses[3].extra);
    EXPECT_EQ(kParsed.accesses[3].bits, 16U);
    EXPECT_FALSE(kParsed.accesses[4].extra);
    EXPECT_EQ(kParsed.accesses[4].order, __ATOMIC_ACQ_REL);
}

TEST(ByHand, WhatIsNoAccessIsNotUnderstood) {
    for (const char* text :
         {"xadd32", "st", "st24", "st32.acquired", "tail:st32", "st32,ld32", "st8 st8 st8 st8 st8 st8 st8 st8 st8"}) {
        EXPECT_FALSE(parse(text, 0, true).understood) << text;
    }
}

TEST(ByHand, FloorsAreNamedWithoutOrdersObjectsExtrasAndLaterWays) {
    EXPECT_EQ(floor_name("faa64.acquire (token:ld32 owner:st64)", "(owner:st64) faa64.release"), "faa64+faa64");
    EXPECT_EQ(floor_name("node:st64 xchg64.acq_rel", "node:ld64.acquire cas64.release | st32.release"),
              "st64 xchg64+ld64 cas64");
    EXPECT_EQ(floor_name("subs32.acquire", "addp32.release"), "subs32+addp32");
    EXPECT_EQ(floor_name("", ""), "");
    EXPECT_EQ(ways_of(""), 0U);
    EXPECT_EQ(ways_of("ld8 | ld16"), 2U);
    EXPECT_EQ(parse("ld8 | ld16", 1, true).accesses[0].bits, 16U);
}

struct Claims {
    FastPaths paths;
};
struct Additions {
    static constexpr Claims kInfo = {.paths = {.lock = "faa32.acquire", .unlock = "ld16 st16.release"}};
};
struct Subtractions {
    static constexpr Claims kInfo = {.paths = {.lock = "subz32.acquire (owner:st64)", .unlock = "addp32.release"}};
};

template <class L>
void there_and_back(std::uint32_t taken) {
    constexpr const Path& kAcquire = kPath<L, &FastPaths::lock, 0, true>;
    constexpr const Path& kRelease = kPath<L, &FastPaths::unlock, 0, true>;
    Words words(starts_at(kAcquire));
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE((follow<kAcquire, Direction::enter>(words)));
        EXPECT_EQ(*words.at<std::uint32_t>(Object::lock), taken);
        EXPECT_TRUE((follow<kRelease, Direction::leave>(words)));
        EXPECT_EQ(*words.at<std::uint32_t>(Object::lock), starts_at(kAcquire));
    }
    *words.at<std::uint32_t>(Object::lock) = 77;
    EXPECT_FALSE((follow<kAcquire, Direction::enter>(words))) << "the outcome is looked at";
}

TEST(ByHand, AnAcquireAndItsReleaseBringTheWordsBack) {
    there_and_back<Additions>(1);
    there_and_back<Subtractions>(0);
}

}  // namespace
}  // namespace lockbench::by_hand
