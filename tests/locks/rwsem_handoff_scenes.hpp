// SPDX-License-Identifier: MIT
// Scenes for the read-write semaphores since 5.3: hand-off to those who waited for long, all queued readers together.
// Virtual time passes only where a scene lets it.
#pragma once

#include "tests/locks/spinning_scenes.hpp"

namespace lockbench {

// Longer than any waiter is patient.
inline void let_patience_end() { Coop::compute(5'000'000); }

// Owner 0, reader 1 asleep, writers 2 and 3 spinning. 2 steals the lock from under the grant to 1; 0, that undoes it,
// asks for the hand-off if 1 has waited long enough, and then 3 cannot pass 1 too. Returns in how many schedules 3 came
// before 1 although 2 had stolen.
template <class L>
std::uint64_t passes_of_a_robbed_reader(bool waited_long, std::uint64_t& robbed) {
    std::uint64_t passes = 0;
    bool released = false;
    play_scenes<L>(
        500, calm(1, 4),
        [&](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                released = false;
                stage.lock(0);
                stage.until([&] {
                    return stage.asleep(1) && stage.events(2, Event::spin_started) == 1 &&
                           stage.events(3, Event::spin_started) == 1;
                });
                if (waited_long) {
                    let_patience_end();
                }
                stage.unlock(0);
                released = true;
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            } else {
                stage.until([&] { return stage.asleep(1) && (tid == 2 || stage.events(2, Event::spin_started) == 1); });
                stage.lock(tid);
                stage.until([&] { return released; });
                stage.unlock(tid);
            }
        },
        [&](Stage<L>& stage) {
            if (stage.events(0, Event::grant_undone) != 0) {
                ++robbed;
                const ThreadId later = stage.place(2) < stage.place(3) ? 3 : 2;
                passes += stage.place(later) < stage.place(1) ? 1U : 0U;
            }
        });
    return passes;
}

// The same for a sleeping writer, which asks for the hand-off itself when it is woken and finds the lock held. Counts
// the schedules in which the thief was in before the owner woke 1. Returns the passes in these; `slept` sums how often
// 1 slept.
template <class L>
std::uint64_t passes_of_a_robbed_writer(bool waited_long, std::uint64_t& robbed, std::uint64_t& slept) {
    std::uint64_t passes = 0;
    bool in_before_the_wake = false;
    play_scenes<L>(
        500, calm(1, 4),
        [&](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                in_before_the_wake = false;
                own_asleep(stage);
                stage.until([&] {
                    return stage.events(2, Event::spin_started) == 1 && stage.events(3, Event::spin_started) == 1;
                });
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else {
                if (tid == 2) {
                    stage.until([&] { return stage.asleep(1); });
                    if (waited_long) {
                        let_patience_end();
                    }
                    wake_owner_when(stage, [] { return true; });
                } else {
                    stage.until([&] { return stage.events(2, Event::spin_started) == 1; });
                }
                stage.until([&] { return Coop::is_running(0); });
                stage.lock(tid);
                in_before_the_wake |= stage.events(0, Event::wake_sent) == 0;
                // Until all others have done what they can: 1 has had its turn.
                stage.until([&] { return stage.has_entered(1) || stage.world().quiet(); });
                stage.unlock(tid);
            }
        },
        [&](Stage<L>& stage) {
            const ThreadId thief = stage.place(2) < stage.place(3) ? 2 : 3;
            if (in_before_the_wake) {
                ++robbed;
                slept += stage.events(1, Event::slept);
                passes += stage.place(5 - thief) < stage.place(1) ? 1U : 0U;
            }
        });
    return passes;
}

// Owner 0; sleepers reader 1, writer 2, readers 3 and 4; thread 5 directs. Returns how many readers 0 lets in at once.
template <class L>
std::uint64_t readers_let_in_together() {
    std::uint64_t together = 0;
    std::uint64_t runs = 0;
    play_scenes<L>(
        200, calm(1, 6),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 5) {
                wake_owner_when(stage, [&] { return stage.asleep(4); });
            } else {
                come_after(stage, tid - 1);
                if (tid == 2) {
                    stage.lock(2);
                    stage.unlock(2);
                } else {
                    stage.lock_shared(tid);
                    stage.unlock_shared(tid);
                }
            }
        },
        [&](Stage<L>& stage) {
            ++runs;
            together += stage.events(0, Event::granted);
            for (const ThreadId reader : {1U, 3U, 4U}) {
                if (stage.events(0, Event::granted) == 3) {
                    EXPECT_LT(stage.place(reader), stage.place(2));
                }
            }
        });
    EXPECT_EQ(together % runs, 0U) << "not the same in all schedules";
    return together / runs;
}

