// SPDX-License-Identifier: MIT
// What engine S reports and by which name, on programs that do one thing wrong; the shortest way there; and its replay.
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
using explore::Model;
using fault::Body;
using fault::Node;
using fault::World;
using P = Explore;

explore::Verdict run(const Body& body, const explore::Options& options, ThreadId threads = 2) {
    World* world = nullptr;
    explore::Program program;
    program.threads = threads;
    program.setup = [&](explore::Arena& arena) { world = &arena.make<World>(); };
    program.body = [&](ThreadId tid) { body(*world, tid); };
    return explore::explore_states(program, options);
}
explore::Verdict run(const Body& body, Model model = Model::sc, ThreadId threads = 2) {
    explore::Options options;
    options.model = model;
    return run(body, options, threads);
}
// Found under both models, and found again by its replay.
Failure failure_of(const Body& body) {
    Failure found = Failure::none;
    for (const Model model : {Model::tso, Model::sc}) {
        const explore::Verdict verdict = run(body, model);
        found = verdict.failure;
        if (verdict.passed()) {
            EXPECT_TRUE(verdict.exhaustive);
            continue;
        }
        explore::Options options;
        options.model = model;
        options.replay = verdict.replay;
        const explore::Verdict again = run(body, options);
        EXPECT_EQ(again.failure, verdict.failure) << verdict.replay << ": " << again.message;
        EXPECT_EQ(again.message, verdict.message);
        EXPECT_EQ(again.trace, verdict.trace);
    }
    return found;
}

TEST(StatesFaults, DataBehindAFlag) {
    const auto through = [](bool waits) {
        return failure_of([=](World& w, ThreadId tid) {
            if (tid == 0) {
                w.data.set(1);
                w.flag.store(1, release);
            } else if (waits) {
                w.flag.await([](int flag) { return flag == 1; }, acquire);
                check(w.data.get() == 1, "the data came before the flag");
            } else {
                (void)w.flag.load(acquire);
                (void)w.data.get();
            }
        });
    };
    EXPECT_EQ(through(true), Failure::none);
    EXPECT_EQ(through(false), Failure::race);
}

TEST(StatesFaults, LivesOfObjects) {
    EXPECT_EQ(failure_of(fault::life(true, false, true)), Failure::none);
    EXPECT_EQ(failure_of(fault::life(false, false, true)), Failure::use_after_free);
    EXPECT_EQ(failure_of(fault::life(true, true, true)), Failure::double_free);
    EXPECT_EQ(failure_of(fault::life(true, false, false)), Failure::uninitialised);
}

TEST(StatesFaults, Liveness) {
    EXPECT_EQ(failure_of(fault::waits_in_vain()), Failure::liveness);
    EXPECT_EQ(failure_of(fault::loops_in_vain()), Failure::liveness);
    EXPECT_EQ(failure_of([](World& w, ThreadId tid) {
                  if (tid == 1) {
                      w.flag.store(2, relaxed);
                      return;
                  }
                  for (P::Retry loop; w.flag.load(relaxed) != 2; loop.again()) {
                  }
              }),
              Failure::none);
    EXPECT_EQ(failure_of(fault::waits_until([] { return P::after(1); })), Failure::none);
    EXPECT_EQ(failure_of(fault::waits_until([] { return P::should_yield(); })), Failure::liveness);
}

TEST(StatesFaults, AWaitAtTwoPlacesEndsByEither) {
    for (const auto& [flag, futex, ends] :
         {std::tuple{1, 2U, std::set{0}}, {2, 1U, std::set{1}}, {1, 1U, std::set{0, 1}}}) {
        std::set<int> ended_by;
        const explore::Verdict verdict = run(fault::waits_at_two_places(flag, futex, &ended_by));
        EXPECT_TRUE(verdict.exhaustive) << verdict.message << "\n" << verdict.trace;
        EXPECT_EQ(ended_by, ends);
    }
    const explore::Verdict verdict = run(fault::waits_at_two_places(2, 2));
    EXPECT_EQ(verdict.failure, Failure::liveness);
    EXPECT_NE(verdict.trace.find("or for"), std::string::npos) << verdict.trace;
}

