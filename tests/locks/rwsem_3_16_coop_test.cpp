// SPDX-License-Identifier: MIT
// The rwsem of 3.16: writers steal, and spin beside a writer that runs; not beside one that sleeps, and not beside
// readers.
#include "locks/rwsem_3_16.hpp"
#include "tests/locks/spinning_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem316<Coop>;
using Yielding = Rwsem316<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_3_16" && Yielding::kInfo.name == "rwsem_3_16.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 40 && sizeof(Yielding) == 40);

TEST(Rwsem316, AWriterDoesNotSpinBesideReaders) {
    play_scenes<Lock>(
        200, calm(1, 2),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1); });
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.events(1, Event::spin_started), 0U); });
}

// A downgraded owner is a reader: no spinning beside it either.
TEST(Rwsem316, AWriterDoesNotSpinBesideADowngradedOwner) {
    play_scenes<Lock>(
        200, calm(1, 2),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.downgrade(0);
                stage.cue = true;
                stage.until([&] { return stage.asleep(1); });
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.cue; });
                stage.lock(1);
                stage.unlock(1);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.events(1, Event::spin_started), 0U); });
}

// Another writer was faster, without the owner's word being seen empty in between: spinning stops, the queue follows.
TEST(Rwsem316, AChangeOfOwnerStopsTheSpinner) {
    std::uint64_t stopped = 0;
    play_scenes<Lock>(
        500, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
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
            EXPECT_EQ(stage.events(1, Event::spin_started),
                      stage.events(1, Event::spin_stopped) + stage.events(1, Event::spin_acquired));
        });
    EXPECT_GT(stopped, 0U);
}

TEST(Rwsem316, AWriterSpinsBesideARunningOwnerAndTakesTheLockAwake) { writer_spins_beside_a_running_owner<Lock>(); }
TEST(Rwsem316, AWriterSleepsBesideASleepingOwner) { writer_sleeps_beside_a_sleeping_owner<Lock>(); }
TEST(Rwsem316, ASpinnerGivesUpWhenTheOwnerGoesToSleep) { spinner_gives_up_when_the_owner_goes_to_sleep<Lock>(); }
TEST(Rwsem316, ASpinnerStealsFromSleepers) { spinner_steals_from_sleepers<Lock>(); }
TEST(Rwsem316, SpinnersQueue) { spinners_queue<Lock>(); }
TEST(Rwsem316, AReaderQueuedFirstBesideReadersWakesItself) {
    EXPECT_GT(reader_beside_downgraded_writer_gets_in<Lock>(), 0U);
}
TEST(Rwsem316, AQueueingWriterWakesTheReadersAheadOfIt) { EXPECT_GT(queueing_writer_wakes_readers_ahead<Lock>(), 0U); }
TEST(Rwsem316, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem316, DowngradeLetsLeadingReadersIn) { downgrade_lets_leading_readers_in<Lock>(); }
TEST(Rwsem316, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem316, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem316, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem316, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
