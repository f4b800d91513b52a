// SPDX-License-Identifier: MIT
// rw_mix on real threads: counters equal the writes with every lock, the shares are those asked for, and a lock that
// does not exclude is refused.
#include <gtest/gtest.h>

#include "tests/support/native_locks.hpp"
#include "tests/workloads/native_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

template <class L>
class RwMixNative : public testing::Test {};
TYPED_TEST_SUITE(RwMixNative, test::NativeLocks);

TYPED_TEST(RwMixNative, CountersEqualTheWrites) {
    using W = RwMix<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 2U}) {
        const TrialCounts counts = run_native<W>(
            params_of<W>({{"read_permille", 500}, {"think_ns", 0}, {"read_hold_ns", 0}, {"lines", 3}}), threads, 2000);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        EXPECT_EQ(counts.op(0) + counts.op(1), 2000 * threads);
        EXPECT_EQ(counts.site(0, Mode::read), counts.op(0));
        EXPECT_EQ(counts.site(1, Mode::write), counts.op(1));
    }
}

TEST(RwMixParams, SharesAreKept) {
    using W = RwMix<Native, TicketLock<Native>>;
    const auto reads = [](std::int64_t permille) {
        return run_native<W>(params_of<W>({{"read_permille", permille}, {"think_ns", 0}}), 1, 4000).op(0);
    };
    EXPECT_EQ(reads(0), 0U);
    EXPECT_EQ(reads(1000), 4000U);
    const std::uint64_t most = reads(900);
    EXPECT_GT(most, 3500U);  // 3600, with a standard deviation of 19
    EXPECT_LT(most, 3700U);
}

TEST(RwMixParams, HoldAndThinkTakeTheirTime) {
    using W = RwMix<Native, TicketLock<Native>>;
    const auto run = [](std::int64_t hold, std::int64_t think) {
        const std::uint64_t begin = native::monotonic_ns();
        run_native<W>(
            params_of<W>(
                {{"read_permille", 500}, {"read_hold_ns", hold}, {"write_hold_ns", hold}, {"think_ns", think}}),
            1, 200);
        return native::monotonic_ns() - begin;
    };
    // 200 sections of 50 us cannot take less than half of that, however the loop was calibrated.
    EXPECT_GT(run(50'000, 0), 5'000'000U);
    EXPECT_GT(run(0, 50'000), 5'000'000U);
}

// A thread that loses its CPU in the middle of a write is enough for a torn read, whatever the load of the host. Lost
// writes and the broken lock need two threads within a few instructions of each other: rw_mix_coop_test makes them
// meet. Under TSan the race itself is reported before.
TEST(RwMixControls, NullLockTearsReads) {
    if (native::kTsan) {
        return;
    }
    using W = RwMix<Native, NullLock<Native>>;
    bool torn = false;
    for (std::uint64_t seed = 1; seed <= 2000 && !torn; ++seed) {
        const ParamValues params = params_of<W>(
            {{"read_permille", 300}, {"think_ns", 0}, {"read_hold_ns", 3000}, {"write_hold_ns", 3000}, {"lines", 2}});
        torn = run_native<W>(params, 2, 3000, seed).failures().find("half done") != std::string::npos;
    }
    EXPECT_TRUE(torn);
}

TEST(RwMixLayout, LockAndDataLieApart) {
    using W = RwMix<Native, TicketLock<Native>>;
    native::World::get().begin_trial({kAnyNode}, 1);
    {
        W workload(TrialSetup{default_params(W::info()), 1, 1, {}});
        int homes[2] = {};
        workload.for_each_home(
            [&homes](HomeKind kind, const void*, std::size_t) { ++homes[static_cast<std::size_t>(kind)]; });
        EXPECT_EQ(homes[static_cast<std::size_t>(HomeKind::lock)], 1);
        EXPECT_EQ(homes[static_cast<std::size_t>(HomeKind::data)], 1);
    }
    native::World::get().end_trial();
}

}  // namespace
}  // namespace lockbench
