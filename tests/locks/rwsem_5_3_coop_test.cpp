// SPDX-License-Identifier: MIT
// The rwsem of 5.3: readers and writers spin, hand-off after 4 ms, all queued readers woken together; and its variants,
// each with one of these taken back.
#include "locks/rwsem_5_3.hpp"
#include "tests/locks/rwsem_beside_readers_scenes.hpp"
#include "tests/locks/rwsem_handoff_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem53<Coop>;
using Yielding = Rwsem53<Coop, SpinThenYieldLock<Coop>>;
using LeadingReaders = Rwsem53<Coop, TicketLock<Coop>, Rwsem53LeadingReaders>;
using NoReaderSpin = Rwsem53<Coop, TicketLock<Coop>, Rwsem53NoReaderSpin>;
using NoSpinBesideReaders = Rwsem53<Coop, TicketLock<Coop>, Rwsem53NoSpinBesideReaders>;

// Soon out of patience, so that random schedules hand off a lot.
struct Impatient : Rwsem53Policy {
    static constexpr Nanoseconds kPatienceNs = 30;
};

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_5_3" && Yielding::kInfo.name == "rwsem_5_3.yield");
static_assert(LeadingReaders::kInfo.name == "rwsem_5_3.leading_readers");
static_assert(NoReaderSpin::kInfo.name == "rwsem_5_3.no_reader_spin");
static_assert(NoSpinBesideReaders::kInfo.name == "rwsem_5_3.no_spin_beside_readers");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 40 && sizeof(Yielding) == 40);
static_assert(Rwsem53Policy::kMaxReadersWoken == 256 && Rwsem53Policy::kPatienceNs == 4'000'000);

TEST(Rwsem53, AReaderThatWaitedForLongIsPassedOnceAtMost) {
    std::uint64_t robbed = 0;
    EXPECT_EQ(passes_of_a_robbed_reader<NoReaderSpin>(true, robbed), 0U);
    EXPECT_GT(robbed, 0U);
    EXPECT_GT(passes_of_a_robbed_reader<NoReaderSpin>(false, robbed), 0U);
}

// Robbed once, it holds the hand-off, and sleeps until the thief wakes it.
TEST(Rwsem53, AWriterThatWaitedForLongIsPassedOnceAtMost) {
    std::uint64_t robbed = 0;
    std::uint64_t slept = 0;
    EXPECT_EQ(passes_of_a_robbed_writer<Lock>(true, robbed, slept), 0U);
    EXPECT_GT(robbed, 0U);
    EXPECT_GT(slept, robbed);
    EXPECT_GT(passes_of_a_robbed_writer<Lock>(false, robbed, slept), 0U);
}

TEST(Rwsem53, TheHandOffStopsASpinner) { EXPECT_EQ(spinners_stopped_by_the_hand_off<Lock>(), 200U); }

TEST(Rwsem53, AllQueuedReadersComeInTogether) { EXPECT_EQ(readers_let_in_together<Lock>(), 3U); }
TEST(Rwsem53, OnlyLeadingReadersWhereThatIsTakenBack) { EXPECT_EQ(readers_let_in_together<LeadingReaders>(), 1U); }
TEST(Rwsem53, DowngradeLetsAllReadersIn) { downgrade_lets_all_readers_in<Lock>(); }
TEST(Rwsem53, DowngradeLetsLeadingReadersInWhereThatIsTakenBack) {
    downgrade_lets_leading_readers_in<LeadingReaders>();
}

// Reader 1 comes while 0 owns the lock and runs. Returns how often it got in awake.
template <class L>
std::uint64_t reader_beside_a_running_owner() {
    std::uint64_t awake = 0;
    play_scenes<L>(
        200, calm(1, 2),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1 || stage.asleep(1); });
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            }
        },
        [&](Stage<L>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_acquired), stage.events(1, Event::spin_started));
            EXPECT_NE(stage.events(1, Event::spin_acquired) == 1, stage.events(1, Event::queued) == 1);
            awake += stage.events(1, Event::spin_acquired);
        });
    return awake;
}
TEST(Rwsem53, AReaderSpinsBesideARunningOwner) { EXPECT_EQ(reader_beside_a_running_owner<Lock>(), 200U); }
TEST(Rwsem53, AReaderSleepsWhereThatIsTakenBack) { EXPECT_EQ(reader_beside_a_running_owner<NoReaderSpin>(), 0U); }

