// SPDX-License-Identifier: MIT
// Locks that are wrong in one way each, under engines G and R of the explorer: every one is found, and for what it does
// wrong. The same locks without the fault pass.
#include <gtest/gtest.h>

#include <type_traits>

#include "bench/lockcheck_client.hpp"
#include "locks/controls.hpp"
#include "locks/rwsem_3_8.hpp"
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
// Engine R; what it finds is found again by its replay, word for word.
template <class L>
explore::Verdict drawn_at_random(const Client& who, Model model, const std::string& replay = "") {
    constexpr std::uint64_t kThreadsDrawn = 12'000;  // fewer executions of more threads
    explore::Options options;
    options.engine = &explore::explore_random;
    options.model = model;
    options.max_executions = kThreadsDrawn / who.roles.size();
    options.replay = replay;
    explore::Verdict verdict = check_lock<L>(who, options);
    if (replay.empty() && !verdict.passed()) {
        const explore::Verdict again = drawn_at_random<L>(who, model, verdict.replay);
        EXPECT_EQ(again.message, verdict.message) << verdict.replay;
        EXPECT_EQ(again.trace, verdict.trace);
    }
    return verdict;
}
template <class L>
void passes(const Client& who) {
    const explore::Verdict verdict = explored<L>(who);
    EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
    EXPECT_GT(verdict.counts.complete, 0U);
    const explore::Verdict drawn = drawn_at_random<L>(who, Model::rc11);
    EXPECT_TRUE(drawn.passed()) << to_string(drawn.failure) << ": " << drawn.message << "\n" << drawn.trace;
    EXPECT_FALSE(drawn.exhaustive);
}
// Found, told with a trace, and found again by its replay.
template <class L>
void fails(Failure failure, const Client& who, Model model = Model::rc11, Failure or_as = Failure::none) {
    const explore::Verdict verdict = explored<L>(who, model);
    EXPECT_EQ(to_string(verdict.failure), to_string(failure)) << verdict.message << "\n" << verdict.trace;
    EXPECT_NE(verdict.trace.find("#1 t"), std::string::npos);
    explore::Options options;
    options.model = model;
    options.replay = verdict.replay;
    const explore::Verdict again = check_lock<L>(who, options);
    EXPECT_EQ(again.failure, failure) << verdict.replay << "\n" << again.message << "\n" << again.trace;
    EXPECT_EQ(again.message, verdict.message);
    const explore::Verdict drawn = drawn_at_random<L>(who, model);
    EXPECT_TRUE(drawn.failure == failure || drawn.failure == or_as)
        << to_string(drawn.failure) << ": " << drawn.message << "\n"
        << drawn.trace;
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
TEST(Explored, TryThatKeepsItsTicket) {
    // Who comes next waits for ever; with nobody to come the lock is not as constructed.
    fails<Ticket<Bug::try_keeps_ticket>>(Failure::check_failed, client("wwt"), Model::rc11, Failure::liveness);
}
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

TEST(Explored, IsLockedSeesNoReaders) {
    fails<Rw<Bug::is_locked_sees_writers_only>>(Failure::check_failed, client("ro"));
    passes<Rw<>>(client("rro"));
}
TEST(Explored, MemoryThatEndsWithTheLastUnlock) {
    passes<Ticket<>>(client("ff", 2));
    // Its unlock lets go of its wait_lock last of all.
    fails<Rwsem38<Explore>>(Failure::use_after_free, client("ff"));
}
TEST(Explored, ReadersThatTryOnce) { passes<Rw<>>(client("sw", 2)); }

TEST(Explored, SleepWithoutRecheck) {
    fails<SmallSem<Explore, Bug::sleep_without_recheck>>(Failure::liveness, client("ww"));
}
TEST(Explored, SleepsUnderTheWaitLock) {
    fails<SmallSem<Explore, Bug::sleeps_under_wait_lock>>(Failure::sleeping_in_atomic, client("ww"));
}

// Many threads: what two or three may do is done here by any two or three of them.
TEST(Explored, ManyThreads) {
    for (const Model model : {Model::sc, Model::rc11}) {
        const std::string writers(64, 'w');
        EXPECT_TRUE(drawn_at_random<Mcs<>>(client(writers), model).passed());
        const Client mixed = client(std::string(30, 'r') + std::string(18, 'w'), 2);
        EXPECT_TRUE(drawn_at_random<Rw<>>(mixed, model).passed());
        EXPECT_TRUE(drawn_at_random<SmallSem<Explore>>(client(writers.substr(32), 2), model).passed());
        const auto found = [model]<class L>(std::type_identity<L>, const Client& who) {
            return drawn_at_random<L>(who, model).failure;
        };
        EXPECT_EQ(found(std::type_identity<Mcs<Bug::unlock_skips_late>>{}, client(writers)), Failure::liveness);
        EXPECT_EQ(found(std::type_identity<Rw<Bug::writer_forgets_readers>>{}, mixed), Failure::exclusion);
        using Sleepless = SmallSem<Explore, Bug::sleep_without_recheck>;
        EXPECT_EQ(found(std::type_identity<Sleepless>{}, client(writers.substr(52))), Failure::liveness);
    }
    EXPECT_EQ(drawn_at_random<Ticket<Bug::relaxed_unlock>>(client(std::string(64, 'w')), Model::rc11).failure,
              Failure::race);
}

TEST(Explored, TwoStepsAreNoLock) {
    fails<BrokenLock<Explore>>(Failure::exclusion, client("ww"), Model::sc);
    EXPECT_FALSE(explored<BrokenLock<Explore>>(client("ww")).passed());
}

}  // namespace
}  // namespace lockbench::test