TEST(StatesFaults, LoopsThatUndoWhatTheyDid) {
    const auto looping = [](int undo) {
        return run([=](World& w, ThreadId tid) {
            for (P::Retry loop; tid == 0 && w.flag.load(relaxed) < 3; loop.again()) {
                w.flag.add(1, relaxed);
                w.flag.sub(undo, relaxed);
            }
        });
    };
    EXPECT_EQ(looping(1).failure, Failure::liveness);
    EXPECT_TRUE(looping(0).exhaustive) << "it needs no rule against effects: it knows memory as it is";
}

TEST(StatesFaults, EffectLoopsEndAtTheirBound) {
    const explore::Verdict verdict = run([&](World& w, ThreadId tid) {
        if (tid == 0) {
            for (P::EffectLoop<3> loop;; loop.again()) {
                w.flag.add(1, relaxed);
            }
        }
    });
    EXPECT_TRUE(verdict.passed());
    EXPECT_GT(verdict.counts.cut, 0U);
    EXPECT_FALSE(verdict.loop_bound.empty());
}

TEST(StatesFaults, ChecksAndPreemption) {
    EXPECT_EQ(failure_of([](World& w, ThreadId) { check(w.flag.load(relaxed) != 0, "no"); }), Failure::check_failed);
    EXPECT_EQ(failure_of([](World& w, ThreadId) {
                  w.flag.store(1, relaxed);
                  P::preempt_off();
              }),
              Failure::unbalanced);
    EXPECT_EQ(failure_of([](World& w, ThreadId) {
                  P::preempt_off();
                  w.flag.store(1, relaxed);
                  P::sleep_prepare();
                  P::sleep(P::never());
              }),
              Failure::sleeping_in_atomic);
}

TEST(StatesFaults, LostWake) {
    EXPECT_EQ(failure_of(fault::sleeper(false)), Failure::none);
    EXPECT_EQ(failure_of(fault::sleeper(true)), Failure::liveness);
}

TEST(StatesFaults, TheShortestWay) {
    const explore::Verdict verdict = run([](World& w, ThreadId tid) {
        for (int i = 0; i < 5; ++i) {
            w.flag.add(1, relaxed);
        }
        check(tid == 0 || w.futex.load(relaxed) == 0, "seen");
        w.futex.store(1, relaxed);
    });
    EXPECT_EQ(verdict.failure, Failure::check_failed);
    EXPECT_EQ(verdict.replay.size(), 5U + 1 + 5 + 1) << verdict.replay;
}

TEST(StatesFaults, BudgetsAndSignals) {
    const Body body = [](World& w, ThreadId) {
        for (int i = 0; i < 30; ++i) {
            w.flag.add(1, relaxed);
        }
    };
    explore::Options options;
    options.model = Model::sc;
    options.max_executions = 100;
    explore::Verdict verdict = run(body, options);
    EXPECT_TRUE(verdict.passed());
    EXPECT_FALSE(verdict.exhaustive);
    EXPECT_EQ(verdict.stopped_by, "100 states");
    options.max_executions = 0;
    explore::interrupted = 1;
    verdict = run(body, options);
    explore::interrupted = 0;
    EXPECT_FALSE(verdict.exhaustive);
    EXPECT_EQ(verdict.stopped_by, explore::kStoppedBySignal);
    EXPECT_TRUE(run(body, options).exhaustive);
}

TEST(StatesFaults, MoreStoresThanABufferHoldsIsNoProof) {
    const auto stores = [](int count) {
        return run(
            [=](World& w, ThreadId) {
                for (int i = 1; i <= count; ++i) {
                    w.flag.store(i, relaxed);
                }
            },
            Model::tso);
    };
    EXPECT_TRUE(stores(3).exhaustive);
    const explore::Verdict verdict = stores(12);
    EXPECT_FALSE(verdict.exhaustive);
    EXPECT_EQ(verdict.stopped_by, "store buffers of 8");
}

TEST(StatesFaults, ProgramsHaveToRepeatThemselves) {
    int runs = 0;
    const auto body = [&](World& w, ThreadId tid) {
        const bool differs = tid == 0 && ++runs > 3;
        if (differs) {
            w.futex.store(1, relaxed);
        } else {
            w.flag.store(1, relaxed);
        }
        (void)w.flag.load(relaxed);
        (void)w.flag.load(relaxed);
    };
    EXPECT_EQ(run(body).failure, Failure::not_deterministic);
}

}  // namespace
}  // namespace lockbench::test
