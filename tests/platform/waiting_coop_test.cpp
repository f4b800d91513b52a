// SPDX-License-Identifier: MIT
// How threads of a cooperative world wait: predicates, stops, retry loops, sleeping and waking, parking, deadlines,
// cancellation.
#include <gtest/gtest.h>

#include "platform/coop.hpp"
#include "tests/support/survey.hpp"

namespace lockbench {
namespace {

using test::plain_options;
using test::Survey;
using test::survey;
using Word = Coop::Atomic<std::uint32_t>;
using Data = Coop::Plain<int>;

constexpr unsigned kSchedules = 300;

bool is_raised(std::uint32_t value) { return value != 0; }
bool never_true(std::uint32_t) { return false; }

CoopOptions with(CoopInjection CoopOptions::*kind, CoopInjection injection, unsigned threads = 2) {
    CoopOptions options = plain_options(threads);
    options.*kind = injection;
    return options;
}

TEST(Await, NobodyCanRunIsADeadlock) {
    const Survey result = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                word.await(is_raised, acquire);
            }
        });
    });
    EXPECT_EQ(result.count(CoopFailure::deadlock), result.runs) << result;
}

TEST(Await, AValueThatPassesByNeedNotBeSeen) {
    unsigned missed = 0;
    const Survey result = survey(plain_options(2), kSchedules, [&](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                const std::uint32_t seen = word.await_value([](std::uint32_t value) { return value != 0; }, acquire);
                missed += seen == 2 ? 1 : 0;
            } else {
                word.store(1, release);
                word.store(0, release);
                word.store(2, release);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(missed, 0U);
    EXPECT_LT(missed, kSchedules);
}

TEST(AwaitUntil, TellsWhichStopFired) {
    const Survey result = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        auto& other = world.make<Word>(0U);
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                const int which = word.await_until(never_true, relaxed, Coop::never(),
                                                   Coop::when(other, is_raised, acquire), Coop::cancelled());
                check(which == 2, "the second stop fired");
                check(data.get() == 1, "the stop's own order holds");
            } else {
                data.set(1);
                other.store(1, release);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(AwaitUntil, EitherMayBeSeenWhenBothHold) {
    std::array<unsigned, 2> which{};
    const Survey result = survey(plain_options(2), kSchedules, [&](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        auto& other = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                ++which[static_cast<std::size_t>(
                    word.await_until(is_raised, relaxed, Coop::when(other, is_raised, relaxed)))];
            } else {
                other.store(1, release);
                word.store(1, release);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(which[0], 0U);
    EXPECT_GT(which[1], 0U);
}

TEST(AwaitUntil, MustStopsRescue) {
    const Survey deadline = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            const Nanoseconds begin = Coop::now();
            const Nanoseconds wait = tid == 0 ? 4'000'000 : 1'000'000;
            check(word.await_until(is_raised, relaxed, Coop::after(wait)) == 1, "the deadline came");
            check(Coop::now() >= begin + wait, "not before its time");
        });
    });
    EXPECT_TRUE(deadline.passed()) << deadline;
    const Survey asleep = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                check(word.await_until(is_raised, relaxed, Coop::not_running(1)) == 1, "the other went to sleep");
                Coop::wake(1);
            } else {
                Coop::sleep_prepare();
                Coop::sleep(Coop::never());
            }
        });
    });
    EXPECT_TRUE(asleep.passed()) << asleep;
    const Survey cancelled = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                check(word.await_until(is_raised, relaxed, Coop::cancelled()) == 1, "the cancellation came");
            } else {
                Coop::cancel(0);
            }
        });
    });
    EXPECT_TRUE(cancelled.passed()) << cancelled;
}

// However often they are injected: a run must not depend on them.
TEST(AwaitUntil, MayStopsFireButNeverRescueADeadlock) {
    CoopOptions options = plain_options(2);
    options.should_yield = options.budget_stops = options.not_running = {.permille = 300, .budget = 2};
    std::array<unsigned, 4> fired{};
    const Survey result = survey(options, kSchedules, [&](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                const int which = word.await_until(is_raised, relaxed, Coop::should_yield(), Coop::Budget{1000},
                                                   Coop::not_running(1));
                ++fired[static_cast<std::size_t>(which)];
            } else {
                for (int i = 0; i < 100; ++i) {
                    Coop::compute(1);
                }
                word.await(never_true, relaxed);
            }
        });
    });
    EXPECT_EQ(result.count(CoopFailure::deadlock), result.runs) << result;
    EXPECT_EQ(fired[0], 0U);
    for (std::size_t stop = 1; stop < fired.size(); ++stop) {
        EXPECT_GT(fired[stop], 0U) << "stop " << stop;
    }
}

TEST(Budget, IsSpentAfterItsPolls) {
    const CoopVerdict verdict = run_coop(plain_options(1), [](ThreadId) {
        Coop::Budget budget{3};
        check(!Coop::poll(budget) && !Coop::poll(budget) && Coop::poll(budget) && Coop::poll(budget),
              "the third poll fires");
    });
    EXPECT_TRUE(verdict.passed) << verdict.text;
}

TEST(IsRunning, IsExactAboutSleepersAndMayBeFalse) {
    unsigned false_answers = 0;
    const Survey result =
        survey(with(&CoopOptions::not_running, {.permille = 200, .budget = 100}), kSchedules, [&](CoopWorld& world) {
            auto& asleep = world.make<Word>(0U);
            world.run([&](ThreadId tid) {
                if (tid == 0) {
                    for (int i = 0; i < 10; ++i) {
                        const bool running = Coop::is_running(1);
                        check(!(running && asleep.peek() == 2), "a thread that is done does not run");
                        false_answers += !running && asleep.peek() == 1 ? 1 : 0;
                        Coop::compute(1);
                    }
                } else {
                    asleep.store(1, relaxed);
                    for (int i = 0; i < 5; ++i) {
                        Coop::compute(1);
                    }
                    asleep.store(2, relaxed);
                }
            });
        });
    // Between its last store and its end thread 1 still runs: the check above may not be about that moment.
    EXPECT_EQ(result.failures(), result.count(CoopFailure::check_failed)) << result;
    EXPECT_GT(false_answers, 0U);
}

