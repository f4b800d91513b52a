// SPDX-License-Identifier: MIT
// What makes each era of the qrwlock what it is: who may pass the head of the queue and in which moment, what waiters
// queue on, how a writer announces itself, and what may still be touched after an unlock.
#include "locks/qrwlock.hpp"
#include "locks/qrwlock_2013.hpp"
#include "locks/qrwlock_3_16.hpp"
#include "locks/qrwlock_4_3.hpp"
#include "locks/rwlock_classic.hpp"
#include "tests/locks/coop_scene.hpp"
#include "tests/locks/watched_platform.hpp"
#include "tests/support/contract_scenes.hpp"

namespace lockbench {
namespace {

using test::Director;
using test::Survey;

template <Platform P>
using QueuedSpin = QSpinLock<P, SubWord::mixed, true>;
using Posted = QrwLock2013<Coop>;
using PostedUnfair = QrwLock2013<Coop, QrwReaders::unfair>;
using MergedOnTicket = QrwLock316<Coop>;
using MergedOnQSpin = QrwLock316<Coop, QueuedSpin<Coop>>;
using ByteExchange = QrwLock43<Coop>;
using Today = QrwLock<Coop, SubWord::mixed>;
using TodayPortable = QrwLock<Coop, SubWord::portable>;

constexpr unsigned kSeeds = 200;
constexpr Mode kRead = Mode::read;
constexpr Mode kWrite = Mode::write;

// Sixteen bytes were the price of the MCS queue; the merged forms fit where the classic lock's 64-bit form did.
static_assert(sizeof(Posted) == 16 && sizeof(PostedUnfair) == 16);
static_assert(sizeof(MergedOnTicket) == 8 && sizeof(MergedOnQSpin) == 8 && sizeof(ByteExchange) == 8);

// --- Readers and a waiting writer.

TEST(QrwLockEras, ReadersPassAWaitingWriterOfTheClassicAndTheUnfairLockAlone) {
    for (const Survey& passed : {test::reader_passes_waiting_writer<RwlockClassic<Coop>>(kSeeds, false),
                                 test::reader_passes_waiting_writer<PostedUnfair>(kSeeds, false)}) {
        EXPECT_TRUE(passed.passed()) << passed;
    }
    // The first reader stays until the second is in, which never comes.
    for (const Survey& held : {test::reader_passes_waiting_writer<Posted>(kSeeds, false),
                               test::reader_passes_waiting_writer<MergedOnTicket>(kSeeds, false),
                               test::reader_passes_waiting_writer<MergedOnQSpin>(kSeeds, false),
                               test::reader_passes_waiting_writer<ByteExchange>(kSeeds, false),
                               test::reader_passes_waiting_writer<Today>(kSeeds, false)}) {
        EXPECT_EQ(held.count(CoopFailure::deadlock), held.runs) << held;
    }
}

// An unfair reader passes a writer that waits, not one that is in: behind that one it queues like all others.
TEST(QrwLockEras, AnUnfairReaderQueuesBehindAWriterThatIsIn) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        Scene<PostedUnfair> scene({.seed = seed, .threads = 3});
        Director director(scene.world);
        std::vector<ThreadId> order;
        scene.world.run([&](ThreadId tid) {
            const auto note = [&] { order.push_back(tid); };
            if (tid == 0) {
                scene.write(tid, [&] {
                    director.call(1);
                    director.call(2);
                });
                return;
            }
            director.await(tid);
            if (tid == 1) {
                scene.write(tid, note);
            } else {
                scene.read(tid, note);
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(2)) << "seed " << seed;
        EXPECT_EQ(order, (std::vector<ThreadId>{1, 2})) << "seed " << seed;
        EXPECT_EQ(scene.events(2, Event::undo), 1U);
        EXPECT_EQ(scene.events(2, Event::queued), 1U);
    }
}

// --- The head of the queue and those who come between a writer's release and its announcement.

// How often the writer that was in gets back in past the head of the queue, at most, over all schedules.
template <class L>
std::uint64_t most_returns(Mode head, Mode comer) {
    std::uint64_t most = 0;
    test::holder_comes_back<L>(kSeeds, head, comer, test::kReturns, &most);
    return most;
}

template <class L>
class AnnouncesLate : public testing::Test {};
using LateLocks = testing::Types<Posted, MergedOnTicket, MergedOnQSpin, ByteExchange>;
TYPED_TEST_SUITE(AnnouncesLate, LateLocks);

// Behind a writer that is in, the head cannot announce itself before that writer has left; there the fast paths pass,
// and as often as they come.
TYPED_TEST(AnnouncesLate, FastPathsPassAWriterAtTheHeadWithoutEnd) {
    EXPECT_EQ(most_returns<TypeParam>(kWrite, kWrite), test::kReturns);
    EXPECT_EQ(most_returns<TypeParam>(kWrite, kRead), test::kReturns);
}

// That moment ends with the announcement: nobody who comes once the head has had its turn passes it.
TYPED_TEST(AnnouncesLate, OnceAnnouncedTheHeadIsNext) {
    for (const bool comer_reads : {false, true}) {
        for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
            // Thread 1 is the head behind writer 0, and behind the interrupt's reader 2 once that writer has left.
            Scene<TypeParam> scene({.seed = seed, .threads = 4});
            Director director(scene.world);
            std::vector<ThreadId> order;
            scene.world.run([&](ThreadId tid) {
                const auto note = [&] { order.push_back(tid); };
                if (tid == 0) {
                    scene.write(tid, [&] {
                        director.call(1);
                        director.call(2);
                    });
                    return;
                }
                director.await(tid);
                if (tid == 2) {
                    scene.read_irq(tid, [&] {
                        director.rest();
                        director.call(3);
                    });
                } else if (tid == 3 && comer_reads) {
                    scene.read(tid, note);
                } else {
                    scene.write(tid, note);
                }
            });
            ASSERT_NO_FATAL_FAILURE(scene.expect_clean(comer_reads ? 2 : 3)) << "seed " << seed;
            EXPECT_EQ(order, (std::vector<ThreadId>{1, 3})) << "seed " << seed;
        }
    }
}

TYPED_TEST(AnnouncesLate, WhoQueuesEntersInOrderOfArrival) {
    for (const std::vector<Mode>& modes : {std::vector<Mode>{kWrite, kWrite, kWrite, kWrite},
                                           {kRead, kWrite, kRead, kWrite},
                                           {kRead, kRead, kWrite, kRead, kRead}}) {
        const Survey result = test::arrival_order<TypeParam>(kSeeds, modes);
        EXPECT_TRUE(result.passed()) << result;
    }
}

// Since 4.15 the announcement does not wait for the writer that is in, and no such moment is left.
TEST(QrwLockEras, NobodyPassesTheHeadOfTodaysQueue) {
    for (const Mode head : {kWrite, kRead}) {
        for (const Mode comer : {kWrite, kRead}) {
            if (head == kWrite || comer == kWrite) {
                EXPECT_EQ(most_returns<Today>(head, comer), 0U);
                EXPECT_EQ(most_returns<TodayPortable>(head, comer), 0U);
            }
        }
    }
}

// A reader at the head: to 4.2 it looks on until the writer has left and is passed like a writer; in 4.3 its unit is in
// the word by then, and writers stay out.
TEST(QrwLockEras, WritersPassAReaderAtTheHeadBefore43) {
    EXPECT_EQ(most_returns<Posted>(kRead, kWrite), test::kReturns);
    EXPECT_EQ(most_returns<MergedOnTicket>(kRead, kWrite), test::kReturns);
    EXPECT_EQ(most_returns<MergedOnQSpin>(kRead, kWrite), test::kReturns);
    EXPECT_EQ(most_returns<PostedUnfair>(kRead, kWrite), 0U);
    EXPECT_EQ(most_returns<ByteExchange>(kRead, kWrite), 0U);
}

// --- What they queue on.

struct Queueing {
    std::uint64_t pending;
    std::uint64_t queued;
};

// Behind a writer come a writer, a reader, a writer, a reader, each when all before it stand still.
template <class L>
void expect_queueing(const Queueing& expected) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        Scene<L> scene({.seed = seed, .threads = 5});
        Director director(scene.world);
        std::vector<ThreadId> order;
        scene.world.run([&](ThreadId tid) {
            const auto note = [&] { order.push_back(tid); };
            if (tid == 0) {
                scene.write(tid, [&] {
                    note();
                    for (ThreadId other = 1; other < 5; ++other) {
                        director.call(other);
                    }
                    // All who wait do so now, and in the queue nobody has changed place yet.
                    EXPECT_EQ(scene.world.events(Event::pending_claimed), expected.pending) << "seed " << seed;
                    EXPECT_EQ(scene.world.events(Event::queued), expected.queued) << "seed " << seed;
                    EXPECT_EQ(scene.events(1, Event::pending_claimed) + scene.events(1, Event::queued), 0U);
                });
                return;
            }
            director.await(tid);
            if (tid % 2 == 1) {
                scene.write(tid, note);
            } else {
                scene.read(tid, note);
            }
        });
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(3)) << "seed " << seed;
        EXPECT_EQ(order, ascending(5)) << "seed " << seed;
        // What the queue itself has to report is not counted a second time.
        EXPECT_EQ(scene.world.events(Event::slow_write), 2U);
        EXPECT_EQ(scene.world.events(Event::slow_read), 2U);
    }
}

