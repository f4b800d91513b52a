// SPDX-License-Identifier: MIT
// The rwsem of 3.10: running writers steal the lock from sleepers, readers do not.
#include "locks/rwsem_3_10.hpp"
#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {
namespace {

using Lock = Rwsem310<Coop>;
using Yielding = Rwsem310<Coop, SpinThenYieldLock<Coop>>;

static_assert(info_matches_type<Coop, Lock>() && info_matches_type<Coop, Yielding>());
static_assert(Lock::kInfo.name == "rwsem_3_10" && Yielding::kInfo.name == "rwsem_3_10.yield");
static_assert(Lock::kInfo.convoys && !Yielding::kInfo.convoys);
static_assert(sizeof(Lock) == 32 && sizeof(Yielding) == 32);

// Owner 0 releases and comes back at once or a little later, while 1 sleeps; thread 2 directs.
template <class Sleep, class Return>
void return_scene(Stage<Lock>& stage, ThreadId tid, Sleep sleeper, Return comes_back) {
    if (tid == 0) {
        own_asleep(stage);
        stage.unlock(0);
        for (std::uint32_t i = stage.random(0).below(16); i != 0; --i) {
            Coop::relax();
        }
        comes_back(stage);
    } else if (tid == 1) {
        come_after(stage, 0);
        sleeper(stage);
    } else {
        wake_owner_when(stage, [&] { return stage.asleep(1); });
    }
}

void write_as_1(Stage<Lock>& stage) {
    stage.lock(1);
    stage.unlock(1);
}
void read_as_1(Stage<Lock>& stage) {
    stage.lock_shared(1);
    stage.unlock_shared(1);
}

TEST(Rwsem310, ARunningWriterStealsFromASleepingOneOnItsFastPath) {
    std::uint64_t stolen = 0;
    std::uint64_t in_order = 0;
    play_scenes<Lock>(
        300, calm(1, 3),
        [&](Stage<Lock>& stage, ThreadId tid) {
            return_scene(stage, tid, &write_as_1, [&](Stage<Lock>& on) {
                on.lock(0);
                const bool first = !on.has_entered(1);
                stolen += first && on.events(0, Event::slow_write) == 0 ? 1U : 0U;
                on.unlock(0);
            });
        },
        [&](Stage<Lock>& stage) {
            EXPECT_EQ(stage.events(Event::granted), 0U);  // writers are woken, never granted
            in_order += stage.place(1) == 1 ? 1U : 0U;
        });
    EXPECT_GT(stolen, 0U);
    EXPECT_GT(in_order, 0U);
}

TEST(Rwsem310, ATrylockStealsToo) {
    std::uint64_t stolen = 0;
    play_scenes<Lock>(
        300, calm(1, 3),
        [&](Stage<Lock>& stage, ThreadId tid) {
            return_scene(stage, tid, &write_as_1, [&](Stage<Lock>& on) {
                if (on.try_lock(0)) {
                    stolen += on.has_entered(1) ? 0U : 1U;
                    on.unlock(0);
                }
            });
        },
        [](Stage<Lock>&) {});
    EXPECT_GT(stolen, 0U);
}

TEST(Rwsem310, AReaderCannotPassASleepingWriter) {
    play_scenes<Lock>(
        500, calm(1, 3),
        [](Stage<Lock>& stage, ThreadId tid) {
            return_scene(stage, tid, &write_as_1, [&](Stage<Lock>& on) {
                if (on.try_lock_shared(0)) {
                    on.unlock_shared(0);
                }
                on.lock_shared(0);
                on.unlock_shared(0);
            });
        },
        [](Stage<Lock>& stage) { EXPECT_EQ(stage.place(1), 1U); });
}

// The waker has given the sleeping reader its unit when it sees that a writer was faster.
TEST(Rwsem310, AGrantToReadersIsUndoneWhenAWriterStole) {
    std::uint64_t undone = 0;
    std::uint64_t read_last = 0;
    play_scenes<Lock>(
        500, calm(1, 4),
        [](Stage<Lock>& stage, ThreadId tid) {
            if (tid != 3) {
                return return_scene(stage, tid, &read_as_1, [](Stage<Lock>&) {});
            }
            stage.until([&] { return stage.asleep(1); });
            for (int i = 0; i < 20; ++i) {
                if (stage.try_lock(3)) {
                    stage.unlock(3);
                }
            }
        },
        [&](Stage<Lock>& stage) {
            const std::uint64_t taken_back = stage.events(0, Event::grant_undone);
            undone += taken_back;
            if (taken_back != 0 && stage.events(0, Event::granted) == 0) {
                EXPECT_EQ(stage.events(3, Event::granted), 1U);  // the thief lets the reader go in its turn
                EXPECT_LT(stage.place(3), stage.place(1));
                ++read_last;
            }
        });
    EXPECT_GT(undone, 0U);
    EXPECT_GT(read_last, 0U);
}

// A queued writer that is not first takes a free lock: sleepers 1 and 2, owner 0 gone, 3 queues and takes.
TEST(Rwsem310, AQueuedWriterTakesAFreeLockThoughOthersWereFirst) {
    std::uint64_t stolen = 0;
    CoopOptions options = calm(1, 4);
    options.spurious_wakes = {.permille = 100, .budget = 8};
    play_scenes<Lock>(
        500, options,
        [](Stage<Lock>& stage, ThreadId tid) {
            for (int i = 0; i < 4; ++i) {
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<Lock>& stage) {
            stolen += stage.events(Event::stolen);
            EXPECT_EQ(stage.events(Event::granted), 0U);
        });
    EXPECT_GT(stolen, 0U);
}

TEST(Rwsem310, AReaderQueuedFirstBesideReadersWakesItself) {
    EXPECT_GT(reader_beside_downgraded_writer_gets_in<Lock>(), 0U);
}
TEST(Rwsem310, AQueueingWriterWakesTheReadersAheadOfIt) { EXPECT_GT(queueing_writer_wakes_readers_ahead<Lock>(), 0U); }
TEST(Rwsem310, AGrantedWaiterIsNotTouchedAgain) { granted_waiters_may_vanish<Lock>(); }
TEST(Rwsem310, DowngradeLetsLeadingReadersIn) { downgrade_lets_leading_readers_in<Lock>(); }
TEST(Rwsem310, FastPathsReportNothing) { fast_paths_report_nothing<Lock>(); }
TEST(Rwsem310, MayNotBeFreedByTheNextOwner) { EXPECT_GT(freed_too_early<Lock>(200), 0U); }
TEST(Rwsem310, SurvivesRandomSchedules) { survives_random_schedules<Lock>(1000, 6); }
TEST(Rwsem310, SurvivesRandomSchedulesYielding) { survives_random_schedules<Yielding>(500, 6); }

}  // namespace
}  // namespace lockbench
