// SPDX-License-Identifier: MIT
// What is special about the MCS lock: strict arrival order, local waits, a node that lives in the token.
#include "locks/mcs.hpp"
#include "tests/locks/coop_scene.hpp"

namespace lockbench {
namespace {

using Lock = McsLock<Coop>;

TEST(McsCoop, ServesInOrderOfArrival) {
    for (unsigned threads = 2; threads <= 8; ++threads) {
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            Scene<Lock> scene({.seed = seed, .threads = threads});
            const auto queued = [&](ThreadId tid) { return scene.events(tid, Event::queued) == 1; };
            EXPECT_EQ(entry_order(scene, threads, queued), ascending(threads)) << "seed " << seed;
            scene.expect_clean(threads);
        }
    }
}

TEST(McsCoop, ExcludesInAllSchedules) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        const unsigned threads = 2 + static_cast<unsigned>(seed % 7);
        Scene<Lock> scene({.seed = seed, .threads = threads});
        const std::uint64_t writes = mixed_exclusive(scene, 6);
        sums.add(scene.world);
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(writes)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::queued], 0U);
    EXPECT_EQ(sums[Event::queued], sums[Event::slow_write]);
}

TEST(McsCoop, TryLockFailsBehindAHolderAndQueuesNobody) {
    Scene<Lock> scene({.seed = 3, .threads = 2});
    bool held = false;
    bool tried = false;
    scene.world.run([&](ThreadId tid) {
        if (tid == 0) {
            scene.write(tid, [&] {
                held = true;
                yield_until([&] { return tried; });
            });
            return;
        }
        yield_until([&] { return held; });
        check(!scene.try_write(tid), "two holders");
        tried = true;
    });
    EXPECT_EQ(scene.events(1, Event::queued), 0U);
    scene.expect_clean(1);
}

// Behind a holder that came by try_lock a waiter finds an initialised node.
TEST(McsCoop, AWaiterLinksBehindATryLock) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<Lock> scene({.seed = seed, .threads = 2});
        bool held = false;
        scene.world.run([&](ThreadId tid) {
            if (tid == 0) {
                check(scene.lock.try_lock(scene.token(0)), "the lock is free");
                held = true;
                yield_until([&] { return scene.events(1, Event::queued) == 1; });
                scene.lock.unlock(scene.token(0));
                return;
            }
            yield_until([&] { return held; });
            scene.write(tid);
        });
        scene.expect_clean(1);
    }
}

// A thread that holds several locks has a token for each, and releases them in any order.
TEST(McsCoop, LocksNestWithATokenEach) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Scene<Lock> scene({.seed = seed, .threads = 3});
        Lock& outer = scene.world.make<Lock>();
        std::vector<Lock::Token*> tokens;
        for (ThreadId tid = 0; tid < 3; ++tid) {
            tokens.push_back(&scene.world.make<Lock::Token>(scene.ctx(tid)));
        }
        scene.world.run([&](ThreadId tid) {
            for (int round = 0; round < 4; ++round) {
                outer.lock(*tokens[tid]);
                scene.write(tid, [&] { outer.unlock(*tokens[tid]); });
            }
        });
        EXPECT_TRUE(outer.is_constructed());
        scene.expect_clean(12);
    }
}

}  // namespace
}  // namespace lockbench
