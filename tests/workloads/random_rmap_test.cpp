// SPDX-License-Identifier: MIT
// The reverse map on the explorer: its clients pass, and faults of the kernel's history are found, by engine R and,
// where the client is small enough, in all executions by engine G.
#include <gtest/gtest.h>

#include "bench/lockcheck_rmap.hpp"
#include "locks/rwsem_3_10.hpp"
#include "locks/ticket.hpp"

namespace lockbench {
namespace {

using explore::Failure;
using enum RmapAction;
using Actions = std::vector<RmapAction>;

template <class L, class Q = FaithfulRmap>
explore::Verdict drawn(const Actions& actions, std::uint64_t executions = 1000, const std::string& replay = "") {
    explore::Options options;
    options.engine = &explore::explore_random;
    options.max_executions = executions;
    options.replay = replay;
    return check_rmap<L, Q>(actions, options);
}

// Found without the rule, told again by its replay; with it the same client passes.
template <class L, class Q>
void expect_found(const Actions& actions, std::initializer_list<Failure> as) {
    const explore::Verdict right = drawn<L>(actions);
    EXPECT_TRUE(right.passed()) << to_string(right.failure) << ": " << right.message << "\n" << right.trace;
    const explore::Verdict wrong = drawn<L, Q>(actions, 20'000);
    EXPECT_NE(std::find(as.begin(), as.end(), wrong.failure), as.end())
        << to_string(wrong.failure) << ": " << wrong.message << "\n"
        << wrong.trace;
    if (!wrong.passed()) {
        const explore::Verdict again = drawn<L, Q>(actions, 1, wrong.replay);
        EXPECT_EQ(again.message, wrong.message) << wrong.replay;
        std::printf("%lu executions, %s: %s\n", wrong.counts.runs, std::string(to_string(wrong.failure)).c_str(), wrong.message.c_str());
    }
}

struct NoRecheck : FaithfulRmap {
    static constexpr bool kRecheckAfterTrylock = false;
};
struct RootFreedFirst : FaithfulRmap {
    static constexpr bool kFreeChildBeforeRoot = false;
};
struct NoDrain : FaithfulRmap {
    static constexpr bool kDrainOnFree = false;
};
struct PutInsideLock : FaithfulRmap {
    static constexpr bool kPutAfterUnlock = false;
};
struct ReleaseOutsideSection : FaithfulRmap {
    static constexpr bool kReleaseInSection = false;
};
struct NoRootReference : FaithfulRmap {
    static constexpr bool kChildHoldsRoot = false;
};
struct OldestFirst : NoRootReference {
    static constexpr bool kUnlinkNewestFirst = false;
};

template <class L>
class RandomRmap : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Explore>, Rwsem310<Explore>>;
TYPED_TEST_SUITE(RandomRmap, BothKinds);

TYPED_TEST(RandomRmap, ClientsPass) {
    for (const Actions& actions : {Actions{fork, reclaim}, {exit, reclaim}, {exits, reclaim, reclaim}, {fault, reclaim},
                                   {fork, fault, reclaim}, {exit, walk}, {exits, walk, walk}, {recycle, walk},
                                   {recycle, walk, walk, reclaim}}) {
        const explore::Verdict verdict = drawn<TypeParam>(actions);
        EXPECT_TRUE(verdict.passed()) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
        EXPECT_EQ(verdict.counts.blocked, 0U);
        EXPECT_EQ(verdict.counts.complete, 1000U);
    }
}

TYPED_TEST(RandomRmap, B2WalkWithoutASecondLook) {
    expect_found<TypeParam, NoRecheck>({recycle, walk}, {Failure::use_after_free, Failure::race, Failure::check_failed});
}
TYPED_TEST(RandomRmap, B3RootFreedBeforeItsChild) {
    expect_found<TypeParam, RootFreedFirst>({exits, reclaim, reclaim}, {Failure::use_after_free});
}
TYPED_TEST(RandomRmap, B4EndWithoutDrain) {
    expect_found<TypeParam, NoDrain>({recycle, walk}, {Failure::use_after_free, Failure::race});
}
TYPED_TEST(RandomRmap, B8LastReferenceInsideTheLock) {
    expect_found<TypeParam, PutInsideLock>({exits, reclaim, reclaim}, {Failure::check_failed});
}
TYPED_TEST(RandomRmap, B11RootUnlinkedFirst) {
    expect_found<TypeParam, OldestFirst>({exits}, {Failure::use_after_free});
    expect_found<TypeParam, NoRootReference>({exits, reclaim, reclaim}, {Failure::use_after_free});
}
TEST(RandomRmapSleeping, ReleaseOutsideAReadSection) {
    expect_found<Rwsem310<Explore>, ReleaseOutsideSection>({exits, reclaim, reclaim}, {Failure::use_after_free});
}

// Engine G, as far as it gets.
TEST(RandomRmapAll, G) {
    for (const Actions& actions : {Actions{exits}, {exit, walk}, {exits, walk}, {recycle, walk}, {fault, walk}, {fork, reclaim}, {fault, reclaim}}) {
        explore::Options options;
        options.max_seconds = 10;
        const explore::Verdict verdict = check_rmap<TicketLock<Explore>>(actions, options);
        std::printf("%zu: %s %s exh %d complete %lu blocked %lu cut %lu %.2f s\n%s", (std::size_t)actions.back(), std::string(to_string(verdict.failure)).c_str(), verdict.message.c_str(), verdict.exhaustive, verdict.counts.complete, verdict.counts.blocked, verdict.counts.cut, verdict.seconds, verdict.trace.substr(0,4000).c_str());
    }
}

}  // namespace
}  // namespace lockbench
