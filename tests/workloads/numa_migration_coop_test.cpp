// SPDX-License-Identifier: MIT
// numa_migration under seeded schedules: pages move beside faults, forks, exits and compaction with every lock, and
// nothing is lost; every rule of migration is needed.
#include <gtest/gtest.h>

#include <functional>

#include "locks/registry.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/rule_search.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

// Few pages, so that threads meet on them. Every third schedule is P5 itself, the others have forks and compaction.
template <class W>
ParamValues few_pages(std::uint64_t seed) {
    const Pick pick(seed);
    const bool pure = seed % 3 == 0;
    return params_of<W>({{"anon_vmas", 1 + pick(0, 2)},
                         {"pages_per_vma", 1 + pick(1, 4)},
                         {"children", pure ? 0 : pick(2, 3)},
                         {"generations", pure ? 1 : 1 + pick(3, 2)},
                         {"touch_permille", 400},
                         {"nowait_fail_permille", pick(4, 2) * 200},
                         {"alloc_fail_permille", pick(5, 3) == 0 ? 50 : 0},
                         {"batch", 4},
                         {"tlb", pick(6, 3)},
                         {"ipi_ns", 10},
                         {"page_copy_ns", 10},
                         {"fork_permille", pure ? 0 : 250},
                         {"compact_permille", pure ? 0 : 250}});
}

template <class L>
class MigrationCoop : public testing::Test {};
TYPED_TEST_SUITE(MigrationCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(MigrationCoop, PagesMoveAndNothingIsLost) {
    using W = NumaMigration<Coop, TypeParam>;
    const unsigned seeds = test::seeds(400);
    std::uint64_t migrated = 0;
    std::uint64_t waited = 0;
    std::uint64_t retried = 0;
    std::uint64_t skipped = 0;
    std::uint64_t forks = 0;
    std::uint64_t missed = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 7);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), few_pages<W>(seed), 4);
        ASSERT_TRUE(trial.passed()) << "seed " << seed << ": " << trial.failures();
        const auto count = [&trial](std::string_view name) { return trial.counts.op(W::info(), name); };
        if (seed % 3 == 0) {
            EXPECT_EQ(count("entry_restored"), count("entry_migrated")) << "seed " << seed;
        }
        migrated += count("page_migrated");
        waited += count("migration_wait");
        retried += count("migration_retry");
        skipped += count("page_skipped");
        forks += count("fork");
        missed += count("walk_missed");
    }
    EXPECT_GT(migrated, seeds);
    EXPECT_GT(forks, seeds);
    // The rare ways too.
    EXPECT_GT(waited, 0U);
    EXPECT_GT(retried, 0U);
    EXPECT_GT(skipped, 0U);
    EXPECT_GT(missed, 0U);
}

// Each rule is taken away in turn.
struct ForkDropsEntries : FaithfulRmap {
    static constexpr bool kForkKeepsMigration = false;
};
struct ForkKeepsRights : FaithfulRmap {
    static constexpr bool kForkDemotesMigration = false;
};
struct RestoreWithoutLock : FaithfulRmap {
    static constexpr bool kRestoreUnderLock = false;
};
struct UnlockFirst : FaithfulRmap {
    static constexpr bool kRestoreBeforeUnlock = false;
};
struct WaitWithoutReference : FaithfulRmap {
    static constexpr bool kWaiterHoldsPage = false;
};
struct MoveWithoutPin : FaithfulRmap {
    static constexpr bool kMovePinsAnonVma = false;
};
struct MoveUnderUsers : FaithfulRmap {
    static constexpr bool kMoveCountsUsers = false;
};

template <class L, class Q>
Scenario scene(std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
    using W = NumaMigration<Coop, L, RmapEnv<Coop>, Q>;
    ParamValues params = params_of<W>({{"pages_per_vma", 2}, {"batch", 4}, {"ipi_ns", 10}, {"page_copy_ns", 10}});
    for (const auto& [key, value] : changes) {
        params[place_of(W::info().params, key, &ParamInfo::key)] = value;
    }
    return [params](std::uint64_t seed) { return run_coop_trial<W>(rmap_options(seed, 3), params, 4); };
}

