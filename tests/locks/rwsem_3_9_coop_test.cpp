// SPDX-License-Identifier: MIT
// The rwsem of 3.9: a writer that runs steals from sleeping writers, behind the wait_lock; never from readers.
#include "locks/rwsem_3_9.hpp"
#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem39<Coop>;
using Yielding = Rwsem39<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_3_9" && Yielding::kInfo.name == "rwsem_3_9.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 32 && sizeof(Yielding) == 32);

// Owner 0 releases and comes back as a writer, while 1 sleeps; thread 2 directs. `before` is told whether 0 was first.
template <class Before>
void returning_owner(Mode sleeper, Before before) {
    play_scenes<Lock>(
        500, calm(1, 3),
        [sleeper](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
                check(!stage.try_lock(0) || stage.has_entered(1), "a trylock passes nobody");
                if (stage.place(0, 2) != Stage<Lock>::kNowhere) {
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
        },
        [&](Stage<Lock>& stage) { before(stage, stage.place(0, 2) < stage.place(1)); });
}

TEST(Rwsem39, ARunningWriterStealsFromASleepingOneBehindTheWaitLock) {
    std::uint64_t stolen = 0;
    std::uint64_t in_order = 0;
    returning_owner(Mode::write, [&](Stage<Lock>& stage, bool owner_first) {
        EXPECT_EQ(stage.events(Event::granted), 0U);  // writers are woken, never granted
        if (owner_first) {
            EXPECT_GE(stage.events(0, Event::slow_write), 1U);  // the fast path wants a count of 0
            EXPECT_EQ(stage.events(0, Event::stolen), 1U);
            ++stolen;
        } else {
            ++in_order;
        }
    });
    EXPECT_GT(stolen, 0U);
    EXPECT_GT(in_order, 0U);
}

// The reader owns the lock when unlock returns.
TEST(Rwsem39, AWriterCannotPassASleepingReader) {
    returning_owner(Mode::read, [](Stage<Lock>& stage, bool owner_first) {
        EXPECT_FALSE(owner_first);
        EXPECT_EQ(stage.events(0, Event::granted), 1U);
        EXPECT_EQ(stage.events(Event::stolen), 0U);
    });
}

// Owner 0, sleeping reader 1, sleeping writer 2, which wakes for no reason when 0 has just left: it sees the reader
// before it and does not try. Thread 3 directs.
TEST(Rwsem39, AQueuedWriterDoesNotPassAReaderAtTheHead) {
    CoopOptions options = calm(1, 4);
    options.spurious_wakes = {.permille = 300, .budget = 64};
    play_scenes<Lock>(
        1000, options,
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 3) {
                wake_owner_when(stage, [&] { return stage.asleep(2); });
            } else {
                come_after(stage, tid - 1);
                if (tid == 2) {
                    stage.lock(2);
                    stage.unlock(2);
                } else {
                    stage.lock_shared(1);
                    stage.unlock_shared(1);
                }
            }
        },
        [](Stage<Lock>& stage) { EXPECT_LT(stage.place(1), stage.place(2)); });
}

// Writer 1 sleeps. Writer 2 queues when owner 0 has left, wakes 1 and lets go of the wait_lock before it tries: 1 may
// be faster.
TEST(Rwsem39, AWriterThatHasJustQueuedMayBeTooLateForTheFreeLock) {
    std::uint64_t late = 0;
    play_scenes<Lock>(
        1000, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 3) {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            } else {
                tid == 1 ? come_after(stage, 0) : stage.until([&] { return stage.cue; });
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<Lock>& stage) {
            // The last one in wakes nobody when it leaves.
            late += stage.place(1) < stage.place(2) && stage.events(2, Event::wake_sent) == 1 ? 1U : 0U;
        });
    EXPECT_GT(late, 0U);
}

TEST(Rwsem39, AReaderCannotPassASleepingWriter) {
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
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.place(1), 1U); });
}

TEST(Rwsem39, AQueueingWriterWakesTheReadersAheadOfIt) { EXPECT_GT(queueing_writer_wakes_readers_ahead<Lock>(), 0U); }
TEST(Rwsem39, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem39, DowngradeLetsLeadingReadersIn) { downgrade_lets_leading_readers_in<Lock>(); }
TEST(Rwsem39, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem39, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem39, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem39, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
