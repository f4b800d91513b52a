// SPDX-License-Identifier: MIT
// What is special about the optimistic spin queue: waiters that leave, from every place and at every moment.
#include "locks/osq.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

struct Tag {};
using Queue = OptimisticSpinQueue<Coop, Tag>;
using Flag = Coop::Atomic<std::uint32_t>;

// A queue as an exclusive lock whose waiters leave once thread `tid` is told to; counts who got in.
struct QueueScene {
    explicit QueueScene(const CoopOptions& options)
        : world(options), queue(world.make<Queue>()), count(world.make<Coop::Plain<std::uint64_t>>(0U)) {}

    ~QueueScene() { EXPECT_TRUE(world.close().passed) << world.verdict().text; }
    QueueScene(const QueueScene&) = delete;
    QueueScene& operator=(const QueueScene&) = delete;

    void enter_held(ThreadId tid) {
        Coop::mark(Mark::acquired, &queue, Mode::write);
        check(queue.is_locked(), "an owner finds the queue empty");
        count.set(count.get() + 1);
        order.push_back(tid);
    }
    void leave_held(ThreadId tid) {
        Coop::mark(Mark::released, &queue, Mode::write);
        queue.unlock(tid);
    }
    // False: the stop fired and the thread is not in the queue.
    template <class... Stops>
    bool section(ThreadId tid, Stops&&... stops) {
        if (!queue.lock(tid, stops...)) {
            return false;
        }
        enter_held(tid);
        leave_held(tid);
        return true;
    }
    void expect_clean() {
        ASSERT_TRUE(world.verdict().passed) << world.verdict().text;
        EXPECT_EQ(count.peek(), order.size());
        EXPECT_TRUE(queue.is_constructed());
        EXPECT_FALSE(queue.is_locked());
    }

    CoopWorld world;
    Queue& queue;
    Coop::Plain<std::uint64_t>& count;
    std::vector<ThreadId> order;
};

// Threads 1 .. n-1 queue in order behind thread 0; then `leavers` (a bit each) are cancelled at once, and thread 0
// unlocks when `gone` of them have left, or at once. Returns the number that left.
std::uint64_t cancel_some(QueueScene& scene, unsigned threads, std::uint32_t leavers, bool wait_for_them) {
    const auto queued = [&](ThreadId tid) { return scene.world.events(tid, Event::queued) == 1; };
    std::uint64_t left = 0;
    std::uint32_t returned = 0;
    scene.order.reserve(threads);
    scene.world.run([&](ThreadId tid) {
        if (tid == 0) {
            check(scene.queue.lock(tid, Coop::cancelled()), "the queue is empty");
            scene.enter_held(tid);
            yield_until([&] { return queued(threads - 1); });
            for (ThreadId other = 1; other < threads; ++other) {
                if ((leavers >> other & 1U) != 0) {
                    Coop::cancel(other);
                }
            }
            if (wait_for_them) {
                yield_until([&] { return returned == leavers; });
            }
            scene.leave_held(tid);
            return;
        }
        yield_until([&] { return tid == 1 ? !scene.order.empty() : queued(tid - 1); });
        const bool entered = scene.section(tid, Coop::cancelled());
        check(entered || (leavers >> tid & 1U) != 0, "a thread that nobody cancelled left the queue");
        left += entered ? 0 : 1;
        returned |= (leavers >> tid & 1U) << tid;
    });
    return left;
}

TEST(OsqCoop, ServesInOrderOfArrival) {
    for (unsigned threads = 2; threads <= 8; ++threads) {
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            Scene<OsqLock<Coop>> scene({.seed = seed, .threads = threads});
            const auto queued = [&](ThreadId tid) { return scene.events(tid, Event::queued) == 1; };
            EXPECT_EQ(entry_order(scene, threads, queued), ascending(threads)) << "seed " << seed;
            scene.expect_clean(threads);
        }
    }
}

// Each subset of the waiters leaves while the owner sits still: the last (step B moves the tail), one in the middle
// (step C links its neighbours), neighbours together (step A fails and looks for the new prev; only the exchange lets
// one of them repair a link).
TEST(OsqCoop, EverySubsetOfWaitersLeavesAndTheRestKeepsItsOrder) {
    constexpr unsigned kThreads = 5;
    for (std::uint32_t leavers = 2; leavers < 1U << kThreads; leavers += 2) {
        for (std::uint64_t seed = 1; seed <= 100; ++seed) {
            QueueScene scene({.seed = seed, .threads = kThreads});
            const std::uint64_t left = cancel_some(scene, kThreads, leavers, true);
            std::vector<ThreadId> expected;
            for (ThreadId tid = 0; tid < kThreads; ++tid) {
                if ((leavers >> tid & 1U) == 0) {
                    expected.push_back(tid);
                }
            }
            ASSERT_NO_FATAL_FAILURE(scene.expect_clean()) << "seed " << seed << " leavers " << leavers;
            EXPECT_EQ(scene.order, expected) << "seed " << seed << " leavers " << leavers;
            EXPECT_EQ(left, kThreads - expected.size());
        }
    }
}

