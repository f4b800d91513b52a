// SPDX-License-Identifier: MIT
// What engines G and R report and by which name, on programs that do one thing wrong; and the seam's other operations.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <tuple>

#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "tests/support/fault_programs.hpp"

namespace lockbench::test {
namespace {

using explore::Failure;
using fault::Body;
using fault::Node;
using fault::World;
using P = Explore;

explore::Verdict run(const Body& body, ThreadId threads = 2, unsigned bound = 1, std::uint32_t cancellable = 0,
                     explore::Explorer engine = &explore::explore_graphs) {
    World* world = nullptr;
    explore::Program program;
    program.threads = threads;
    program.cancellable = cancellable;
    program.setup = [&](explore::Arena& arena) { world = &arena.make<World>(); };
    program.body = [&](ThreadId tid) { body(*world, tid); };
    explore::Options options;
    options.bounds = {bound, bound, bound};
    options.max_executions = engine == &explore::explore_graphs ? 0 : 2000;
    return engine(program, options);
}
Failure failure_of(const Body& body) {
    const explore::Verdict all = run(body);
    const explore::Verdict drawn = run(body, 2, 1, 0, &explore::explore_random);
    EXPECT_EQ(to_string(drawn.failure), to_string(all.failure)) << drawn.message << "\n" << drawn.trace;
    return all.failure;
}

TEST(GraphFaults, DataBehindAFlag) {
    const auto through = [](Order store, Order load) {
        return failure_of([=](World& w, ThreadId tid) {
            if (tid == 0) {
                w.data.set(1);
                w.flag.store(1, store);
            } else {
                w.flag.await([](int flag) { return flag == 1; }, load);
                check(w.data.get() == 1, "the data came before the flag");
            }
        });
    };
    EXPECT_EQ(through(release, acquire), Failure::none);
    EXPECT_EQ(through(relaxed, acquire), Failure::race);
    EXPECT_EQ(through(release, relaxed), Failure::race);
}

TEST(GraphFaults, LivesOfObjects) {
    EXPECT_EQ(failure_of(fault::life(true, false, true)), Failure::none);
    EXPECT_EQ(failure_of(fault::life(false, false, true)), Failure::use_after_free);
    EXPECT_EQ(failure_of(fault::life(true, true, true)), Failure::double_free);
    EXPECT_EQ(failure_of(fault::life(true, false, false)), Failure::uninitialised);
}

TEST(GraphFaults, Liveness) {
    EXPECT_EQ(failure_of(fault::waits_in_vain()), Failure::liveness);
    EXPECT_EQ(failure_of(fault::loops_in_vain()), Failure::liveness);
    // A deadline ends a wait; that the CPU may be wanted is nothing to rely on.
    EXPECT_EQ(failure_of(fault::waits_until([] { return P::after(1); })), Failure::none);
    EXPECT_EQ(failure_of(fault::waits_until([] { return P::should_yield(); })), Failure::liveness);
}

TEST(GraphFaults, AWaitAtTwoPlacesEndsByEither) {
    for (const auto& [flag, futex, ends] :
         {std::tuple{1, 2U, std::set{0}}, {2, 1U, std::set{1}}, {1, 1U, std::set{0, 1}}}) {
        std::set<int> ended_by;
        const explore::Verdict verdict = run(fault::waits_at_two_places(flag, futex, &ended_by));
        EXPECT_TRUE(verdict.exhaustive) << verdict.message << "\n" << verdict.trace;
        EXPECT_EQ(ended_by, ends);
    }
}
TEST(GraphFaults, AWaitAtTwoPlacesThatNobodyEnds) {
    const explore::Verdict verdict = run(fault::waits_at_two_places(2, 2));
    EXPECT_EQ(verdict.failure, Failure::liveness);
    EXPECT_NE(verdict.trace.find("or for"), std::string::npos) << verdict.trace;
}

TEST(GraphFaults, RetryMayNotWrite) {
    const auto looping = [](int undo) {
        return run([=](World& w, ThreadId tid) {
            if (tid != 0) {
                return;
            }
            for (P::Retry loop;; loop.again()) {
                w.flag.add(1, relaxed);
                w.flag.sub(undo, relaxed);
            }
        });
    };
    EXPECT_EQ(looping(0).failure, Failure::retry_effect);
    const explore::Verdict undone = looping(1);
    EXPECT_TRUE(undone.passed()) << undone.message;
    EXPECT_EQ(undone.counts.cut, 1U);
    EXPECT_FALSE(undone.loop_bound.empty());
}

TEST(GraphFaults, EffectLoopsEndAtTheirBound) {
    std::set<int> turns;
    const explore::Verdict verdict = run([&](World& w, ThreadId tid) {
        if (tid != 0) {
            return;
        }
        int turn = 0;
        for (P::EffectLoop<3> loop;; loop.again()) {
            turns.insert(++turn);
            w.flag.add(1, relaxed);
        }
    });
    EXPECT_TRUE(verdict.exhaustive);
    EXPECT_EQ(verdict.counts.cut, 1U);
    EXPECT_EQ(turns.size(), 4U);
}

TEST(GraphFaults, ChecksAndPreemption) {
    EXPECT_EQ(failure_of([](World&, ThreadId) { check(false, "no"); }), Failure::check_failed);
    EXPECT_EQ(failure_of([](World&, ThreadId) { P::preempt_off(); }), Failure::unbalanced);
    EXPECT_EQ(failure_of([](World&, ThreadId) { P::preempt_on(); }), Failure::unbalanced);
    EXPECT_EQ(failure_of([](World&, ThreadId) {
                  P::preempt_off();
                  P::sleep_prepare();
                  P::sleep(P::never());
              }),
              Failure::sleeping_in_atomic);
}

TEST(GraphFaults, LostWake) {
    EXPECT_EQ(failure_of(fault::sleeper(false)), Failure::none);
    EXPECT_EQ(failure_of(fault::sleeper(true)), Failure::liveness);
}

Failure parker(bool wakes, bool loops) {
    return failure_of([=](World& w, ThreadId tid) {
        if (tid == 1) {
            w.futex.store(1, relaxed);
            if (wakes) {
                P::unpark(w.futex, 1);
            }
            return;
        }
        for (P::EffectLoop<2> loop; w.futex.load(relaxed) == 0; loop.again()) {
            P::park(w.futex, 0, P::never());
            if (!loops) {
                check(w.futex.load(relaxed) != 0, "park returned for no reason");
                return;
            }
        }
    });
}
TEST(GraphFaults, Parking) {
    EXPECT_EQ(parker(true, true), Failure::none);
    EXPECT_EQ(parker(false, true), Failure::liveness);
    EXPECT_EQ(parker(true, false), Failure::check_failed) << "spurious returns are explored";
}

TEST(GraphFaults, ChoicesAreAllTaken) {
    std::set<std::size_t> chosen;
    EXPECT_EQ(run([&](World&, ThreadId) { chosen.insert(P::choose(3)); }, 1).counts.complete, 3U);
    EXPECT_EQ(chosen, (std::set<std::size_t>{0, 1, 2}));
    std::set<bool> cancelled;
    const auto asks = [&](World&, ThreadId) { cancelled.insert(P::poll(P::cancelled())); };
    EXPECT_EQ(run(asks, 1, 1, 0).counts.complete, 1U);
    EXPECT_EQ(run(asks, 1, 1, 1).counts.complete, 2U);
    EXPECT_EQ(cancelled.size(), 2U);
}

TEST(GraphFaults, ProgramsHaveToRepeatThemselves) {
    int runs = 0;
    const explore::Verdict verdict = run([&](World& w, ThreadId tid) {
        if (tid == 0 && ++runs > 1) {
            w.futex.store(1, relaxed);
        } else {
            w.flag.store(1, relaxed);
        }
        (void)w.flag.load(relaxed);
    });
    EXPECT_EQ(verdict.failure, Failure::not_deterministic);
}

}  // namespace
}  // namespace lockbench::test
