// SPDX-License-Identifier: MIT
// Scenes that the sleeping locks of several eras are led through. In all of them thread 0 owns the lock first, and it
// is off its CPU while others queue, so that those who would spin beside a running owner sleep too; the last thread
// wakes it when all are in place.
#pragma once

#include "tests/locks/coop_stage.hpp"

namespace lockbench {

// The owner's part: takes the lock and sleeps with it until the director wakes it.
template <class L>
void own_asleep(Stage<L>& stage) {
    stage.lock(0);
    stage.sleep_until_cue();
}
// The director's part.
template <class L, class Ready>
void wake_owner_when(Stage<L>& stage, Ready ready) {
    stage.until(ready);
    stage.cue = true;
    Coop::wake(0);
}
// Waits until `before` sleeps, in the lock or, thread 0, holding it.
template <class L>
void come_after(Stage<L>& stage, ThreadId before) {
    if (before == 0) {
        stage.until([&] { return stage.has_entered(0) && !Coop::is_running(0); });
    } else {
        stage.until([&] { return stage.asleep(before); });
    }
}

// Owner 0, sleeping readers 1 and 2, writer 3, reader 4; thread 5 directs. 0 becomes a reader.
template <class L>
void downgrade_scene(Stage<L>& stage, ThreadId tid) {
    switch (tid) {
        case 0:
            own_asleep(stage);
            stage.downgrade(0);
            stage.until([&] { return stage.has_entered(1) && stage.has_entered(2); });
            check(stage.events(0, Event::granted) == 2, "a downgrade lets the readers go that wait first");
            check(stage.asleep(3) && stage.asleep(4), "and nobody behind them");
            stage.unlock_shared(0);
            break;
        case 3:
            come_after(stage, 2);
            stage.lock(3);
            stage.unlock(3);
            break;
        case 5:
            wake_owner_when(stage, [&] { return stage.asleep(4); });
            break;
        default:
            come_after(stage, tid - 1);
            stage.lock_shared(tid);
            stage.unlock_shared(tid);
    }
}

template <class L>
void downgrade_lets_leading_readers_in() {
    play_scenes<L>(200, calm(1, 6), &downgrade_scene<L>, [](Stage<L>& stage) {
        EXPECT_EQ(stage.place(0), 0U);
        EXPECT_LE(stage.place(1), 2U);
        EXPECT_LE(stage.place(2), 2U);
        EXPECT_EQ(stage.place(3), 3U);
        EXPECT_EQ(stage.place(4), 4U);
        EXPECT_EQ(stage.events(Event::downgraded), 1U);
    });
}

// Reader 1 comes while 0 turns from writer to reader: whichever it sees, it gets in beside 0, waking itself if need be.
// Returns in how many of the schedules it did.
template <class L>
std::uint64_t reader_beside_downgraded_writer_gets_in() {
    std::uint64_t woke_itself = 0;
    play_scenes<L>(
        500, calm(1, 2),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock(0);
                stage.downgrade(0);
                stage.until([&] { return stage.has_entered(1); });
                stage.unlock_shared(0);
            } else {
                stage.until([&] { return stage.has_entered(0); });
                stage.lock_shared(1);
                stage.unlock_shared(1);
            }
        },
        [&](Stage<L>& stage) { woke_itself += stage.events(1, Event::granted); });
    return woke_itself;
}

// Reader 0 holds; reader 1 and writer 2 come at once. Where a claim of the writer turned the reader away, but the
// reader queued first, the queueing writer lets it in beside reader 0, which waits for that. Returns in how many of the
// schedules that happened.
template <class L>
std::uint64_t queueing_writer_wakes_readers_ahead() {
    std::uint64_t let_in = 0;
    play_scenes<L>(
        1000, calm(1, 3),
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                stage.lock_shared(0);
                bool reader_first = false;
                stage.until([&] {
                    reader_first |= stage.events(1, Event::queued) == 1 && stage.events(2, Event::queued) == 0;
                    return stage.asleep(2) && (stage.has_entered(1) || !reader_first);
                });
                stage.unlock_shared(0);
                return;
            }
            stage.until([&] { return stage.has_entered(0); });
            if (tid == 1) {
                stage.lock_shared(1);
                stage.unlock_shared(1);
            } else {
                stage.lock(2);
                stage.unlock(2);
            }
        },
        [&](Stage<L>& stage) { let_in += stage.events(2, Event::granted); });
    return let_in;
}

// Owner 0, sleeping readers 1 and 2, writer 3. Each drops its token as soon as it is through with the lock: whoever
// granted it the lock, or woke it, has to be done with it.
template <class L>
void granted_waiters_may_vanish() {
    CoopOptions options = calm(1, 5);
    options.spurious_wakes = {.permille = 300, .budget = 64};  // so that a waiter may be on its way when it is granted
    play_scenes<L>(
        1000, options,
        [](Stage<L>& stage, ThreadId tid) {
            if (tid == 0) {
                own_asleep(stage);
                stage.unlock(0);
            } else if (tid == 4) {
                wake_owner_when(stage, [&] { return stage.asleep(3); });
            } else {
                come_after(stage, tid - 1);
                if (tid == 3) {
                    stage.lock(3);
                    stage.unlock(3);
                } else {
                    stage.lock_shared(tid);
                    stage.unlock_shared(tid);
                }
                stage.world().destroy(stage.token(tid));
            }
        },
        [](Stage<L>&) {});
}