TEST(QrwLockEras, WaitersQueueOnTheLockOfTheirEra) {
    // A ticket lock has neither queue nor pending bit; in the qspinlock the second in line takes the pending bit; in
    // the MCS queue all stand behind its holder.
    expect_queueing<MergedOnTicket>({.pending = 0, .queued = 0});
    expect_queueing<MergedOnQSpin>({.pending = 1, .queued = 2});
    expect_queueing<ByteExchange>({.pending = 1, .queued = 2});
    expect_queueing<Today>({.pending = 1, .queued = 2});
    expect_queueing<Posted>({.pending = 0, .queued = 3});
    expect_queueing<PostedUnfair>({.pending = 0, .queued = 3});
}

// --- How a writer announces itself while readers come and go.

struct Announcing {
    std::uint64_t word_done = 0;
    std::uint64_t word_failed = 0;
    std::uint64_t byte_done = 0;
    std::uint64_t byte_failed = 0;
};

// Thread 0 reads until writer 1 is announced; two more readers come and go until then.
template <class L>
Announcing announce_among_readers() {
    Announcing sum;
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        CoopWorld world({.seed = seed, .threads = 4});
        L& lock = world.make<L>();
        std::vector<ThreadStats> stats(4);
        std::deque<Ctx<WatchedCoop>> contexts;
        std::vector<typename L::Token*> tokens;
        for (ThreadId tid = 0; tid < 4; ++tid) {
            contexts.emplace_back(tid, seed, 0U, stats[tid], nullptr);
            tokens.push_back(&world.make<typename L::Token>(contexts[tid]));
        }
        bool held = false;
        bool announced = false;
        watched_exchanges().clear();
        world.run([&](ThreadId tid) {
            auto& token = *tokens[tid];
            if (tid == 1) {
                yield_until([&] { return held; });
                lock.lock(token);
                lock.unlock(token);
                return;
            }
            if (tid == 0) {
                lock.lock_shared(token);
                held = true;
            } else {
                yield_until([&] { return held; });
            }
            while (!announced && lock.try_lock_shared(token)) {
                lock.unlock_shared(token);
            }
            announced = true;
            if (tid == 0) {
                lock.unlock_shared(token);
            }
        });
        if (!world.close().passed) {
            ADD_FAILURE() << world.verdict().text;
            break;
        }
        for (const WatchedExchange& exchange : watched_exchanges()) {
            if (exchange.tid == 1 && (exchange.desired & 0xffU) == 1) {
                auto& count = exchange.bits == 8 ? (exchange.done ? sum.byte_done : sum.byte_failed)
                                                 : (exchange.done ? sum.word_done : sum.word_failed);
                ++count;
            }
        }
    }
    return sum;
}