TEST(Retry, WaitsForAChangeOfWhatItRead) {
    std::uint64_t most_steps = 0;
    const Survey result = survey(plain_options(3), kSchedules, [&](CoopWorld& world) {
        auto& a = world.make<Word>(0U);
        auto& b = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid != 0) {
                for (int i = 0; i < 200; ++i) {
                    Coop::compute(1);
                }
                (tid == 1 ? a : b).store(1, release);
                return;
            }
            for (Coop::Retry loop;; loop.again()) {
                if (a.load(acquire) == 1 && b.load(acquire) == 1) {
                    break;
                }
            }
        });
        most_steps = std::max(most_steps, world.steps());
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_LT(most_steps, 420U);  // 400 steps of work, two stores, a few iterations: it did not spin
}

TEST(Retry, DoesNotWakeItself) {
    const Survey result = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                for (Coop::Retry loop;; loop.again()) {
                    word.add(1, relaxed);
                    word.sub(1, relaxed);
                }
            }
        });
    });
    EXPECT_EQ(result.count(CoopFailure::deadlock), result.runs) << result;
    EXPECT_NE(result.first.text.find("waits in a Retry loop for a change of a"), std::string::npos)
        << result.first.text;
}

TEST(Retry, SeesTheStopsItPolls) {
    const Survey result = survey(plain_options(3), kSchedules, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                for (Coop::Retry loop; word.load(relaxed) == 0; loop.again()) {
                    if (Coop::poll(Coop::cancelled())) {
                        break;
                    }
                }
                Coop::cancel(1);
            } else if (tid == 1) {
                const auto deadline = Coop::after(1000);
                for (Coop::Retry loop; !Coop::poll(Coop::cancelled()); loop.again()) {
                    static_cast<void>(word.load(relaxed));
                }
                for (Coop::Retry loop; !Coop::expired(deadline); loop.again()) {
                    static_cast<void>(word.load(relaxed));
                }
            } else {
                Coop::cancel(0);
                for (Coop::Retry loop; Coop::is_running(1); loop.again()) {
                }
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Sleep, AWakeBeforeItIsNotLost) {
    const Survey result = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& flag = world.make<Word>(0U);
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                for (Coop::EffectLoop<8> loop;; loop.again()) {
                    Coop::sleep_prepare();
                    if (flag.load(relaxed) != 0) {
                        break;
                    }
                    check(Coop::sleep(Coop::never()) == Wake::woken, "nothing else can end it");
                }
                check(flag.load(acquire) == 1 && data.get() == 1, "the waker's past is seen");
            } else {
                data.set(1);
                flag.store(1, release);
                Coop::wake(0);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Sleep, CheckingBeforePreparingLosesTheWake) {
    const Survey result = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& flag = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                if (flag.load(acquire) == 0) {
                    Coop::sleep_prepare();
                    Coop::sleep(Coop::never());
                }
            } else {
                flag.store(1, release);
                Coop::wake(0);
            }
        });
    });
    EXPECT_TRUE(result.only(CoopFailure::deadlock)) << result;
    EXPECT_NE(result.first.text.find("thread 0: sleeps at"), std::string::npos) << result.first.text;
}

TEST(Sleep, WakesOrderTheWakerBeforeTheSleeper) {
    const Survey woken = survey(plain_options(2), kSchedules, [](CoopWorld& world) {
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                Coop::sleep_prepare();
                Coop::sleep(Coop::never());
                check(data.get() == 1, "seen");
            } else {
                data.set(1);
                for (int i = 0; i < 3; ++i) {  // sleep_prepare would forget an early one
                    Coop::wake(0);
                    Coop::compute(1);
                }
            }
        });
    });
    EXPECT_EQ(woken.count(CoopFailure::race), 0U) << woken;
    EXPECT_GT(woken.count(CoopFailure::none), 0U) << woken;
    CoopOptions options = with(&CoopOptions::spurious_wakes, {.permille = 1000, .budget = 1});
    const Survey spurious = survey(options, kSchedules, [](CoopWorld& world) {
        auto& data = world.make<Data>(0);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                Coop::sleep_prepare();
                Coop::sleep(Coop::never());
                static_cast<void>(data.get());
            } else {
                data.set(1);
                Coop::compute(1);
                Coop::compute(1);
            }
        });
    });
    EXPECT_GT(spurious.count(CoopFailure::race), 0U) << spurious;
}

TEST(Sleep, ResultsTellWhy) {
    const Survey result = survey(plain_options(1), 20, [](CoopWorld& world) {
        world.run([](ThreadId) {
            Coop::sleep_prepare();
            check(Coop::sleep(Coop::after(100)) == Wake::expired, "nobody woke it");
            check(Coop::sleep(Coop::never()) == Wake::woken, "without sleep_prepare it does not sleep");
            Coop::cancel(Coop::self());
            check(Coop::sleep_killable(Coop::never()) == Wake::cancelled, "a cancelled thread does not sleep killably");
            Coop::sleep_prepare();
            check(Coop::sleep(Coop::after(100)) == Wake::expired, "an ordinary sleep does not look at cancellation");
            Coop::clear_cancel();
            Coop::sleep_prepare();
            check(Coop::sleep_killable(Coop::after(100)) == Wake::expired, "cleared");
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

}  // namespace
}  // namespace lockbench
