// SPDX-License-Identifier: MIT
// Acquisitions of the root lock per kernel operation, site by site, as Linux 3.12 makes them: 2 M write sections a
// fork, M (and drains) an exit, two read sections a reclaimed page, two a migrated one.
#include <gtest/gtest.h>

#include "locks/native_only.hpp"
#include "locks/registry.hpp"
#include "tests/workloads/rmap_counts.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

TEST(RmapCounts, ForkAndExit) {
    using W = ForkServer<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"grow_pages", 1}});
    const Counts counts(trial);
    EXPECT_EQ(counts.op(RmapOp::fork), kForks);
    EXPECT_EQ(counts.op(RmapOp::exit), kForks);
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::prepare), kFresh * kForks);
    EXPECT_EQ(counts.writes(RmapSite::expand), kForks);
    EXPECT_EQ(counts.writes(RmapSite::unlink), (kVmas + kFresh) * kForks);
    EXPECT_EQ(counts.writes(RmapSite::drain), 0U);  // nobody else holds a lock
}

// Calm and storm take turns; a storm is nothing but exits, one section a VMA each.
TEST(RmapCounts, Storms) {
    using W = ExitStorm<Native, Rwsem310<Native>>;
    constexpr std::uint64_t kChildren = 5;
    const TrialCounts trial = run_one<W>({{"children", kChildren}});
    const auto op = [&trial](std::string_view name) { return trial.op(W::info(), name); };
    EXPECT_EQ(op("fork"), kForks / 2);
    EXPECT_EQ(op("exit"), kForks / 2);
    EXPECT_EQ(op("storm"), kForks / 2 / kChildren);
    EXPECT_GT(op("storm_ns"), 0U);
    const Counts counts(trial);
    EXPECT_EQ(counts.writes(RmapSite::unlink), (kVmas + kFresh) * kForks / 2);
    EXPECT_EQ(counts.writes(RmapSite::drain), 0U);  // nobody else holds a lock
    // The calm between: two sections a VMA each.
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * kForks / 2);
    EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * kForks / 2);
}

// Where the lock has to be taken to know whether it is held, a storm drains once for each anon_vma that ends: the most
// that contention can bring.
TEST(RmapCounts, StormsDrainAtMostOnceAnAnonVma) {
    using W = ExitStorm<Native, StdSharedMutex<Native>>;
    const TrialCounts trial = run_one<W>({{"children", 5}});
    EXPECT_EQ(Counts(trial).writes(RmapSite::drain), (kVmas + kFresh / 2) * kForks / 2);
}

// What a child does besides: one section for its stack, two a buffer, and for its heap, which grows in two steps, the
// three of a VMA that is touched, grown and ended.
TEST(RmapCounts, ChildrenThatChangeTheirAddressSpace) {
    using W = Aim7<Native, Rwsem310<Native>>;
    constexpr std::uint64_t kBuffers = 3;
    const TrialCounts trial =
        run_one<W>({{"buffers", kBuffers}, {"brk_pages", 5}, {"touch_permille", 0}, {"source_touch_pages", 0}});
    const Counts counts(trial);
    EXPECT_EQ(trial.op(W::info(), "fork"), kForks);
    EXPECT_EQ(trial.op(W::info(), "brk"), 2 * kForks);
    EXPECT_EQ(trial.op(W::info(), "unmap"), kBuffers * kForks);
    EXPECT_EQ(counts.writes(RmapSite::adjust), kForks);
    EXPECT_EQ(counts.writes(RmapSite::expand), kForks);
    EXPECT_EQ(counts.writes(RmapSite::prepare), (1 + kFresh + kBuffers) * kForks);
    EXPECT_EQ(counts.writes(RmapSite::unlink), (kVmas + 1 + kFresh + kBuffers) * kForks);
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::drain), 0U);
    // Two pages of stack, five of heap, one a fresh VMA and one a buffer.
    EXPECT_EQ(trial.op(W::info(), "fault"), (2 + 5 + kFresh + kBuffers) * kForks);
}

// As deep as AIM7's users are: one section a VMA all the same, and one for a stack that is in three trees.
TEST(RmapCounts, GrandchildrenThatGrow) {
    using W = Aim7<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"generations", 3}, {"buffers", 0}});
    const Counts counts(trial);
    const std::uint64_t forks = kForks + 2;
    EXPECT_EQ(trial.op(W::info(), "fork"), forks);
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * forks);
    EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * forks);
    EXPECT_EQ(counts.writes(RmapSite::expand), kForks);
    EXPECT_EQ(counts.writes(RmapSite::adjust), kForks);
    EXPECT_EQ(counts.writes(RmapSite::unlink), kVmas * forks + (1 + kFresh) * kForks);
}