// By an exchange of the whole word, which any reader makes fail.
template <class L>
class AnnouncesByWord : public testing::Test {};
using WordLocks = testing::Types<QrwLock2013<WatchedCoop>, QrwLock316<WatchedCoop>>;
TYPED_TEST_SUITE(AnnouncesByWord, WordLocks);

TYPED_TEST(AnnouncesByWord, AndReadersMakeItFail) {
    const Announcing seen = announce_among_readers<TypeParam>();
    EXPECT_EQ(seen.word_done, 400U);
    EXPECT_GT(seen.word_failed, 0U);
    EXPECT_EQ(seen.byte_done + seen.byte_failed, 0U);
}

TEST(QrwLockEras, FromAByteExchangeOnReadersDoNotDisturbTheAnnouncement) {
    const Announcing of_4_3 = announce_among_readers<QrwLock43<WatchedCoop>>();
    EXPECT_EQ(of_4_3.byte_done, 400U);
    EXPECT_EQ(of_4_3.byte_failed, 0U);
    EXPECT_EQ(of_4_3.word_done + of_4_3.word_failed, 0U);
    // Today it is no exchange at all.
    const Announcing today = announce_among_readers<QrwLock<WatchedCoop, SubWord::mixed>>();
    EXPECT_EQ(today.byte_done + today.byte_failed + today.word_done + today.word_failed, 0U);
}

