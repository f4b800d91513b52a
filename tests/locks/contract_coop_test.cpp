// SPDX-License-Identifier: MIT
// The contract of locks/lock.hpp, for every registered lock, under thousands of schedules of two to eight threads.
#include "tests/support/contract_coop.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "locks/registry.hpp"
#include "platform/coop.hpp"
#include "platform/native.hpp"
#include "tests/support/contract_scenes.hpp"
#include "tests/support/types_of.hpp"

namespace lockbench {
namespace {

using test::Survey;

template <class L>
class LockContract : public ::testing::Test {};
TYPED_TEST_SUITE(LockContract, TestedOf<AllLocks<Coop>>, test::LockNames);

constexpr unsigned kSeeds = 200;
constexpr unsigned kMixSeeds = 400;  // for each number of threads

TYPED_TEST(LockContract, TypeAndInfoAgree) {
    static_assert(info_matches_type<Coop, TypeParam>());
    static_assert(sizeof(TypeParam) == TypeParam::kInfo.bytes);
    static_assert(!TypeParam::kInfo.control);
    // That the paths are true is for tests/platform/codegen_test.py.
    for (const std::string_view path :
         {TypeParam::kInfo.paths.lock, TypeParam::kInfo.paths.try_lock, TypeParam::kInfo.paths.unlock}) {
        EXPECT_FALSE(path.empty());
    }
    for (const std::string_view path : {TypeParam::kInfo.paths.lock_shared, TypeParam::kInfo.paths.try_lock_shared,
                                        TypeParam::kInfo.paths.unlock_shared}) {
        EXPECT_EQ(path.empty(), !TypeParam::kInfo.shared);
    }
}

TYPED_TEST(LockContract, MixedSectionsExcludeAndNobodyIsForgotten) {
    test::Reached reached;
    for (unsigned threads = 2; threads <= 8; ++threads) {
        test::mixed_sections<TypeParam>(reached, threads, test::seeds(kMixSeeds), 24 / threads + 2);
    }
    EXPECT_TRUE(reached.survey.passed()) << reached.survey;
    // The schedules went where it matters.
    EXPECT_GT(reached.count(Event::slow_write) + reached.count(Event::queued), reached.survey.runs / 4);
    EXPECT_GT(reached.tally.failed_tries, reached.survey.runs / 4);
    if (TypeParam::kInfo.shared) {
        EXPECT_GT(reached.count(Event::slow_read), 0U);
    }
    if (TypeParam::kInfo.kind == WaitKind::sleep) {
        EXPECT_GT(reached.count(Event::slept), reached.survey.runs / 4);
    }
    if (TypeParam::kInfo.killable) {
        EXPECT_GT(reached.tally.cancelled, reached.survey.runs / 50);
    }
}

TYPED_TEST(LockContract, ReadersShareWhereTheLockIsShared) {
    const Survey meeting = test::readers_meet<TypeParam>(test::seeds(kSeeds));
    if (TypeParam::kInfo.shared) {
        EXPECT_TRUE(meeting.passed()) << meeting;
    } else {
        EXPECT_EQ(meeting.count(CoopFailure::deadlock), meeting.runs) << meeting;
    }
}

TYPED_TEST(LockContract, TriesTellTheTruth) {
    const Survey written = test::tries<TypeParam>(test::seeds(kSeeds), Mode::write);
    EXPECT_TRUE(written.passed()) << written;
    const Survey read = test::tries<TypeParam>(test::seeds(kSeeds), Mode::read);
    EXPECT_TRUE(read.passed()) << read;
}

TYPED_TEST(LockContract, EveryCycleLeavesTheLockAsItWasBuilt) {
    const Survey cycles = test::cycles<TypeParam>(test::seeds(kSeeds));
    EXPECT_TRUE(cycles.passed()) << cycles;
}

TYPED_TEST(LockContract, DowngradingLetsWaitingReadersIn) {
    if constexpr (DowngradableLock<TypeParam>) {
        for (const bool writer_behind : {false, true}) {
            const Survey result = test::downgrade_admits_readers<TypeParam>(test::seeds(kSeeds), writer_behind);
            EXPECT_TRUE(result.passed()) << result;
        }
    }
}

TYPED_TEST(LockContract, CancelledWaitersLeaveTheLockUsable) {
    if constexpr (KillableLock<TypeParam>) {
        for (const bool holder_reads : {false, true}) {
            for (const bool first : {false, true}) {
                const unsigned runs = test::seeds(kSeeds);
                const Survey writer = test::cancelled_waiters<TypeParam>(runs, Mode::write, holder_reads, first);
                EXPECT_TRUE(writer.passed()) << writer;
                if (KillableSharedLock<TypeParam> && !holder_reads) {
                    const Survey reader = test::cancelled_waiters<TypeParam>(runs, Mode::read, holder_reads, first);
                    EXPECT_TRUE(reader.passed()) << reader;
                }
            }
        }
    }
}

TYPED_TEST(LockContract, MemoryMayGoWithTheLastUnlockWhereTheLockSaysSo) {
    Survey all;
    for (const unsigned threads : {2U, 3U, 5U}) {
        all.add(
            test::freed_after_unlock<TypeParam>(threads, test::seeds(TypeParam::kInfo.free_after_unlock ? 200 : 400)));
    }
    if (TypeParam::kInfo.free_after_unlock) {
        EXPECT_TRUE(all.passed()) << all;
    } else {
        // The claim is not idle: such an unlock does look back.
        EXPECT_TRUE(all.only(CoopFailure::use_after_free)) << all;
    }
}

TYPED_TEST(LockContract, ATokenMayGoWithTheSectionItServed) {
    for (const unsigned threads : {2U, 4U}) {
        const Survey result = test::brief_tokens<TypeParam>(threads, test::seeds(kSeeds));
        EXPECT_TRUE(result.passed()) << result;
    }
}

TYPED_TEST(LockContract, IsLockedIsNeverFalseWhileTheLockIsHeld) {
    if constexpr (TypeParam::kInfo.is_locked) {
        for (const bool readers_only : {false, true}) {
            const Survey result = test::observed_locked<TypeParam>(test::seeds(kSeeds), readers_only);
            EXPECT_TRUE(result.passed()) << result;
        }
    }
}

TYPED_TEST(LockContract, TheHolderMaySleepWhereTheLockSaysSo) {
    const Survey result = test::sleeping_holder<TypeParam>(test::seeds(kSeeds));
    if (TypeParam::kInfo.hold_across_sleep) {
        EXPECT_TRUE(result.passed()) << result;
    } else {
        EXPECT_EQ(result.count(CoopFailure::sleeping_in_atomic), result.runs) << result;
    }
}

TYPED_TEST(LockContract, UncontendedCostIsWhatTheInfoSays) {
    const auto counts = test::uncontended_rmws<TypeParam>();
    EXPECT_EQ(counts[static_cast<std::size_t>(Mode::write)], TypeParam::kInfo.rmw_write);
    if (TypeParam::kInfo.shared) {
        EXPECT_EQ(counts[static_cast<std::size_t>(Mode::read)], TypeParam::kInfo.rmw_read);
    } else {
        EXPECT_EQ(TypeParam::kInfo.rmw_read, 0U);
    }
}

// Nobody arrives while the lock is handed on, so that the one step by which fifo_after_claim may be late does not
// occur.
TYPED_TEST(LockContract, WaitersEnterInOrderWhereTheLockSaysSo) {
    constexpr Fairness kFairness = TypeParam::kInfo.fairness;
    const Mode r = Mode::read;
    const Mode w = Mode::write;
    if constexpr (kFairness == Fairness::fifo || kFairness == Fairness::fifo_after_claim) {
        for (const std::vector<Mode>& modes :
             {std::vector<Mode>{w, w, w, w}, {r, w, r, w}, {r, r, w, r, r}, {w, r, r, w, w}}) {
            const Survey result = test::arrival_order<TypeParam>(test::seeds(kSeeds), modes);
            EXPECT_TRUE(result.passed()) << result;
        }
    }
}

// However often it comes back: whoever stands in line is next, or next but one.
TYPED_TEST(LockContract, NobodyComesBackPastAWaiterWhereTheLockSaysSo) {
    constexpr Fairness kFairness = TypeParam::kInfo.fairness;
    if constexpr (kFairness == Fairness::fifo || kFairness == Fairness::fifo_after_claim) {
        constexpr std::uint64_t kBound = kFairness == Fairness::fifo ? 0 : 1;
        for (const Mode waiter : {Mode::write, Mode::read}) {
            const Survey result = test::holder_comes_back<TypeParam>(test::seeds(kSeeds), waiter, Mode::write, kBound);
            EXPECT_TRUE(result.passed()) << result;
        }
    } else if constexpr (kFairness == Fairness::stealing) {
        // The claim is not idle: in some schedule it always passes.
        std::uint64_t most = 0;
        test::holder_comes_back<TypeParam>(test::seeds(kSeeds), Mode::write, Mode::write, 0, &most);
        EXPECT_EQ(most, test::kReturns);
    }
}

TYPED_TEST(LockContract, ReadersPassWaitingWritersWhereTheLockSaysSo) {
    if constexpr (TypeParam::kInfo.shared) {
        const Survey plain = test::reader_passes_waiting_writer<TypeParam>(test::seeds(kSeeds), false);
        if (TypeParam::kInfo.fairness == Fairness::reader_preference) {
            EXPECT_TRUE(plain.passed()) << plain;
        } else if (TypeParam::kInfo.fairness == Fairness::fifo ||
                   TypeParam::kInfo.fairness == Fairness::fifo_after_claim) {
            EXPECT_EQ(plain.failures(), plain.runs) << plain;
        }
        if constexpr (IrqReaderLock<TypeParam>) {
            const Survey irq = test::reader_passes_waiting_writer<TypeParam>(test::seeds(kSeeds), true);
            EXPECT_TRUE(irq.passed()) << irq;
        }
    }
}

template <Platform P>
std::vector<std::size_t> sizes_of_locks() {
    std::vector<std::size_t> sizes;
    for_each_type(AllLocks<P>{}, [&sizes]<class L>() { sizes.push_back(sizeof(L)); });
    return sizes;
}

TEST(Registry, LocksHaveOneSizeOnEveryPlatform) { EXPECT_EQ(sizes_of_locks<Coop>(), sizes_of_locks<Native>()); }

TEST(Registry, NamesAreUniqueAndWellFormed) {
    std::set<std::string_view> names;
    for_each_type(AllLocks<Coop>{}, [&names]<class L>() {
        const std::string_view name = L::kInfo.name;
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.:"), std::string_view::npos) << name;
        EXPECT_FALSE(L::kInfo.family.empty()) << name;
        EXPECT_FALSE(L::kInfo.kernel_release.empty()) << name;
    });
}

}  // namespace
}  // namespace lockbench
