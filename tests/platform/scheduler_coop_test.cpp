// SPDX-License-Identifier: MIT
// The cooperative scheduler: waits, sleeps, stops, injections, the strategies; and that each kind of failure is found
// and says what it is.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "locks/ticket.hpp"
#include "platform/coop.hpp"
#include "tests/support/survey.hpp"

namespace lockbench {
namespace {

using test::CoopThread;
using test::plain_options;
using test::Survey;
using test::survey;
using Word = Coop::Atomic<std::uint32_t>;
using Data = Coop::Plain<int>;
using Ticket = TicketLock<Coop>;

bool is_set(std::uint32_t value) { return value != 0; }

void count_under_ticket(CoopWorld& world, unsigned threads, int rounds) {
    auto& lock = world.make<Ticket>();
    auto& counter = world.make<Data>(0);
    world.run([&](ThreadId tid) {
        CoopThread me(tid);
        Ticket::Token token(me.ctx);
        for (int i = 0; i < rounds; ++i) {
            Coop::mark(Mark::doorway, &lock, Mode::write);
            lock.lock(token);
            Coop::mark(Mark::acquired, &lock, Mode::write);
            counter.set(counter.get() + 1);
            Coop::mark(Mark::released, &lock, Mode::write);
            lock.unlock(token);
        }
    });
    EXPECT_EQ(counter.peek(), static_cast<int>(threads) * rounds);
    EXPECT_TRUE(lock.is_constructed());
    EXPECT_EQ(world.acquisitions(&lock, Mode::write), threads * static_cast<unsigned>(rounds));
    // First come, first served, but for those who drew a ticket between a doorway and its own draw.
    EXPECT_LE(world.overtakes(&lock, Mode::write), 2U * threads * static_cast<unsigned>(rounds));
}

TEST(Scheduler, TicketLockHoldsForTwoToEightThreads) {
    const auto begin = std::chrono::steady_clock::now();
    Survey all;
    for (unsigned threads = 2; threads <= 8; ++threads) {
        all.add(survey({.threads = threads}, test::seeds(2000),
                       [&](CoopWorld& world) { count_under_ticket(world, threads, 4); }));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_TRUE(all.passed()) << all;
    std::printf("[ steps/s  ] %.1f million (%llu steps in %u worlds)\n",
                static_cast<double>(all.steps) / took.count() / 1e6, static_cast<unsigned long long>(all.steps),
                all.runs);
}

TEST(Scheduler, ASeedIsARun) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        std::uint64_t steps = 0;
        std::string text;
        for (int turn = 0; turn < 2; ++turn) {
            CoopWorld world({.seed = seed, .threads = 4});
            count_under_ticket(world, 4, 5);
            world.run([&](ThreadId tid) {
                if (tid == Coop::choose(4)) {
                    CoopWorld::fail("to compare the reports");
                }
                Coop::compute(10);
            });
            if (turn == 0) {
                steps = world.close().steps;
                text = world.close().text;
            }
            EXPECT_EQ(world.close().steps, steps);
            EXPECT_EQ(world.close().text, text);
        }
    }
}

TEST(Scheduler, SeedsDiffer) {
    std::array<unsigned, 3> first{};
    for (std::uint64_t seed = 1; seed <= 90; ++seed) {
        bool started = false;
        run_coop({.seed = seed, .threads = 3}, [&](ThreadId tid) {
            first[tid] += started ? 0 : 1;
            started = true;
        });
    }
    for (const unsigned count : first) {
        EXPECT_GT(count, 10U);
    }
}

// Two locks taken in opposite orders.
TEST(Failure, OppositeLockOrdersDeadlock) {
    for (const CoopStrategy strategy : {CoopStrategy::uniform, CoopStrategy::sticky, CoopStrategy::pct}) {
        const Survey result = survey(plain_options(2, strategy), 300, [](CoopWorld& world) {
            auto& a = world.make<Ticket>();
            auto& b = world.make<Ticket>();
            world.run([&](ThreadId tid) {
                CoopThread me(tid);
                Ticket::Token first(me.ctx);
                Ticket::Token second(me.ctx);
                (tid == 0 ? a : b).lock(first);
                (tid == 0 ? b : a).lock(second);
                (tid == 0 ? b : a).unlock(second);
                (tid == 0 ? a : b).unlock(first);
            });
        });
        EXPECT_TRUE(result.only(CoopFailure::deadlock)) << result;
        const std::string& text = result.first.text;
        EXPECT_NE(text.find("thread 0: waits for"), std::string::npos) << text;
        EXPECT_NE(text.find("thread 1: waits for"), std::string::npos) << text;
        EXPECT_NE(text.find("TicketLock"), std::string::npos) << text;
        EXPECT_NE(text.find("locks/ticket.hpp:"), std::string::npos) << text;
    }
}

TEST(Failure, EndlessWorkIsALivelock) {
    CoopOptions options = plain_options(2);
    options.max_steps = 5000;
    const Survey result = survey(options, 20, [](CoopWorld& world) {
        world.run([](ThreadId) {
            for (Coop::EffectLoop<4> loop;; loop.again()) {
            }
        });
    });
    EXPECT_EQ(result.count(CoopFailure::livelock), result.runs) << result;
}

// A check and a later store: both threads may find the lock free.
TEST(Failure, SharedSectionsAreFoundFromMarks) {
    const auto enter = [](CoopWorld& world, Mode mode) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId) {
            Coop::mark(Mark::acquired, &word, mode);
            Coop::compute(5);
            Coop::mark(Mark::released, &word, mode);
        });
    };
    const Survey writers = survey(plain_options(2), 100, [&](CoopWorld& world) { enter(world, Mode::write); });
    EXPECT_TRUE(writers.only(CoopFailure::exclusion)) << writers;
    EXPECT_NE(writers.first.text.find("as writer while thread"), std::string::npos) << writers.first.text;
    const Survey readers = survey(plain_options(2), 100, [&](CoopWorld& world) { enter(world, Mode::read); });
    EXPECT_TRUE(readers.passed()) << readers;
}

