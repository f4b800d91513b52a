// SPDX-License-Identifier: MIT
// Lifetimes on the cooperative platform, parking, deadlines and injections, counters of a world.
#include <gtest/gtest.h>

#include <memory>

#include "platform/coop.hpp"
#include "tests/support/survey.hpp"

namespace lockbench {
namespace {

using test::plain_options;
using test::Survey;
using test::survey;
using Word = Coop::Atomic<std::uint32_t>;
using Data = Coop::Plain<int>;

constexpr unsigned kSeeds = 300;

struct Node {
    explicit Node(int value) : number(value), word(0) {}
    Data number;
    Word word;
};
struct Stable {
    Word word{0U};
};
struct Fresh {
    Data number;
};
using NodePool = Coop::Pool<Stable, Fresh>;

bool is_set(std::uint32_t value) { return value != 0; }
bool never_true(std::uint32_t) { return false; }

// Thread 1 ends `object` at some time, thread 0 uses it.
template <class End, class Use>
Survey end_against_use(End end, Use use) {
    return survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
        Coop::Slab<Node> slab;
        Node* node = slab.make(7);
        world.run([&](ThreadId tid) {
            if (tid == 1) {
                end(slab, node);
            } else {
                use(node);
            }
        });
        if (world.verdict().passed && slab.live() != 0) {
            slab.destroy(node);
        }
    });
}

TEST(Slab, UseAfterDestroyIsFoundForEveryAccess) {
    using Use = void (*)(Node*);
    const Use uses[] = {[](Node* node) { static_cast<void>(node->word.load(relaxed)); },
                        [](Node* node) { node->word.store(1, relaxed); },
                        [](Node* node) { node->word.add(1, relaxed); },
                        [](Node* node) { static_cast<void>(node->word.try_cas(5, 6, relaxed)); },
                        [](Node* node) { node->word.init(1); },
                        [](Node* node) { Coop::park(node->word, 5, Coop::never()); },
                        [](Node* node) {
                            Coop::compute(1);
                            static_cast<void>(node->number.get());
                        },
                        [](Node* node) { node->word.await(never_true, relaxed); }};
    for (const Use use : uses) {
        const Survey result = end_against_use([](auto& slab, Node* node) { slab.destroy(node); }, use);
        EXPECT_GT(result.count(CoopFailure::use_after_free), 0U) << result;
        EXPECT_EQ(result.failures(), result.count(CoopFailure::use_after_free)) << result;
        EXPECT_NE(result.first.text.find("Node"), std::string::npos) << result.first.text;
    }
}

// Data has no scheduling point before it; that its use is not ordered before the end is seen whichever comes first.
TEST(Slab, DataMustBeDoneWithBeforeTheEnd) {
    for (const bool write : {false, true}) {
        const Survey result = end_against_use([](auto& slab, Node* node) { slab.destroy(node); },
                                              [write](Node* node) {
                                                  if (write) {
                                                      node->number.set(1);
                                                  } else {
                                                      static_cast<void>(node->number.get());
                                                  }
                                              });
        EXPECT_EQ(result.count(CoopFailure::use_after_free), result.runs) << result;
    }
}

TEST(Slab, WakingAParkedThreadThroughADeadWordIsLegal) {
    const Survey result = end_against_use([](auto& slab, Node* node) { slab.destroy(node); },
                                          [](Node* node) { Coop::unpark(node->word, 1); });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Slab, DestroyingTwiceIsFound) {
    const Survey result = end_against_use(
        [](auto& slab, Node* node) {
            slab.destroy(node);
            slab.destroy(node);
        },
        [](Node*) {});
    EXPECT_EQ(result.count(CoopFailure::double_free), result.runs) << result;
    const Survey foreign = survey(plain_options(1), 20, [](CoopWorld& world) {
        auto& slab = world.make<Coop::Slab<Node>>();
        auto& other = world.make<Coop::Slab<Node>>();
        world.run([&](ThreadId) { other.destroy(slab.make(1)); });
    });
    EXPECT_EQ(foreign.count(CoopFailure::double_free), foreign.runs) << foreign;
}

TEST(Slab, LeaksAreFound) {
    const Survey slab = survey(plain_options(1), 5, [](CoopWorld& world) {
        Coop::Slab<Node> nodes;
        world.run([&](ThreadId) { nodes.make(1); });
    });
    EXPECT_EQ(slab.count(CoopFailure::leak), slab.runs) << slab;
    EXPECT_NE(slab.first.text.find("goes with 1 of its objects alive"), std::string::npos) << slab.first.text;
    const Survey pool = survey(plain_options(1), 5, [](CoopWorld& world) {
        auto& nodes = world.make<NodePool>();
        world.run([&](ThreadId) {
            nodes.free(nodes.alloc());
            nodes.alloc();
        });
    });
    EXPECT_EQ(pool.count(CoopFailure::leak), pool.runs) << pool;
}

