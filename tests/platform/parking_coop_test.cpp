// SPDX-License-Identifier: MIT
// Parking, deadlines, cancellation and the other injections of the cooperative platform.
#include <gtest/gtest.h>

#include "platform/coop.hpp"
#include "tests/support/survey.hpp"

namespace lockbench {
namespace {

using test::plain_options;
using test::Survey;
using test::survey;
using Word = Coop::Atomic<std::uint32_t>;

constexpr unsigned kSeeds = 300;

TEST(Park, AWakeIsNotLostBetweenTheLookAndTheSleep) {
    const Survey result = survey(plain_options(2), kSeeds, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                Coop::park(word, 0, Coop::never());
            } else {
                word.store(1, release);
                Coop::unpark(word, 1);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Park, AChangeWithoutAWakeStrandsTheSleeper) {
    const Survey result = survey(plain_options(2), kSeeds, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                Coop::park(word, 0, Coop::never());
            } else {
                word.store(1, release);
            }
        });
    });
    EXPECT_TRUE(result.only(CoopFailure::deadlock)) << result;
    EXPECT_NE(result.first.text.find("thread 0: is parked on a"), std::string::npos) << result.first.text;
}

TEST(Park, WakesTheOldestFirstAndNoMoreThanAsked) {
    const Survey result = survey(plain_options(4), kSeeds, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        auto& other = world.make<Word>(0U);
        std::array<unsigned, 3> order{};
        unsigned woken = 0;
        world.run([&](ThreadId tid) {
            if (tid < 3) {
                if (tid != 0) {  // in turn, so that the order of arrival is known
                    other.await_until([](std::uint32_t) { return false; }, relaxed, Coop::not_running(tid - 1));
                }
                Coop::park(word, 0, Coop::never());
                order[woken++] = tid;
                return;
            }
            other.await_until([](std::uint32_t) { return false; }, relaxed, Coop::not_running(2));
            Coop::unpark(other, 3);
            check(woken == 0, "another word's sleepers stay");
            Coop::unpark(word, 1);
            other.await_until([](std::uint32_t) { return false; }, relaxed, Coop::after(1000));
            check(woken == 1 && order[0] == 0, "one was asked for, the oldest");
            Coop::unpark(word, 8);
        });
        EXPECT_EQ(woken, 3U);
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Park, TellsAnExpiry) {
    const Survey result = survey(plain_options(1), 20, [](CoopWorld& world) {
        world.run([](ThreadId) {
            const Word word(0);
            check(Coop::park(word, 0, Coop::after(50)) == Wake::expired, "nobody wakes it");
            check(Coop::park(word, 1, Coop::never()) == Wake::woken, "another value: it does not sleep");
            Coop::unpark(word, 1);
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

// Wakes that nobody sent, within the budget of a run.
TEST(Injection, SleepersMayWakeForNoReason) {
    CoopOptions options = plain_options(1);
    options.spurious_wakes = {.permille = 1000, .budget = 3};
    std::array<unsigned, 2> most{};
    const Survey result = survey(options, kSeeds, [&](CoopWorld& world) {
        std::array<unsigned, 2> wakes{};
        world.run([&](ThreadId) {
            const Word word(0);
            for (int i = 0; i < 6; ++i) {
                Coop::sleep_prepare();
                wakes[0] += Coop::sleep(Coop::after(1'000'000)) == Wake::woken ? 1 : 0;
                wakes[1] += Coop::park(word, 0, Coop::after(1'000'000)) == Wake::woken ? 1 : 0;
            }
        });
        EXPECT_LE(wakes[0] + wakes[1], 3U);
        most = {std::max(most[0], wakes[0]), std::max(most[1], wakes[1])};
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(most[0], 0U);
    EXPECT_GT(most[1], 0U);
}

TEST(Injection, DeadlinesMayComeEarly) {
    CoopOptions options = plain_options(2);
    options.expiries = {.permille = 1000, .budget = 2};
    unsigned early = 0;
    unsigned polled_early = 0;
    const Survey result = survey(options, kSeeds, [&](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                const auto deadline = Coop::after(1'000'000'000);
                early +=
                    word.await_until([](std::uint32_t value) { return value == 1; }, acquire, deadline) == 1 ? 1 : 0;
                check(word.load(relaxed) == 1 || Coop::expired(deadline), "an expired deadline stays so");
            } else {
                for (int i = 0; i < 20; ++i) {
                    Coop::compute(1);
                }
                const auto deadline = Coop::after(1'000'000'000);
                const bool came = Coop::expired(deadline);
                polled_early += came ? 1 : 0;
                check(!came || Coop::expired(deadline), "an expired deadline stays so");
                word.store(1, release);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_GT(early, 0U);
    EXPECT_GT(polled_early, 0U);
}

TEST(Injection, OnlyThreadsThatMayBeCancelledAre) {
    CoopOptions options = plain_options(3);
    options.cancels = {.permille = 1000, .budget = 8};
    options.cancellable = 0b010;
    std::array<unsigned, 3> cancelled{};
    const Survey result = survey(options, kSeeds, [&](CoopWorld& world) {
        world.run([&](ThreadId tid) {
            Coop::sleep_prepare();
            const Wake why = Coop::sleep_killable(Coop::after(1000));
            cancelled[tid] += why == Wake::cancelled ? 1 : 0;
            check(why == Wake::cancelled || why == Wake::expired, "nothing else ends it");
        });
    });
    EXPECT_TRUE(result.passed()) << result;
    EXPECT_EQ(cancelled[0] + cancelled[2], 0U);
    EXPECT_GT(cancelled[1], 0U);
    EXPECT_LT(cancelled[1], kSeeds);
}

TEST(Injection, SomeRunsHaveNone) {
    CoopOptions options = plain_options(1);
    options.should_yield = {.permille = 1000, .budget = 1};
    unsigned quiet = 0;
    survey(options, kSeeds, [&](CoopWorld& world) {
        bool fired = false;
        world.run([&](ThreadId) {
            for (int i = 0; i < 100; ++i) {
                fired = fired || Coop::poll(Coop::should_yield());
            }
        });
        quiet += fired ? 0 : 1;
    });
    EXPECT_GT(quiet, kSeeds / 8);
    EXPECT_LT(quiet, kSeeds / 2);
}

TEST(Time, PassesByStepsAndByWork) {
    const CoopVerdict verdict = run_coop(plain_options(1), [](ThreadId) {
        const Coop::Stopwatch watch;
        Coop::compute(500);
        check(watch.ticks() >= 500 && watch.ticks() < 510, "work takes its time");
        Coop::sleep_until(Coop::after(10'000));
        check(Coop::ticks_to_ns(watch.ticks()) >= 10'500, "sleeping takes its time");
        const auto deadline = Coop::after(100);
        for (Coop::EffectLoop<1> loop; !Coop::expired(deadline); loop.again()) {
        }
        Coop::ipi(2, 300);
        check(Coop::Stopwatch::stamp() == Coop::now(), "a stamp is the time");
        check(!Coop::expired(Coop::never()), "never is never");
    });
    EXPECT_TRUE(verdict.passed) << verdict.text;
}

}  // namespace
}  // namespace lockbench