template <class L>
class MigrationRules : public testing::Test {
  public:
    // `says`: a part of what is found, so that it is this fault and no other.
    template <class Q>
    static void expect_needed(CoopFailure kind, const std::string& says,
                              std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
        const Found found = expect_found(scene<L, Q>(changes), scene<L, FaithfulRmap>(changes), kind);
        EXPECT_NE(found.text.find(says), std::string::npos) << found.text;
    }
};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(MigrationRules, BothKinds);

TYPED_TEST(MigrationRules, AForkCopiesMigrationEntries) {
    TestFixture::template expect_needed<ForkDropsEntries>(
        CoopFailure::check_failed, "no entry of a page that a process has is lost",
        {{"fork_permille", 400}, {"compact_permille", 600}, {"children", 1}});
}
TYPED_TEST(MigrationRules, ACopiedMigrationEntryGivesNoRightToWrite) {
    TestFixture::template expect_needed<ForkKeepsRights>(
        CoopFailure::check_failed, "a page that may be written has one mapping",
        {{"fork_permille", 400}, {"compact_permille", 400}, {"children", 1}});
}
TYPED_TEST(MigrationRules, TheRestoringWalkTakesTheLock) {
    TestFixture::template expect_needed<RestoreWithoutLock>(
        CoopFailure::race, "interval_tree.hpp", {{"fork_permille", 400}, {"compact_permille", 600}, {"children", 1}});
}
TYPED_TEST(MigrationRules, ThePageIsLockedUntilItIsMapped) {
    TestFixture::template expect_needed<UnlockFirst>(CoopFailure::check_failed,
                                                     "a page that a migration entry names is locked", {});
}
TYPED_TEST(MigrationRules, WhoWaitsHoldsThePage) {
    TestFixture::template expect_needed<WaitWithoutReference>(CoopFailure::use_after_free, "page_lock.hpp",
                                                              {{"write_permille", 1000}});
}
TYPED_TEST(MigrationRules, TheAnonVmaIsPinnedBetweenTheWalks) {
    TestFixture::template expect_needed<MoveWithoutPin>(
        CoopFailure::use_after_free, "AnonVma",
        {{"fork_permille", 500}, {"compact_permille", 500}, {"touch_permille", 1000}});
}
TYPED_TEST(MigrationRules, APageThatIsUsedStays) {
    TestFixture::template expect_needed<MoveUnderUsers>(
        CoopFailure::race, "migrate.hpp", {{"children", 1}, {"write_permille", 1000}, {"compact_permille", 300}});
}

// What the verification says about a first process whose first entry is `planted(page)`.
std::string verified(const std::function<std::uint64_t(Page<RmapEnv<Coop>>*)>& planted) {
    using Trial = ProcessTrial<RmapEnv<Coop>, TicketLock<Coop>>;
    RmapConfig config = rmap_config(detail::kMigrationInfo, default_params(detail::kMigrationInfo));
    config.pages = 2;
    CoopWorld world(rmap_options(1, 1));
    auto& trial = world.make<Trial>(config, TrialSetup{});
    world.run([&trial, &planted](ThreadId) {
        auto& entry = table_of(*trial.parent().first.get())->pte(0);
        entry.store(planted(Pte::page<RmapEnv<Coop>>(entry.load(seq_cst))), seq_cst);
    });
    Verdict verdict;
    trial.verify(verdict);
    world.close();
    std::string all;
    for (const std::string& failure : verdict.failures) {
        all += failure + "\n";
    }
    return all;
}

TEST(MigrationVerify, TellsWhatIsLeftAndWhatIsLost) {
    using Env = RmapEnv<Coop>;
    const auto same = [](Page<Env>* page) { return Pte::of(page, Pte::kWrite); };
    EXPECT_EQ(verified(same), "");
    const auto left = [](Page<Env>* page) { return Pte::migration_of(page, Pte::kWrite); };
    EXPECT_NE(verified(left).find("a migration entry is left"), std::string::npos);
    const auto lost = [](Page<Env>*) { return std::uint64_t{0}; };
    EXPECT_NE(verified(lost).find("the entry of a page is lost"), std::string::npos);
    const auto stale = [](Page<Env>* page) {
        page->stamp.set(kMovedAway);
        return Pte::of(page, Pte::kWrite);
    };
    EXPECT_NE(verified(stale).find("other data"), std::string::npos);
}

}  // namespace
}  // namespace lockbench
