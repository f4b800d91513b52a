// SPDX-License-Identifier: MIT
// Litmus programs: the outcomes that each memory model must and must not show, known by hand from the literature (Lahav
// et al., PLDI 2017; Batty et al., POPL 2011), each by its usual name.
#include <gtest/gtest.h>

#include "tests/support/litmus.hpp"

namespace lockbench::test {
namespace {

using namespace litmus;

Body store_then_load(Order store, Order load, bool mirrored, int fence = -1) {
    return [=](Vars& v, Outcome& r) {
        (mirrored ? v.y : v.x).store(1, store);
        if (fence >= 0) {
            P::fence(static_cast<Order>(fence));
        }
        r[mirrored ? 1 : 0] = (mirrored ? v.x : v.y).load(load);
    };
}
Shown store_buffering(Order store, Order load, int fence_a = -1, int fence_b = -1, Model model = Model::rc11) {
    return run({store_then_load(store, load, false, fence_a), store_then_load(store, load, true, fence_b)}, model);
}
TEST(GraphLitmus, StoreBuffering) {
    EXPECT_TRUE(store_buffering(relaxed, relaxed).has({0, 0}));
    EXPECT_EQ(store_buffering(relaxed, relaxed).count, 4U);
    EXPECT_TRUE(store_buffering(release, acquire).has({0, 0}));
}
TEST(GraphLitmus, StoreBufferingWithFences) {
    EXPECT_FALSE(store_buffering(relaxed, relaxed, kFull, kFull).has({0, 0}));
    EXPECT_EQ(store_buffering(relaxed, relaxed, kFull, kFull).count, 3U);
    EXPECT_TRUE(store_buffering(relaxed, relaxed, kFull).has({0, 0}));
    EXPECT_TRUE(store_buffering(relaxed, relaxed, static_cast<int>(acq_rel), static_cast<int>(acq_rel)).has({0, 0}));
}
TEST(GraphLitmus, StoreBufferingOfSequentialAccesses) {
    EXPECT_FALSE(store_buffering(seq_cst, seq_cst).has({0, 0}));
    EXPECT_EQ(store_buffering(seq_cst, seq_cst).count, 3U);
    EXPECT_TRUE(store_buffering(seq_cst, acquire).has({0, 0}));
    EXPECT_TRUE(store_buffering(release, seq_cst).has({0, 0}));
}
TEST(GraphLitmus, StoreBufferingUnderSc) {
    EXPECT_FALSE(store_buffering(relaxed, relaxed, -1, -1, Model::sc).has({0, 0}));
    EXPECT_EQ(store_buffering(relaxed, relaxed, -1, -1, Model::sc).count, 3U);
}
TEST(GraphLitmus, StoreBufferingOfAccessesAgainstFence) {
    const Shown shown = run({store_then_load(seq_cst, seq_cst, false), store_then_load(relaxed, relaxed, true, kFull)});
    EXPECT_FALSE(shown.has({0, 0}));
}
TEST(GraphLitmus, StoreBufferingWithExchanges) {
    const auto through = [](bool mirrored, bool same) {
        return [=](Vars& v, Outcome& r) {
            (mirrored ? v.y : v.x).store(1, relaxed);
            // An acq_rel exchange is a fence only for those that meet at the same word.
            if (same || !mirrored) {
                v.z.fetch_add(1, acq_rel);
            }
            r[mirrored ? 1 : 0] = (mirrored ? v.x : v.y).load(relaxed);
        };
    };
    EXPECT_FALSE(run({through(false, true), through(true, true)}).has({0, 0}));
    EXPECT_TRUE(run({through(false, false), through(true, false)}).has({0, 0}));
}

Shown message_passing(Order store, Order load, int fence_a = -1, int fence_b = -1, Model model = Model::rc11) {
    return run({[=](Vars& v, Outcome&) {
                    v.x.store(1, relaxed);
                    if (fence_a >= 0) {
                        P::fence(static_cast<Order>(fence_a));
                    }
                    v.y.store(1, store);
                },
                [=](Vars& v, Outcome& r) {
                    r[0] = v.y.load(load);
                    if (fence_b >= 0) {
                        P::fence(static_cast<Order>(fence_b));
                    }
                    r[1] = v.x.load(relaxed);
                }},
               model);
}
TEST(GraphLitmus, MessagePassing) {
    EXPECT_TRUE(message_passing(relaxed, relaxed).has({1, 0}));
    EXPECT_TRUE(message_passing(release, relaxed).has({1, 0}));
    EXPECT_TRUE(message_passing(relaxed, acquire).has({1, 0}));
    EXPECT_FALSE(message_passing(release, acquire).has({1, 0}));
    EXPECT_TRUE(message_passing(release, acquire).has({1, 1}));
    EXPECT_TRUE(message_passing(release, acquire).has({0, 1}));
    EXPECT_FALSE(message_passing(relaxed, relaxed, -1, -1, Model::sc).has({1, 0}));
}
TEST(GraphLitmus, MessagePassingWithFences) {
    constexpr int kRelease = static_cast<int>(release);
    constexpr int kAcquire = static_cast<int>(acquire);
    EXPECT_FALSE(message_passing(relaxed, relaxed, kRelease, kAcquire).has({1, 0}));
    EXPECT_FALSE(message_passing(release, relaxed, -1, kAcquire).has({1, 0}));
    EXPECT_FALSE(message_passing(relaxed, acquire, kRelease, -1).has({1, 0}));
    EXPECT_TRUE(message_passing(relaxed, relaxed, kRelease, -1).has({1, 0}));
    EXPECT_TRUE(message_passing(relaxed, relaxed, kAcquire, kRelease).has({1, 0}));
}

TEST(GraphLitmus, LoadBuffering) {
    // Hardware may show it and C++20 allows it; RC11 and this engine do not: docs/explore.md.
    for (const Model model : {Model::rc11, Model::sc}) {
        const Shown shown = run({[](Vars& v, Outcome& r) {
                                     r[0] = v.x.load(relaxed);
                                     v.y.store(1, relaxed);
                                 },
                                 [](Vars& v, Outcome& r) {
                                     r[1] = v.y.load(relaxed);
                                     v.x.store(1, relaxed);
                                 }},
                                model);
        EXPECT_FALSE(shown.has({1, 1}));
        EXPECT_EQ(shown.count, 3U);
    }
}

Shown two_plus_two_writes(Order order, Model model = Model::rc11) {
    return run({[=](Vars& v, Outcome&) {
                    v.x.store(1, order);
                    v.y.store(2, order);
                },
                [=](Vars& v, Outcome&) {
                    v.y.store(1, order);
                    v.x.store(2, order);
                }},
               model);
}
TEST(GraphLitmus, TwoPlusTwoWrites) {
    EXPECT_TRUE(two_plus_two_writes(relaxed).has({}, 1, 1));
    EXPECT_TRUE(two_plus_two_writes(release).has({}, 1, 1));
    EXPECT_FALSE(two_plus_two_writes(seq_cst).has({}, 1, 1));
    EXPECT_FALSE(two_plus_two_writes(relaxed, Model::sc).has({}, 1, 1));
    EXPECT_EQ(two_plus_two_writes(relaxed).count, 4U);
    EXPECT_EQ(two_plus_two_writes(seq_cst).count, 3U);
}

Shown independent_reads(Order store, Order first, Order second, int fence = -1, Model model = Model::rc11) {
    const auto reader = [=](bool mirrored) {
        return [=](Vars& v, Outcome& r) {
            r[mirrored ? 2 : 0] = (mirrored ? v.y : v.x).load(first);
            if (fence >= 0) {
                P::fence(static_cast<Order>(fence));
            }
            r[mirrored ? 3 : 1] = (mirrored ? v.x : v.y).load(second);
        };
    };
    return run({[=](Vars& v, Outcome&) { v.x.store(1, store); }, [=](Vars& v, Outcome&) { v.y.store(1, store); },
                reader(false), reader(true)},
               model);
}
TEST(GraphLitmus, Iriw) {
    EXPECT_TRUE(independent_reads(relaxed, relaxed, relaxed).has({1, 0, 1, 0}));
    EXPECT_TRUE(independent_reads(release, acquire, acquire).has({1, 0, 1, 0}));
    EXPECT_FALSE(independent_reads(seq_cst, seq_cst, seq_cst).has({1, 0, 1, 0}));
    EXPECT_FALSE(independent_reads(relaxed, relaxed, relaxed, kFull).has({1, 0, 1, 0}));
    EXPECT_FALSE(independent_reads(relaxed, relaxed, relaxed, -1, Model::sc).has({1, 0, 1, 0}));
}
TEST(GraphLitmus, IriwAcqSc) {
    // Forbidden by C++11 as first written, shown by Power, allowed by RC11.
    EXPECT_TRUE(independent_reads(seq_cst, acquire, seq_cst).has({1, 0, 1, 0}));
}
TEST(GraphLitmus, Z6U) {
    const Shown shown = run({[](Vars& v, Outcome&) {
                                 v.x.store(1, seq_cst);
                                 v.y.store(1, release);
                             },
                             [](Vars& v, Outcome& r) {
                                 r[0] = v.y.fetch_add(1, seq_cst);
                                 r[1] = v.y.load(relaxed);
                             },
                             [](Vars& v, Outcome& r) {
                                 v.y.store(3, seq_cst);
                                 r[2] = v.x.load(seq_cst);
                             }});
    EXPECT_TRUE(shown.has({1, 3, 0})) << "C++11 forbids it, Power shows it, RC11 allows it";
}

Shown write_to_read_causality(Order store, Order load) {
    return run({[=](Vars& v, Outcome&) { v.x.store(1, store); },
                [=](Vars& v, Outcome& r) {
                    r[0] = v.x.load(load);
                    v.y.store(1, store);
                },
                [=](Vars& v, Outcome& r) {
                    r[1] = v.y.load(load);
                    r[2] = v.x.load(relaxed);
                }});
}
TEST(GraphLitmus, Wrc) {
    EXPECT_TRUE(write_to_read_causality(relaxed, relaxed).has({1, 1, 0}));
    EXPECT_FALSE(write_to_read_causality(release, acquire).has({1, 1, 0}));
}
TEST(GraphLitmus, Isa2) {
    const auto isa2 = [](Order store, Order load) {
        return run({[=](Vars& v, Outcome&) {
                        v.x.store(1, relaxed);
                        v.y.store(1, store);
                    },
                    [=](Vars& v, Outcome& r) {
                        r[0] = v.y.load(load);
                        v.z.store(1, store);
                    },
                    [=](Vars& v, Outcome& r) {
                        r[1] = v.z.load(load);
                        r[2] = v.x.load(relaxed);
                    }});
    };
    EXPECT_FALSE(isa2(release, acquire).has({1, 1, 0}));
    EXPECT_TRUE(isa2(relaxed, acquire).has({1, 1, 0}));
}
TEST(GraphLitmus, S) {
    const auto s = [](Order store, Order load) {
        return run({[=](Vars& v, Outcome&) {
                        v.x.store(2, relaxed);
                        v.y.store(1, store);
                    },
                    [=](Vars& v, Outcome& r) {
                        r[0] = v.y.load(load);
                        v.x.store(1, relaxed);
                    }});
    };
    EXPECT_FALSE(s(release, acquire).has({1}, 2));
    EXPECT_TRUE(s(relaxed, relaxed).has({1}, 2));
}
TEST(GraphLitmus, R) {
    const auto r = [](Order order, int fence, Model model) {
        return run({[=](Vars& v, Outcome&) {
                        v.x.store(1, order);
                        if (fence >= 0) {
                            P::fence(static_cast<Order>(fence));
                        }
                        v.y.store(1, order);
                    },
                    [=](Vars& v, Outcome& out) {
                        v.y.store(2, order);
                        if (fence >= 0) {
                            P::fence(static_cast<Order>(fence));
                        }
                        out[0] = v.x.load(order == relaxed ? relaxed : seq_cst);
                    }},
                   model);
    };
    EXPECT_TRUE(r(relaxed, -1, Model::rc11).has({0}, -1, 2));
    EXPECT_FALSE(r(relaxed, kFull, Model::rc11).has({0}, -1, 2));
    EXPECT_FALSE(r(seq_cst, -1, Model::rc11).has({0}, -1, 2));
    EXPECT_FALSE(r(relaxed, -1, Model::sc).has({0}, -1, 2));
}

Shown read_to_write_causality(Order store, Order load, int fence_b, int fence_c) {
    return run({[=](Vars& v, Outcome&) { v.x.store(1, store); },
                [=](Vars& v, Outcome& r) {
                    r[0] = v.x.load(load);
                    if (fence_b >= 0) {
                        P::fence(static_cast<Order>(fence_b));
                    }
                    r[1] = v.y.load(relaxed);
                },
                [=](Vars& v, Outcome& r) {
                    v.y.store(1, relaxed);
                    if (fence_c >= 0) {
                        P::fence(static_cast<Order>(fence_c));
                    }
                    r[2] = v.x.load(relaxed);
                }});
}
TEST(GraphLitmus, Rwc) {
    EXPECT_TRUE(read_to_write_causality(relaxed, relaxed, -1, -1).has({1, 0, 0}));
    // Two full fences forbid it in RC11, which C++11 as first written did not promise.
    EXPECT_FALSE(read_to_write_causality(relaxed, relaxed, kFull, kFull).has({1, 0, 0}));
    EXPECT_TRUE(read_to_write_causality(release, acquire, -1, kFull).has({1, 0, 0}));
}
TEST(GraphLitmus, WRwc) {
    const auto w_rwc = [](Order store, Order load) {
        return run({[=](Vars& v, Outcome&) {
                        v.x.store(1, relaxed);
                        v.z.store(1, store);
                    },
                    [=](Vars& v, Outcome& r) {
                        r[0] = v.z.load(load);
                        P::fence(seq_cst);
                        r[1] = v.y.load(relaxed);
                    },
                    [=](Vars& v, Outcome& r) {
                        v.y.store(1, relaxed);
                        P::fence(seq_cst);
                        r[2] = v.x.load(relaxed);
                    }});
    };
    EXPECT_FALSE(w_rwc(release, acquire).has({1, 0, 0}));
    EXPECT_TRUE(w_rwc(relaxed, relaxed).has({1, 0, 0}));
}

}  // namespace
}  // namespace lockbench::test
