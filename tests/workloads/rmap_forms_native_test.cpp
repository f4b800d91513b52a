// SPDX-License-Identifier: MIT
// Acquisitions of the root lock per kernel operation in both forms: what today's kernel does otherwise than 3.12, and
// what it does alike.
#include <gtest/gtest.h>

#include "locks/registry.hpp"
#include "tests/workloads/rmap_counts.hpp"

namespace lockbench {
namespace {

using Server = ForkServer<Native, Rwsem310<Native>>;
constexpr std::int64_t kForms[] = {0, 1};
constexpr std::int64_t kToday = 1;
constexpr std::int64_t kOff = 1;
constexpr std::int64_t kOn = 2;

// Below a first process nothing can be adopted: two sections a VMA and fork, one an exit, in both.
TEST(RmapForms, PreforkTakesAsManySections) {
    for (const std::int64_t form : kForms) {
        const TrialCounts trial = run_one<Server>({{"form", form}, {"grow_pages", 1}});
        const Counts counts(trial);
        EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * kForks);
        EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * kForks);
        EXPECT_EQ(counts.writes(RmapSite::prepare), kFresh * kForks);
        EXPECT_EQ(counts.writes(RmapSite::expand), kForks);
        EXPECT_EQ(counts.writes(RmapSite::unlink), (kVmas + kFresh) * kForks);
        EXPECT_EQ(counts.writes(RmapSite::drain), 0U);
        EXPECT_EQ(counts.op(RmapOp::avc_linked), 2 * kVmas * kForks);
        EXPECT_EQ(counts.op(RmapOp::anon_vma_reused), 0U);
    }
}

// One section for a chain of any length; no allocation is left to fail inside it.
TEST(RmapForms, TodaysLinksAreAllocatedBeforeTheLock) {
    for (const std::int64_t form : kForms) {
        const TrialCounts trial = run_one<Server>({{"form", form}, {"generations", 3}, {"nowait_fail_permille", 1000}});
        const Counts counts(trial);
        const std::uint64_t forks = 2 + std::uint64_t{kForks};
        const std::uint64_t links = 1 + 2 + 3 * std::uint64_t{kForks};  // of one VMA, but for its own anon_vma
        EXPECT_EQ(counts.op(RmapOp::fork), forks);
        EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * (form == kToday ? forks : links));
        EXPECT_EQ(counts.op(RmapOp::avc_retry), form == kToday ? 0 : kVmas * links);
        // All ancestors live and have their anon_vmas in use.
        EXPECT_EQ(counts.writes(RmapSite::fork_own), kVmas * forks);
        EXPECT_EQ(counts.op(RmapOp::avc_linked), kVmas * (links + forks));
    }
}

struct Daemon {
    std::uint64_t own = 0;
    std::uint64_t reused = 0;
    std::uint64_t linked = 0;
};
// A process forks, its child takes its place, and so on.
Daemon daemon(std::int64_t form, std::int64_t reuse) {
    const TrialCounts trial = run_one<Server>(
        {{"form", form}, {"fork_reuse", reuse}, {"succeed_permille", 1000}, {"fresh_vmas", 0}, {"children", 0}});
    const Counts counts(trial);
    EXPECT_EQ(counts.op(RmapOp::fork), kForks);
    EXPECT_EQ(counts.op(RmapOp::exit), kForks - 1);  // the last one goes with the trial
    EXPECT_EQ(counts.writes(RmapSite::clone), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::unlink), kVmas * kForks);
    EXPECT_EQ(counts.writes(RmapSite::fork_own) + counts.op(RmapOp::anon_vma_reused), kVmas * kForks);
    return {counts.writes(RmapSite::fork_own), counts.op(RmapOp::anon_vma_reused), counts.op(RmapOp::avc_linked)};
}

