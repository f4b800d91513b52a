// SPDX-License-Identifier: MIT
// Judges the judge: small programs whose outcome under the memory model is known.
#include <gtest/gtest.h>

#include "platform/coop.hpp"
#include "tests/support/survey.hpp"

namespace lockbench {
namespace {

using test::plain_options;
using test::Survey;
using test::survey;
using Word = Coop::Atomic<std::uint32_t>;
using Data = Coop::Plain<int>;

constexpr unsigned kSeeds = 200;

// Thread 0 writes data and publishes it, thread 1 waits for the flag and reads.
template <class Publish, class Receive>
Survey message_passing(Publish publish, Receive receive) {
    return survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
        auto& flag = world.make<Word>(0U);
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                data.set(42);
                publish(flag);
            } else {
                receive(flag);
                check(data.get() == 42, "the message arrived");
            }
        });
    });
}

bool is_set(std::uint32_t value) { return value != 0; }

TEST(Litmus, MessagePassingByReleaseAndAcquireIsOrdered) {
    const Survey result =
        message_passing([](Word& flag) { flag.store(1, release); }, [](Word& flag) { flag.await(is_set, acquire); });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Litmus, MessagePassingWithARelaxedStoreIsARace) {
    const Survey result =
        message_passing([](Word& flag) { flag.store(1, relaxed); }, [](Word& flag) { flag.await(is_set, acquire); });
    EXPECT_EQ(result.count(CoopFailure::race), result.runs) << result;
    EXPECT_NE(result.first.text.find("litmus_coop_test.cpp"), std::string::npos) << result.first.text;
    EXPECT_NE(result.first.text.find("not ordered after thread 0's write"), std::string::npos) << result.first.text;
}

TEST(Litmus, MessagePassingWithARelaxedLoadIsARace) {
    const Survey result =
        message_passing([](Word& flag) { flag.store(1, release); }, [](Word& flag) { flag.await(is_set, relaxed); });
    EXPECT_EQ(result.count(CoopFailure::race), result.runs) << result;
}

TEST(Litmus, FencesMakeRelaxedAccessesPublish) {
    const auto publish = [](Word& flag) {
        Coop::fence(release);
        flag.store(1, relaxed);
    };
    const auto receive = [](Word& flag) {
        flag.await(is_set, relaxed);
        Coop::fence(acquire);
    };
    const Survey both = message_passing(publish, receive);
    EXPECT_TRUE(both.passed()) << both;
    const Survey no_release = message_passing([](Word& flag) { flag.store(1, relaxed); }, receive);
    EXPECT_EQ(no_release.count(CoopFailure::race), no_release.runs) << no_release;
    const Survey no_acquire = message_passing(publish, [](Word& flag) { flag.await(is_set, relaxed); });
    EXPECT_EQ(no_acquire.count(CoopFailure::race), no_acquire.runs) << no_acquire;
}

TEST(Litmus, AFenceDoesNotCoverWhatComesAfterIt) {
    const Survey result = survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
        auto& flag = world.make<Word>(0U);
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                Coop::fence(release);
                data.set(1);
                flag.store(1, relaxed);
            } else {
                flag.await(is_set, acquire);
                data.set(2);
            }
        });
    });
    EXPECT_EQ(result.count(CoopFailure::race), result.runs) << result;
}

TEST(Litmus, EveryFullFenceActsAsOne) {
    using Fence = void (*)();
    const Fence fences[] = {[] { Coop::fence(seq_cst); }, [] { Coop::fence_after_rmw(); }, [] { Coop::fence_light(); },
                            [] { Coop::fence_heavy(); }};
    for (const Fence fence : fences) {
        const Survey result = message_passing(
            [fence](Word& flag) {
                fence();
                flag.store(1, relaxed);
            },
            [fence](Word& flag) {
                flag.await(is_set, relaxed);
                fence();
            });
        EXPECT_TRUE(result.passed()) << result;
    }
}

// Thread 0 releases 1, thread 1 turns 1 into 2 by `middle`, thread 2 acquires 2 and reads what thread 0 wrote.
template <class Middle>
Survey through_a_third(Middle middle) {
    return survey(plain_options(3), kSeeds, [&](CoopWorld& world) {
        auto& flag = world.make<Word>(0U);
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                data.set(1);
                flag.store(1, release);
            } else if (tid == 1) {
                flag.await([](std::uint32_t value) { return value == 1; }, relaxed);
                middle(flag);
            } else {
                // Not by an acquiring wait: its polls could take in the first thread's 1.
                flag.await([](std::uint32_t value) { return value == 2; }, relaxed);
                static_cast<void>(flag.load(acquire));
                check(data.get() == 1, "the first thread's write is seen");
            }
        });
    });
}

