// SPDX-License-Identifier: MIT
// What is special about the classic rwlock: readers pass waiting writers, whoever they are, and the word may not wrap.
#include "locks/rwlock_classic.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

template <class Lock>
class RwlockClassicCoop : public testing::Test {};

// As on machines up to 2048 CPUs, beyond that, and scaled down so far that eight threads come near the edge.
using Words =
    testing::Types<RwlockClassic<Coop>, RwlockClassic<Coop, std::int64_t>, RwlockClassic<Coop, std::int8_t, 16>>;
TYPED_TEST_SUITE(RwlockClassicCoop, Words);

TYPED_TEST(RwlockClassicCoop, ReadersPassAWaitingWriter) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        std::vector<ThreadId> order;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                // Leaves only once both readers that came after the writer have been in: with any other lock a
                // deadlock.
                scene.read(tid, [&] { yield_until([&] { return order.size() == 2; }); });
            } else if (tid == 1) {
                yield_until([&] { return scene.lock.is_locked(); });
                scene.write(tid, [&] { order.push_back(tid); });
            } else {
                yield_until([&] { return scene.events(1, Event::slow_write) == 1; });
                if (tid == 2) {
                    scene.read(tid, [&] { order.push_back(tid); });
                } else {
                    scene.read_irq(tid, [&] { order.push_back(tid); });
                }
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(1)) << "seed " << seed;
        EXPECT_EQ(order.back(), 1U) << "seed " << seed;
    }
}

// An interrupt handler reads what the thread it interrupted reads, while a writer waits.
TYPED_TEST(RwlockClassicCoop, AReaderMayReadAgain) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 2});
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                scene.read(tid, [&] {
                    yield_until([&] { return scene.events(1, Event::slow_write) == 1; });
                    scene.lock.lock_shared_irq(scene.token(tid));
                    scene.lock.unlock_shared(scene.token(tid));
                });
            } else {
                yield_until([&] { return scene.lock.is_locked(); });
                scene.write(tid);
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(1)) << "seed " << seed;
    }
}

TYPED_TEST(RwlockClassicCoop, ExcludesInAllSchedulesAndNobodyQueues) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 2 + static_cast<unsigned>(seed % 7)});
        const std::uint64_t writes = mixed_shared(scene, 6, 1);
        sums.add(scene.world);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::slow_read], 0U);
    EXPECT_GT(sums[Event::slow_write], 0U);
    // Whoever goes the slow way has taken a claim back, and so has every failed try.
    EXPECT_GE(sums[Event::undo], sums[Event::slow_read] + sums[Event::slow_write]);
    EXPECT_EQ(sums[Event::queued], 0U);
}

TEST(RwlockClassicLimits, MoreThreadsThanTheWordHoldsAreRefused) {
    EXPECT_EQ(RwlockClassic<Coop>::kThreadLimit, 2048U);
    EXPECT_EQ((RwlockClassic<Coop, std::int64_t>::kThreadLimit), 0x8000'0000U);
    using Tiny = RwlockClassic<Coop, std::int8_t, 64>;
    EXPECT_EQ(Tiny::kThreadLimit, 2U);
    std::vector<ThreadId> accepted;
    const CoopVerdict verdict = run_coop({.seed = 1, .threads = 3}, [&](ThreadId tid) {
        yield_until([&] { return accepted.size() == tid; });
        ThreadStats stats;
        Ctx<Coop> ctx(tid, 1, 0, stats, nullptr);
        const Tiny::Token token(ctx);
        accepted.push_back(tid);
    });
    EXPECT_EQ(verdict.kind, CoopFailure::check_failed);
    EXPECT_EQ(accepted, (std::vector<ThreadId>{0, 1}));
}

// Why there is a limit: tokens that hide their thread get past the check, and then the claims of failing writers wrap
// the word, so that a second thread enters. The kernel met this with 128 CPUs and a bias of 2^24.
TEST(RwlockClassicLimits, BeyondTheLimitTheWordWrapsAndTwoEnter) {
    using Tiny = RwlockClassic<Coop, std::int8_t, 64>;
    constexpr unsigned kThreads = 5;
    unsigned caught = 0;
    for (std::uint64_t seed = 1; seed <= 2000 && caught == 0; ++seed) {
        CoopWorld world({.seed = seed, .threads = kThreads});
        Tiny& lock = world.make<Tiny>();
        ThreadStats stats;
        Ctx<Coop> ctx(0, 1, 0, stats, nullptr);
        Tiny::Token token(ctx);
        world.run([&](ThreadId tid) {
            const Mode mode = tid + 1 < kThreads ? Mode::write : Mode::read;
            Coop::mark(Mark::doorway, &lock, mode);
            mode == Mode::write ? lock.lock(token) : lock.lock_shared(token);
            Coop::mark(Mark::acquired, &lock, mode);
            Coop::yield();
            Coop::mark(Mark::released, &lock, mode);
            mode == Mode::write ? lock.unlock(token) : lock.unlock_shared(token);
        });
        caught += world.close().kind == CoopFailure::exclusion ? 1 : 0;
    }
    EXPECT_EQ(caught, 1U);
}

}  // namespace
}  // namespace lockbench
