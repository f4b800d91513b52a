// SPDX-License-Identifier: MIT
// The contract of locks/lock.hpp on real threads, for every lock that exists natively, a library's too. The schedules
// are the machine's, so this is the smaller half of the proof; what it adds is the compiler, the caches and, in a build
// with ThreadSanitizer, its judgement.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "platform/native.hpp"
#include "tests/support/contract.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/native_locks.hpp"

namespace lockbench {
namespace {

using test::Participant;
using test::Protected;
using test::Tally;

// Pure spinning locks crawl with more threads than CPUs, and prove nothing more.
unsigned team_size() { return std::clamp(std::thread::hardware_concurrency(), 1U, 4U); }

template <class L>
class Trial {
  public:
    using Part = Participant<Native, L>;

    explicit Trial(unsigned threads) : threads_(threads) {
        // One more, for the thread of the test itself.
        native::World::get().begin_trial(std::vector<NodeId>(threads + 1, kAnyNode), 11);
        scope_ = std::make_unique<native::ThreadScope>(threads);
        shared_ = std::make_unique<Protected<Native, L>>();
    }
    ~Trial() {
        shared_.reset();
        scope_.reset();
        native::World::get().end_trial();
    }
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    // body(part, random, tid) on each thread, which all begin together.
    template <class Body>
    void run(Body body) {
        std::vector<std::thread> team;
        std::vector<Tally> tallies(threads_);
        std::atomic<unsigned> ready{0};
        for (ThreadId tid = 0; tid < threads_; ++tid) {
            team.emplace_back([&, tid] {
                const native::ThreadScope scope(tid);
                const auto stats = std::make_unique<ThreadStats>();
                Ctx<Native> ctx(tid, 11, 0, *stats, nullptr);
                typename L::Token token(ctx);
                ready.fetch_add(1);
                while (ready.load() != threads_) {
                    std::this_thread::yield();
                }
                body(Part(*shared_, token, tallies[tid]), ctx.random, tid);
            });
        }
        for (std::thread& thread : team) {
            thread.join();
        }
        for (const Tally& tally : tallies) {
            tally_.add(tally);
        }
        EXPECT_EQ(shared_->low.peek(), tally_.writes);
        EXPECT_EQ(shared_->high.peek(), tally_.writes);
        EXPECT_TRUE(shared_->lock.is_constructed());
        if (L::kInfo.is_locked) {
            EXPECT_FALSE(shared_->lock.is_locked());
        }
    }
    [[nodiscard]] const Tally& tally() const { return tally_; }
    [[nodiscard]] L& lock() { return shared_->lock; }

