// SPDX-License-Identifier: MIT
// vma_adjust and file_mkclean on real threads, with locks of each kind: the maps stay whole and no store is lost.
// (Every lock meets them under seeded schedules.)
#include <gtest/gtest.h>

#include "locks/native_only.hpp"
#include "locks/registry.hpp"
#include "tests/workloads/native_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

constexpr std::uint32_t kSteps = 160;

template <class L>
class ChangesNative : public testing::Test {};
using SomeLocks = testing::Types<TicketLock<Native>, QrwLock<Native, SubWord::mixed>, Mutex310<Native>,
                                 Rwsem310<Native>, StdSharedMutex<Native>>;
TYPED_TEST_SUITE(ChangesNative, SomeLocks);

TYPED_TEST(ChangesNative, ChangedVmasKeepTheMapWhole) {
    using W = VmaAdjust<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 3U}) {
        const ParamValues params = params_of<W>({{"form", threads == 1 ? 0 : 1}, {"compact_permille", 100}});
        const TrialCounts counts = run_native<W>(params, threads, kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        EXPECT_GT(counts.op(W::info(), "vma_merged"), 0U);
        EXPECT_GT(counts.op(W::info(), "page_migrated"), 0U);
    }
}

TYPED_TEST(ChangesNative, WritebackLosesNoStore) {
    using W = FileMkclean<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 3U}) {
        const ParamValues params = params_of<W>(
            {{"form", threads == 1 ? 0 : 1}, {"touch_permille", 300}, {"truncate_permille", 100}, {"swap_ns", 0}});
        const TrialCounts counts = run_native<W>(params, threads, kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        EXPECT_GT(counts.op(W::info(), "fork"), 0U);
        // One thread plays all roles; of several the one that writes back may be through before others have stored.
        for (const char* name : {"page_written", "truncation"}) {
            EXPECT_TRUE(threads > 1 || counts.op(W::info(), name) > 0) << name;
        }
    }
}

TEST(ChangesNativeHomes, HomesOfFilesAreTold) {
    using W = FileMkclean<Native, TicketLock<Native>>;
    const auto bytes = homes_of<W>();
    EXPECT_GT(bytes[static_cast<std::size_t>(HomeKind::lock)], 0U);
    EXPECT_GT(bytes[static_cast<std::size_t>(HomeKind::data)], 0U);
}

}  // namespace
}  // namespace lockbench
