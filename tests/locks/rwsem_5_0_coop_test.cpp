// SPDX-License-Identifier: MIT
// The rwsem of 5.0: what 3.16 does, and a spinner spares the wake-up, follows the lock from writer to writer, and waits
// can be cancelled.
#include "locks/rwsem_5_0.hpp"
#include "tests/locks/rwsem_handoff_scenes.hpp"
#include "tests/support/contract_coop.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem50<Coop>;
using Yielding = Rwsem50<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_5_0" && Yielding::kInfo.name == "rwsem_5_0.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 40 && sizeof(Yielding) == 40);

// Readers 1 and 3 sleep, 2 spins beside owner 0. 3 gives up just when 0 leaves, and has the wait_lock for a moment: in
// some schedules 0 leaves all to 2 and wakes nobody, although 1 waits and nobody has the lock.
TEST(Rwsem50, ASpinnerSparesTheWakeUp) {
    std::uint64_t spared = 0;
    play_scenes<Lock>(
        1000, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.asleep(3) && stage.events(2, Event::spin_started) == 1; });
                Coop::cancel(3);
                for (std::uint32_t i = stage.random(0).below(8); i != 0; --i) {
                    Coop::relax();
                }
                stage.unlock(0);
                stage.cue = true;
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.asleep(3); });
                stage.lock(2);
                stage.until([&] { return stage.cue; });  // or 1 could be let in before 0 looks
                stage.unlock(2);
            } else {
                stage.until([&] { return stage.asleep(1); });
                if (stage.lock_shared_killable(3)) {
                    stage.unlock_shared(3);
                }
            }
        },
        [&](Stage<Lock>& stage) {
            const bool nothing_done = stage.events(0, Event::wake_sent) == 0 && stage.events(0, Event::granted) == 0 &&
                                      stage.events(0, Event::grant_undone) == 0;
            spared += nothing_done && stage.events(2, Event::spin_acquired) == 1 ? 1U : 0U;
        });
    EXPECT_GT(spared, 0U);
}

// Another writer was faster: where 3.16 gives up, this goes on spinning beside that one.
TEST(Rwsem50, ASpinnerFollowsTheLockFromWriterToWriter) {
    play_scenes<Lock>(
        300, calm(1, 3),
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
                for (int i = 0; i < 20; ++i) {
                    if (stage.try_lock(2)) {
                        stage.unlock(2);
                    }
                }
            }
        },
        [](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_acquired), 1U);
            EXPECT_EQ(stage.events(1, Event::spin_stopped), 0U);
        });
}

TEST(Rwsem50, AWriterDoesNotSpinBesideReaders) {
    play_scenes<Lock>(
        200, calm(1, 2),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
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

TEST(Rwsem50, OnlyLeadingReadersComeInTogether) { EXPECT_EQ(readers_let_in_together<Lock>(), 1U); }
TEST(Rwsem50, ACancelledHeadDoesNotStrandTheNext) {
    cancelled_head_does_not_strand_the_next<Lock>(Mode::write);
    cancelled_head_does_not_strand_the_next<Lock>(Mode::read);
}

// --- faults: each is found, the right form passes the same

// The look for a spinner comes before the release.
struct M19 : Rwsem50Moves<Coop> {
    template <class Release, class Osq>
    static bool release_then_look(const Osq& osq, bool& spinner, Release release_count) {
        spinner = osq.is_locked();
        return release_count();
    }
};
// A reader leaves an empty queue without having seen what the writer did.
struct M21 : Rwsem50Moves<Coop> {
    static std::int64_t recount(const Count& count) { return count.load(relaxed); }
};

template <class L>
test::Survey mix() {
    test::Reached reached;
    for (unsigned threads = 2; threads <= 6; ++threads) {
        test::mixed_sections<L>(reached, threads, 1000, 8);
    }
    return reached.survey;
}

// Spinner 1 gives up just when owner 0 leaves: one of them sees to it that 1 does not sleep beside a free lock.
template <class L>
test::Survey spinner_gives_up_as_the_owner_leaves() {
    CoopOptions options = calm(1, 2);
    options.should_yield = {.permille = 250, .budget = 2};
    return test::survey(options, 20'000, [](CoopWorld& world) {
        test::Cast<L> cast(world, 2);
        bool held = false;
        world.run([&](ThreadId tid) {
            auto part = cast.part(tid);
            if (tid == 0) {
                part.write([&] {
                    held = true;
                    Stage<L>::until([&] { return world.events(1, Event::slow_write) == 1; });
                });
            } else {
                Stage<L>::until([&] { return held; });
                part.write([] {});
            }
        });
        cast.verify();
    });
}

TEST(Rwsem50, FaultsOfItsHistoryAreFound) {
    const test::Survey right = mix<Lock>();
    EXPECT_TRUE(right.passed()) << right;
    const test::Survey right_look = spinner_gives_up_as_the_owner_leaves<Lock>();
    EXPECT_TRUE(right_look.passed()) << right_look;
    const test::Survey m19 = spinner_gives_up_as_the_owner_leaves<Rwsem50<Coop, TicketLock<Coop>, M19>>();
    EXPECT_GT(m19.count(CoopFailure::deadlock), 0U) << m19;
    const test::Survey m21 = mix<Rwsem50<Coop, TicketLock<Coop>, M21>>();
    EXPECT_GT(m21.count(CoopFailure::race), 0U) << m21;
}

TEST(Rwsem50, AWriterSpinsBesideARunningOwnerAndTakesTheLockAwake) { writer_spins_beside_a_running_owner<Lock>(); }
TEST(Rwsem50, AWriterSleepsBesideASleepingOwner) { writer_sleeps_beside_a_sleeping_owner<Lock>(); }
TEST(Rwsem50, ASpinnerGivesUpWhenTheOwnerGoesToSleep) { spinner_gives_up_when_the_owner_goes_to_sleep<Lock>(); }
TEST(Rwsem50, ASpinnerStealsFromSleepers) { spinner_steals_from_sleepers<Lock>(); }
TEST(Rwsem50, SpinnersQueue) { spinners_queue<Lock>(); }
TEST(Rwsem50, AReaderQueuedFirstBesideReadersComesIn) { reader_beside_downgraded_writer_gets_in<Lock>(); }
TEST(Rwsem50, AQueueingWriterWakesTheReadersAheadOfIt) { EXPECT_GT(queueing_writer_wakes_readers_ahead<Lock>(), 0U); }
TEST(Rwsem50, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem50, DowngradeLetsLeadingReadersIn) { downgrade_lets_leading_readers_in<Lock>(); }
TEST(Rwsem50, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem50, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem50, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem50, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