  private:
    unsigned threads_;
    std::unique_ptr<native::ThreadScope> scope_;
    std::unique_ptr<Protected<Native, L>> shared_;
    Tally tally_;
};

template <class L>
class NativeLockContract : public ::testing::Test {};
TYPED_TEST_SUITE(NativeLockContract, test::NativeLocks, test::LockNames);

const unsigned kRounds = test::long_run() ? 60'000 : 3000;

void work() { Native::compute(50); }

TYPED_TEST(NativeLockContract, TypeAndInfoAgree) {
    static_assert(info_matches_type<Native, TypeParam>());
    static_assert(sizeof(TypeParam) == TypeParam::kInfo.bytes);
}

TYPED_TEST(NativeLockContract, MixedSectionsExclude) {
    Trial<TypeParam> trial(team_size());
    trial.run([](auto part, RandomStream& random, ThreadId) {
        for (unsigned round = 0; round < kRounds; ++round) {
            part.any_section(random, work);
        }
    });
    EXPECT_GT(trial.tally().writes, 0U);
}

// Whoever waits is woken: the writers come one after another and nobody is left behind.
TYPED_TEST(NativeLockContract, ContendedSectionsAllEnd) {
    const unsigned threads = TypeParam::kInfo.kind == WaitKind::sleep ? 4 : team_size();
    Trial<TypeParam> trial(threads);
    trial.run([](auto part, RandomStream&, ThreadId tid) {
        for (unsigned round = 0; round < kRounds / 3; ++round) {
            if (tid % 2 == 1) {
                part.read(work);
            } else {
                part.write(work);
            }
        }
    });
    EXPECT_EQ(trial.tally().writes + trial.tally().reads, threads * (kRounds / 3));
}

TYPED_TEST(NativeLockContract, ReadersShareWhereTheLockIsShared) {
    if constexpr (TypeParam::kInfo.shared) {
        Trial<TypeParam> trial(2);
        std::atomic<unsigned> inside{0};
        trial.run([&inside](auto part, RandomStream&, ThreadId) {
            part.read([&inside] {
                inside.fetch_add(1);
                while (inside.load() != 2) {
                    std::this_thread::yield();
                }
            });
        });
        EXPECT_EQ(trial.tally().reads, 2U);
    }
}

TYPED_TEST(NativeLockContract, TriesTellTheTruth) {
    for (const bool held_by_writer : {false, true}) {
        Trial<TypeParam> trial(2);
        std::atomic<int> stage{0};
        const auto reach = [&stage](int wanted) {
            while (stage.load() != wanted) {
                std::this_thread::yield();
            }
        };
        trial.run([&](auto part, RandomStream&, ThreadId tid) {
            const auto nothing = [] {};
            if (tid == 0) {
                const auto hold = [&] {
                    stage = 1;
                    reach(2);
                };
                if (held_by_writer) {
                    part.write(hold);
                } else {
                    part.read(hold);
                }
                stage = 3;
                return;
            }
            reach(1);
            EXPECT_FALSE(part.try_write(nothing));
            EXPECT_EQ(part.try_read(nothing), !held_by_writer && TypeParam::kInfo.shared);
            stage = 2;
            reach(3);
            EXPECT_TRUE(part.try_write(nothing));
            EXPECT_TRUE(part.try_read(nothing));
        });
    }
}

TYPED_TEST(NativeLockContract, EveryCycleLeavesTheLockAsItWasBuilt) {
    Trial<TypeParam> trial(1);
    trial.run([&trial](auto part, RandomStream& random, ThreadId) {
        for (int round = 0; round < 200; ++round) {
            part.any_section(random, [] {});
            ASSERT_TRUE(trial.lock().is_constructed());
        }
    });
}

// One thread waits killably for a lock that another holds until the signal has done its work.
TYPED_TEST(NativeLockContract, CancelledWaitersLeaveTheLockUsable) {
    if constexpr (KillableLock<TypeParam>) {
        for (int time = 0; time < 20; ++time) {
            Trial<TypeParam> trial(2);
            std::atomic<bool> held{false};
            std::atomic<bool> refused{false};
            trial.run([&](auto part, RandomStream&, ThreadId tid) {
                if (tid == 0) {
                    part.write([&] {
                        held = true;
                        Native::compute(static_cast<Nanoseconds>(time) * 2000);
                        Native::cancel(1);
                        while (!refused.load()) {
                            // Off the CPU: spinners beside a running owner do not look at signals in every era.
                            Native::sleep_prepare();
                            Native::sleep(Native::after(100'000));
                        }
                    });
                    return;
                }
                while (!held.load()) {
                    std::this_thread::yield();
                }
                EXPECT_FALSE(part.write_killable([] {}));
                refused = true;
                Native::clear_cancel();
                part.write([] {});
            });
            EXPECT_EQ(trial.tally().cancelled, 1U);
            EXPECT_EQ(trial.tally().writes, 2U);
        }
    }
}

// Signals that come at any time, in the middle of a grant too.
TYPED_TEST(NativeLockContract, SignalsRaceWithGrants) {
    if constexpr (KillableLock<TypeParam>) {
        Trial<TypeParam> trial(3);
        std::atomic<int> running{2};
        trial.run([&running](auto part, RandomStream& random, ThreadId tid) {
            if (tid == 2) {
                while (running.load() != 0) {
                    Native::cancel(random.below(2));
                    Native::compute(random.below(3000));
                }
                return;
            }
            for (unsigned round = 0; round < kRounds; ++round) {
                if (!part.write_killable(work)) {
                    Native::clear_cancel();
                }
            }
            running.fetch_sub(1);
        });
        EXPECT_GT(trial.tally().writes, 0U);
    }
}

// lock; the last one out frees the memory while others may still be inside unlock. AddressSanitizer and ThreadSanitizer
// see what this test alone does not.
TYPED_TEST(NativeLockContract, MemoryMayGoWithTheLastUnlockWhereTheLockSaysSo) {
    if constexpr (TypeParam::kInfo.free_after_unlock) {
        constexpr int kObjects = 200;
        const unsigned threads = team_size();
        struct Shared {
            Protected<Native, TypeParam> part;
            Native::Plain<unsigned> users;
            explicit Shared(unsigned count) : users(count) {}
        };
        Trial<TypeParam> trial(threads);
        std::vector<Shared*> objects;
        objects.reserve(kObjects);
        for (int i = 0; i < kObjects; ++i) {
            objects.push_back(new Shared(threads));
        }
        std::atomic<int> freed{0};
        std::vector<std::thread> team;
        for (ThreadId tid = 0; tid < threads; ++tid) {
            team.emplace_back([&, tid] {
                const native::ThreadScope scope(tid);
                const auto stats = std::make_unique<ThreadStats>();
                Ctx<Native> ctx(tid, 11, 0, *stats, nullptr);
                typename TypeParam::Token token(ctx);
                Tally tally;
                for (Shared* shared : objects) {
                    bool last = false;
                    Participant<Native, TypeParam>(shared->part, token, tally).write([&] {
                        shared->users.set(shared->users.get() - 1);
                        last = shared->users.get() == 0;
                    });
                    if (last) {
                        delete shared;
                        freed.fetch_add(1);
                    }
                }
            });
        }
        for (std::thread& thread : team) {
            thread.join();
        }
        EXPECT_EQ(freed.load(), kObjects);
    }
}

}  // namespace
}  // namespace lockbench