TEST(Slab, WhatIsAliveWhenTheWorldEndsIsALeakToo) {
    std::unique_ptr<Coop::Slab<Node>> outlives;
    CoopWorld world(plain_options(1));
    outlives = std::make_unique<Coop::Slab<Node>>();
    outlives->make(1);
    EXPECT_EQ(world.close().kind, CoopFailure::leak) << world.verdict().text;
    EXPECT_NE(world.verdict().text.find("still alive at the end of the world"), std::string::npos);
}

TEST(Slab, MuchUsedMemoryComesBack) {
    CoopOptions options = plain_options(1);
    options.max_steps = 1'000'000;
    const CoopVerdict verdict = [&] {
        CoopWorld world(options);
        auto& slab = world.make<Coop::Slab<Node>>();
        std::size_t chunks = 0;
        world.run([&](ThreadId) {
            for (int i = 0; i < 20'000; ++i) {
                Node* node = slab.make(i);
                check(node->number.get() == i && slab.live() == 1, "a new object");
                slab.destroy(node);
            }
        });
        slab.for_each_chunk(
            [&](void* base, std::size_t bytes) { chunks += base != nullptr && bytes >= sizeof(Node) ? 1 : 0; });
        EXPECT_LT(chunks, 5000U);
        return world.close();
    }();
    EXPECT_TRUE(verdict.passed) << verdict.text;
}

TEST(Pool, StablePartsOutliveTheirObjectInsideAReadSection) {
    enum class Reader { inside, outside, late, fresh };
    for (const Reader how : {Reader::inside, Reader::outside, Reader::late, Reader::fresh}) {
        const Survey result = survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
            auto& pool = world.make<NodePool>();
            auto& began = world.make<Word>(0U);
            auto& freed = world.make<Word>(0U);
            auto* object = pool.alloc();
            object->fresh.number.set(1);
            world.run([&](ThreadId tid) {
                if (tid == 1) {
                    if (how != Reader::late) {
                        began.await(is_set, acquire);
                    }
                    pool.free(object);
                    freed.store(1, release);
                    return;
                }
                if (how == Reader::late) {
                    freed.await(is_set, acquire);
                }
                if (how == Reader::outside) {
                    began.store(1, release);
                    freed.await(is_set, acquire);
                    object->stable.word.add(1, relaxed);
                    return;
                }
                const Coop::ReadSection section;
                began.store(1, release);
                freed.await(is_set, acquire);
                object->stable.word.add(1, relaxed);
                if (how == Reader::fresh) {
                    static_cast<void>(object->fresh.number.get());
                }
            });
        });
        if (how == Reader::inside) {
            EXPECT_TRUE(result.passed()) << result;
        } else {
            EXPECT_EQ(result.count(CoopFailure::use_after_free), result.runs) << result;
        }
    }
}

