// SPDX-License-Identifier: MIT
// file_mkclean under seeded schedules: no store is lost, no page that was cut off stays mapped, with every lock; each
// rule of it is needed. And what it takes, counted on one thread.
#include <gtest/gtest.h>

#include <map>

#include "locks/registry.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/rule_search.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

// Few pages, so that all meet on them.
template <class W>
ParamValues few_pages(std::uint64_t seed) {
    const Pick pick(seed);
    return params_of<W>({{"form", pick(0, 2)},
                         {"files", 1 + pick(1, 2)},
                         {"file_vmas", 1 + pick(2, 3)},
                         {"pages_per_vma", 1 + pick(3, 3)},
                         {"children", pick(4, 3)},
                         {"touch_permille", 700},
                         {"batch", 3},
                         {"tlb", pick(5, 3)},
                         {"running_permille", 500},
                         {"ipi_ns", 10},
                         {"swap_ns", 10},
                         {"truncate_permille", 300}});
}

template <class L>
class FilesCoop : public testing::Test {};
TYPED_TEST_SUITE(FilesCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(FilesCoop, NoStoreIsLost) {
    using W = FileMkclean<Coop, TypeParam>;
    const unsigned seeds = test::seeds(40);
    std::map<std::string_view, std::uint64_t> sums;
    std::uint64_t met = 0;  // sections of truncations
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 5);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), few_pages<W>(seed), 4);
        ASSERT_TRUE(trial.passed()) << "seed " << seed << ": " << trial.failures();
        for (const OpInfo& op : W::info().ops) {
            sums[op.name] += trial.counts.op(W::info(), op.name);
        }
        met += trial.counts.site(static_cast<std::size_t>(FileSite::truncate), Mode::read);
        met += trial.counts.site(static_cast<std::size_t>(FileSite::truncate), Mode::write);
    }
    for (const OpInfo& op : W::info().ops) {
        EXPECT_GT(sums[op.name], seeds / 4) << op.name;
    }
    EXPECT_GE(met, 2 * sums["truncation"]);  // more where pages were mapped anew between the rounds
}

// Each rule is taken away in turn.
struct NoRecheck : FaithfulFiles {
    static constexpr bool kRecheckMapping = false;
};
struct CleansUnlocked : FaithfulFiles {
    static constexpr bool kCleanUnderLock = false;
};
struct UnmapsOnce : FaithfulFiles {
    static constexpr bool kUnmapLockedPage = false;
};
struct WritesUncleaned : FaithfulFiles {
    static constexpr bool kCleanBeforeWrite = false;
};

template <class L, class Q>
CoopTrial scene(std::uint64_t seed) {
    using W = FileMkclean<Coop, L, FileEnv<Coop, L>, Q>;
    return run_coop_trial<W>(rmap_options(seed, 3), few_pages<W>(seed), 4);
}

template <class L>
class FileFaults : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(FileFaults, BothKinds);

template <class L, class Q>
void expect_needed() {
    EXPECT_NE(search(&scene<L, Q>, 2000).seed, 0U);
    EXPECT_EQ(search(&scene<L, FaithfulFiles>, 200).text, "");
}
TYPED_TEST(FileFaults, FaultsOnPagesThatWereCutOff) { expect_needed<TypeParam, NoRecheck>(); }
TYPED_TEST(FileFaults, WalksWithoutTheLock) { expect_needed<TypeParam, CleansUnlocked>(); }
TYPED_TEST(FileFaults, PagesMappedBetweenTheRounds) { expect_needed<TypeParam, UnmapsOnce>(); }
TYPED_TEST(FileFaults, PagesWrittenBackWhileTheyMayBeWritten) { expect_needed<TypeParam, WritesUncleaned>(); }

// One section a VMA at fork and exit, one a page that is written, two a truncation that nobody disturbs; writers all in
// 3.12's form, walkers readers in today's.
TEST(FileSections, OnOneThread) {
    using W = FileMkclean<Coop, Rwsem310<Coop>>;
    constexpr std::uint64_t kFileVmas = 3;
    for (const std::int64_t form : {0, 1}) {
        const ParamValues params = params_of<W>({{"form", form},
                                                 {"file_vmas", kFileVmas},
                                                 {"pages_per_vma", 4},
                                                 {"children", 2},
                                                 {"touch_permille", 500},
                                                 {"tlb", 1},
                                                 {"running_permille", 1000},
                                                 {"truncate_permille", 200}});
        const CoopTrial trial = run_coop_trial<W>(rmap_options(1, 1), params, 60);
        ASSERT_TRUE(trial.passed()) << trial.failures();
        const auto op = [&trial](std::string_view name) { return trial.counts.op(W::info(), name); };
        const auto site = [&trial](FileSite which, Mode mode) {
            return trial.counts.site(static_cast<std::size_t>(which), mode);
        };
        const Mode walks = form == 0 ? Mode::write : Mode::read;
        const Mode never = form == 0 ? Mode::read : Mode::write;
        EXPECT_GT(op("page_written"), 0U);
        EXPECT_GT(op("truncation"), 0U);
        EXPECT_GT(op("page_truncated"), 0U);
        EXPECT_EQ(site(FileSite::mkclean, walks), op("page_written"));
        EXPECT_EQ(site(FileSite::truncate, walks), 2 * op("truncation"));
        EXPECT_EQ(site(FileSite::mkclean, never) + site(FileSite::truncate, never), 0U);
        EXPECT_EQ(site(FileSite::dup, Mode::write), kFileVmas * op("fork"));
        EXPECT_EQ(site(FileSite::unlink, Mode::write), kFileVmas * op("fork"));
        EXPECT_GE(op("tlb_flush"), op("entry_cleaned"));
    }
}

}  // namespace
}  // namespace lockbench
