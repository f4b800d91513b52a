// SPDX-License-Identifier: MIT
// The spin-then-yield lock: excludes, and gives its CPU away when the holder does not come back soon.
#include "locks/yield_lock.hpp"
#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {
namespace {

using Lock = SpinThenYieldLock<Coop>;
static_assert(info_matches_type<Coop, Lock>());
static_assert(sizeof(Lock) == 4 && Lock::kInfo.free_after_unlock && !Lock::kInfo.convoys);
static_assert(wait_lock_build<Coop, TicketLock<Coop>>("era", "era.yield") == "era");
static_assert(wait_lock_build<Coop, Lock>("era", "era.yield") == "era.yield");

// The holder looks whether the waiter leaves its CPU. It may spin on: a spent budget is injected, not promised.
TEST(SpinThenYieldLock, AWaiterYields) {
    CoopOptions options = calm(1, 2);
    options.budget_stops = {.permille = 1000, .budget = 1000};
    std::uint64_t yielded = 0;
    play_scenes<Lock>(
        50, options,
        [&](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.cue = true;
                for (int i = 0; i < 200 && Coop::is_running(1); ++i) {
                    Coop::relax();
                }
                yielded += Coop::is_running(1) ? 0U : 1U;
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.cue; });
                stage.lock(1);
                stage.unlock(1);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.place(1), 1U); });
    EXPECT_GT(yielded, 0U);
}

// Sections of random length; their holders run, as those of a spinlock must.
TEST(SpinThenYieldLock, SurvivesRandomSchedules) {
    for (const unsigned threads : {2U, 3U, 5U}) {
        play_scenes<Lock>(
            500, CoopOptions{.threads = threads},
            [](Stage<Lock>& stage, ThreadId tid) {
                for (int i = 0; i < 8; ++i) {
                    if (stage.random(tid).chance(300)) {
                        if (!stage.try_lock(tid)) {
                            continue;
                        }
                    } else {
                        stage.lock(tid);
                    }
                    Coop::compute(stage.random(tid).below(50));
                    stage.unlock(tid);
                }
            },
            [](Stage<Lock>&) {});
    }
}

// The next owner may free it while the last one is still inside unlock.
TEST(SpinThenYieldLock, MayBeFreedByTheNextOwner) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Stage<Lock> stage(calm(seed, 2));
        stage.world().run([&](ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.cue = true;
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.cue; });
                stage.lock(1);
                stage.unlock(1);
                stage.world().destroy(stage.raw());
            }
        });
        ASSERT_TRUE(stage.passed());
    }
}

}  // namespace
}  // namespace lockbench
