// SPDX-License-Identifier: MIT
// Engine S on locks that are wrong in one way each: what engine G says of a client under SC it says too, and of clients
// that never end it says it as well. And what it says of locks in the long run.
#include <gtest/gtest.h>

#include "bench/lockcheck_claims.hpp"
#include "bench/lockcheck_client.hpp"
#include "locks/controls.hpp"
#include "tests/support/broken_locks.hpp"
#include "tests/support/broken_sleeping_locks.hpp"

namespace lockbench::test {
namespace {

using explore::Failure;
using explore::Model;

Client client(std::string roles, unsigned sections) {
    Client who{std::move(roles), sections, "", true, false};
    who.endless = sections == 0;
    return who;
}
constexpr unsigned kForEver = 0;

template <class L>
explore::Verdict by_states(const Client& who, Model model, const std::string& replay = "") {
    explore::Options options;
    options.engine = &explore::explore_states;
    options.model = model;
    options.replay = replay;
    return check_lock<L>(who, options);
}
template <class L>
explore::Verdict by_graphs(const Client& who) {
    explore::Options options;
    options.model = Model::sc;
    return check_lock<L>(who, options);
}

template <class L>
void passes(const std::string& roles) {
    EXPECT_TRUE(by_graphs<L>(client(roles, 1)).exhaustive);
    for (const unsigned sections : {1U, kForEver}) {
        for (const Model model : {Model::sc, Model::tso}) {
            const explore::Verdict verdict = by_states<L>(client(roles, sections), model);
            EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n"
                                            << verdict.trace;
        }
    }
}
template <class L>
void fails(Failure failure, const std::string& roles) {
    const Failure by_other = by_graphs<L>(client(roles, 1)).failure;
    EXPECT_EQ(to_string(by_other), to_string(failure));
    for (const unsigned sections : {1U, kForEver}) {
        for (const Model model : {Model::sc, Model::tso}) {
            const Client who = client(roles, sections);
            const explore::Verdict verdict = by_states<L>(who, model);
            if (sections != kForEver) {
                EXPECT_EQ(to_string(verdict.failure), to_string(failure)) << verdict.message << "\n" << verdict.trace;
            }
            // Where sections follow one another the same fault may show itself sooner in another way.
            EXPECT_FALSE(verdict.passed());
            const explore::Verdict again = by_states<L>(who, model, verdict.replay);
            EXPECT_EQ(again.message, verdict.message) << verdict.replay;
            EXPECT_EQ(again.trace, verdict.trace);
        }
    }
}

template <Bug kBug = Bug::none>
using Ticket = SmallTicket<Explore, kBug>;
template <Bug kBug = Bug::none>
using Mcs = SmallMcs<Explore, kBug>;
template <Bug kBug = Bug::none>
using Spin = SmallQueuedSpin<Explore, kBug>;
template <Bug kBug = Bug::none>
using Rw = SmallRw<Explore, kBug>;

TEST(StatesLocks, CorrectLocksPass) {
    passes<Mcs<>>("www");
    passes<Spin<>>("ww");
    passes<Rw<>>("rrw");
}

TEST(StatesLocks, OrdersAreNoMatterOfInterleavings) {
    EXPECT_TRUE(by_states<Ticket<Bug::relaxed_unlock>>(client("ww", 2), Model::tso).exhaustive);
    EXPECT_TRUE(by_states<Rw<Bug::reader_unlock_relaxed>>(client("rw", 2), Model::tso).exhaustive);
}

TEST(StatesLocks, LinkedBeforeLocked) { fails<Mcs<Bug::link_before_locked>>(Failure::liveness, "ww"); }
TEST(StatesLocks, SuccessorForgotten) { fails<Mcs<Bug::unlock_skips_late>>(Failure::liveness, "ww"); }
TEST(StatesLocks, HeadshipNotPassed) { fails<Spin<Bug::headship_not_passed>>(Failure::liveness, "www"); }
TEST(StatesLocks, ReaderKeepsItsUnit) { fails<Rw<Bug::reader_keeps_unit>>(Failure::liveness, "rww"); }
TEST(StatesLocks, WriterForgetsReaders) { fails<Rw<Bug::writer_forgets_readers>>(Failure::exclusion, "rw"); }
TEST(StatesLocks, UnlockClearsTheWrongByte) { fails<Rw<Bug::unlock_clears_wrong_byte>>(Failure::liveness, "ww"); }
TEST(StatesLocks, TwoStepsAreNoLock) { fails<BrokenLock<Explore>>(Failure::exclusion, "ww"); }
TEST(StatesLocks, TryThatLeavesPreemptionOff) {
    EXPECT_EQ(by_states<Ticket<Bug::try_leaves_preempt>>(client("wt", 1), Model::sc).failure, Failure::unbalanced);
}
TEST(StatesLocks, SleepWithoutRecheck) {
    using Sem = SmallSem<Explore, Bug::sleep_without_recheck>;
    EXPECT_EQ(by_states<Sem>(client("ww", 1), Model::sc).failure, Failure::liveness);
}
TEST(StatesLocks, SleepsUnderTheWaitLock) {
    using Sem = SmallSem<Explore, Bug::sleeps_under_wait_lock>;
    EXPECT_EQ(by_states<Sem>(client("ww", 1), Model::sc).failure, Failure::sleeping_in_atomic);
}

// A round in which a thread waits for ever comes back to where it began, and is told as such.
TEST(StatesLocks, StarvationIsShownAndReplayed) {
    const Client who = client("ww", kForEver);
    const explore::Verdict verdict = by_states<Spin<>>(who, Model::sc);
    ASSERT_TRUE(verdict.passed()) << verdict.message;
    bool shown = false;
    for (const explore::Waits& waits : verdict.waits) {
        if (!waits.may_starve) {
            continue;
        }
        shown = true;
        EXPECT_GT(waits.cycle, 0U);
        EXPECT_NE(waits.trace.find("again and again"), std::string::npos);
        const explore::Verdict again = by_states<Spin<>>(who, Model::sc, waits.replay);
        EXPECT_EQ(again.failure, Failure::claim) << waits.replay;
        EXPECT_EQ(again.message, explore::waits_for_ever(waits.mode));
        EXPECT_EQ(again.trace, waits.trace);
    }
    EXPECT_TRUE(shown);
}

// The same verdict under what locks may claim.
TEST(StatesLocks, ClaimsAreHeldToVerdicts) {
    const explore::Verdict found = by_states<Spin<>>(client("ww", kForEver), Model::sc);
    ASSERT_TRUE(found.passed());
    const auto judged = [&](Fairness fairness) {
        LockInfo info = Spin<>::kInfo;
        info.fairness = fairness;
        explore::Verdict verdict = found;
        judge_claims(info, verdict);
        return verdict;
    };
    for (const Fairness fairness : {Fairness::stealing, Fairness::unfair, Fairness::unknown,
                                    Fairness::reader_preference, Fairness::writer_preference}) {
        EXPECT_TRUE(judged(fairness).passed()) << to_string(fairness);
    }
    for (const Fairness fairness : {Fairness::fifo, Fairness::fifo_after_claim}) {
        EXPECT_EQ(judged(fairness).failure, Failure::claim) << to_string(fairness);
        EXPECT_FALSE(judged(fairness).replay.empty());
    }
    explore::Verdict passed;
    passed.waits.push_back({});
    passed.waits.back().passed_by_writers = 1;
    LockInfo fifo = Spin<>::kInfo;
    fifo.fairness = Fairness::fifo;
    judge_claims(fifo, passed);
    EXPECT_TRUE(passed.passed());
    passed.waits.back().passed_by_writers = 2;
    judge_claims(fifo, passed);
    EXPECT_EQ(passed.failure, Failure::claim);
}

}  // namespace
}  // namespace lockbench::test