// The same while the owner unlocks: a leaver may be handed the queue instead (step A finds locked set) and must then
// say so.
TEST(OsqCoop, LeavingRacesWithTheHandOver) {
    constexpr unsigned kThreads = 4;
    std::uint64_t left = 0;
    std::uint64_t entered_all_the_same = 0;
    for (std::uint32_t leavers = 2; leavers < 1U << kThreads; leavers += 2) {
        for (std::uint64_t seed = 1; seed <= 300; ++seed) {
            QueueScene scene({.seed = seed, .threads = kThreads});
            const std::uint64_t gone = cancel_some(scene, kThreads, leavers, false);
            ASSERT_NO_FATAL_FAILURE(scene.expect_clean()) << "seed " << seed << " leavers " << leavers;
            EXPECT_EQ(scene.order.size() + gone, kThreads);
            EXPECT_EQ(scene.world.events(Event::unqueued), gone);
            EXPECT_TRUE(std::is_sorted(scene.order.begin(), scene.order.end()));
            left += gone;
            entered_all_the_same += static_cast<std::uint64_t>(std::popcount(leavers)) - gone;
        }
    }
    EXPECT_GT(left, 0U);
    EXPECT_GT(entered_all_the_same, 0U);
}

// Stops at any moment, nodes reused at once, two queues that share them.
TEST(OsqCoop, RandomStopsAnyNumberOfThreads) {
    std::uint64_t left = 0;
    std::uint64_t waited = 0;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        const unsigned threads = 2 + static_cast<unsigned>(seed % 7);
        QueueScene scene({.seed = seed, .threads = threads, .should_yield = {.permille = 200, .budget = 64}});
        Queue& other = scene.world.make<Queue>();
        scene.order.reserve(std::size_t{threads} * 8);
        scene.world.run([&](ThreadId tid) {
            for (unsigned round = 0; round < 8; ++round) {
                if ((tid + round) % 4 == 0) {
                    if (other.lock(tid, Coop::should_yield())) {
                        other.unlock(tid);
                    }
                } else if (round % 3 != 0) {
                    scene.section(tid, Coop::should_yield());
                } else if (scene.queue.try_lock(tid)) {
                    scene.enter_held(tid);
                    scene.leave_held(tid);
                }
            }
        });
        left += scene.world.events(Event::unqueued);
        waited += scene.world.events(Event::queued);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean()) << "seed " << seed;
        EXPECT_TRUE(other.is_constructed());
    }
    EXPECT_GT(left, 1000U);
    EXPECT_GT(waited, left);
}

// Any stop of the closed set ends a wait: here another location.
TEST(OsqCoop, StopsOnAnotherLocation) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        QueueScene scene({.seed = seed, .threads = 2});
        Flag& flag = scene.world.make<Flag>(0U);
        bool left = false;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                check(scene.queue.lock(tid), "without stops it always ends with the queue");
                scene.enter_held(tid);
                yield_until([&] { return scene.world.events(1, Event::queued) == 1; });
                flag.store(1, release);
                yield_until([&] { return left; });
                scene.leave_held(tid);
                return;
            }
            yield_until([&] { return !scene.order.empty(); });
            left = !scene.section(tid, Coop::never(),
                                  Coop::when(
                                      flag, [](std::uint32_t f) { return f != 0; }, acquire));
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean()) << "seed " << seed;
        EXPECT_TRUE(left);
    }
}

TEST(OsqCoop, LockExcludesInAllSchedules) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        Scene<OsqLock<Coop>> scene({.seed = seed, .threads = 2 + static_cast<unsigned>(seed % 7)});
        const std::uint64_t writes = mixed_exclusive(scene, 6);
        sums.add(scene.world);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::queued], 0U);
    EXPECT_EQ(sums[Event::unqueued], 0U);
}

// Each acquisition has a node of its own, whatever the order of release.
TEST(OsqCoop, LocksNestInAnyOrder) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        using Lock = OsqLock<Coop>;
        Scene<Lock> scene({.seed = seed, .threads = 3});
        Lock& outer = scene.world.make<Lock>();
        std::vector<Lock::Token*> tokens;
        for (ThreadId tid = 0; tid < 3; ++tid) {
            tokens.push_back(&scene.world.make<Lock::Token>(scene.ctx(tid)));
        }
        scene.world.run([&](ThreadId tid) {
            for (int round = 0; round < 6; ++round) {
                outer.lock(*tokens[tid]);
                scene.write(tid, [&] { outer.unlock(*tokens[tid]); });
            }
        });
        EXPECT_TRUE(outer.is_constructed());
        scene.expect_clean(18);
    }
}

// The tail names one of eight nodes a thread: a ninth lock held at once is refused, not corrupted.
TEST(OsqCoop, ANinthLockHeldAtOnceIsAnError) {
    using Lock = OsqLock<Coop>;
    CoopWorld world({.seed = 1, .threads = 1});
    ThreadStats stats;
    Ctx<Coop> ctx(0, 1, 0, stats, nullptr);
    std::vector<Lock*> locks;
    std::vector<Lock::Token*> tokens;
    for (int i = 0; i < 9; ++i) {
        locks.push_back(&world.make<Lock>());
        tokens.push_back(&world.make<Lock::Token>(ctx));
    }
    int held = 0;
    world.run([&](ThreadId) {
        for (std::size_t i = 0; i < locks.size(); ++i) {
            locks[i]->lock(*tokens[i]);
            ++held;
        }
    });
    EXPECT_EQ(held, 8);
    EXPECT_EQ(world.verdict().kind, CoopFailure::check_failed);
    EXPECT_NE(world.verdict().text.find("more osq locks"), std::string::npos) << world.verdict().text;
}

}  // namespace
}  // namespace lockbench
