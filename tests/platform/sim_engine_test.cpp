// SPDX-License-Identifier: MIT
// The simulated machine itself: store buffers, waiting, sleeping, run queues, the watchdog, and that one seed gives one
// run.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "locks/mcs.hpp"
#include "locks/rwsem_5_3.hpp"
#include "locks/ticket.hpp"
#include "tests/support/sim_scene.hpp"

namespace lockbench {
namespace {

using sim::RunEnd;
using test::kNs;
using test::LockUser;
using test::small_machine;
using test::Stage;
using Word = Sim::Atomic<std::uint32_t>;

bool is_set(std::uint32_t value) { return value != 0; }

// Two threads store each into its own word and read the other's; 2: both read the old value.
int store_buffering(Order order, bool fence) {
    Stage stage(small_machine(2, 1), 2);
    std::array<Word*, 2> words = {&stage.make<Word>(0U), &stage.make<Word>(0U)};
    std::array<std::uint32_t, 2> seen{};
    stage.run([&](ThreadId tid) {
        static_cast<void>(words[1 - tid]->load(relaxed));  // so that the read below hits, as long as nobody wrote
        static_cast<void>(words[tid]->load(relaxed));
        Sim::compute(5000 - Sim::now());
        Sim::yield();
        words[tid]->store(1, order);
        if (fence) {
            Sim::fence(seq_cst);
        }
        seen[tid] = words[1 - tid]->load(relaxed);
    });
    EXPECT_EQ(words[0]->peek() + words[1]->peek(), 2U);
    return static_cast<int>(seen[0] == 0) + static_cast<int>(seen[1] == 0);
}

TEST(SimEngine, StoresWaitInABufferUntilAFenceOrALockedInstruction) {
    EXPECT_EQ(store_buffering(release, false), 2);
    EXPECT_LT(store_buffering(release, true), 2);
    EXPECT_LT(store_buffering(seq_cst, false), 2);
}

TEST(SimEngine, AThreadSeesItsOwnStoresAndOthersSeeThemInOrder) {
    Stage stage(small_machine(2, 1), 2);
    auto& data = stage.make<Word>(0U);
    auto& flag = stage.make<Word>(0U);
    bool own = true;
    std::uint32_t seen = 0;
    stage.run([&](ThreadId tid) {
        if (tid == 0) {
            data.store(7, relaxed);
            own = data.load(relaxed) == 7;
            auto half = data.field<Field<0, 16>, SubWord::mixed>();
            half.put(7, 9, relaxed);
            own = own && data.load(relaxed) == 9;  // a part is in the buffer: the whole waits for it
            flag.store(1, release);
        } else {
            flag.await(is_set, acquire);
            seen = data.load(relaxed);
        }
    });
    EXPECT_TRUE(own);
    EXPECT_EQ(seen, 9U);
}

TEST(SimEngine, AReleasingStoreRetiresEarly) {
    Stage stage(small_machine(2, 1), 2);
    auto& word = stage.make<Word>(0U);
    sim::Time after_store = 0;
    sim::Time after_exchange = 0;
    stage.run([&](ThreadId tid) {
        if (tid == 1) {
            word.store(1, relaxed);
            return;
        }
        Sim::compute(1000);
        const sim::Time begin = sim::self_thread->now;
        word.store(2, release);
        after_store = sim::self_thread->now - begin;
        word.exchange(3, acq_rel);
        after_exchange = sim::self_thread->now - begin;
    });
    EXPECT_EQ(after_store, kNs);
    EXPECT_GE(after_exchange, 120 * kNs);
}

TEST(SimEngine, SleepersAreWokenByOthersByDeadlinesAndByCancellation) {
    Stage stage(small_machine(1, 3), 3);
    std::array<Wake, 3> results{};
    std::array<Nanoseconds, 3> times{};
    auto& word = stage.make<Word>(0U);
    stage.run([&](ThreadId tid) {
        if (tid == 2) {
            Sim::compute(100'000);
            Sim::wake(0);
            EXPECT_FALSE(Sim::is_running(1));
            word.store(1, release);
            Sim::unpark(word, 1);
            Sim::cancel(1);
            return;
        }
        Sim::sleep_prepare();
        results[tid] = tid == 0 ? Sim::sleep(Sim::never()) : Sim::sleep_killable(Sim::after(400'000));
        times[tid] = Sim::now();
        if (tid == 0) {
            while (word.load(acquire) == 0) {
                Sim::park(word, 0, Sim::never());
            }
            results[2] = Sim::park(word, 1, Sim::after(50'000));
            times[2] = Sim::now();
        }
    });
    EXPECT_EQ(results[0], Wake::woken);
    EXPECT_EQ(results[1], Wake::cancelled);
    EXPECT_EQ(results[2], Wake::expired);
    EXPECT_GE(times[0], 100'000U);
    EXPECT_GE(times[2], times[0] + 50'000U);
    EXPECT_LT(times[2], 400'000U);
}

TEST(SimEngine, ThreadsOfOneCpuTakeTurnsByTheQuantumAndAHolderMayBePreempted) {
    // Four threads on two CPUs under a FIFO lock: whoever waits on a CPU of the holder's has to be preempted first.
    Stage stage(small_machine(1, 2), 4, 1, 2);
    auto& lock = stage.make<TicketLock<Sim>>();
    std::uint64_t turns = 0;
    EXPECT_EQ(stage.run([&](ThreadId tid) {
        LockUser<TicketLock<Sim>> user(tid);
        while (Sim::now() < 20'000'000) {
            lock.lock(user.token());
            ++turns;
            lock.unlock(user.token());
            Sim::compute(10'000);
        }
    }),
              RunEnd::done);
    std::uint64_t preemptions = 0;
    for (ThreadId tid = 0; tid < 4; ++tid) {
        preemptions += stage.engine().thread(tid).preemptions;
    }
    EXPECT_GE(preemptions, 10U);
    EXPECT_GT(turns, 8U);
    EXPECT_LT(turns, 4000U) << "two CPUs cannot do more in that time";
}

TEST(SimEngine, AWaiterStopsWhenTheOneItWatchesLeavesItsCpuOrItsOwnCpuIsWanted) {
    Stage stage(small_machine(1, 2), 3, 1, 2);  // threads 0 and 2 share a CPU
    auto& word = stage.make<Word>(0U);
    int stopped = 0;
    int yielded = 0;
    stage.run([&](ThreadId tid) {
        if (tid == 0) {
            yielded = word.await_until(is_set, acquire, Sim::should_yield());
            Sim::sleep_prepare();
            Sim::sleep(Sim::after(5'000'000));
            word.store(1, release);
        } else if (tid == 1) {
            while (!Sim::is_running(0)) {
                Sim::relax();
            }
            stopped = word.await_until(is_set, acquire, Sim::not_running(0), Sim::after(100'000'000));
        }
    });
    EXPECT_EQ(yielded, 1);
    EXPECT_EQ(stopped, 1);
}

TEST(SimEngine, ADeadlockSaysWhoWaitsForWhom) {
    Stage stage(small_machine(1, 2), 2);
    auto& lock = stage.make<TicketLock<Sim>>();
    EXPECT_EQ(stage.run([&](ThreadId tid) {
        LockUser<TicketLock<Sim>> user(tid);
        Sim::compute(Nanoseconds{tid} * 1000);
        Sim::mark(Mark::doorway, &lock, Mode::write);
        lock.lock(user.token());
        Sim::mark(Mark::acquired, &lock, Mode::write);
        Sim::preempt_on();
        Sim::sleep_prepare();
        Sim::sleep(Sim::never());
    }),
              RunEnd::deadlock);
    const std::string report = stage.engine().report();
    EXPECT_NE(report.find("nobody can go on"), std::string::npos) << report;
    EXPECT_NE(report.find("thread 0 on CPU 0 sleeps"), std::string::npos) << report;
    EXPECT_NE(report.find("thread 1 on CPU 1 waits for TicketLock"), std::string::npos) << report;
    EXPECT_NE(report.find("held by thread 0"), std::string::npos) << report;
    EXPECT_NE(report.find("locks/ticket.hpp:"), std::string::npos) << report;
}

TEST(SimEngine, ALoopWithoutEndRunsIntoTheVirtualLimit) {
    Stage stage(small_machine(1, 1), 1);
    EXPECT_EQ(stage.run(
                  [&](ThreadId) {
                      for (Sim::Retry loop;; loop.again()) {
                      }
                  },
                  1'000'000 * kNs),
              RunEnd::overtime);
    EXPECT_NE(stage.engine().report().find("the virtual time is over"), std::string::npos);
}

// All threads fight for a lock; the digest of all that happened.
template <class L>
std::uint64_t fingerprint(std::uint64_t seed) {
    sim::Machine machine = small_machine(3, 4);
    machine.jitter_permille = 30;
    Stage stage(std::move(machine), 12, seed);
    auto& lock = stage.make<L>();
    auto& count = stage.make<Sim::Plain<std::uint64_t>>(0U);
    std::uint64_t turns = 0;
    EXPECT_EQ(stage.run([&](ThreadId tid) {
        LockUser<L> user(tid);
        while (Sim::now() < 200'000) {
            lock.lock(user.token());
            count.set(count.get() + 1);
            ++turns;
            lock.unlock(user.token());
            Sim::compute(100 + Sim::choose(100));
        }
    }),
              RunEnd::done);
    EXPECT_EQ(count.peek(), turns);
    EXPECT_EQ(stage.engine().broken_invariant(), "");
    return stage.engine().fingerprint();
}

TEST(SimEngine, OneSeedGivesOneRunOnEveryCompilerAndAnotherSeedAnother) {
    EXPECT_EQ(fingerprint<McsLock<Sim>>(1), fingerprint<McsLock<Sim>>(1));
    EXPECT_NE(fingerprint<McsLock<Sim>>(1), fingerprint<McsLock<Sim>>(2));
    // As computed once; a change of the model changes them, a compiler, a sanitizer or an optimisation must not.
    EXPECT_EQ(fingerprint<McsLock<Sim>>(1), 918073223601257132U);
    EXPECT_EQ(fingerprint<Rwsem53<Sim>>(1), 8036440954475967373U);
}

// All threads add to one word for a while.
struct Contended {
    std::vector<std::uint64_t> adds;
    std::uint64_t transfers = 0;
    std::uint64_t across = 0;  // of them, between packages
    [[nodiscard]] std::uint64_t sum() const { return std::accumulate(adds.begin(), adds.end(), std::uint64_t{0}); }
};
Contended contended(std::uint16_t packages, std::uint16_t cores) {
    sim::Machine machine = small_machine(packages, cores);
    machine.jitter_permille = 30;
    Contended found;
    found.adds.resize(std::size_t{packages} * cores);
    Stage stage(std::move(machine), found.adds.size());
    auto& word = stage.make<Word>(0U);
    EXPECT_EQ(stage.run([&](ThreadId tid) {
        while (Sim::now() < 200'000) {
            word.add(1, relaxed);
            ++found.adds[tid];
        }
    }),
              RunEnd::done);
    EXPECT_EQ(word.peek(), found.sum());
    const sim::Traffic& traffic = stage.engine().traffic();
    found.transfers = traffic.total();
    for (const auto& by_found : traffic.moves) {
        for (const auto& by_hop : by_found) {
            found.across += by_hop[static_cast<std::size_t>(sim::Hop::one_hop)];
            found.across += by_hop[static_cast<std::size_t>(sim::Hop::two_hops)];
        }
    }
    return found;
}

TEST(SimEngine, AnOwnerDoesHardlyMoreThanOneLockedInstructionOnALineThatOthersWant) {
    const Contended found = contended(1, 4);
    const double each = static_cast<double>(found.sum()) / static_cast<double>(found.transfers);
    EXPECT_GT(each, 1.2) << "what is soon enough is done";
    EXPECT_LT(each, 2.0);
    // A line that all want still moves once in a whole latency: 60 ns here.
    EXPECT_NEAR(200'000.0 / static_cast<double>(found.transfers), 60, 3);
}

TEST(SimEngine, ALastLevelCacheServesItsOwnCoresBeforeItLetsALineGo) {
    const Contended found = contended(6, 6);
    // As long as six wait at each package, a line leaves after six. In the order of their coming it would leave sooner.
    const double stays = static_cast<double>(found.transfers) / static_cast<double>(found.across);
    EXPECT_GT(stays, 5.0);
    EXPECT_LT(stays, 8.0) << "and yet the other packages have their turn";
    const auto [least, most] = std::minmax_element(found.adds.begin(), found.adds.end());
    EXPECT_GT(*least * 2, *most) << "nobody is left out";
}

TEST(SimEngine, EveryTransferIsCountedOnceInAllAndByPlace) {
    Stage stage(small_machine(2, 4), 8);
    auto& lock = stage.make<TicketLock<Sim>>();
    stage.run([&](ThreadId tid) {
        LockUser<TicketLock<Sim>> user(tid);
        for (int i = 0; i < 50; ++i) {
            lock.lock(user.token());
            lock.unlock(user.token());
        }
    });
    sim::Traffic sum;
    std::uint64_t of_lock = 0;
    for (const sim::Place& place : stage.engine().line_map().places()) {
        of_lock +=
            stage.engine().line_map().kinds()[place.kind].name.starts_with("TicketLock") ? place.traffic.total() : 0;
        sum.invalidated += place.traffic.invalidated;
        sum.waited += place.traffic.waited;
    }
    EXPECT_EQ(of_lock, stage.engine().traffic().total()) << "nothing else is shared here";
    EXPECT_EQ(sum.invalidated, stage.engine().traffic().invalidated);
    EXPECT_EQ(sum.waited, stage.engine().traffic().waited);
    EXPECT_GT(of_lock, 400U);
}

}  // namespace
}  // namespace lockbench