// The next owner, sleeper 1, frees the lock while the last one is still inside unlock: allowed for spinlocks, a fault
// of the caller's here.
template <class L>
void free_scene(Stage<L>& stage, ThreadId tid) {
    if (tid == 0) {
        own_asleep(stage);
        stage.unlock(0);
    } else if (tid == 1) {
        come_after(stage, 0);
        stage.lock(1);
        stage.unlock(1);
        stage.world().destroy(stage.raw());
    } else {
        wake_owner_when(stage, [&] { return stage.asleep(1); });
    }
}

// The schedules, of `seeds`, in which that is seen.
template <class L>
std::uint64_t freed_too_early(std::uint64_t seeds, void (*scene)(Stage<L>&, ThreadId) = &free_scene<L>) {
    std::uint64_t seen = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        // A sleeper that wakes for no reason may take the lock before the last owner, still inside unlock, has looked
        // for it.
        CoopOptions options = calm(seed, 3);
        options.spurious_wakes = {.permille = 300, .budget = 64};
        Stage<L> stage(options);
        stage.world().run([&](ThreadId tid) { scene(stage, tid); });
        const CoopVerdict verdict = stage.close();
        // Touched after it was freed, or freed without being ordered after the last owner's last access.
        const bool too_early =
            verdict.kind == CoopFailure::use_after_free ||
            (verdict.kind == CoopFailure::race && verdict.text.find("destroys or frees") != std::string::npos);
        EXPECT_TRUE(verdict.passed || too_early) << verdict.text;
        seen += too_early ? 1U : 0U;
    }
    return seen;
}

// One random operation; owners sleep now and then, as those of a sleeping lock may.
template <class L>
void random_section(Stage<L>& stage, ThreadId tid) {
    RandomStream& random = stage.random(tid);
    const auto linger = [&] {
        if (random.chance(200)) {
            Coop::sleep_until(Coop::after(1 + random.below(200)));
        }
    };
    const std::uint32_t draw = random.below(12);
    if constexpr (L::kInfo.shared) {
        if (draw < 4 || (draw == 4 && stage.try_lock_shared(tid))) {
            if (draw != 4) {
                stage.lock_shared(tid);
            }
            linger();
            stage.unlock_shared(tid);
            return;
        }
    }
    if constexpr (KillableSharedLock<L>) {
        if (draw > 9) {
            if (stage.lock_shared_killable(tid)) {
                linger();
                stage.unlock_shared(tid);
            } else {
                Coop::clear_cancel();
            }
            return;
        }
    }
    if constexpr (L::kInfo.killable) {
        if (draw < 4 || draw > 7) {
            if (stage.lock_killable(tid)) {
                linger();
                stage.unlock(tid);
            } else {
                Coop::clear_cancel();
            }
            return;
        }
    }
    if (draw == 4 || (draw == 5 && !stage.try_lock(tid))) {
        return;
    }
    if (draw != 5) {
        stage.lock(tid);
    }
    linger();
    if constexpr (L::kInfo.downgrade) {
        if (draw == 6) {
            stage.downgrade(tid);
            linger();
            stage.unlock_shared(tid);
            return;
        }
    }
    stage.unlock(tid);
}

// Exclusion, no lost wake-up, no race, and the words as they were built, with everything injected that may happen.
template <class L>
void survives_random_schedules(std::uint64_t seeds, std::uint32_t sections) {
    for (const unsigned threads : {2U, 3U, 4U, 8U}) {
        CoopOptions options{.threads = threads};
        options.cancellable = L::kInfo.killable ? (1U << threads) - 1 : 0;
        play_scenes<L>(
            seeds, options,
            [sections](Stage<L>& stage, ThreadId tid) {
                for (std::uint32_t i = 0; i < sections; ++i) {
                    random_section(stage, tid);
                }
            },
            [](Stage<L>&) {});
    }
}

// What kInfo says of the unlocked lock's cost: fast paths report nothing.
template <class L>
void fast_paths_report_nothing() {
    play_scenes<L>(
        1, calm(1, 1),
        [](Stage<L>& stage, ThreadId tid) {
            stage.lock(tid);
            stage.unlock(tid);
            check(stage.try_lock(tid), "free");
            if constexpr (L::kInfo.shared) {
                check(!stage.try_lock_shared(tid), "a writer holds it");
                stage.downgrade(tid);
                check(stage.raw().try_lock_shared(stage.token(tid)), "readers share");
                check(!stage.try_lock(tid), "readers hold it");
                stage.raw().unlock_shared(stage.token(tid));
                stage.unlock_shared(tid);
                stage.lock_shared(tid);
                stage.unlock_shared(tid);
            } else {
                check(!stage.raw().try_lock(stage.token(tid)), "held");
                stage.unlock(tid);
            }
        },
        [](Stage<L>& stage) {
            for (std::size_t event = 0; event < kEventCount; ++event) {
                EXPECT_EQ(stage.events(static_cast<Event>(event)), 0U) << kEventNames[event];
            }
        });
}

}  // namespace lockbench