// Owner 0, reader 1 behind it, is off its CPU: nobody spins beside that.
TEST(Rwsem53, AReaderSleepsBesideASleepingOwner) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock_shared(1);
                stage.unlock_shared(1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.events(1, Event::spin_started), 0U); });
}

// Writer 1 sleeps, 0 is a reader now: reader 2 comes in past 1, and could be followed by others without end (M23).
TEST(Rwsem53, AReaderPassesASleepingWriterBesideReaders) {
    play_scenes<Lock>(
        200, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.downgrade(0);
                stage.until([&] { return stage.has_entered(2); });
                stage.unlock_shared(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.events(Event::downgraded) == 1; });
                stage.lock_shared(2);
                stage.unlock_shared(2);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(2, Event::stolen), 1U);
            EXPECT_LT(stage.place(2), stage.place(1));
        });
}

// A writer that spun beside readers in vain forbids it to readers too: 2 queues behind the sleeping writer 1.
TEST(Rwsem53, ReadersDoNotSpinWhereAWriterSpunInVain) { reader_queues_behind_a_sleeper<Lock>(); }

// Writer 1 spun beside reader 0 in vain. When it owns the lock it forbids spinning to readers, although it runs: 2
// queues.
TEST(Rwsem53, AWriterThatSpunInVainForbidsReadersToSpinBesideIt) {
    play_scenes<Lock>(
        200, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1); });
                stage.unlock_shared(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.until([&] { return stage.asleep(2) || stage.events(2, Event::spin_started) == 1; });
                stage.unlock(1);
            } else {
                stage.until([&] { return stage.has_entered(1); });
                stage.lock_shared(2);
                stage.unlock_shared(2);
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_stopped), 1U);
            EXPECT_EQ(stage.events(2, Event::spin_started), 0U);
        });
}

// So did writer 1 here, and sleeps with the lock while reader 2 and writer 4 queue. 2 has seen it forbidden, so that it
// stays so when 2 is let in: 3 does not spin beside it, but queues behind 4.
TEST(Rwsem53, AReaderThatSawSpinningForbiddenCarriesThatOn) {
    play_scenes<Lock>(
        200, calm(1, 5),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1); });
                stage.unlock_shared(0);
                stage.until([&] { return stage.asleep(4); });
                stage.cue = true;
                Coop::wake(1);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.sleep_until_cue();
                stage.unlock(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.has_entered(1) && !Coop::is_running(1); });
                stage.lock_shared(2);
                stage.until([&] { return stage.asleep(3) || stage.events(3, Event::spin_started) == 1; });
                stage.unlock_shared(2);
            } else if (tid == 3) {
                stage.until([&] { return stage.has_entered(2); });
                stage.lock_shared(3);
                stage.unlock_shared(3);
            } else {
                stage.until([&] { return stage.asleep(2); });
                stage.lock(4);
                stage.unlock(4);
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(3, Event::spin_started), 0U);
            EXPECT_LT(stage.place(4), stage.place(3));
        });
}

// Writer 1 forbade it beside reader 0 and sleeps. With the last reader gone writers may spin again: 2 takes the lock
// awake, before 1 comes to it.
TEST(Rwsem53, WritersMaySpinAgainWhenTheLastReaderHasLeft) {
    std::uint64_t faster = 0;
    play_scenes<Lock>(
        1000, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1); });
                stage.cue = true;
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return tid == 1 ? stage.has_entered(0) : stage.cue; });
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<Lock>& stage) {
            const bool awake = stage.events(2, Event::spin_acquired) == 1;
            faster += awake && stage.place(2) < stage.place(1) ? 1U : 0U;
        });
    EXPECT_GT(faster, 0U);
}

// Reader 1 steals by spinning, while reader 2 sleeps since before the owner woke: 1 lets it in.
TEST(Rwsem53, AReaderThatSpunLetsQueuedReadersIn) {
    std::uint64_t let_in = 0;
    play_scenes<Lock>(
        500, calm(1, 4),
        [&](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.cue && Coop::is_running(0); });
                stage.lock_shared(1);
                let_in += stage.events(1, Event::queued) == 0 ? stage.events(1, Event::granted) : 0;
                stage.unlock_shared(1);
            } else if (tid == 2) {
                come_after(stage, 0);
                stage.lock_shared(2);
                stage.unlock_shared(2);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(2); });
            }
        },
        [](Stage<Lock>&) {});
    EXPECT_GT(let_in, 0U);
}

