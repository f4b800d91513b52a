// SPDX-License-Identifier: MIT
// The mutex of 3.10: barging, spinning beside an owner that runs, cancellable sleepers.
#include "locks/mutex_3_10.hpp"
#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Mutex310<Coop>;
using Yielding = Mutex310<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "mutex_3_10" && Yielding::kInfo.name == "mutex_3_10.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 40 && sizeof(Yielding) == 40);

void take_once(Stage<Lock>& stage, ThreadId tid) {
    stage.lock(tid);
    stage.unlock(tid);
}

// Owner 0 lets go and comes back at once or a little later, while 1 sleeps; thread 2 directs.
TEST(Mutex310, ARunningThreadPassesTheSleeper) {
    std::uint64_t passed = 0;
    std::uint64_t in_order = 0;
    play_scenes<Lock>(
        300, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
                check(stage.events(0, Event::wake_sent) == 1, "the head of the list was woken");
                for (std::uint32_t i = stage.random(0).below(16); i != 0; --i) {
                    Coop::relax();
                }
                take_once(stage, 0);
            } else if (tid == 1) {
                come_after(stage, 0);
                take_once(stage, 1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [&](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(Event::granted), 0U);
            ++(stage.place(1) == 2 ? passed : in_order);
        });
    EXPECT_GT(passed, 0U);
    EXPECT_GT(in_order, 0U);
}

// Sleepers 1, 2 and 3, each woken by the one before it: nobody else runs, so they come in the order of the list.
TEST(Mutex310, UnlockWakesTheFirstSleeperOnly) {
    play_scenes<Lock>(
        200, calm(1, 5),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 4) {
                wake_owner_when(stage, [&] { return stage.asleep(3); });
            } else {
                come_after(stage, tid - 1);
                take_once(stage, tid);
            }
        },
        [](Stage<Lock>& stage) {
            for (ThreadId tid = 0; tid < 4; ++tid) {
                EXPECT_EQ(stage.place(tid), tid);
            }
            EXPECT_EQ(stage.events(Event::wake_sent), 3U);
        });
}

TEST(Mutex310, SpinsBesideARunningOwnerAndTakesTheLockAwake) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(Event::spin_started) == 2; });
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(tid);
                // Runs on as owner until the other is in the queue of spinners, or had to leave it.
                stage.until(
                    [&] { return stage.has_entered(3 - tid) || stage.events(3 - tid, Event::spin_started) == 1; });
                stage.unlock(tid);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_GE(stage.events(Event::spin_acquired), 1U); });
}

TEST(Mutex310, SleepsBesideASleepingOwner) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                take_once(stage, 1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_started), 0U);
            EXPECT_GE(stage.events(1, Event::slept), 1U);
        });
}

TEST(Mutex310, ASpinnerGivesUpWhenTheOwnerGoesToSleep) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.sleep_until_cue();
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                take_once(stage, 1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_stopped), 1U);
            EXPECT_EQ(stage.events(1, Event::spin_acquired), 0U);
        });
}

// Another thread was faster, without the owner's word being seen empty in between: spinning stops, the list follows.
TEST(Mutex310, AChangeOfOwnerStopsTheSpinner) {
    std::uint64_t stopped = 0;
    std::uint64_t not_queued = 0;
    play_scenes<Lock>(
        500, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                take_once(stage, 1);
            } else {
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                bool taken = false;
                for (int i = 0; i < 20 && !taken; ++i) {
                    taken = stage.try_lock(2);
                }
                if (taken) {
                    stage.unlock(2);
                }
            }
        },
        [&](Stage<Lock>& stage) {
            stopped += stage.events(1, Event::spin_stopped);
            not_queued += stage.events(1, Event::spin_stopped) == 1 && stage.events(1, Event::queued) == 0 ? 1U : 0U;
        });
    EXPECT_GT(stopped, 0U);
    EXPECT_GT(not_queued, 0U);  // free again by then: taken without queueing
}

