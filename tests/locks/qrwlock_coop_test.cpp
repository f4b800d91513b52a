// SPDX-License-Identifier: MIT
// What the qrwlocks of all eras have in common: a waiting writer holds new readers back, except those that may not
// queue. What tells the eras apart is in qrwlock_eras_coop_test.cpp.
#include "locks/qrwlock.hpp"
#include "locks/qrwlock_2013.hpp"
#include "locks/qrwlock_3_16.hpp"
#include "locks/qrwlock_4_3.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

// All whose readers queue behind a waiting writer.
template <class Lock>
class FairQrwLockCoop : public testing::Test {};

using FairLocks =
    testing::Types<QrwLock2013<Coop>, QrwLock316<Coop>, QrwLock316<Coop, QSpinLock<Coop, SubWord::mixed, true>>,
                   QrwLock43<Coop>, QrwLock<Coop, SubWord::mixed>, QrwLock<Coop, SubWord::portable>>;
TYPED_TEST_SUITE(FairQrwLockCoop, FairLocks);

template <class Lock>
class QrwLockCoop : public testing::Test {};

using AllQrwLocks = testing::Types<QrwLock2013<Coop>, QrwLock2013<Coop, QrwReaders::unfair>, QrwLock316<Coop>,
                                   QrwLock316<Coop, QSpinLock<Coop, SubWord::mixed, true>>, QrwLock43<Coop>,
                                   QrwLock<Coop, SubWord::mixed>, QrwLock<Coop, SubWord::portable>>;
TYPED_TEST_SUITE(QrwLockCoop, AllQrwLocks);

// Returns once writer 1 has announced itself: from then on no fast path enters. The first to see it tells the others.
template <class L>
void yield_until_writer_waits(Scene<L>& scene, ThreadId tid, bool& announced) {
    yield_until([&] { return scene.events(1, Event::slow_write) == 1; });
    yield_until([&] { return announced || !scene.try_read(tid); });
    announced = true;
}

TYPED_TEST(FairQrwLockCoop, AWaitingWriterHoldsNewReadersBack) {
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
TYPED_TEST(FairQrwLockCoop, AReaderThatMayNotQueuePassesAWaitingWriter) {
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
TYPED_TEST(FairQrwLockCoop, AWaitingWriterIsNotOvertakenByWriters) {
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

// While a writer is in, a reader that may not queue stands in the word and not in the queue: it enters before all who
// queued ahead of it.
TYPED_TEST(QrwLockCoop, AReaderThatMayNotQueueWaitsForTheWriterThatIsInAlone) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        std::vector<ThreadId> order;
        scene.world.run([&](ThreadId tid) {
            const auto note = [&] { order.push_back(tid); };
            if (tid == 0) {
                scene.write(tid, [&] {
                    note();
                    yield_until([&] { return scene.events(3, Event::slow_read) == 1; });
                });
            } else if (tid == 1) {
                yield_until([&] { return !order.empty(); });
                scene.write(tid, note);
            } else if (tid == 2) {
                yield_until([&] { return scene.events(1, Event::slow_write) == 1; });
                scene.write(tid, note);
            } else {
                yield_until([&] { return scene.events(2, Event::slow_write) == 1; });
                scene.read_irq(tid, note);
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(3)) << "seed " << seed;
        ASSERT_EQ(order.size(), 4U);
        EXPECT_EQ(order[1], 3U) << "seed " << seed;
        EXPECT_EQ(scene.events(3, Event::queued) + scene.events(3, Event::pending_claimed), 0U);
        EXPECT_EQ(scene.events(3, Event::undo), 0U);
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