// A chain of d links is cloned in one section however long it is.
TEST(RmapCounts, OneSectionForAChainOfAnyLength) {
    using W = ForkServer<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"generations", 4}});
    const Counts counts(trial);
    const std::uint64_t forks = kForks + 3;
    EXPECT_EQ(counts.op(RmapOp::fork), forks);
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * forks);
    EXPECT_EQ(counts.writes(RmapSite::unlink), kVmas * forks + kFresh * kForks);
}

// If every allocation inside the lock fails, it is dropped and taken again before each link.
TEST(RmapCounts, FailedAllocationsDropTheLock) {
    using W = ForkServer<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"generations", 3}, {"nowait_fail_permille", 1000}});
    const Counts counts(trial);
    // Chains of 1, 2 and, for the children, 3 links.
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * (1 + 2 + 3 * std::uint64_t{kForks}));
    EXPECT_EQ(counts.op(RmapOp::avc_retry), counts.writes(RmapSite::clone));
}

// A lock that cannot be asked whether it is held is taken once for each anon_vma that ends.
TEST(RmapCounts, LocksWithoutTheQuestionAlwaysDrain) {
    using W = ForkServer<Native, StdSharedMutex<Native>>;
    const TrialCounts trial = run_one<W>({});
    // M anon_vmas of a child's own, and one for each pair of its fresh VMAs.
    EXPECT_EQ(Counts(trial).writes(RmapSite::drain), (kVmas + kFresh / 2) * kForks);
}

TEST(RmapCounts, ReclaimedPage) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"retouch_permille", 0}, {"swap_ns", 0}, {"ipi_ns", 0}});
    const Counts counts(trial);
    const std::uint64_t reclaimed = counts.op(RmapOp::page_reclaimed);
    ASSERT_GT(reclaimed, 0U);
    EXPECT_EQ(counts.op(RmapOp::walk_missed), 0U);
    EXPECT_EQ(counts.reads(RmapSite::referenced_active), counts.op(RmapOp::page_deactivated));
    EXPECT_EQ(counts.reads(RmapSite::referenced), counts.op(RmapOp::page_scanned));
    // Of the pages scanned, those found young by the first walk need no second one.
    EXPECT_EQ(counts.reads(RmapSite::unmap), counts.op(RmapOp::page_scanned) - counts.op(RmapOp::page_activated));
    EXPECT_EQ(counts.reads(RmapSite::unmap), reclaimed);
    EXPECT_GE(counts.op(RmapOp::entry_cleared), reclaimed);
}

TEST(RmapCounts, YoungPagesGoBack) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    const TrialCounts trial = run_one<W>({{"retouch_permille", 1000}, {"swap_ns", 0}, {"ipi_ns", 0}});
    EXPECT_GT(Counts(trial).op(RmapOp::page_activated), 0U);
}

TEST(RmapCounts, FlushesFollowTheModel) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    const auto flushes = [](std::int64_t tlb, std::int64_t running) {
        const TrialCounts trial =
            run_one<W>({{"tlb", tlb}, {"running_permille", running}, {"swap_ns", 0}, {"ipi_ns", 0}});
        return std::pair(Counts(trial).op(RmapOp::tlb_flush), Counts(trial).op(RmapOp::entry_cleared));
    };
    EXPECT_EQ(flushes(0, 1000).first, 0U);
    const auto [each, cleared] = flushes(1, 1000);
    EXPECT_EQ(each, cleared);
    const auto batched = flushes(2, 1000);
    EXPECT_GT(batched.first, 0U);
    EXPECT_LT(batched.first, batched.second / 4);
    EXPECT_EQ(flushes(1, 0).first, 0U);
    const auto [some, all] = flushes(1, 500);
    EXPECT_GT(some, 0U);
    EXPECT_LT(some, all);
}

using Migration = NumaMigration<Native, Rwsem310<Native>>;
TrialCounts migrate(std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
    ParamValues params = params_of<Migration>({{"ipi_ns", 0}, {"page_copy_ns", 0}});
    for (const auto& [key, value] : changes) {
        params[place_of(Migration::info().params, key, &ParamInfo::key)] = value;
    }
    TrialCounts counts = run_native<Migration>(params, 1, kForks);
    EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
    return counts;
}

