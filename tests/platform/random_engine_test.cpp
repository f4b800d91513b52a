// SPDX-License-Identifier: MIT
// Engine R: what it draws is what the model allows, and nearly all of that; the same seed draws the same; failures are
// told short. That it names faults as engine G does is in graph_faults_test.cpp and, of locks, tests/locks/.
#include <gtest/gtest.h>

#include <algorithm>

#include "platform/ctx.hpp"
#include "platform/explore/random_script.hpp"
#include "tests/support/litmus.hpp"

namespace lockbench::test {
namespace {

using namespace litmus;
using explore::Failure;

constexpr std::uint64_t kDraws = 3000;

Shown drawn(const std::vector<Body>& threads, Model model = Model::rc11) {
    return run_by(&explore::explore_random, threads, model, kDraws);
}

// Outcomes that no interleaving has.
TEST(RandomEngine, StaleReadsAreDrawn) {
    const auto buffering = [](int fence) {
        const auto half = [fence](bool mirrored) {
            return [=](Vars& v, Outcome& r) {
                (mirrored ? v.y : v.x).store(1, relaxed);
                if (fence >= 0) {
                    P::fence(static_cast<Order>(fence));
                }
                r[mirrored ? 1 : 0] = (mirrored ? v.x : v.y).load(relaxed);
            };
        };
        return std::vector<Body>{half(false), half(true)};
    };
    EXPECT_TRUE(drawn(buffering(-1)).has({0, 0}));
    EXPECT_TRUE(drawn(buffering(static_cast<int>(acq_rel))).has({0, 0}));
    EXPECT_FALSE(drawn(buffering(kFull)).has({0, 0}));
    EXPECT_FALSE(drawn(buffering(-1), Model::sc).has({0, 0}));
    const auto passing = [](Order store, Order load) {
        return std::vector<Body>{[=](Vars& v, Outcome&) {
                                     v.x.store(1, relaxed);
                                     v.y.store(1, store);
                                 },
                                 [=](Vars& v, Outcome& r) {
                                     r[0] = v.y.load(load);
                                     r[1] = v.x.load(relaxed);
                                 }};
    };
    EXPECT_TRUE(drawn(passing(relaxed, acquire)).has({1, 0}));
    EXPECT_TRUE(drawn(passing(release, relaxed)).has({1, 0}));
    EXPECT_FALSE(drawn(passing(release, acquire)).has({1, 0}));
    const auto reader = [](bool mirrored) {
        return [=](Vars& v, Outcome& r) {
            r[mirrored ? 2 : 0] = (mirrored ? v.y : v.x).load(acquire);
            r[mirrored ? 3 : 1] = (mirrored ? v.x : v.y).load(acquire);
        };
    };
    EXPECT_TRUE(drawn({[](Vars& v, Outcome&) { v.x.store(1, release); },
                       [](Vars& v, Outcome&) { v.y.store(1, release); }, reader(false), reader(true)})
                    .has({1, 0, 1, 0}));
    // A compare-exchange that fails may see an old value too.
    EXPECT_TRUE(drawn({[](Vars& v, Outcome&) {
                           v.x.store(1, relaxed);
                           v.y.store(1, relaxed);
                       },
                       [](Vars& v, Outcome& r) {
                           r[0] = v.y.load(relaxed);
                           r[1] = v.x.try_cas(1, 2, relaxed) ? 1 : 0;
                       }})
                    .has({1, 0}));
}

Body random_body(RandomStream& random, std::size_t first_result) {
    constexpr Order kLoads[] = {relaxed, acquire, seq_cst};
    constexpr Order kStores[] = {relaxed, release, seq_cst};
    constexpr Order kBoth[] = {relaxed, acquire, release, acq_rel, seq_cst};
    struct Op {
        unsigned what;
        bool on_y;
        Order order;
        int value;
    };
    std::vector<Op> ops;
    for (unsigned i = 0; i < 3; ++i) {
        const unsigned what = random.below(4);
        ops.push_back({what, random.below(2) == 0,
                       what == 0   ? kLoads[random.below(3)]
                       : what == 1 ? kStores[random.below(3)]
                                   : kBoth[1 + random.below(4)],
                       1 + static_cast<int>(random.below(6))});
    }
    return [=](Vars& v, Outcome& r) {
        std::size_t at = first_result;
        for (const Op& op : ops) {
            auto& atomic = op.on_y ? v.y : v.x;
            if (op.what == 0) {
                r[at] = r[at] * 10 + atomic.load(op.order);
            } else if (op.what == 1) {
                atomic.store(op.value, op.order);
            } else if (op.what == 2) {
                r[at] = r[at] * 10 + atomic.exchange(op.value, op.order);
            } else {
                P::fence(op.order);
            }
        }
    };
}

// Of programs drawn at random: nothing that engine G does not show, under sc all of it, under rc11 nearly all. What is
// missing are stores that come before others that were made earlier.
TEST(RandomEngine, DrawsWhatEngineGShows) {
    RandomStream random(7);
    std::size_t all = 0;
    std::size_t found = 0;
    for (int i = 0; i < 40; ++i) {
        std::vector<Body> threads;
        for (std::size_t tid = 0; tid < 2; ++tid) {
            const Body body = random_body(random, tid);
            threads.emplace_back([body, tid](Vars& v, Outcome& r) {
                r[tid] = 0;
                body(v, r);
            });
        }
        for (const Model model : {Model::sc, Model::rc11}) {
            const Shown graphs = run_by(&explore::explore_graphs, threads, model);
            const Shown some = drawn(threads, model);
            EXPECT_TRUE(std::includes(graphs.outcomes.begin(), graphs.outcomes.end(), some.outcomes.begin(),
                                      some.outcomes.end()))
                << "program " << i;
            if (model == Model::sc) {
                EXPECT_EQ(some.outcomes.size(), graphs.outcomes.size()) << "program " << i;
            } else {
                all += graphs.outcomes.size();
                found += some.outcomes.size();
            }
        }
    }
    EXPECT_GT(found * 10, all * 9) << found << " of " << all;
}

struct World {
    P::Atomic<int> flag{0};
    P::Atomic<int> other{0};
    P::Atomic<std::uint32_t> futex{0U};
    P::Plain<int> data{0};
};
explore::Verdict run_world(ThreadId threads, const std::function<void(World&, ThreadId)>& body,
                           explore::Options options = {}) {
    World* world = nullptr;
    explore::Program program;
    program.threads = threads;
    program.setup = [&](explore::Arena& arena) { world = &arena.make<World>(); };
    program.body = [&](ThreadId tid) { body(*world, tid); };
    options.max_executions = options.max_executions == 0 ? 1000 : options.max_executions;
    return explore::explore_random(program, options);
}

TEST(RandomEngine, TheSeedDecides) {
    const auto history = [](std::uint64_t seed) {
        std::string seen;
        explore::Options options;
        options.seed = seed;
        options.max_executions = 50;
        run_world(
            3,
            [&seen](World& w, ThreadId tid) {
                w.flag.store(static_cast<int>(tid), relaxed);
                seen += std::to_string(w.flag.load(relaxed));
            },
            options);
        return seen;
    };
    EXPECT_EQ(history(1), history(1));
    EXPECT_NE(history(1), history(2));
}

TEST(RandomEngine, IsNeverExhaustive) {
    explore::Options options;
    options.max_executions = 10;
    const explore::Verdict verdict = run_world(
        1, [](World& w, ThreadId) { w.flag.store(1, relaxed); }, options);
    EXPECT_TRUE(verdict.passed());
    EXPECT_FALSE(verdict.exhaustive);
    EXPECT_EQ(verdict.stopped_by, "10 executions");
    EXPECT_EQ(verdict.counts.complete, 10U);
    EXPECT_EQ(verdict.counts.events, 10U);
}

// Two switches away from a run of one thread after the other: found by PCT schedules from depth 2 on, never by those
// that only follow priorities.
TEST(RandomEngine, DepthOfSchedules) {
    const auto failure_at = [](unsigned depth) {
        explore::Options options;
        options.model = Model::sc;
        options.depth = depth;
        return run_world(
                   2,
                   [](World& w, ThreadId tid) {
                       if (tid == 0) {
                           w.flag.store(1, relaxed);
                           w.flag.store(2, relaxed);
                       } else {
                           check(w.flag.load(relaxed) != 1, "between the two");
                       }
                   },
                   options)
            .failure;
    };
    EXPECT_EQ(failure_at(1), Failure::none);
    EXPECT_EQ(failure_at(2), Failure::check_failed);
    EXPECT_EQ(failure_at(0), Failure::check_failed);
}

// Twelve park, one wakes them all: more threads than fit into a word.
TEST(RandomEngine, ManyThreadsPark) {
    const auto with = [](std::uint32_t woken) {
        return run_world(13, [woken](World& w, ThreadId tid) {
            if (tid == 0) {
                w.futex.store(1, release);
                P::unpark(w.futex, woken);
                return;
            }
            while (w.futex.load(acquire) == 0) {
                P::park(w.futex, 0, P::never());
            }
        });
    };
    EXPECT_TRUE(with(12).passed());
    EXPECT_EQ(with(11).failure, Failure::liveness);
}

// Time passes when nobody can go on without, however often it has to.
TEST(RandomEngine, TimePassesForWhoWaitsForIt) {
    explore::Options options;
    options.bounds = {0, 0, 0};
    EXPECT_TRUE(run_world(
                    2,
                    [](World& w, ThreadId) {
                        for (int i = 0; i < 3; ++i) {
                            auto deadline = P::after(1);
                            EXPECT_EQ(w.flag.await_until([](int flag) { return flag == 1; }, relaxed, deadline), 1);
                            P::sleep_prepare();
                            EXPECT_EQ(P::sleep(P::after(1)), Wake::expired);
                            EXPECT_EQ(P::park(w.futex, 0, P::after(1)), Wake::expired);
                        }
                        const auto last = P::after(1);
                        for (P::Retry loop; !P::expired(last); loop.again()) {
                            (void)w.flag.load(relaxed);
                        }
                    },
                    options)
                    .passed());
    EXPECT_EQ(run_world(
                  2, [](World& w, ThreadId) { w.flag.await([](int flag) { return flag == 1; }, relaxed); }, options)
                  .failure,
              Failure::liveness);
}

TEST(RandomEngine, WaitsAtSeveralPlaces) {
    std::set<int> ended_by;
    const auto verdict = [&](int flag, int other) {
        return run_world(2, [&ended_by, flag, other](World& w, ThreadId tid) {
            if (tid == 1) {
                w.flag.store(flag, relaxed);
                w.other.store(other, relaxed);
                return;
            }
            const auto is_one = [](int now) { return now == 1; };
            ended_by.insert(w.flag.await_until(is_one, relaxed, P::when(w.other, is_one, relaxed)));
        });
    };
    EXPECT_TRUE(verdict(1, 1).passed());
    EXPECT_EQ(ended_by, (std::set<int>{0, 1}));
    ended_by.clear();
    EXPECT_TRUE(verdict(2, 1).passed());
    EXPECT_EQ(ended_by, (std::set<int>{1}));
    const explore::Verdict stuck = verdict(2, 2);
    EXPECT_EQ(stuck.failure, Failure::liveness);
    EXPECT_NE(stuck.trace.find("or for"), std::string::npos) << stuck.trace;
}

// Two threads that undo for each other what they do never end, though each could go on.
TEST(RandomEngine, LivelockIsFound) {
    explore::Options options;
    options.max_executions = 2;
    const explore::Verdict verdict = run_world(
        1,
        [](World& w, ThreadId) {
            for (P::EffectLoop<1> loop;; loop.again()) {
                w.flag.add(1, relaxed);
            }
        },
        options);
    EXPECT_EQ(verdict.failure, Failure::liveness);
    EXPECT_NE(verdict.message.find("livelock"), std::string::npos) << verdict.message;
}

// Ten threads that have nothing to do with it, stale reads that change nothing: what is told is one switch and one
// stale read.
TEST(RandomEngine, FailuresAreToldShort) {
    const auto noisy = [](const std::string& replay) {
        explore::Options options;
        options.replay = replay;
        return run_world(
            12,
            [](World& w, ThreadId tid) {
                for (int i = 0; tid > 1 && i < 5; ++i) {
                    w.other.fetch_add(1, relaxed);
                    (void)w.other.load(relaxed);
                }
                if (tid == 0) {
                    w.futex.store(1, relaxed);
                    w.flag.store(1, relaxed);
                } else if (tid == 1 && w.flag.load(relaxed) == 1) {
                    check(w.futex.load(relaxed) == 1, "the first came before the second");
                }
            },
            options);
    };
    const explore::Verdict verdict = noisy("");
    EXPECT_EQ(verdict.failure, Failure::check_failed);
    EXPECT_EQ(verdict.replay, "a2b2,1") << verdict.trace;
    EXPECT_NE(verdict.trace.find("(stale: the newest is #1)"), std::string::npos) << verdict.trace;
    const explore::Verdict again = noisy(verdict.replay);
    EXPECT_EQ(again.message, verdict.message);
    EXPECT_EQ(again.trace, verdict.trace);
    EXPECT_TRUE(noisy("a2b2").passed());
    EXPECT_EQ(noisy("a2?").failure, Failure::not_deterministic);
}

TEST(RandomEngine, ScriptsAsText) {
    for (const char* const text : {"a", "a5b3,2", "Z_a_l12,7a"}) {
        explore::Script script;
        EXPECT_TRUE(explore::parse_script(text, script));
        EXPECT_EQ(script.text(), text);
    }
    for (const char* const text : {"5", "_z", "a,b", "?"}) {
        explore::Script script;
        EXPECT_FALSE(explore::parse_script(text, script)) << text;
    }
}

}  // namespace
}  // namespace lockbench::test
