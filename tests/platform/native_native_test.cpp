// SPDX-License-Identifier: MIT
// The Native platform: what each operation of the seam does on real threads.
#include "platform/native.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <vector>

#include "tests/support/native_team.hpp"

namespace lockbench {
namespace {

using Word = Native::Atomic<std::uint32_t>;

using test::Team;

TEST(NativeAtomic, ReadModifyWritesReturnWhatTheirNamesSay) {
    Word word(5);
    EXPECT_EQ(word.fetch_add(3, relaxed), 5U);
    EXPECT_EQ(word.fetch_sub(1, acq_rel), 8U);
    EXPECT_EQ(word.fetch_and(6, relaxed), 7U);
    EXPECT_EQ(word.exchange(1, acq_rel), 6U);
    EXPECT_FALSE(word.try_cas(2, 9, acquire));
    EXPECT_TRUE(word.try_cas(1, 9, acquire));
    std::uint32_t expected = 8;
    EXPECT_FALSE(word.compare_exchange(expected, 10, acq_rel, relaxed));
    EXPECT_EQ(expected, 9U) << "a failed exchange tells what was there";
    word.or_(0x10, relaxed);
    word.and_(0x1f, relaxed);
    word.add(1, relaxed);
    word.sub(2, relaxed);
    EXPECT_EQ(word.peek(), 0x18U);
}

TEST(NativeAtomic, AddFetchTestSeesTheNewValue) {
    Native::Atomic<std::int64_t> count(0);
    EXPECT_TRUE(count.add_fetch_test(
        -1, [](std::int64_t v) { return v < 0; }, acquire));
    EXPECT_FALSE(count.add_fetch_test(
        1, [](std::int64_t v) { return v < 0; }, release));
}

TEST(NativeAtomic, TestAndSetBitReturnsTheOldBit) {
    Word word(0x4);
    EXPECT_TRUE(word.test_and_set_bit(2, acquire));
    EXPECT_FALSE(word.test_and_set_bit(31, acquire));
    EXPECT_FALSE(word.test_and_set_bit(0, acquire));
    EXPECT_EQ(word.peek(), 0x80000005U);
}

template <class Build>
class NativeField : public testing::Test {};
template <SubWord kBuild>
struct BuildOf {
    static constexpr SubWord kValue = kBuild;
};
using Builds = testing::Types<BuildOf<SubWord::mixed>, BuildOf<SubWord::portable>>;
TYPED_TEST_SUITE(NativeField, Builds);

TYPED_TEST(NativeField, TouchesItsOwnBitsOnly) {
    Word word(0x11223344);
    auto low = word.field<Field<0, 8>, TypeParam::kValue>();
    auto second = word.field<Field<8, 8>, TypeParam::kValue>();
    auto high = word.field<Field<16, 16>, TypeParam::kValue>();
    EXPECT_EQ(low.load(relaxed), 0x44);
    EXPECT_EQ(second.load(relaxed), 0x33);
    EXPECT_EQ(high.load(relaxed), 0x1122);
    low.put(0x44, 0xff, release);
    EXPECT_EQ(word.peek(), 0x112233ffU);
    low.put(0xff, 0x00, release);
    EXPECT_EQ(word.peek(), 0x11223300U) << "a field that shrinks must not borrow from its neighbour";
    EXPECT_EQ(high.exchange(0xabcd, acq_rel), 0x1122);
    EXPECT_FALSE(second.try_cas(0x34, 0, acquire));
    EXPECT_TRUE(second.try_cas(0x33, 0x01, acquire));
    EXPECT_EQ(word.peek(), 0xabcd0100U);
}

// As a queue lock exchanges its tail: the value is computed, narrowed and used again. GCC 12 made an exclusive loop of
// this one in an AArch64 build with LSE; tests/instructions.py looks at the object.
std::uint32_t both_halves(Word& word, const volatile std::uint32_t& number) {
    const auto tail = static_cast<std::uint16_t>((number + 1) << 2U);
    const std::uint16_t before = word.field<Field<16, 16>, SubWord::mixed>().exchange(tail, acq_rel);
    return before | static_cast<std::uint32_t>(tail);
}

TEST(NativeAtomic, AComputedHalfwordIsExchanged) {
    Word word(0x00100000);
    const volatile std::uint32_t number = 1;
    EXPECT_EQ(both_halves(word, number), 0x18U);
    EXPECT_EQ(word.peek(), 0x00080000U);
}

TYPED_TEST(NativeField, KeepsNeighboursThatChangeMeanwhile) {
    constexpr int kRounds = 20'000;
    Team trial(2);
    Word word(0);
    trial.run([&](ThreadId tid) {
        auto low = word.field<Field<0, 8>, TypeParam::kValue>();
        for (int i = 0; i < kRounds; ++i) {
            if (tid == 0) {
                low.put(0, 0xff, release);
                low.put(0xff, 0, release);
            } else {
                word.add(0x100, relaxed);
            }
        }
    });
    EXPECT_EQ(word.peek(), 0x100U * kRounds);
}

TEST(NativeWaiting, AwaitUntilTellsWhichStopFired) {
    const Team trial(1);
    Word word(0);
    const auto never = [](std::uint32_t) { return false; };
    EXPECT_EQ(word.await_until([](std::uint32_t v) { return v == 0; }, acquire, Native::Budget{1}), 0);
    EXPECT_EQ(word.await_until(never, acquire, Native::Budget{100}), 1);
    EXPECT_EQ(word.await_until(never, acquire, Native::never(), Native::Budget{100}), 2);
    EXPECT_EQ(word.await_until(never, acquire, Native::after(1), Native::never()), 1);
    EXPECT_EQ(word.await_until(never, acquire, Native::should_yield()), 1) << "the cap that stands for need_resched";
    Word other(1);
    EXPECT_EQ(word.await_until(never, acquire, Native::cancelled(),
                               Native::when(
                                   other, [](std::uint32_t v) { return v == 1; }, acquire)),
              2);
    Native::cancel(Native::self());
    EXPECT_EQ(word.await_until(never, acquire, Native::cancelled()), 1);
    Native::clear_cancel();
    EXPECT_FALSE(Native::poll(Native::cancelled()));
}

TEST(NativeSleep, AWakeBeforeTheSleepIsNotLost) {
    const Team trial(1);
    Native::sleep_prepare();
    Native::wake(Native::self());
    EXPECT_EQ(Native::sleep(Native::never()), Wake::woken);
}

TEST(NativeSleep, DeadlineAndCancelEndASleep) {
    const Team trial(1);
    Native::sleep_prepare();
    EXPECT_EQ(Native::sleep(Native::after(1000)), Wake::expired);
    Native::cancel(Native::self());
    Native::sleep_prepare();
    EXPECT_EQ(Native::sleep_killable(Native::never()), Wake::cancelled);
    Native::clear_cancel();
}

TEST(NativeSleep, HandOverBackAndForthLosesNoWake) {
    constexpr std::uint32_t kRounds = 5'000;
    Team trial(2);
    Word turn(0);
    trial.run([&](ThreadId tid) {
        for (std::uint32_t round = 0; round < kRounds; ++round) {
            for (;;) {
                Native::sleep_prepare();
                if (turn.load(acquire) == 2 * round + tid) {
                    break;
                }
                Native::sleep(Native::never());
            }
            turn.add(1, release);
            Native::wake(1 - tid);
        }
    });
    EXPECT_EQ(turn.peek(), 2 * kRounds);
}

TEST(NativeSleep, IsRunningIsFalseWhileAThreadSleeps) {
    Team trial(2);
    Word done(0);
    trial.run([&](ThreadId tid) {
        if (tid == 0) {
            Native::sleep_prepare();
            while (done.load(acquire) == 0) {
                Native::sleep(Native::never());
                if (done.load(acquire) == 0) {
                    Native::sleep_prepare();
                }
            }
        } else {
            while (Native::is_running(0)) {
                Native::relax();
            }
            done.store(1, release);
            Native::wake(0);
        }
    });
    EXPECT_EQ(done.peek(), 1U);
}

TEST(NativePark, ReturnsAtOnceWhenTheWordDiffersAndAtTheDeadline) {
    const Team trial(1);
    Word word(1);
    Native::park(word, 0, Native::never());
    EXPECT_EQ(Native::park(word, 1, Native::after(1000)), Wake::expired);
}

TEST(NativePark, UnparkWakes) {
    Team trial(2);
    Word word(0);
    trial.run([&](ThreadId tid) {
        if (tid == 0) {
            while (word.load(acquire) == 0) {
                Native::park(word, 0, Native::never());
            }
        } else {
            while (Native::is_running(0)) {
                Native::relax();
            }
            word.store(1, release);
            Native::unpark(word, 1);
        }
    });
}

struct Tag;
struct Counter {
    std::uint64_t value = 41;
};

TEST(NativeMemory, PerThreadObjectsAreApartConstructedAndReachableByNumber) {
    Team trial(2);
    using Slot = Native::PerThread<Counter, Tag>;
    trial.run([](ThreadId tid) { Slot::at(tid).value += tid + 1; });
    EXPECT_EQ(Slot::at(0).value, 42U);
    EXPECT_EQ(Slot::at(1).value, 43U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&Slot::at(0)) % kCacheLine, 0U);
}

struct Item {
    std::uint64_t words[3];
};

TEST(NativeMemory, SlabPacksOrPadsAndReusesLastInFirstOut) {
    const Team trial(1);
    Native::Slab<Item> packed;
    Native::Slab<Item> padded(kAnyNode, Layout::padded);
    const auto distance = [](const Item* a, const Item* b) {
        return reinterpret_cast<std::uintptr_t>(b) - reinterpret_cast<std::uintptr_t>(a);
    };
    Item* first = packed.make();
    Item* second = packed.make();
    EXPECT_EQ(distance(first, second), sizeof(Item));
    Item* wide = padded.make();
    Item* next = padded.make();
    EXPECT_EQ(distance(wide, next), kCacheLine);
    packed.destroy(second);
    EXPECT_EQ(packed.make(), second);
    EXPECT_EQ(packed.live(), 2);
    packed.destroy(first);
    packed.destroy(second);
    padded.destroy(wide);
    padded.destroy(next);
    EXPECT_EQ(packed.live(), 0);
    EXPECT_EQ(padded.live(), 0);
}

struct StablePart {
    Native::Atomic<std::uint32_t> made{77};
};
struct FreshPart {
    Native::Plain<std::uint32_t> value{5};
};

TEST(NativeMemory, PoolConstructsTheStablePartOnceAndTheFreshOneEachTime) {
    const Team trial(1);
    Native::Pool<StablePart, FreshPart> pool;
    auto* object = pool.alloc();
    object->stable.made.store(78, relaxed);
    object->fresh.value.set(6);
    pool.free(object);
    auto* again = pool.alloc();
    ASSERT_EQ(again, object);
    EXPECT_EQ(again->stable.made.peek(), 78U) << "type-stable memory keeps its lock word over free and alloc";
    EXPECT_EQ(again->fresh.value.peek(), 5U);
    pool.free(again);
}

TEST(NativeMemory, ObjectsTravelBetweenThreadsWithoutLossOrDouble) {
    constexpr int kObjects = 10'000;
    Team trial(2);
    Native::Slab<Item> slab;
    std::array<std::atomic<Item*>, 64> mailbox{};
    std::atomic<bool> done{false};
    trial.run([&](ThreadId tid) {
        if (tid == 0) {
            for (int i = 0; i < kObjects; ++i) {
                Item* item = slab.make();
                for (std::size_t slot = 0;; slot = (slot + 1) % mailbox.size()) {
                    Item* empty = nullptr;
                    if (mailbox[slot].compare_exchange_strong(empty, item)) {
                        break;
                    }
                    Native::relax();
                }
            }
            done = true;
            return;
        }
        int taken = 0;
        while (taken < kObjects) {
            for (auto& slot : mailbox) {
                if (Item* item = slot.exchange(nullptr); item != nullptr) {
                    slab.destroy(item);
                    ++taken;
                }
            }
        }
    });
    EXPECT_EQ(slab.live(), 0);
}

TEST(NativeWorld, DistancesComeFromTheTableAndUnknownCpusAreUnknown) {
    native::World& world = native::World::get();
    world.set_distances({0, 3, 3, 0}, 2);
    EXPECT_EQ(world.distance(0, 1), Distance::same_node);
    EXPECT_EQ(world.distance(1, 1), Distance::self);
    EXPECT_EQ(world.distance(0, 2), Distance::unknown);
    EXPECT_EQ(world.distance(kNoCpu, 0), Distance::unknown);
}

TEST(NativeWorld, ChooseStaysInRangeAndReachesEverything) {
    const Team trial(1);
    std::set<std::size_t> seen;
    for (int i = 0; i < 1000; ++i) {
        const std::size_t choice = Native::choose(5);
        ASSERT_LT(choice, 5U);
        seen.insert(choice);
    }
    EXPECT_EQ(seen.size(), 5U);
}

TEST(NativeWorld, EventsAreCountedByThread) {
    Team trial(2);
    trial.run([](ThreadId tid) {
        for (ThreadId i = 0; i <= tid; ++i) {
            Native::event(Event::slept);
        }
    });
    EXPECT_EQ(native::World::get().header(0).events[static_cast<std::size_t>(Event::slept)], 1U);
    EXPECT_EQ(native::World::get().header(1).events[static_cast<std::size_t>(Event::slept)], 2U);
}

}  // namespace
}  // namespace lockbench
