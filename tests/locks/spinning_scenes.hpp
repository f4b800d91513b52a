// SPDX-License-Identifier: MIT
// Scenes that sleeping locks are led through whose writers spin while the owner runs.
#pragma once

#include "tests/locks/sleeping_scenes.hpp"

namespace lockbench {

template <class L>
void writer_spins_beside_a_running_owner() {
    play_scenes<L>(
        200, calm(1, 2),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
            }
        },
        [](Stage<L>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_acquired), 1U);
            EXPECT_EQ(stage.events(Event::slept), 0U);
            EXPECT_EQ(stage.events(1, Event::queued), 0U);
        });
}

// Nobody spins beside an owner that sleeps: 1 comes when 0 is off its CPU; 2 directs.
template <class L>
void writer_sleeps_beside_a_sleeping_owner() {
    play_scenes<L>(
        200, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 1) {
                come_after(stage, 0);
                stage.lock(1);
                stage.unlock(1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<L>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_started), 0U);
            EXPECT_GE(stage.events(1, Event::slept), 1U);
        });
}

template <class L>
void spinner_gives_up_when_the_owner_goes_to_sleep() {
    play_scenes<L>(
        200, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
                stage.sleep_until_cue();
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
            } else {
                wake_owner_when(stage, [&] { return stage.asleep(1); });
            }
        },
        [](Stage<L>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_stopped), 1U);
            EXPECT_EQ(stage.events(1, Event::spin_acquired), 0U);
        });
}

// Reader 1 sleeps; 2 spins beside the running owner 0 and is faster than the reader that is to be woken.
template <class L>
void spinner_steals_from_sleepers() {
    std::uint64_t stolen = 0;
    play_scenes<L>(
        500, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] { return stage.asleep(1) && stage.events(2, Event::spin_started) == 1; });
                stage.unlock(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            } else {
                stage.until([&] { return stage.asleep(1); });
                stage.lock(2);
                stage.unlock(2);
            }
        },
        [&](Stage<L>& stage) {
            if (stage.events(2, Event::stolen) != 0) {
                ++stolen;
                EXPECT_LT(stage.place(2), stage.place(1));
            }
        });
    EXPECT_GT(stolen, 0U);
}

// One spins on the owner, the other behind it in the queue of spinners; both get the lock awake.
template <class L>
void spinners_queue() {
    std::uint64_t queued = 0;
    play_scenes<L>(
        200, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.until([&] {
                    return stage.events(1, Event::spin_started) == 1 && stage.events(2, Event::spin_started) == 1;
                });
                stage.unlock(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<L>& stage) {
            EXPECT_GE(stage.events(Event::spin_acquired), 1U);
            queued += stage.events(Event::spin_acquired) == 2 ? 1U : 0U;
        });
    EXPECT_GT(queued, 0U);
}

}  // namespace lockbench
