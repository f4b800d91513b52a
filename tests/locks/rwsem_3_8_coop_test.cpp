// SPDX-License-Identifier: MIT
// The rwsem of 3.8: strict FIFO, the lock is handed over to sleepers and nobody passes them.
#include "locks/rwsem_3_8.hpp"
#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem38<Coop>;
using Yielding = Rwsem38<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_3_8" && Yielding::kInfo.name == "rwsem_3_8.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 32 && sizeof(Yielding) == 32);

// Owner 0; sleepers in the order writer 1, readers 2 and 3, writer 4, reader 5; thread 6 directs.
void fifo_scene(Stage<Lock>& stage, ThreadId tid) {
    switch (tid) {
        case 0:
            own_asleep(stage);
            stage.unlock(0);
            break;
        case 1:
        case 4:
            come_after(stage, tid - 1);
            stage.lock(tid);
            stage.unlock(tid);
            break;
        case 6:
            wake_owner_when(stage, [&] { return stage.asleep(5); });
            break;
        default:
            come_after(stage, tid - 1);
            stage.lock_shared(tid);
            stage.until([&] { return stage.has_entered(5) || (stage.has_entered(2) && stage.has_entered(3)); });
            stage.unlock_shared(tid);
    }
}

TEST(Rwsem38, HandsOverInOrderOfArrivalReadersOfARunTogether) {
    play_scenes<Lock>(200, calm(1, 7), &fifo_scene, [](Stage<Lock>& stage) {
        EXPECT_EQ(stage.place(1), 1U);
        EXPECT_EQ(stage.place(2) + stage.place(3), 5U);  // 2 and 3, in either order
        EXPECT_EQ(stage.place(4), 4U);
        EXPECT_EQ(stage.place(5), 5U);
        EXPECT_EQ(stage.events(Event::granted), 5U);
        EXPECT_EQ(stage.events(Event::stolen), 0U);
    });
}

// Owner 0 releases and is the only thread that runs: the lock is the sleeper's nevertheless.
void late_comer_scene(Stage<Lock>& stage, ThreadId tid, Mode sleeper) {
    if (tid == 0) {
        own_asleep(stage);
        stage.unlock(0);
        check(stage.events(0, Event::granted) == 1, "the sleeper owns the lock when unlock returns");
        if (stage.try_lock(0)) {
            check(stage.place(1) == 1, "passed the sleeping waiter");
            stage.unlock(0);
        }
        stage.lock(0);
        stage.unlock(0);
    } else if (tid == 1) {
        come_after(stage, 0);
        if (sleeper == Mode::write) {
            stage.lock(1);
            stage.unlock(1);
        } else {
            stage.lock_shared(1);
            stage.unlock_shared(1);
        }
    } else {
        wake_owner_when(stage, [&] { return stage.asleep(1); });
    }
}

TEST(Rwsem38, ARunningWriterCannotPassASleeper) {
    for (const Mode sleeper : {Mode::write, Mode::read}) {
        play_scenes<Lock>(
            200, calm(1, 3), [sleeper](Stage<Lock>& stage, ThreadId tid) { late_comer_scene(stage, tid, sleeper); },
            [](Stage<Lock>& stage) { EXPECT_EQ(stage.place(1), 1U); });
    }
}

// A reader that has just missed a downgrade sleeps until the former writer is out altogether: what 3.10 mends.
TEST(Rwsem38, AReaderThatMissedADowngradeIsNotLetIn) {
    std::uint64_t missed = 0;
    play_scenes<Lock>(
        500, calm(1, 2),
        [&](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.downgrade(0);
                stage.until([&] { return stage.asleep(1) || stage.has_entered(1); });
                missed += stage.has_entered(1) ? 0U : 1U;
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            }
        },
        [](Stage<Lock>&) {});
    EXPECT_GT(missed, 0U);
}

// Writer 1 sleeps. When 0 lets go, 2 comes at the same time: whoever of 0 and 2 wakes 1 first, the other finds 2 at the
// head of the list and 1 active, or just gone, having taken that claim for an active one.
TEST(Rwsem38, AClaimForASleeperThatMisledTheLastOwnerIsRepeated) {
    std::uint64_t undone = 0;
    play_scenes<Lock>(
        5000, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 3) {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            } else {
                if (tid == 1) {
                    come_after(stage, 0);
                } else {
                    stage.until([&] { return stage.cue; });
                }
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<Lock>& stage) { undone += stage.events(Event::undo); });
    EXPECT_GT(undone, 0U);
}

// A downgraded writer holds the lock as a reader, so no claim is made for the writer at the head of the list.
TEST(Rwsem38, ADowngradeTriesNothingForAWriter) {
    play_scenes<Lock>(
        100, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.downgrade(0);
                check(stage.events(0, Event::undo) == 0 && stage.events(0, Event::granted) == 0, "left alone");
                stage.unlock_shared(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>&) {});
}

TEST(Rwsem38, AQueueingWriterWakesTheReadersAheadOfIt) { EXPECT_GT(queueing_writer_wakes_readers_ahead<Lock>(), 0U); }
TEST(Rwsem38, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem38, DowngradeLetsLeadingReadersIn) { downgrade_lets_leading_readers_in<Lock>(); }
TEST(Rwsem38, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem38, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem38, SurvivesRandomSchedules) { survives_random_schedules<Lock>(500, 6); }
TEST(Rwsem38, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(200, 6); }

}  // namespace
}  // namespace lockbench
