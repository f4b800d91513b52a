// SPDX-License-Identifier: MIT
// Locks that are wrong in one way each, under the explorer: every one is found, and for what it does wrong. The same
// locks without the fault pass.
#include <gtest/gtest.h>

#include "bench/lockcheck_client.hpp"
#include "locks/controls.hpp"
#include "tests/support/broken_locks.hpp"
#include "tests/support/broken_sleeping_locks.hpp"

namespace lockbench::test {
namespace {

using explore::Failure;
using explore::Model;

Client client(std::string roles, unsigned sections = 1) { return {std::move(roles), sections, ""}; }

template <class L>
explore::Verdict explored(const Client& who, Model model = Model::rc11) {
    explore::Options options;
    options.model = model;
    options.max_executions = 2'000'000;
    return check_lock<L>(who, options);
}
template <class L>
void passes(const Client& who) {
    const explore::Verdict verdict = explored<L>(who);
    EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
    EXPECT_GT(verdict.counts.complete, 0U);
}
// Found, told with a trace, and found again by its replay.
template <class L>
void fails(Failure failure, const Client& who, Model model = Model::rc11) {
    const explore::Verdict verdict = explored<L>(who, model);
    EXPECT_EQ(to_string(verdict.failure), to_string(failure)) << verdict.message << "\n" << verdict.trace;
    EXPECT_NE(verdict.trace.find("#1 t"), std::string::npos);
    explore::Options options;
    options.model = model;
    options.replay = verdict.replay;
    const explore::Verdict again = check_lock<L>(who, options);
    EXPECT_EQ(again.failure, failure) << verdict.replay << "\n" << again.message << "\n" << again.trace;
    EXPECT_EQ(again.message, verdict.message);
}

template <Bug kBug = Bug::none>
using Ticket = SmallTicket<Explore, kBug>;
template <Bug kBug = Bug::none>
using Mcs = SmallMcs<Explore, kBug>;
template <Bug kBug = Bug::none>
using Spin = SmallQueuedSpin<Explore, kBug>;
template <Bug kBug = Bug::none>
using Rw = SmallRw<Explore, kBug>;

TEST(Explored, CorrectLocksPass) {
    passes<Ticket<>>(client("www"));
    passes<Ticket<>>(client("wwt", 1));
    passes<Mcs<>>(client("ww", 2));
    passes<Mcs<>>(client("www"));
    passes<Spin<>>(client("ww", 2));
    passes<Rw<>>(client("rrw"));
    passes<Rw<>>(client("rw", 2));
    passes<Rw<>>(client("wto"));
    passes<SmallSem<Explore>>(client("ww"));
}

TEST(Explored, RelaxedUnlock) {
    fails<Ticket<Bug::relaxed_unlock>>(Failure::race, client("ww"));
    // No interleaving shows it: the order is missing, not the exclusion.
    EXPECT_TRUE(explored<Ticket<Bug::relaxed_unlock>>(client("ww"), Model::sc).exhaustive);
}
TEST(Explored, TryThatKeepsItsTicket) { fails<Ticket<Bug::try_keeps_ticket>>(Failure::check_failed, client("wwt")); }
TEST(Explored, TryThatLeavesPreemptionOff) {
    fails<Ticket<Bug::try_leaves_preempt>>(Failure::unbalanced, client("wt"));
}
TEST(Explored, NodeSetUpAfterItIsPublished) {
    const explore::Verdict verdict = explored<Mcs<Bug::init_after_publish>>(client("ww"));
    EXPECT_FALSE(verdict.passed());
}
TEST(Explored, TailNotReleased) { fails<Mcs<Bug::tail_not_released>>(Failure::race, client("ww")); }
TEST(Explored, LinkedBeforeLocked) { fails<Mcs<Bug::link_before_locked>>(Failure::liveness, client("ww")); }
TEST(Explored, SuccessorForgotten) { fails<Mcs<Bug::unlock_skips_late>>(Failure::liveness, client("ww")); }
TEST(Explored, HeadshipNotPassed) { fails<Spin<Bug::headship_not_passed>>(Failure::liveness, client("www")); }
TEST(Explored, ReaderKeepsItsUnit) { fails<Rw<Bug::reader_keeps_unit>>(Failure::liveness, client("rww")); }
TEST(Explored, ReaderUnlockRelaxed) { fails<Rw<Bug::reader_unlock_relaxed>>(Failure::race, client("rw")); }
TEST(Explored, WriterForgetsReaders) { fails<Rw<Bug::writer_forgets_readers>>(Failure::exclusion, client("rw")); }
TEST(Explored, UnlockClearsTheWrongByte) { fails<Rw<Bug::unlock_clears_wrong_byte>>(Failure::liveness, client("ww")); }

TEST(Explored, SleepWithoutRecheck) {
    fails<SmallSem<Explore, Bug::sleep_without_recheck>>(Failure::liveness, client("ww"));
}
TEST(Explored, SleepsUnderTheWaitLock) {
    fails<SmallSem<Explore, Bug::sleeps_under_wait_lock>>(Failure::sleeping_in_atomic, client("ww"));
}

TEST(Explored, TwoStepsAreNoLock) {
    fails<BrokenLock<Explore>>(Failure::exclusion, client("ww"), Model::sc);
    EXPECT_FALSE(explored<BrokenLock<Explore>>(client("ww")).passed());
}

}  // namespace
}  // namespace lockbench::test