TEST(Failure, ADowngradedWriterLetsReadersInAndNoWriter) {
    for (const Mode second : {Mode::read, Mode::write}) {
        const Survey result = survey(plain_options(2), 100, [&](CoopWorld& world) {
            auto& word = world.make<Word>(0U);
            world.run([&](ThreadId tid) {
                if (tid == 0) {
                    Coop::mark(Mark::acquired, &word, Mode::write);
                    Coop::mark(Mark::acquired, &word, Mode::read);
                    word.store(1, release);
                    Coop::compute(5);
                    Coop::mark(Mark::released, &word, Mode::read);
                } else {
                    word.await(is_set, acquire);
                    Coop::mark(Mark::acquired, &word, second);
                    Coop::mark(Mark::released, &word, second);
                }
            });
        });
        if (second == Mode::read) {
            EXPECT_TRUE(result.passed()) << result;
        } else {
            EXPECT_TRUE(result.only(CoopFailure::exclusion)) << result;
        }
    }
}

TEST(Failure, AFailedCheckEndsTheRunWithItsPlace) {
    const CoopVerdict verdict = run_coop({.threads = 2}, [](ThreadId tid) {
        Coop::compute(1);
        check(tid == 0, "only the first thread is right");
    });
    EXPECT_EQ(verdict.kind, CoopFailure::check_failed);
    EXPECT_NE(
        verdict.text.find("thread 1: check failed: only the first thread is right (platform/scheduler_coop_test.cpp:"),
        std::string::npos)
        << verdict.text;
}