// Owner 0, sleepers reader 1, writer 2, reader 3; thread 4 directs. 0 becomes a reader, and all readers come in beside
// it.
template <class L>
void downgrade_lets_all_readers_in() {
    play_scenes<L>(
        200, calm(1, 5),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.downgrade(0);
                stage.until([&] { return stage.has_entered(1) && stage.has_entered(3); });
                check(stage.events(0, Event::granted) == 2 && stage.asleep(2), "readers, and no writer");
                stage.unlock_shared(0);
            } else if (tid == 4) {
                wake_owner_when(stage, [&] { return stage.asleep(3); });
            } else {
                come_after(stage, tid - 1);
                if (tid == 2) {
                    stage.lock(2);
                    stage.unlock(2);
                } else {
                    stage.lock_shared(tid);
                    stage.unlock_shared(tid);
                }
            }
        },
        [](Stage<L>& stage) {
            EXPECT_EQ(stage.place(2), 3U);
            EXPECT_EQ(stage.events(Event::downgraded), 1U);
        });
}

// Reader 0 is in, writer 1 sleeps: reader 2 queues behind it, and comes in after it.
template <class L>
void reader_behind_sleeper_scene(Stage<L>& stage, ThreadId tid) {
    if (tid == 0) {
        stage.lock_shared(0);
        stage.until([&] { return stage.asleep(1) && stage.asleep(2); });
        stage.unlock_shared(0);
    } else if (tid == 1) {
        stage.until([&] { return stage.has_entered(0); });
        stage.lock(1);
        stage.unlock(1);
    } else {
        stage.until([&] { return stage.asleep(1); });
        stage.lock_shared(2);
        stage.unlock_shared(2);
    }
}
template <class L>
void reader_queues_behind_a_sleeper() {
    play_scenes<L>(200, calm(1, 3), &reader_behind_sleeper_scene<L>, [](Stage<L>& stage) {
        EXPECT_EQ(stage.place(2), 2U);
        EXPECT_EQ(stage.events(2, Event::spin_started), 0U);
    });
}

// Owner 0 runs; writers 1 and 2 have slept since it was off its CPU. 2, not the first, wakes for no reason and asks for
// the hand-off, in 1's name: it goes back to sleep, for only 1 may wait for the owner awake.
template <class L>
void second_in_line_scene(Stage<L>& stage, ThreadId tid) {
    if (tid == 0) {
        own_asleep(stage);
        let_patience_end();
        Coop::wake(2);
        stage.until([&] { return stage.asleep(2, 2); });
        check(stage.asleep(1), "nobody woke the first");
        stage.unlock(0);
    } else if (tid == 3) {
        wake_owner_when(stage, [&] { return stage.asleep(2); });
    } else {
        come_after(stage, tid - 1);
        stage.lock(tid);
        stage.unlock(tid);
    }
}
template <class L>
void second_in_line_sleeps_again() {
    play_scenes<L>(100, calm(1, 4), &second_in_line_scene<L>,
                   [](Stage<L>& stage) { EXPECT_LT(stage.place(1), stage.place(2)); });
}

// Owner 0 runs, writer 2 spins beside it; writer 1 has slept since 0 was off its CPU. 1 wakes for no reason, and asks
// for the hand-off. Returns how often 2 had given up spinning when 0 left.
template <class L>
std::uint64_t spinners_stopped_by_the_hand_off() {
    std::uint64_t stopped = 0;
    play_scenes<L>(
        200, calm(1, 4),
        [&](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.until([&] { return stage.events(2, Event::spin_started) == 1 && stage.world().quiet(); });
                let_patience_end();
                Coop::wake(1);
                stage.until([&] { return stage.world().quiet(); });
                stopped += stage.events(2, Event::spin_stopped);
                stage.unlock(0);
            } else if (tid == 3) {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            } else {
                tid == 1 ? come_after(stage, 0) : stage.until([&] { return stage.cue && Coop::is_running(0); });
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [](Stage<L>& stage) { EXPECT_LT(stage.place(1), stage.place(2)); });
    return stopped;
}

// Sleepers writer 1, and behind it 2, a reader or a writer; 1 is cancelled when the owner is just leaving: 2 is not
// forgotten.
template <class L>
void cancelled_head_scene(Stage<L>& stage, ThreadId tid, Mode next) {
    if (tid == 0) {
        own_asleep(stage);
        stage.unlock(0);
    } else if (tid == 1) {
        come_after(stage, 0);
        if (stage.lock_killable(1)) {
            stage.unlock(1);
        }
    } else if (tid == 2) {
        come_after(stage, 1);
        if (next == Mode::write) {
            stage.lock(2);
            stage.unlock(2);
        } else {
            stage.lock_shared(2);
            stage.unlock_shared(2);
        }
    } else {
        wake_owner_when(stage, [&] { return stage.asleep(2); });
        for (std::uint32_t i = stage.random(3).below(6); i != 0; --i) {
            Coop::relax();
        }
        Coop::cancel(1);
    }
}
template <class L>
void cancelled_head_does_not_strand_the_next(Mode next) {
    play_scenes<L>(
        1000, calm(1, 4), [next](Stage<L>& stage, ThreadId tid) { cancelled_head_scene(stage, tid, next); },
        [](Stage<L>& stage) { EXPECT_TRUE(stage.has_entered(2)); });
}

}  // namespace lockbench
