// SPDX-License-Identifier: MIT
// What is special about the qrwlock: a waiting writer holds new readers back, except those that may not queue; both
// builds alike.
#include "locks/qrwlock.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

template <class Lock>
class QrwLockCoop : public testing::Test {};

using Builds = testing::Types<QrwLock<Coop, SubWord::mixed>, QrwLock<Coop, SubWord::portable>>;
TYPED_TEST_SUITE(QrwLockCoop, Builds);

// Returns once writer 1 has announced itself: from then on no fast path enters. The first to see it tells the others.
template <class L>
void yield_until_writer_waits(Scene<L>& scene, ThreadId tid, bool& announced) {
    yield_until([&] { return scene.events(1, Event::slow_write) == 1; });
    yield_until([&] { return announced || !scene.try_read(tid); });
    announced = true;
}

TYPED_TEST(QrwLockCoop, AWaitingWriterHoldsNewReadersBack) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        std::vector<ThreadId> order;
        bool announced = false;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                scene.read(tid, [&] { yield_until([&] { return scene.world.events(Event::slow_read) == 2; }); });
            } else if (tid == 1) {
                yield_until([&] { return scene.lock.is_locked(); });
                scene.write(tid, [&] { order.push_back(tid); });
            } else {
                yield_until_writer_waits(scene, tid, announced);
                scene.read(tid, [&] { order.push_back(tid); });
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(1)) << "seed " << seed;
        ASSERT_EQ(order.size(), 3U);
        EXPECT_EQ(order.front(), 1U) << "seed " << seed;
    }
}

// Behind a reader that is in, a waiting writer holds back neither an interrupt's reader nor the reader that was
// interrupted.
TYPED_TEST(QrwLockCoop, AReaderThatMayNotQueuePassesAWaitingWriter) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 3});
        std::vector<ThreadId> order;
        bool announced = false;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                scene.read(tid, [&] {
                    yield_until([&] { return !order.empty(); });
                    scene.lock.lock_shared_irq(scene.token(tid));
                    scene.lock.unlock_shared(scene.token(tid));
                });
            } else if (tid == 1) {
                yield_until([&] { return scene.lock.is_locked(); });
                scene.write(tid, [&] { order.push_back(tid); });
            } else {
                yield_until_writer_waits(scene, tid, announced);
                scene.read_irq(tid, [&] { order.push_back(tid); });
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(1)) << "seed " << seed;
        EXPECT_EQ(order, (std::vector<ThreadId>{2, 1})) << "seed " << seed;
        EXPECT_EQ(scene.events(2, Event::queued) + scene.events(2, Event::pending_claimed), 0U);
    }
}

// Nobody passes the writer that waits: not another writer, on a fast path or on a slow one.
TYPED_TEST(QrwLockCoop, AWaitingWriterIsNotOvertakenByWriters) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 5});
        std::vector<ThreadId> order;
        bool announced = false;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                scene.read(tid, [&] { yield_until([&] { return announced; }); });
            } else if (tid == 1) {
                yield_until([&] { return scene.lock.is_locked(); });
                scene.write(tid, [&] { order.push_back(tid); });
            } else {
                yield_until_writer_waits(scene, tid, announced);
                scene.write(tid, [&] { order.push_back(tid); });
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(4)) << "seed " << seed;
        EXPECT_EQ(order.front(), 1U) << "seed " << seed;
    }
}

TYPED_TEST(QrwLockCoop, ExcludesInAllSchedules) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 2 + static_cast<unsigned>(seed % 7)});
        const std::uint64_t writes = mixed_shared(scene, 6, 1);
        sums.add(scene.world);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
        // Thread 0 reads as an interrupt does.
        EXPECT_EQ(scene.events(0, Event::queued) + scene.events(0, Event::pending_claimed), 0U);
        EXPECT_EQ(scene.events(0, Event::undo), 0U);
    }
    EXPECT_GT(sums[Event::slow_read], 0U);
    EXPECT_GT(sums[Event::slow_write], 0U);
    EXPECT_GT(sums[Event::undo], 0U);
    EXPECT_GT(sums[Event::queued], 0U);
    EXPECT_GT(sums[Event::pending_claimed], 0U);
}

// A thread of readers only shares: all are inside at once.
TYPED_TEST(QrwLockCoop, ReadersShare) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        constexpr unsigned kThreads = 6;
        Scene<TypeParam> scene({.seed = seed, .threads = kThreads});
        unsigned inside = 0;
        scene.world.run([&](ThreadId tid) {
            scene.read(tid, [&] {
                ++inside;
                yield_until([&] { return inside == kThreads; });
            });
        });
        EXPECT_EQ(scene.world.events(Event::slow_read), 0U);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(0)) << "seed " << seed;
    }
}

}  // namespace
}  // namespace lockbench