TEST(Litmus, AReleaseSequenceGoesOnThroughReadModifyWrites) {
    const Survey add = through_a_third([](Word& flag) { flag.add(1, relaxed); });
    EXPECT_TRUE(add.passed()) << add;
    const Survey cas = through_a_third([](Word& flag) { EXPECT_TRUE(flag.try_cas(1, 2, relaxed)); });
    EXPECT_TRUE(cas.passed()) << cas;
    const Survey exchange = through_a_third([](Word& flag) { EXPECT_EQ(flag.exchange(2, relaxed), 1U); });
    EXPECT_TRUE(exchange.passed()) << exchange;
}

TEST(Litmus, AReleaseSequenceEndsAtAPlainStore) {
    const Survey relaxed_store = through_a_third([](Word& flag) { flag.store(2, relaxed); });
    EXPECT_EQ(relaxed_store.count(CoopFailure::race), relaxed_store.runs) << relaxed_store;
    // A release by a thread that has not acquired publishes its own past only.
    const Survey release_store = through_a_third([](Word& flag) { flag.store(2, release); });
    EXPECT_EQ(release_store.count(CoopFailure::race), release_store.runs) << release_store;
}

TEST(Litmus, AFailedCasAcquiresNothingUnlessToldSo) {
    const Survey try_cas = message_passing([](Word& flag) { flag.store(1, release); },
                                           [](Word& flag) {
                                               flag.await(is_set, relaxed);
                                               EXPECT_FALSE(flag.try_cas(7, 8, acq_rel));
                                           });
    EXPECT_EQ(try_cas.count(CoopFailure::race), try_cas.runs) << try_cas;
    const Survey told = message_passing([](Word& flag) { flag.store(1, release); },
                                        [](Word& flag) {
                                            flag.await(is_set, relaxed);
                                            std::uint32_t expected = 7;
                                            EXPECT_FALSE(flag.compare_exchange(expected, 8, acq_rel, acquire));
                                            EXPECT_EQ(expected, 1U);
                                        });
    EXPECT_TRUE(told.passed()) << told;
}

TEST(Litmus, PartsOfAWordSynchroniseWithTheWhole) {
    using Byte = Field<8, 8>;
    const Survey part_to_whole =
        message_passing([](Word& flag) { flag.field<Byte, SubWord::mixed>().put(0, 1, release); },
                        [](Word& flag) { flag.await([](std::uint32_t value) { return value == 0x100; }, acquire); });
    EXPECT_TRUE(part_to_whole.passed()) << part_to_whole;
    const Survey relaxed_part =
        message_passing([](Word& flag) { flag.field<Byte, SubWord::portable>().put(0, 1, relaxed); },
                        [](Word& flag) { flag.await([](std::uint32_t value) { return value == 0x100; }, acquire); });
    EXPECT_EQ(relaxed_part.count(CoopFailure::race), relaxed_part.runs) << relaxed_part;
    // A neighbour's store does not cut the release of another part.
    const Survey neighbour = through_a_third([](Word& flag) {
        flag.field<Field<16, 16>, SubWord::mixed>().put(0, 1, relaxed);
        flag.store(flag.load(acquire) & 0xffffU, relaxed);
        flag.store(2, release);
    });
    EXPECT_TRUE(neighbour.passed()) << neighbour;
}

// Both threads raise a flag and look at the other's: with interleaving alone one of them always sees the other.
TEST(Litmus, StoreBufferingIsNotShown) {
    unsigned seen_one = 0;
    unsigned seen_both = 0;
    const Survey result = survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
        auto& x = world.make<Word>(0U);
        auto& y = world.make<Word>(0U);
        std::array<std::uint32_t, 2> seen{};
        world.run([&](ThreadId tid) {
            (tid == 0 ? x : y).store(1, relaxed);
            seen[tid] = (tid == 0 ? y : x).load(relaxed);
        });
        EXPECT_NE(seen[0] + seen[1], 0U);
        seen_one += seen[0] + seen[1] == 1 ? 1 : 0;
        seen_both += seen[0] + seen[1] == 2 ? 1 : 0;
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(seen_one, 0U);
    EXPECT_GT(seen_both, 0U);
}

// A node that is linked before it is set up: under interleaving alone nobody would notice.
TEST(Litmus, AnInitThatIsPublishedWithoutReleaseIsARace) {
    for (const Order publish : {relaxed, release}) {
        const Survey result = survey(plain_options(2), kSeeds, [&](CoopWorld& world) {
            auto& node = world.make<Word>(0U);
            auto& tail = world.make<Coop::Atomic<Word*>>(nullptr);
            world.run([&](ThreadId tid) {
                if (tid == 0) {
                    node.init(5);
                    tail.store(&node, publish);
                } else {
                    Word* seen = tail.await_value([](Word* value) { return value != nullptr; }, acquire);
                    seen->add(1, relaxed);
                }
            });
        });
        EXPECT_EQ(result.count(CoopFailure::race), publish == release ? 0 : result.runs) << result;
        if (publish == relaxed) {
            EXPECT_NE(result.first.text.find("not ordered after its initialisation by thread 0"), std::string::npos)
                << result.first.text;
        }
    }
}