TEST(Failure, SleepingWithPreemptionOff) {
    using Sleeper = void (*)(const Word&);
    const Sleeper sleepers[] = {[](const Word&) {
                                    Coop::sleep_prepare();
                                    Coop::sleep(Coop::never());
                                },
                                [](const Word&) { Coop::sleep_killable(Coop::after(10)); },
                                [](const Word&) { Coop::sleep_until(Coop::after(10)); },
                                [](const Word& word) { Coop::park(word, 1, Coop::never()); }};
    for (const Sleeper sleeper : sleepers) {
        const CoopVerdict atomic = run_coop(plain_options(1), [&](ThreadId) {
            const Word word(0);
            Coop::preempt_off();
            sleeper(word);
        });
        EXPECT_EQ(atomic.kind, CoopFailure::sleeping_in_atomic) << atomic.text;
        EXPECT_NE(atomic.text.find("with preemption off (count 1)"), std::string::npos) << atomic.text;
        const CoopVerdict section = run_coop(plain_options(1), [&](ThreadId) {
            const Word word(0);
            const Coop::ReadSection read;
            sleeper(word);
        });
        EXPECT_EQ(section.kind, CoopFailure::sleeping_in_atomic) << section.text;
    }
}

TEST(Failure, PreemptionCountsMustBalance) {
    const CoopVerdict open = run_coop(plain_options(1), [](ThreadId) { Coop::preempt_off(); });
    EXPECT_EQ(open.kind, CoopFailure::unbalanced) << open.text;
    const CoopVerdict twice = run_coop(plain_options(1), [](ThreadId) { Coop::preempt_on(); });
    EXPECT_EQ(twice.kind, CoopFailure::unbalanced) << twice.text;
    const CoopVerdict even = run_coop(plain_options(1), [](ThreadId) {
        Coop::preempt_off();
        Coop::preempt_off();
        Coop::preempt_on();
        Coop::preempt_on();
    });
    EXPECT_TRUE(even.passed) << even.text;
}

// Thread 1 must run between two given steps of thread 0 and nowhere else: depth two. Priorities find it far more often
// than one in (length of thread 0)^2.
TEST(Strategy, PrioritiesFindAnOrderingOfDepthTwo) {
    CoopOptions options = plain_options(2, CoopStrategy::pct);
    options.pct_depth = 2;
    options.pct_horizon = 128;
    const Survey result = survey(options, 2000, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 1) {
                for (int i = 0; i < 20; ++i) {
                    check(word.load(relaxed) != 37, "the narrow window was hit");
                }
                return;
            }
            for (int i = 0; i < 100; ++i) {
                word.add(1, relaxed);
            }
        });
    });
    // The change of priority must fall on one of some 120 steps, and the priorities must be one way round of two.
    EXPECT_TRUE(result.only(CoopFailure::check_failed)) << result;
    EXPECT_GT(result.failures(), 2U) << result;
}

TEST(Strategy, PrioritiesDoNotStarveAPollingLoopForEver) {
    const Survey result = survey(plain_options(2, CoopStrategy::pct), 200, [](CoopWorld& world) {
        auto& word = world.make<Word>(0U);
        world.run([&](ThreadId tid) {
            if (tid == 0) {
                while (word.load(acquire) == 0) {
                }
            } else {
                word.store(1, release);
            }
        });
    });
    EXPECT_TRUE(result.passed()) << result;
}

TEST(Strategy, StickyStaysLongerThanUniform) {
    const auto switches = [](CoopStrategy strategy) {
        unsigned count = 0;
        ThreadId last = 0;
        const Survey result = survey(plain_options(2, strategy), 50, [&](CoopWorld& world) {
            world.run([&](ThreadId tid) {
                for (int i = 0; i < 100; ++i) {
                    Coop::compute(1);
                    count += last != tid ? 1 : 0;
                    last = tid;
                }
            });
        });
        EXPECT_TRUE(result.passed()) << result;
        return count;
    };
    EXPECT_GT(switches(CoopStrategy::uniform), 3 * switches(CoopStrategy::sticky));
    EXPECT_GT(switches(CoopStrategy::sticky), switches(CoopStrategy::pct));
}

}  // namespace
}  // namespace lockbench
