// SPDX-License-Identifier: MIT
// The rwsem of today: hands off after 4 ms, wakes all queued readers, lets readers steal within limits; its readers do
// not spin.
#include "locks/rwsem.hpp"
#include "tests/locks/rwsem_beside_readers_scenes.hpp"
#include "tests/locks/rwsem_handoff_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem<Coop>;
using Yielding = Rwsem<Coop, SpinThenYieldLock<Coop>>;

// Soon out of patience, so that random schedules hand off a lot.
struct Impatient : RwsemPolicy {
    static constexpr Nanoseconds kPatienceNs = 30;
};
struct TwoAtOnce : RwsemPolicy {
    static constexpr std::size_t kMaxReadersWoken = 2;
};

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem" && Yielding::kInfo.name == "rwsem.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 40 && sizeof(Yielding) == 40);
static_assert(RwsemPolicy::kMaxReadersWoken == 256 && RwsemPolicy::kPatienceNs == 4'000'000);

TEST(Rwsem, AReaderThatWaitedForLongIsPassedOnceAtMost) {
    std::uint64_t robbed = 0;
    EXPECT_EQ(passes_of_a_robbed_reader<Lock>(true, robbed), 0U);
    EXPECT_GT(robbed, 0U);
    EXPECT_GT(passes_of_a_robbed_reader<Lock>(false, robbed), 0U);
}

// Robbed once, it holds the hand-off and waits for the thief awake.
TEST(Rwsem, AWriterThatWaitedForLongIsPassedOnceAtMost) {
    std::uint64_t robbed = 0;
    std::uint64_t slept = 0;
    EXPECT_EQ(passes_of_a_robbed_writer<Lock>(true, robbed, slept), 0U);
    EXPECT_GT(robbed, 0U);
    EXPECT_EQ(slept, robbed);
    EXPECT_GT(passes_of_a_robbed_writer<Lock>(false, robbed, slept), 0U);
    EXPECT_GT(slept, robbed);
}

TEST(Rwsem, ASpinnerFollowsTheOneThatIsHandedTheLock) { EXPECT_EQ(spinners_stopped_by_the_hand_off<Lock>(), 0U); }

TEST(Rwsem, AllQueuedReadersComeInTogether) { EXPECT_EQ(readers_let_in_together<Lock>(), 3U); }
TEST(Rwsem, AWakerLetsSoManyReadersInAndNoMore) {
    EXPECT_EQ((readers_let_in_together<Rwsem<Coop, TicketLock<Coop>, TwoAtOnce>>()), 2U);
}
TEST(Rwsem, DowngradeLetsAllReadersIn) { downgrade_lets_all_readers_in<Lock>(); }

TEST(Rwsem, AReaderSleepsBesideARunningOwner) {
    play_scenes<Lock>(
        200, calm(1, 2),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.asleep(1); });
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.events(1, Event::spin_started), 0U); });
}

// Owner 0 leaves and comes back as a reader, past the writer that it woke.
TEST(Rwsem, AReaderStealsAFreeLockFromASleepingWriter) {
    std::uint64_t stolen = 0;
    play_scenes<Lock>(
        300, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
                stage.lock_shared(0);
                stage.unlock_shared(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [&](Stage<Lock>& stage) {
            if (stage.events(0, Event::stolen) != 0) {
                ++stolen;
                EXPECT_LT(stage.place(0, 2), stage.place(1));
            }
        });
    EXPECT_GT(stolen, 0U);
}

// Reader 0 is in, writer 1 sleeps: reader 2 queues behind it, or readers could keep it out for ever.
TEST(Rwsem, AReaderDoesNotStealFromASleepingWriterBesideReaders) { reader_queues_behind_a_sleeper<Lock>(); }

// Reader 1 sleeps. 2 takes the lock when the owner has just left, and lets 1 in before the owner comes to it.
TEST(Rwsem, AReaderThatStealsLetsQueuedReadersIn) {
    std::uint64_t let_in = 0;
    play_scenes<Lock>(
        500, calm(1, 4),
        [&](Stage<Lock>& stage, ThreadId tid) {
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
                stage.lock_shared(tid);
                let_in += tid == 2 && stage.events(2, Event::queued) == 0 ? stage.events(2, Event::granted) : 0;
                stage.unlock_shared(tid);
            }
        },
        [](Stage<Lock>&) {});
    EXPECT_GT(let_in, 0U);
}

TEST(Rwsem, SpinningBesideReadersLastsAsLongAsTheyAreMany) { spins_longer_beside_more_readers<Lock>(); }
TEST(Rwsem, NobodySpinsBesideReadersForLong) { EXPECT_EQ(spins_after_one_in_vain<Lock>(), 0U); }
TEST(Rwsem, AWriterSpinsBesideReadersForAWhile) { EXPECT_EQ(taken_beside_a_brief_reader<Lock>(), 200U); }
TEST(Rwsem, SpinningIsAllowedAgainBesideTheNextReaders) { EXPECT_GT(spins_beside_the_next_readers<Lock>(), 0U); }
TEST(Rwsem, WhoAsksForTheHandOffOfAnotherSleeps) { second_in_line_sleeps_again<Lock>(); }

TEST(Rwsem, ACancelledHeadDoesNotStrandTheNext) {
    cancelled_head_does_not_strand_the_next<Lock>(Mode::write);
    cancelled_head_does_not_strand_the_next<Lock>(Mode::read);
}

TEST(Rwsem, AWriterSpinsBesideARunningOwnerAndTakesTheLockAwake) { writer_spins_beside_a_running_owner<Lock>(); }
TEST(Rwsem, AWriterSleepsBesideASleepingOwner) { writer_sleeps_beside_a_sleeping_owner<Lock>(); }
TEST(Rwsem, ASpinnerGivesUpWhenTheOwnerGoesToSleep) { spinner_gives_up_when_the_owner_goes_to_sleep<Lock>(); }
TEST(Rwsem, ASpinnerStealsFromSleepers) { spinner_steals_from_sleepers<Lock>(); }
TEST(Rwsem, SpinnersQueue) { spinners_queue<Lock>(); }
TEST(Rwsem, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem, SurvivesRandomSchedulesHandingOff) {
    survives_random_schedules<Rwsem<Coop, TicketLock<Coop>, Impatient>>(1000, 6);
}
TEST(Rwsem, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