TEST(Litmus, ReadersDoNotRaceWithEachOther) {
    const Survey readers = survey(plain_options(4), kSeeds, [&](CoopWorld& world) {
        auto& data = world.make<Data>(3);
        world.run([&](ThreadId) { check(data.get() == 3, "the host's write is seen by all"); });
    });
    EXPECT_TRUE(readers.passed()) << readers;
    const Survey writer = survey(plain_options(4), kSeeds, [&](CoopWorld& world) {
        auto& data = world.make<Data>(3);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                data.set(4);
            } else {
                static_cast<void>(data.get());
            }
        });
    });
    EXPECT_EQ(writer.count(CoopFailure::race), writer.runs) << writer;
}

TEST(Litmus, PhasesOfAWorldAreOrdered) {
    const Survey result = survey(plain_options(3), kSeeds, [&](CoopWorld& world) {
        auto& data = world.make<Data>(0);
        for (ThreadId writer = 0; writer < 3; ++writer) {
            world.run([&](ThreadId tid) {
                if (tid == writer) {
                    data.set(data.get() + 1);
                }
            });
        }
        EXPECT_EQ(data.get(), 3);
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Litmus, OrdersThatAnOperationCannotHaveAreRefused) {
    for (const bool load : {false, true}) {
        const CoopVerdict verdict = run_coop({.threads = 1}, [load](ThreadId) {
            Word word(0);
            if (load) {
                static_cast<void>(word.load(release));
            } else {
                word.store(1, acquire);
            }
        });
        EXPECT_EQ(verdict.kind, CoopFailure::check_failed) << verdict.text;
    }
}

// The values themselves: every operation of the seam, on every width.
template <class T>
void check_operations() {
    const CoopVerdict verdict = run_coop({.threads = 1}, [](ThreadId) {
        Coop::Atomic<T> word(T{5});
        check(word.fetch_add(T{3}, relaxed) == T{5} && word.peek() == T{8}, "fetch_add");
        check(word.fetch_sub(T{2}, acquire) == T{8} && word.peek() == T{6}, "fetch_sub");
        check(word.fetch_and(T{3}, release) == T{6} && word.peek() == T{2}, "fetch_and");
        word.or_(T{8}, acq_rel);
        word.add(T{1}, seq_cst);
        word.sub(T{2}, relaxed);
        word.and_(T{0x7d}, relaxed);
        check(word.peek() == T{9}, "or_, add, sub, and_");
        check(word.add_fetch_test(
                  T{1}, [](T value) { return value == T{10}; }, acquire),
              "add_fetch_test sees the new value");
        check(!word.test_and_set_bit(0, acquire) && word.test_and_set_bit(0, acquire),
              "test_and_set_bit gives the old bit");
        T expected{1};
        check(!word.compare_exchange(expected, T{2}, acquire, relaxed) && expected == T{11},
              "a failed exchange reports what it saw");
        check(word.compare_exchange(expected, T{2}, acquire, relaxed) && word.peek() == T{2}, "compare_exchange");
        check(word.exchange(T{4}, release) == T{2} && word.load(relaxed) == T{4}, "exchange");
        word.init(static_cast<T>(-1));
        word.add(T{1}, relaxed);
        check(word.peek() == T{0}, "integers wrap");
    });
    EXPECT_TRUE(verdict.passed) << verdict.text;
}

TEST(Operations, GiveTheValuesOfTheSeam) {
    check_operations<std::uint8_t>();
    check_operations<std::uint16_t>();
    check_operations<std::uint32_t>();
    check_operations<std::uint64_t>();
    check_operations<std::int32_t>();
    check_operations<std::int64_t>();
}

TEST(Operations, FieldsTouchTheirPartOnly) {
    const CoopVerdict verdict = run_coop({.threads = 1}, [](ThreadId) {
        Word word(0x11223344);
        auto byte = word.field<Field<8, 8>, SubWord::mixed>();
        auto half = word.field<Field<16, 16>, SubWord::portable>();
        check(byte.load(relaxed) == 0x33 && half.load(relaxed) == 0x1122, "load");
        check(byte.try_cas(0x33, 0x55, acquire) && !byte.try_cas(0x33, 0x66, acquire), "try_cas");
        check(half.exchange(0xaabb, acq_rel) == 0x1122, "exchange");
        byte.put(0x55, 0x77, release);
        check(word.peek() == 0xaabb7744, "the rest is untouched");
        byte.put(0x12, 0, release);
    });
    EXPECT_EQ(verdict.kind, CoopFailure::check_failed);
    EXPECT_NE(verdict.text.find("put: the field does not hold"), std::string::npos) << verdict.text;
}

}  // namespace
}  // namespace lockbench
