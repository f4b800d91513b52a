// SPDX-License-Identifier: MIT
// Litmus programs of one location, of read-modify-writes and of release sequences.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/litmus.hpp"

namespace lockbench::test {
namespace {

using namespace litmus;

TEST(GraphCoherence, CoRR) {
    const Shown shown = run({[](Vars& v, Outcome&) { v.x.store(1, relaxed); },
                             [](Vars& v, Outcome& r) {
                                 r[0] = v.x.load(relaxed);
                                 r[1] = v.x.load(relaxed);
                             }});
    EXPECT_FALSE(shown.has({1, 0}));
    EXPECT_EQ(shown.count, 3U);
}
TEST(GraphCoherence, CoRR2) {
    const auto reader = [](std::size_t at) {
        return [at](Vars& v, Outcome& r) {
            r[at] = v.x.load(relaxed);
            r[at + 1] = v.x.load(relaxed);
        };
    };
    const Shown shown = run({[](Vars& v, Outcome&) { v.x.store(1, relaxed); },
                             [](Vars& v, Outcome&) { v.x.store(2, relaxed); }, reader(0), reader(2)});
    EXPECT_FALSE(shown.has({1, 2, 2, 1}));
    EXPECT_TRUE(shown.has({1, 2, 1, 2}));
}
TEST(GraphCoherence, CoWW) {
    const Shown shown = run({[](Vars& v, Outcome&) {
        v.x.store(1, relaxed);
        v.x.store(2, relaxed);
    }});
    EXPECT_FALSE(shown.has({}, 1));
    EXPECT_EQ(shown.count, 1U);
}
TEST(GraphCoherence, CoRW) {
    const Shown one = run({[](Vars& v, Outcome& r) {
        r[0] = v.x.load(relaxed);
        v.x.store(1, relaxed);
    }});
    EXPECT_FALSE(one.has({1}));
    const Shown two = run({[](Vars& v, Outcome& r) {
                               r[0] = v.x.load(relaxed);
                               v.x.store(1, relaxed);
                           },
                           [](Vars& v, Outcome&) { v.x.store(2, relaxed); }});
    EXPECT_FALSE(two.has({2}, 2));
    EXPECT_TRUE(two.has({2}, 1));
    EXPECT_TRUE(two.has({0}, 2));
}
TEST(GraphCoherence, CoWR) {
    const Shown shown = run({[](Vars& v, Outcome& r) {
                                 v.x.store(1, relaxed);
                                 r[0] = v.x.load(relaxed);
                             },
                             [](Vars& v, Outcome&) { v.x.store(2, relaxed); }});
    EXPECT_FALSE(shown.has({0}));
    EXPECT_FALSE(shown.has({2}, 1));
    EXPECT_TRUE(shown.has({2}, 2));
}

// Thread 0 publishes x by a release of y = 1; thread 1 makes `next` of it; thread 2 acquires that.
Shown release_sequence(const Body& next, int wanted) {
    return run({[](Vars& v, Outcome&) {
                    v.x.store(1, relaxed);
                    v.y.store(1, release);
                },
                next,
                [wanted](Vars& v, Outcome& r) {
                    r[0] = v.y.load(acquire) == wanted ? 1 : 0;
                    r[1] = v.x.load(relaxed);
                }});
}
TEST(GraphCoherence, ReleaseSequence) {
    const Body add = [](Vars& v, Outcome& r) { r[2] = v.y.fetch_add(10, relaxed); };
    EXPECT_FALSE(release_sequence(add, 11).has({1, 0}));
    EXPECT_TRUE(release_sequence(add, 11).has({1, 1}));
    EXPECT_TRUE(release_sequence(add, 10).has({1, 0})) << "an addition before the release continues nothing";
    const Body other = [](Vars& v, Outcome& r) {
        r[2] = v.y.load(relaxed);
        v.y.store(11, relaxed);
    };
    EXPECT_TRUE(release_sequence(other, 11).has({1, 0, 1})) << "a store by another thread ends it";
}
TEST(GraphCoherence, ReleaseSequenceOfTheSameThread) {
    // C++20 took the same thread's plain stores out of it.
    const Shown shown = run({[](Vars& v, Outcome&) {
                                 v.x.store(1, relaxed);
                                 v.y.store(1, release);
                                 v.y.store(2, relaxed);
                             },
                             [](Vars& v, Outcome& r) {
                                 r[0] = v.y.load(acquire);
                                 r[1] = v.x.load(relaxed);
                             }});
    EXPECT_TRUE(shown.has({2, 0}));
    EXPECT_FALSE(shown.has({1, 0}));
}

TEST(GraphCoherence, AtomicAdditions) {
    const Body add = [](Vars& v, Outcome&) { v.x.add(1, relaxed); };
    const Shown shown = run({add, add, add});
    EXPECT_EQ(shown.count, 6U);
    EXPECT_TRUE(shown.has({}, 3));
    EXPECT_EQ(shown.outcomes.size(), 1U);
}
TEST(GraphCoherence, CompareExchangeHasOneWinner) {
    const auto claim = [](std::size_t at) {
        return [at](Vars& v, Outcome& r) { r[at] = v.x.try_cas(0, 1, acq_rel) ? 1 : 0; };
    };
    const Shown shown = run({claim(0), claim(1)});
    EXPECT_EQ(shown.outcomes.size(), 2U);
    EXPECT_FALSE(shown.has({1, 1}) || shown.has({0, 0}));
}
TEST(GraphCoherence, ExchangeIsAtomic) {
    const auto swap = [](std::size_t at, int value) {
        return [=](Vars& v, Outcome& r) { r[at] = v.x.exchange(value, relaxed); };
    };
    const Shown shown = run({swap(0, 1), swap(1, 2)});
    EXPECT_EQ(shown.count, 2U);
    EXPECT_FALSE(shown.has({0, 0}) || shown.has({2, 1}));
}
TEST(GraphCoherence, PartsOfAWord) {
    using Word = P::Atomic<std::uint32_t>;
    Word* word = nullptr;
    std::set<std::uint32_t> finals;
    explore::Program program;
    program.setup = [&](explore::Arena& arena) { word = &arena.make<Word>(0x0101U); };
    program.body = [&](ThreadId tid) {
        if (tid == 0) {
            word->field<Field<0, 8>, SubWord::mixed>().put(1, 2, release);
        } else {
            word->field<Field<8, 8>, SubWord::mixed>().exchange(3, relaxed);
        }
    };
    program.verify = [&] { finals.insert(word->peek()); };
    EXPECT_TRUE(explore::explore_graphs(program, {}).exhaustive);
    EXPECT_EQ(finals, std::set<std::uint32_t>{0x0302U});
}

// Dekker's entry: exclusion by store buffering.
TEST(GraphCoherence, Dekker) {
    const auto dekker = [](bool fences, Model model) {
        struct Two {
            P::Atomic<int> a{0};
            P::Atomic<int> b{0};
            P::Plain<int> data{0};
        };
        Two* two = nullptr;
        explore::Program program;
        program.setup = [&](explore::Arena& arena) { two = &arena.make<Two>(); };
        program.body = [&](ThreadId tid) {
            (tid == 0 ? two->a : two->b).store(1, relaxed);
            if (fences) {
                P::fence(seq_cst);
            }
            if ((tid == 0 ? two->b : two->a).load(relaxed) == 0) {
                two->data.set(1);
            }
        };
        explore::Options options;
        options.model = model;
        return explore::explore_graphs(program, options).failure;
    };
    EXPECT_EQ(dekker(true, Model::rc11), explore::Failure::none);
    EXPECT_EQ(dekker(false, Model::rc11), explore::Failure::race);
    EXPECT_EQ(dekker(false, Model::sc), explore::Failure::none);
}

}  // namespace
}  // namespace lockbench::test