// --- What unlock may touch.

template <class L>
class QrwLockUnlock : public testing::Test {};
using AllEras = testing::Types<Posted, PostedUnfair, MergedOnTicket, MergedOnQSpin, ByteExchange, Today, TodayPortable>;
TYPED_TEST_SUITE(QrwLockUnlock, AllEras);

// Nothing of the lock, once the next may have it: whoever finds itself the last user frees the lock right after its own
// unlock, of either kind, while others may not have returned from theirs.
TYPED_TEST(QrwLockUnlock, LeavesTheLockAloneOnceItIsReleased) {
    using Object = test::Protected<Coop, TypeParam>;
    unsigned freed_by_reader = 0;
    for (std::uint64_t seed = 1; seed <= 600; ++seed) {
        const unsigned threads = 3 + static_cast<unsigned>(seed % 3);
        Scene<TypeParam> scene({.seed = seed, .threads = threads});  // for its tokens
        auto& slab = scene.world.template make<Coop::Slab<Object>>();
        auto& users = scene.world.template make<Coop::Atomic<std::uint32_t>>(threads);
        Object* object = slab.make();
        scene.world.run([&](ThreadId tid) {
            // One reader: whoever counts down to nobody is alone inside.
            const bool reads = tid == 0;
            auto& token = scene.token(tid);
            if (reads) {
                object->lock.lock_shared(token);
            } else {
                object->lock.lock(token);
            }
            const bool last = users.fetch_sub(1, relaxed) == 1;
            if (reads) {
                object->lock.unlock_shared(token);
            } else {
                object->lock.unlock(token);
            }
            if (last) {
                freed_by_reader += reads ? 1 : 0;
                slab.destroy(object);
            }
        });
        ASSERT_TRUE(scene.world.verdict().passed) << scene.world.verdict().text;
    }
    EXPECT_GT(freed_by_reader, 0U);
    EXPECT_LT(freed_by_reader, 600U);
}

// Nothing of the queue either: it was left before the critical section, so the token, and with it the MCS node of 2013,
// serves another lock meanwhile, for readers and for writers.
TYPED_TEST(QrwLockUnlock, ATokenIsFreeOnceTheLockIsHeld) {
    EventSums sums;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Scene<TypeParam> scene({.seed = seed, .threads = 4});
        TypeParam& outer = scene.world.template make<TypeParam>();
        scene.world.run([&](ThreadId tid) {
            for (unsigned round = 0; round < 4; ++round) {
                auto& token = scene.token(tid);
                if ((tid + round) % 2 == 0) {
                    outer.lock(token);
                    scene.write(tid, [&] { outer.unlock(token); });
                } else {
                    outer.lock_shared(token);
                    scene.write(tid, [&] { outer.unlock_shared(token); });
                }
            }
        });
        sums.add(scene.world);
        EXPECT_TRUE(outer.is_constructed());
        ASSERT_NO_FATAL_FAILURE(scene.expect_clean(16)) << "seed " << seed;
    }
    EXPECT_GT(sums[Event::slow_read], 0U);
    EXPECT_GT(sums[Event::slow_write], 0U);
}

}  // namespace
}  // namespace lockbench