// Writer 1 sleeps. Reader 2 goes to spin just when owner 0 leaves: it takes its claim back and wakes nobody, as it
// takes the free lock itself, and wakes when it leaves.
TEST(Rwsem53, AReaderThatGoesToSpinWakesNobody) {
    std::uint64_t awake = 0;
    play_scenes<Lock>(
        500, calm(1, 4),
        [&](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.until([&] { return stage.events(2, Event::slow_read) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.cue && Coop::is_running(0); });
                stage.lock_shared(2);
                if (stage.events(2, Event::queued) == 0) {
                    ++awake;
                    EXPECT_EQ(stage.events(2, Event::wake_sent), 0U);
                }
                stage.unlock_shared(2);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<Lock>&) {});
    EXPECT_GT(awake, 0U);
}

// A reader whose spinning was cut short when readers had just come in joins them instead of queueing.
TEST(Rwsem53, AReaderThatMissedTheBeginningOfAPhaseTriesOnceMore) {
    CoopOptions options = calm(1, 3);
    options.should_yield = {.permille = 100, .budget = 4};
    std::uint64_t joined = 0;
    play_scenes<Lock>(
        1000, options,
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::slow_read) == 1 && stage.world().quiet(); });
                stage.downgrade(0);
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(tid);
                stage.unlock_shared(tid);
            }
        },
        [&](Stage<Lock>& stage) {
            for (const ThreadId tid : {1U, 2U}) {
                const bool stopped = stage.events(tid, Event::spin_stopped) == 1;
                joined += stopped && stage.events(tid, Event::queued) == stage.events(tid, Event::unqueued) ? 1U : 0U;
            }
        });
    EXPECT_GT(joined, 0U);
}

TEST(Rwsem53, SpinningBesideReadersLastsAsLongAsTheyAreMany) { spins_longer_beside_more_readers<Lock>(); }
TEST(Rwsem53, NobodySpinsBesideReadersForLong) { EXPECT_EQ(spins_after_one_in_vain<Lock>(), 0U); }
TEST(Rwsem53, NothingIsForbiddenWhereNobodySpinsBesideReaders) {
    EXPECT_EQ(spins_after_one_in_vain<NoSpinBesideReaders>(), 200U);
}
TEST(Rwsem53, AWriterSpinsBesideReadersForAWhile) { EXPECT_EQ(taken_beside_a_brief_reader<Lock>(), 200U); }
TEST(Rwsem53, AWriterQueuesBesideReadersWhereThatIsTakenBack) {
    EXPECT_EQ(taken_beside_a_brief_reader<NoSpinBesideReaders>(), 0U);
}

TEST(Rwsem53, ACancelledHeadDoesNotStrandTheNext) {
    cancelled_head_does_not_strand_the_next<Lock>(Mode::write);
    cancelled_head_does_not_strand_the_next<Lock>(Mode::read);
}

TEST(Rwsem53, AWriterSpinsBesideARunningOwnerAndTakesTheLockAwake) { writer_spins_beside_a_running_owner<Lock>(); }
TEST(Rwsem53, AWriterSleepsBesideASleepingOwner) { writer_sleeps_beside_a_sleeping_owner<Lock>(); }
TEST(Rwsem53, ASpinnerGivesUpWhenTheOwnerGoesToSleep) { spinner_gives_up_when_the_owner_goes_to_sleep<Lock>(); }
TEST(Rwsem53, ASpinnerStealsFromSleepers) { spinner_steals_from_sleepers<NoReaderSpin>(); }
TEST(Rwsem53, SpinnersQueue) { spinners_queue<Lock>(); }
TEST(Rwsem53, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem53, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem53, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem53, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem53, SurvivesRandomSchedulesHandingOff) {
    survives_random_schedules<Rwsem53<Coop, TicketLock<Coop>, Impatient>>(1000, 6);
}
TEST(Rwsem53, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }
TEST(Rwsem53, VariantsSurviveRandomSchedules) {
    survives_random_schedules<LeadingReaders>(200, 6);
    survives_random_schedules<NoReaderSpin>(200, 6);
    survives_random_schedules<NoSpinBesideReaders>(200, 6);
}

}  // namespace
}  // namespace lockbench
