// SPDX-License-Identifier: MIT
// The reverse map on the explorer, the clients of lockcheck: they pass, and faults of the kernel's history are found,
// by engine R and, where the client is small enough for all executions, by engine G.
#include <gtest/gtest.h>

#include <algorithm>

#include "bench/lockcheck_rmap.hpp"
#include "locks/rwsem_3_10.hpp"
#include "locks/ticket.hpp"
#include "tests/support/effort.hpp"

namespace lockbench {
namespace {

using explore::Failure;
using enum RmapAction;
using Actions = std::vector<RmapAction>;

template <class L, class Q = FaithfulRmap>
explore::Verdict drawn(const Actions& actions, std::uint64_t executions, const std::string& replay = "") {
    explore::Options options;
    options.engine = &explore::explore_random;
    options.max_executions = executions;
    options.replay = replay;
    return check_rmap<L, Q>(actions, options);
}
template <class L, class Q = FaithfulRmap>
explore::Verdict all_of(const Actions& actions) {
    return check_rmap<L, Q>(actions, {});
}

// Found without the rule, told again by its replay; with it the same client passes as many executions.
template <class L, class Q>
void expect_found(const Actions& actions, Failure failure, std::uint64_t executions = 1000) {
    const explore::Verdict wrong = drawn<L, Q>(actions, executions);
    EXPECT_EQ(to_string(wrong.failure), to_string(failure)) << wrong.message << "\n" << wrong.trace;
    const explore::Verdict again = drawn<L, Q>(actions, 1, wrong.replay);
    EXPECT_EQ(again.message, wrong.message) << wrong.replay;
    const explore::Verdict right = drawn<L>(actions, std::max<std::uint64_t>(wrong.counts.runs, 300));
    EXPECT_TRUE(right.passed()) << to_string(right.failure) << ": " << right.message << "\n" << right.trace;
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
struct NoReinsert : FaithfulRmap {
    static constexpr bool kReinsertOnExpand = false;
};
struct NoReinsertAbove : FaithfulRmap {
    static constexpr bool kReinsertOnAdjust = false;
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

using Spins = TicketLock<Explore>;
using Sleeps = Rwsem310<Explore>;

template <class L>
void clients_pass() {
    const std::uint64_t executions = test::seeds(200, 20);
    for (const Actions& actions : {Actions{fork, reclaim},
                                   {exit, reclaim},
                                   {exits, reclaim, reclaim},
                                   {fault, reclaim},
                                   {fork, fault, reclaim},
                                   {exit, walk},
                                   {exits, walk, walk},
                                   {recycle, walk},
                                   {recycle, walk, walk, reclaim},
                                   {stack, reclaim},
                                   {heap, reclaim}}) {
        const explore::Verdict verdict = drawn<L>(actions, executions);
        EXPECT_TRUE(verdict.passed()) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
        EXPECT_EQ(verdict.counts.complete, executions);
    }
}
TEST(RandomRmap, ClientsPass) {
    clients_pass<Spins>();
    clients_pass<Sleeps>();
}

TEST(RandomRmap, B2WalkWithoutASecondLook) {
    expect_found<Spins, NoRecheck>({recycle, walk}, Failure::use_after_free);
    expect_found<Sleeps, NoRecheck>({recycle, walk}, Failure::use_after_free);
}
TEST(RandomRmap, B3RootFreedBeforeItsChild) {
    expect_found<Spins, RootFreedFirst>({exits, reclaim, reclaim}, Failure::use_after_free);
    expect_found<Sleeps, RootFreedFirst>({exits, reclaim, reclaim}, Failure::use_after_free);
}
TEST(RandomRmap, B4EndWithoutDrain) {
    expect_found<Spins, NoDrain>({recycle, walk}, Failure::use_after_free);
    expect_found<Sleeps, NoDrain>({recycle, walk}, Failure::use_after_free);
}
TEST(RandomRmap, B8LastReferenceInsideTheLock) {
    expect_found<Spins, PutInsideLock>({exits, reclaim, reclaim}, Failure::check_failed);
}
TEST(RandomRmap, B10BoundsChangedInsideTheTrees) {
    expect_found<Spins, NoReinsert>({stack}, Failure::check_failed);
    expect_found<Spins, NoReinsertAbove>({heap}, Failure::check_failed);
}
TEST(RandomRmap, B11RootUnlinkedFirst) {
    expect_found<Spins, OldestFirst>({exits}, Failure::use_after_free);
    expect_found<Spins, NoRootReference>({exits, reclaim, reclaim}, Failure::use_after_free);
}
TEST(RandomRmap, ReleaseOutsideAReadSection) {
    expect_found<Sleeps, ReleaseOutsideSection>({exits, reclaim, reclaim}, Failure::use_after_free, 20'000);
}

// All executions of a walker beside the end of what it walks.
TEST(GraphRmap, WalkersAreProvedRight) {
    for (const Actions& actions : {Actions{exit, walk}, {exits, walk}}) {
        const explore::Verdict verdict = all_of<Spins>(actions);
        EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n"
                                        << verdict.trace;
        EXPECT_GT(verdict.counts.complete, 100U);
    }
}
TEST(GraphRmap, FaultsAreFound) {
    EXPECT_EQ((all_of<Spins, NoRecheck>({exit, walk}).failure), Failure::use_after_free);
    EXPECT_EQ((all_of<Spins, NoDrain>({exit, walk}).failure), Failure::use_after_free);
    EXPECT_EQ((all_of<Spins, OldestFirst>({exits, walk}).failure), Failure::use_after_free);
}

}  // namespace
}  // namespace lockbench
