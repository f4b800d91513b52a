// SPDX-License-Identifier: MIT
// What is special about the qspinlock: the pending waiter, the queue behind it, and both builds alike.
#include "locks/qspinlock.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

template <class Lock>
class QSpinLockCoop : public testing::Test {};

using Builds = testing::Types<QSpinLock<Coop, SubWord::mixed>, QSpinLock<Coop, SubWord::portable>>;
TYPED_TEST_SUITE(QSpinLockCoop, Builds);

// Where a thread stands: the first behind the holder owns the pending bit, all others are in the queue.
template <class L>
bool arrived(const Scene<L>& scene, ThreadId tid) {
    return scene.events(tid, tid == 1 ? Event::pending_claimed : Event::queued) == 1;
}

TYPED_TEST(QSpinLockCoop, TheSecondContenderTakesThePendingBitAndNoNode) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 2});
        EXPECT_EQ(entry_order(scene, 2, [&](ThreadId tid) { return arrived(scene, tid); }), ascending(2));
        EXPECT_EQ(scene.world.events(Event::pending_claimed), 1U);
        EXPECT_EQ(scene.world.events(Event::queued), 0U);
        EXPECT_EQ(scene.world.events(Event::slow_write), 1U);
        scene.expect_clean(2);
    }
}

TYPED_TEST(QSpinLockCoop, TheThirdQueuesAndAllEnterInOrderOfArrival) {
    for (unsigned threads = 3; threads <= 8; ++threads) {
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            Scene<TypeParam> scene({.seed = seed, .threads = threads});
            const auto order = entry_order(scene, threads, [&](ThreadId tid) { return arrived(scene, tid); });
            EXPECT_EQ(order, ascending(threads)) << "seed " << seed;
            EXPECT_EQ(scene.world.events(Event::pending_claimed), 1U);
            EXPECT_EQ(scene.world.events(Event::queued), threads - 2);
            // Who finds waiters leaves the pending bit alone.
            EXPECT_EQ(scene.world.events(Event::undo), 0U);
            scene.expect_clean(threads);
        }
    }
}

// A failed attempt beside a queue: try_lock takes nothing while anybody waits, so it cannot pass them.
TYPED_TEST(QSpinLockCoop, TryLockPassesNobody) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        std::vector<ThreadId> order;
        std::uint64_t stolen = 0;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                scene.write(tid, [&] { yield_until([&] { return arrived(scene, 2); }); });
            } else if (tid < 3) {
                yield_until([&] { return tid == 1 ? scene.lock.is_locked() : arrived(scene, tid - 1); });
                scene.write(tid, [&] { order.push_back(tid); });
            } else {
                yield_until([&] { return arrived(scene, 2); });
                while (order.size() < 2) {
                    const std::size_t before = order.size();
                    stolen += scene.try_write(tid) && before + 1 < 2 ? 1 : 0;
                    Coop::yield();
                }
            }
        });
        ASSERT_TRUE(scene.world.verdict().passed) << scene.world.verdict().text;
        EXPECT_EQ(order, (std::vector<ThreadId>{1, 2})) << "seed " << seed;
        EXPECT_EQ(stolen, 0U) << "seed " << seed;
    }
}

// From the moment it has the pending bit until it has entered, a thread keeps the lock from looking free, whether the
// lock is held just now or passes to it; and so does a thread in the queue.
TYPED_TEST(QSpinLockCoop, WaitersCountAsLocked) {
    for (ThreadId waiters = 1; waiters <= 2; ++waiters) {
        std::uint64_t looked = 0;
        for (std::uint64_t seed = 1; seed <= 400; ++seed) {
            Scene<TypeParam> scene({.seed = seed, .threads = waiters + 2});
            bool entered = false;
            scene.world.run([&](ThreadId tid) {
                if (tid == 0) {
                    scene.write(tid, [&] { yield_until([&] { return arrived(scene, waiters); }); });
                } else if (tid <= waiters) {
                    yield_until([&] { return tid == 1 ? scene.lock.is_locked() : arrived(scene, tid - 1); });
                    scene.write(tid, [&] { entered = entered || tid == waiters; });
                } else {
                    yield_until([&] { return arrived(scene, waiters); });
                    const auto look = [&] {
                        const bool locked = scene.lock.is_locked();
                        check(locked || entered, "the lock looks free while a thread waits");
                        ++looked;
                        return entered;
                    };
                    yield_until(look);
                }
            });
            ASSERT_NO_FATAL_FAILURE(scene.expect_clean(waiters + 1)) << "seed " << seed;
        }
        EXPECT_GT(looked, 400U);
    }
}

TYPED_TEST(QSpinLockCoop, ExcludesInAllSchedules) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 2 + static_cast<unsigned>(seed % 7)});
        const std::uint64_t writes = mixed_exclusive(scene, 6);
        sums.add(scene.world);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::pending_claimed], 0U);
    EXPECT_GT(sums[Event::queued], 0U);
    EXPECT_GT(sums[Event::undo], 0U);
}

// The wait for a pending hand-over is a matter of speed alone: without any patience the lock is the same.
TEST(QSpinLockCoopPatience, AnyLengthOfThePendingWaitIsCorrect) {
    using Impatient = QSpinLock<Coop, SubWord::mixed, false, 1>;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        Scene<Impatient> scene({.seed = seed, .threads = 2 + static_cast<unsigned>(seed % 7)});
        const std::uint64_t writes = mixed_exclusive(scene, 6);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
    }
}

// As part of another lock it leaves the count of slow writers to that lock.
TEST(QSpinLockCoopInner, ReportsNoSlowWriters) {
    using Inner = QSpinLock<Coop, SubWord::mixed, true>;
    Scene<Inner> scene({.seed = 5, .threads = 3});
    entry_order(scene, 3, [&](ThreadId tid) { return arrived(scene, tid); });
    EXPECT_EQ(scene.world.events(Event::slow_write), 0U);
    EXPECT_EQ(scene.world.events(Event::queued), 1U);
    scene.expect_clean(3);
}

// Several locks share a thread's one node: it is given back before the critical section.
TYPED_TEST(QSpinLockCoop, LocksNestWithOneNodeAThread) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        TypeParam& outer = scene.world.template make<TypeParam>();
        scene.world.run([&](ThreadId tid) {
            for (int round = 0; round < 4; ++round) {
                typename TypeParam::Token token(scene.ctx(tid));
                outer.lock(token);
                scene.write(tid, [&] { outer.unlock(token); });
            }
        });
        sums.add(scene.world);
        EXPECT_TRUE(outer.is_constructed());
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(16)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::queued], 0U);
}

}  // namespace
}  // namespace lockbench
