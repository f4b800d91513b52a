// SPDX-License-Identifier: MIT
// Scenes for the read-write semaphores since 5.3: writers that spin beside readers, for how long, and what forbids it.
#pragma once

#include "tests/locks/spinning_scenes.hpp"

namespace lockbench {

// Reader 0 stays. Writer 1 spins beside it until the time for that is over, and forbids it to others: 2 sleeps at once.
// Returns how often 2 spun all the same.
template <class L>
std::uint64_t spins_after_one_in_vain() {
    std::uint64_t spins = 0;
    play_scenes<L>(
        200, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1) && stage.asleep(2); });
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return tid == 1 ? stage.has_entered(0) : stage.asleep(1); });
                stage.lock(tid);
                stage.unlock(tid);
            }
        },
        [&](Stage<L>& stage) {
            EXPECT_EQ(stage.events(1, Event::spin_started), 1U);
            EXPECT_EQ(stage.events(1, Event::spin_stopped), 1U);
            spins += stage.events(2, Event::spin_started);
        });
    return spins;
}

// Thread 0 holds the lock for read so many times; writer 1 spins beside that in vain. Expects that it does so for
// `expected`, of virtual time, give or take what a turn of the scheduler takes.
template <class L>
void spins_beside_readers_for(unsigned readers, Nanoseconds expected) {
    constexpr Nanoseconds kTurns = 1'000;
    play_scenes<L>(
        50, calm(1, 2),
        [&](Stage<L>& stage, ThreadId tid) {
            if (tid == 1) {
                stage.until([&] { return stage.cue; });
                stage.lock(1);
                stage.unlock(1);
                return;
            }
            stage.lock_shared(0);
            for (unsigned i = 1; i < readers; ++i) {
                check(stage.raw().try_lock_shared(stage.token(0)), "readers share");
            }
            stage.cue = true;
            stage.until([&] { return stage.events(1, Event::spin_started) == 1; });
            const Nanoseconds begin = Coop::now();
            stage.until([&] { return stage.events(1, Event::spin_stopped) == 1; });
            const Nanoseconds took = Coop::now() - begin;
            EXPECT_GT(took + kTurns, expected);
            EXPECT_LT(took, expected + kTurns);
            for (unsigned i = 1; i < readers; ++i) {
                stage.raw().unlock_shared(stage.token(0));
            }
            stage.unlock_shared(0);
        },
        [](Stage<L>&) {});
}
template <class L>
void spins_longer_beside_more_readers() {
    spins_beside_readers_for<L>(1, 10'500);
    spins_beside_readers_for<L>(11, 15'500);
    spins_beside_readers_for<L>(40, 25'000);
}

// Reader 0 leaves soon. Returns how often writer 1 got the lock by spinning beside it.
template <class L>
std::uint64_t taken_beside_a_brief_reader() {
    std::uint64_t taken = 0;
    play_scenes<L>(
        200, calm(1, 2),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.events(1, Event::spin_started) == 1 && stage.world().quiet(); });
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
            }
        },
        [&](Stage<L>& stage) { taken += stage.events(1, Event::spin_acquired); });
    return taken;
}

// Readers 0 and 2 one after the other, writer 1 asleep in between, having forbidden to spin beside 0. When 0, the last
// reader, leaves, that is over: where reader 2 is faster than 1, writer 3 may spin beside it. Returns how often it did.
template <class L>
std::uint64_t spins_beside_the_next_readers() {
    std::uint64_t spun = 0;
    play_scenes<L>(
        1000, calm(1, 4),
        [&](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                stage.until([&] { return stage.asleep(1); });
                stage.cue = true;
                stage.unlock_shared(0);
            } else if (tid == 1) {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock(1);
                stage.unlock(1);
            } else if (tid == 2) {
                stage.until([&] { return stage.cue; });
                stage.lock_shared(2);
                if (!stage.has_entered(1) && stage.events(2, Event::queued) == 0) {
                    stage.until([&] { return stage.events(3, Event::spin_started) != 0 || stage.asleep(3); });
                    spun += stage.events(3, Event::spin_started);
                }
                stage.unlock_shared(2);
            } else {
                stage.until([&] { return stage.has_entered(1) || stage.has_entered(2); });
                stage.lock(3);
                stage.unlock(3);
            }
        },
        [](Stage<L>&) {});
    return spun;
}

}  // namespace lockbench