TEST(Pool, ReuseIsLastInFirstOutMostlyAndOrdersNothing) {
    unsigned reused = 0;
    unsigned fresh = 0;
    const Survey result = survey(plain_options(1), kSeeds, [&](CoopWorld& world) {
        auto& pool = world.make<NodePool>();
        world.run([&](ThreadId) {
            auto* first = pool.alloc();
            first->stable.word.store(9, relaxed);
            pool.free(first);
            auto* second = pool.alloc();
            (second == first ? reused : fresh) += 1;
            check(second->stable.word.load(relaxed) == (second == first ? 9U : 0U), "stable parts are built once");
            pool.free(second);
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(reused, 2 * fresh);
    EXPECT_GT(fresh, 0U);
    // Built anew means set anew.
    const CoopVerdict unset = [] {
        CoopWorld world(plain_options(1));
        auto& pool = world.make<NodePool>();
        world.run([&](ThreadId) {
            auto* object = pool.alloc();
            static_cast<void>(object->fresh.number.get());
        });
        return world.close();
    }();
    EXPECT_EQ(unset.kind, CoopFailure::uninitialised) << unset.text;
    // A stale pointer to an object that another thread has taken and set up again.
    const Survey stale = survey(plain_options(2), kSeeds, [](CoopWorld& world) {
        auto& pool = world.make<NodePool>();
        auto& ready = world.make<Word>(0U);
        auto* object = pool.alloc();
        object->fresh.number.set(1);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                pool.free(object);
                for (auto* again = pool.alloc(); again != object; again = pool.alloc()) {
                }
                object->fresh.number.set(2);
                ready.store(1, relaxed);
            } else {
                ready.await(is_set, relaxed);
                static_cast<void>(object->fresh.number.get());
            }
        });
    });
    EXPECT_EQ(stale.count(CoopFailure::race), stale.runs) << stale;
}

struct QueueTag;
struct Slot {
    Slot() : owner(0), value(0) {}
    Word owner;
    Data value;
};

TEST(PerThread, IsReachableByNumberAndBornBeforeTheRun) {
    using Slots = Coop::PerThread<Slot, QueueTag>;
    const Survey result = survey(plain_options(4), kSeeds, [](CoopWorld& world) {
        world.run([](ThreadId tid) {
            check(Slots::at(tid).owner.load(relaxed) == 0, "a new world has new objects");
            Slots::at(tid).value.set(static_cast<int>(tid));
            Slots::at(tid).owner.store(1, release);
            Slots::at((tid + 1) % 4).owner.await(is_set, acquire);
            check(Slots::at((tid + 1) % 4).value.get() == static_cast<int>((tid + 1) % 4), "the neighbour's");
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    const CoopVerdict beyond = run_coop(plain_options(2), [](ThreadId) { Slots::at(2).owner.store(1, relaxed); });
    EXPECT_EQ(beyond.kind, CoopFailure::check_failed) << beyond.text;
}

TEST(PerCpu, IsSharedByTwoThreads) {
    using Hints = Coop::PerCpu<Slot, QueueTag>;
    const CoopVerdict verdict = run_coop(plain_options(4), [](ThreadId tid) {
        check(&Hints::here() == &Hints::at(static_cast<CpuId>(tid / 2)), "here is this thread's CPU");
        Hints::here().owner.add(1, relaxed);
        check(Coop::node_of(Coop::cpu()) == static_cast<NodeId>(tid / 2 % 2), "two nodes");
    });
    EXPECT_TRUE(verdict.passed) << verdict.text;
}

TEST(Memory, ReadingWhatWasNeverSetIsFound) {
    const CoopVerdict word = run_coop(plain_options(1), [](ThreadId) {
        const Word unset;
        static_cast<void>(unset.load(relaxed));
    });
    EXPECT_EQ(word.kind, CoopFailure::uninitialised) << word.text;
    const CoopVerdict set = run_coop(plain_options(1), [](ThreadId) {
        Word stored;
        stored.store(1, relaxed);
        Word begun;
        begun.init(1);
        Data data;
        data.set(1);
        check(stored.load(relaxed) == 1 && begun.load(relaxed) == 1 && data.get() == 1, "set");
    });
    EXPECT_TRUE(set.passed) << set.text;
}

TEST(Memory, MadeObjectsAreWatchedUntilTheTestDestroysThem) {
    const Survey result = survey(plain_options(2), kSeeds, [](CoopWorld& world) {
        auto& node = world.make<Node>(1);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                world.destroy(node);
            } else {
                node.word.store(1, relaxed);
            }
        });
    });
    EXPECT_TRUE(result.only(CoopFailure::use_after_free)) << result;
}

TEST(World, CountsEventsByThread) {
    CoopWorld world(plain_options(3));
    world.run([](ThreadId tid) {
        for (ThreadId i = 0; i <= tid; ++i) {
            Coop::event(Event::slept);
        }
    });
    EXPECT_EQ(world.events(Event::slept), 6U);
    EXPECT_EQ(world.events(2, Event::slept), 3U);
    EXPECT_EQ(world.events(Event::queued), 0U);
}

TEST(World, CountsOvertakesByLockAndMode) {
    CoopWorld world(plain_options(2));
    auto& lock = world.make<Word>(0U);
    auto& turn = world.make<Word>(0U);
    world.run([&](ThreadId tid) {
        if (tid == 0) {
            Coop::mark(Mark::doorway, &lock, Mode::read);
            turn.store(1, release);
            turn.await([](std::uint32_t value) { return value == 2; }, acquire);
            Coop::mark(Mark::acquired, &lock, Mode::read);
            return;
        }
        turn.await(is_set, acquire);
        for (int i = 0; i < 3; ++i) {
            Coop::mark(Mark::doorway, &lock, Mode::write);
            Coop::mark(Mark::acquired, &lock, Mode::write);
            Coop::mark(Mark::released, &lock, Mode::write);
        }
        turn.store(2, release);
    });
    EXPECT_TRUE(world.verdict().passed) << world.verdict().text;
    EXPECT_EQ(world.overtakes(&lock, Mode::read), 3U);
    EXPECT_EQ(world.overtakes(&lock, Mode::write), 0U);
    EXPECT_EQ(world.acquisitions(&lock, Mode::write), 3U);
}

TEST(World, OnlyOneAtATime) {
    EXPECT_DEATH(
        {
            CoopWorld first(plain_options(1));
            CoopWorld second(plain_options(1));
        },
        "one cooperative world at a time");
}

TEST(World, TheHostCannotWaitForItself) {
    EXPECT_DEATH(
        {
            CoopWorld world(plain_options(1));
            auto& word = world.make<Word>(0U);
            word.await(is_set, acquire);
        },
        "outside a run nobody can end this wait");
}

}  // namespace
}  // namespace lockbench