// With reuse the chain has three links for ever: the root's, and two that take turns. The third fork is the first to
// find one without a user.
TEST(RmapForms, ReuseKeepsADaemonsChainShort) {
    const std::uint64_t n = kForks;
    for (const auto& [form, reuse] : {std::pair<std::int64_t, std::int64_t>{kToday, 0}, {0, kOn}, {kToday, kOn}}) {
        const Daemon with = daemon(form, reuse);
        EXPECT_EQ(with.own, 2 * kVmas);
        EXPECT_EQ(with.reused, (n - 2) * kVmas);
        EXPECT_EQ(with.linked, (2 + 3 * (n - 1)) * kVmas);
    }
    for (const auto& [form, reuse] : {std::pair<std::int64_t, std::int64_t>{0, 0}, {0, kOff}, {kToday, kOff}}) {
        const Daemon without = daemon(form, reuse);
        EXPECT_EQ(without.own, n * kVmas);
        EXPECT_EQ(without.reused, 0U);
        EXPECT_EQ(without.linked, n * (n + 3) / 2 * kVmas);
    }
}

// Where nobody holds a root, no walk is given up, and a reclaimed page costs as many sections in both forms.
TEST(RmapForms, UncontendedReclaimIsAlike) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    std::uint64_t reclaimed[2] = {};
    for (const std::int64_t form : kForms) {
        const TrialCounts trial =
            run_one<W>({{"form", form}, {"retouch_permille", 0}, {"swap_ns", 0}, {"ipi_ns", 0}, {"fork_share", 1}});
        const Counts counts(trial);
        reclaimed[form] = counts.op(RmapOp::page_reclaimed);
        EXPECT_EQ(counts.reads(RmapSite::referenced_active), counts.op(RmapOp::page_deactivated));
        EXPECT_EQ(counts.reads(RmapSite::referenced), counts.op(RmapOp::page_scanned));
        EXPECT_EQ(counts.reads(RmapSite::unmap), reclaimed[form]);
        for (const RmapOp none : {RmapOp::walk_given_up, RmapOp::page_rotated, RmapOp::rotated_unused}) {
            EXPECT_EQ(counts.op(none), 0U);
        }
    }
    EXPECT_GT(reclaimed[0], 0U);
    EXPECT_EQ(reclaimed[0], reclaimed[1]);
}

// The flush follows the form unless it is named.
TEST(RmapForms, FlushesOfTheForm) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    const auto flushes = [](std::int64_t form, std::int64_t tlb) {
        const TrialCounts trial =
            run_one<W>({{"form", form}, {"tlb", tlb}, {"running_permille", 1000}, {"swap_ns", 0}, {"ipi_ns", 0}});
        return Counts(trial).op(RmapOp::tlb_flush);
    };
    const auto asks = [](TlbModel model) { return static_cast<std::int64_t>(model); };
    EXPECT_EQ(flushes(0, asks(TlbModel::as_form)), flushes(0, asks(TlbModel::per_pte_ipi)));
    EXPECT_EQ(flushes(kToday, asks(TlbModel::as_form)), flushes(kToday, asks(TlbModel::batched)));
    EXPECT_LT(flushes(kToday, asks(TlbModel::as_form)), flushes(kToday, asks(TlbModel::per_pte_ipi)) / 4);
    EXPECT_EQ(default_params(W::info()), (params_of<W>({{"tlb", asks(TlbModel::as_form)}, {"form", 0}})));
}

// A migrated page costs two read sections in both forms.
TEST(RmapForms, MigratedPage) {
    using W = NumaMigration<Native, Rwsem310<Native>>;
    for (const std::int64_t form : kForms) {
        const TrialCounts trial =
            run_native<W>(params_of<W>({{"form", form}, {"ipi_ns", 0}, {"page_copy_ns", 0}}), 1, kForks);
        EXPECT_TRUE(trial.verdict.passed()) << trial.failures();
        const std::uint64_t migrated = trial.op(W::info(), "page_migrated");
        EXPECT_GT(migrated, 0U);
        EXPECT_EQ(Counts(trial).reads(RmapSite::migrate), migrated);
        EXPECT_EQ(Counts(trial).reads(RmapSite::restore), migrated);
    }
}

}  // namespace
}  // namespace lockbench
