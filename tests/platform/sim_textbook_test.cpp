// SPDX-License-Identifier: MIT
// What theory says of a hand-over, to the transfer: threads queue up one after the other on a simulated machine, then
// the lock goes through all of them and nobody comes back.
#include <gtest/gtest.h>

#include "bench/locksim_hand_over.hpp"
#include "locks/mcs.hpp"
#include "locks/qspinlock.hpp"
#include "locks/ticket.hpp"
#include "tests/support/reference_locks.hpp"
#include "tests/support/sim_scene.hpp"

namespace lockbench {
namespace {

using test::kNs;
using test::LockUser;
using test::small_machine;
using test::Stage;

// The reference has no tokens.
struct Ttas {
    struct Token {
        explicit Token(Ctx<Sim>&) {}
    };
    void lock(Token&) { lock_.lock(); }
    void unlock(Token&) { lock_.unlock(); }

  private:
    test::ReferenceTtas<Sim> lock_;
};

// What moves while a queue of `threads` goes through the lock once.
template <class L>
sim::HandOvers hand_overs(std::uint16_t threads, Nanoseconds hold_ns = 0) {
    const sim::Machine machine = small_machine(2, threads);
    std::vector<sim::ThreadPlace> places;
    places.reserve(threads);
    for (CpuId cpu = 0; cpu < threads; ++cpu) {
        places.push_back({cpu, 0});
    }
    sim::HandOvers found = sim::hand_overs<L>(machine, places, 1, hold_ns);
    EXPECT_EQ(found.end, sim::RunEnd::done);
    EXPECT_EQ(found.broken, "");
    return found;
}

TEST(Textbook, TicketHandOverInvalidatesAllWaitersAndCostsARereadEach) {
    for (const std::uint16_t threads : std::initializer_list<std::uint16_t>{2, 3, 8, 24}) {
        const sim::HandOvers counted = hand_overs<TicketLock<Sim>>(threads);
        // Each unlock is one store. After it all that still wait read anew: n - 1, n - 2 .. 1 of them; and the first
        // holder reads the word once, which the last arrival took from it.
        EXPECT_EQ(counted.writes, threads);
        EXPECT_EQ(counted.reads, threads * (threads - 1U) / 2U + 1U);
        // Each store takes the copies of those who wait, and that of the holder before, but the first takes all others.
        EXPECT_EQ(counted.invalidated, (threads - 1U) + threads * (threads - 1U) / 2U) << threads;
    }
}

TEST(Textbook, McsHandOverIsOneStoreAndOneReadHoweverManyWait) {
    for (const std::uint16_t threads : std::initializer_list<std::uint16_t>{3, 8, 24}) {
        const sim::HandOvers counted = hand_overs<McsLock<Sim>>(threads);
        // n - 1 stores into the next one's node; the last arrival has the tail.
        EXPECT_EQ(counted.writes, threads - 1U);
        // n - 1 reads of the own flag; and the first holder, who did not wait, reads the link in its node.
        EXPECT_EQ(counted.reads, threads);
    }
}

TEST(Textbook, QspinlockHandOverDoesNotGrowWithItsQueue) {
    // Between two queues of different length the difference is hand-overs from head to head: three stores (unlock,
    // locked by the head, the next head's flag) and three reads (the word by the head, the flag and the word by the
    // next).
    using Lock = QSpinLock<Sim, SubWord::mixed>;
    const sim::HandOvers few = hand_overs<Lock>(8, 1000);
    const sim::HandOvers many = hand_overs<Lock>(24, 1000);
    EXPECT_EQ(many.writes - few.writes, 16U * 3U);
    EXPECT_EQ(many.reads - few.reads, 16U * 3U);
    // Who leaves before the next head has looked still has the word to itself.
    EXPECT_EQ(hand_overs<Lock>(24).writes - hand_overs<Lock>(8).writes, 16U * 2U);
    EXPECT_EQ(hand_overs<Lock>(24).reads - hand_overs<Lock>(8).reads, 16U * 2U);
}

TEST(Textbook, TtasSendsAllWaitersToTheLineWhoeverGetsIt) {
    const std::uint16_t threads = 12;
    const sim::HandOvers counted = hand_overs<Ttas>(threads, 1000);
    const std::uint64_t rereads = threads * (threads - 1U) / 2U;
    // After each store all that wait read anew; those who find the lock free exchange, and read once more when another
    // was faster.
    EXPECT_GE(counted.reads, rereads);
    EXPECT_LE(counted.reads, 2 * rereads + threads);
    EXPECT_GE(counted.writes, threads + threads - 1U);
    EXPECT_LE(counted.writes, threads + rereads);
    EXPECT_GT(counted.writes, 3U * threads);
}

TEST(Textbook, PingPongCostsWhatTheMachineSaysByDistance) {
    const sim::Machine machine = small_machine(3, 4);
    for (const auto& [other, ns] : std::initializer_list<std::pair<CpuId, Nanoseconds>>{{1, 60}, {4, 120}, {8, 240}}) {
        sim::Engine engine(machine, {{0, 0}, {other, machine.node_of_cpu[static_cast<std::size_t>(other)]}}, 1);
        auto& word = sim::make_local<Sim::Atomic<std::uint32_t>>(0U);
        constexpr std::uint32_t kTurns = 1000;
        engine.run(
            [&](ThreadId tid) {
                for (std::uint32_t turn = tid; turn < kTurns; turn += 2) {
                    for (Sim::Retry loop; !word.try_cas(turn, turn + 1, acq_rel); loop.again()) {
                    }
                }
            },
            1, 1'000'000'000 * kNs);
        const double one_way = static_cast<double>(engine.thread(1).now) / (kTurns * kNs);
        EXPECT_NEAR(one_way, static_cast<double>(ns), 0.05 * static_cast<double>(ns));
    }
}

TEST(Textbook, AnUncontendedLockMovesNothing) {
    Stage stage(small_machine(1, 2), 1);
    auto& lock = stage.make<McsLock<Sim>>();
    stage.run([&](ThreadId tid) {
        LockUser<McsLock<Sim>> user(tid);
        for (int i = 0; i < 100; ++i) {
            lock.lock(user.token());
            lock.unlock(user.token());
        }
    });
    EXPECT_EQ(stage.engine().traffic().total(), 2U);  // the lock and the node, from memory
}

TEST(Textbook, TicketCollapsesWhereMcsDoesNot) {
    // A hand-over among many against one among few: ticket pays for each that waits, MCS does not.
    const auto dearer = [](const sim::HandOvers& many, const sim::HandOvers& few) {
        return (static_cast<double>(many.took) / 48) / (static_cast<double>(few.took) / 4);
    };
    EXPECT_GT(dearer(hand_overs<TicketLock<Sim>>(48), hand_overs<TicketLock<Sim>>(4)), 1.8);
    EXPECT_LT(dearer(hand_overs<McsLock<Sim>>(48), hand_overs<McsLock<Sim>>(4)), 1.3);
}

}  // namespace
}  // namespace lockbench