// Two read sections a migrated page, and no write section at all once the first process stands.
TEST(RmapCounts, MigratedPage) {
    const TrialCounts trial = migrate({});
    const Counts counts(trial);
    const auto op = [&trial](std::string_view name) { return trial.op(Migration::info(), name); };
    const std::uint64_t migrated = op("page_migrated");
    ASSERT_GT(migrated, 0U);
    EXPECT_EQ(migrated + op("page_skipped"), kForks);  // a page that moved is on no list for a while
    EXPECT_EQ(op("fault"), kForks);
    EXPECT_EQ(counts.reads(RmapSite::migrate), migrated);
    EXPECT_EQ(counts.reads(RmapSite::restore), migrated);
    EXPECT_EQ(op("entry_migrated"), migrated);
    EXPECT_EQ(op("entry_restored"), migrated);
    EXPECT_EQ(op("tlb_flush"), migrated);
    for (const char* name : {"migration_failed", "migration_retry", "migration_wait", "walk_missed", "fork"}) {
        EXPECT_EQ(op(name), 0U) << name;
    }
    for (std::size_t site = 0; site < kRmapSiteNames.size(); ++site) {
        EXPECT_EQ(trial.site(site, Mode::write), 0U) << kRmapSiteNames[site];
    }
}

// A page that children share has a mapping in each of them; one that was written has only its writer's.
TEST(RmapCounts, EveryMappingMoves) {
    static constexpr std::int64_t kChildren = 3;
    const auto entries = [](std::int64_t write_permille) {
        const TrialCounts trial = migrate({{"children", kChildren}, {"write_permille", write_permille}});
        const auto op = [&trial](std::string_view name) { return trial.op(Migration::info(), name); };
        EXPECT_EQ(op("entry_restored"), op("entry_migrated"));
        EXPECT_EQ(op("fork"), std::uint64_t{kChildren});
        EXPECT_GT(op("page_migrated"), 0U);
        return std::pair(op("entry_migrated"), op("page_migrated"));
    };
    const auto [shared, shared_pages] = entries(0);
    EXPECT_EQ(shared, (1 + kChildren) * shared_pages);
    // What a turn writes is new and on no list yet: later turns move it.
    const auto [mixed, mixed_pages] = entries(900);
    EXPECT_LT(mixed, (1 + kChildren) * mixed_pages);
}

TEST(RmapCounts, CompactionMovesABatch) {
    const TrialCounts trial = migrate({{"compact_permille", 1000}, {"batch", 8}});
    EXPECT_EQ(trial.op(Migration::info(), "page_migrated"), 8 * std::uint64_t{kForks});
    EXPECT_EQ(trial.op(Migration::info(), "fault"), 0U);
}

TEST(RmapCounts, MigrationFlushesFollowTheModel) {
    const auto flushes = [](std::int64_t tlb) {
        const TrialCounts trial = migrate({{"tlb", tlb}, {"children", 1}, {"write_permille", 0}});
        return std::pair(trial.op(Migration::info(), "tlb_flush"), trial.op(Migration::info(), "page_migrated"));
    };
    EXPECT_EQ(flushes(0).first, 0U);
    const auto [each, pages] = flushes(1);
    EXPECT_EQ(each, 2 * pages);
    const auto [batched, same] = flushes(2);  // one before each copy
    EXPECT_EQ(batched, same);
}

// Where allocation fails the page stays and is whole.
TEST(RmapCounts, NoMemoryNoMove) {
    const TrialCounts trial = migrate({{"alloc_fail_permille", 500}});
    const auto op = [&trial](std::string_view name) { return trial.op(Migration::info(), name); };
    EXPECT_GT(op("migration_failed"), 0U);
    EXPECT_GT(op("page_migrated"), 0U);
    EXPECT_EQ(Counts(trial).reads(RmapSite::migrate), op("page_migrated"));
}

// Readers of an exclusive lock are counted as readers all the same.
TEST(RmapCounts, ExclusiveLocksServeReaders) {
    using W = ReclaimScan<Native, TicketLock<Native>>;
    const TrialCounts trial = run_one<W>({});
    EXPECT_GT(Counts(trial).reads(RmapSite::unmap), 0U);
    EXPECT_EQ(Counts(trial).writes(RmapSite::unmap), 0U);
}

}  // namespace
}  // namespace lockbench