// 1 sleeps since the owner did; then the owner runs and 2 spins beside it. When the owner lets go, both are after the
// lock.
TEST(Mutex310, SpinnersBeatSleepers) {
    std::uint64_t beaten = 0;
    std::uint64_t scenes = 0;
    play_scenes<Lock>(
        300, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.until([&] { return stage.events(2, Event::spin_started) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                take_once(stage, 1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
                stage.until([&] { return Coop::is_running(0); });
                take_once(stage, 2);
            }
        },
        [&](Stage<Lock>& stage) {
            ++scenes;
            beaten += stage.events(2, Event::spin_acquired) == 1 && stage.place(2) < stage.place(1) ? 1U : 0U;
        });
    EXPECT_GT(beaten, scenes / 2);
}

// Sleepers 1 and 2; 1 is cancelled and leaves; 2 gets the lock when 0 lets go.
TEST(Mutex310, ACancelledSleeperLeavesALockThatWorks) {
    play_scenes<Lock>(
        300, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                Coop::cancel(1);
                if (stage.random(0).chance(500)) {
                    stage.until([&] { return stage.events(1, Event::cancelled) == 1; });
                }
                for (std::uint32_t i = stage.random(0).below(40); i != 0; --i) {
                    Coop::relax();
                }
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                if (stage.lock_killable(1)) {  // the lock came before the cancellation was seen
                    stage.unlock(1);
                }
                Coop::clear_cancel();
            } else if (tid == 2) {
                come_after(stage, 1);
                take_once(stage, 2);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(2); });
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_TRUE(stage.has_entered(2));
            EXPECT_EQ(stage.events(1, Event::cancelled), stage.has_entered(1) ? 0U : 1U);
        });
}

// All sleepers cancelled: the count stays negative, and the next unlock finds an empty list.
TEST(Mutex310, AfterTheLastSleeperIsCancelledTheOwnersUnlockFreesTheLock) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                Coop::cancel(1);
                stage.until([&] { return stage.events(1, Event::cancelled) == 1; });
                stage.unlock(0);
                check(stage.events(0, Event::wake_sent) == 0, "nobody was left to be woken");
                check(stage.try_lock(0), "free");
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                check(!stage.lock_killable(1), "cancelled");
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>&) {});
}

// 1 is cancelled at any time from its queueing on, while the owner keeps the lock until it has left.
TEST(Mutex310, ACancellationIsNotMissed) {
    play_scenes<Lock>(
        500, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                check(!stage.lock_killable(1), "cancelled");
            } else {
                stage.until([&] { return stage.events(1, Event::queued) == 1; });
                Coop::cancel(1);
                wake_owner_when(stage, [&] { return stage.events(1, Event::cancelled) == 1; });
            }
        },
        [](Stage<Lock>&) {});
}

// Only a sleeper looks at cancellation: a spinner takes the lock all the same.
TEST(Mutex310, ASpinnerIsNotCancelled) {
    play_scenes<Lock>(
        200, calm(1, 2),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                Coop::cancel(1);
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                check(stage.lock_killable(1), "spinners are not cancelled");
                stage.unlock(1);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.events(1, Event::cancelled), 0U); });
}

TEST(Mutex310, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
// Unlock frees the lock first and looks at the list of sleepers after that (the bug of pipe_inode_info, 2013).
TEST(Mutex310, MayNotBeFreedByTheNextOwner) {
    EXPECT_GT(freed_too_early<Lock>(200,
                                    [](Stage<Lock>& stage, ThreadId tid) {
                                        if (tid == 0) {
                                            stage.lock(0);
                                            stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                                            stage.unlock(0);
                                        } else if (tid == 1) {
                                            stage.until([&] { return stage.has_entered(0); });
                                            take_once(stage, 1);
                                            stage.world().destroy(stage.raw());
                                        }
                                    }),
              0U);
}
TEST(Mutex310, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Mutex310, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
