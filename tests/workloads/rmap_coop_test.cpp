// SPDX-License-Identifier: MIT
// The rmap workloads under seeded schedules: concurrent forks, exits, faults and reclaim keep the invariants with every
// lock, with 2 to 8 threads, whatever the host has.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "locks/registry.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/coop_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

std::uint64_t seeds() { return std::getenv("LOCKBENCH_LONG") != nullptr ? 3000 : 100; }

// Small trees, so that a schedule meets many different moments of them.
template <class W>
ParamValues small_params(std::uint64_t seed) {
    const Pick pick(seed);
    ParamValues params = params_of<W>({{"anon_vmas", 1 + pick(0, 2)},
                                       {"fresh_vmas", pick(1, 3)},
                                       {"file_vmas", pick(2, 2)},
                                       {"pages_per_vma", 1 + pick(3, 3)},
                                       {"children", pick(4, 3)},
                                       {"generations", 1 + pick(5, 3)},
                                       {"touch_permille", 400},
                                       {"grow_pages", pick(6, 2)},
                                       {"write_hold_ns", pick(7, 2) * 20},
                                       {"nowait_fail_permille", pick(8, 2) * 200},
                                       {"alloc_fail_permille", pick(9, 3) == 0 ? 50 : 0},
                                       {"form", pick(10, 2)}});
    return params;
}
template <class W>
ParamValues small_reclaim_params(std::uint64_t seed) {
    ParamValues params = small_params<W>(seed);
    params[static_cast<std::size_t>(RmapParam::batch)] = 4;
    params[static_cast<std::size_t>(RmapParam::tlb)] = static_cast<std::int64_t>(seed % 3);
    params[static_cast<std::size_t>(RmapParam::running)] = 500;
    params[static_cast<std::size_t>(RmapParam::ipi_ns)] = 10;
    params[static_cast<std::size_t>(RmapParam::swap_ns)] = 10;
    return params;
}

struct Sums {
    std::uint64_t runs = 0;
    std::uint64_t forks = 0;
    std::uint64_t reclaimed = 0;
    std::uint64_t drains = 0;
    std::uint64_t try_failed = 0;
    std::uint64_t walk_missed = 0;
    std::uint64_t fork_failed = 0;
    std::uint64_t avc_retry = 0;

    void add(const TrialCounts& counts) {
        ++runs;
        forks += counts.op(static_cast<std::size_t>(RmapOp::fork));
        reclaimed += counts.op(static_cast<std::size_t>(RmapOp::page_reclaimed));
        walk_missed += counts.op(static_cast<std::size_t>(RmapOp::walk_missed));
        fork_failed += counts.op(static_cast<std::size_t>(RmapOp::fork_failed));
        avc_retry += counts.op(static_cast<std::size_t>(RmapOp::avc_retry));
        drains += counts.site(static_cast<std::size_t>(RmapSite::drain), Mode::write);
        for (const auto& stats : counts.threads) {
            for (const std::uint64_t failed : stats->try_failed) {
                try_failed += failed;
            }
        }
    }
};

template <class L>
class RmapCoop : public testing::Test {};

TYPED_TEST_SUITE(RmapCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(RmapCoop, ForksAndExitsKeepTheMapWhole) {
    using W = ForkServer<Coop, TypeParam>;
    Sums sums;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 7);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), small_params<W>(seed), 2);
        ASSERT_TRUE(trial.passed()) << trial.failures();
        sums.add(trial.counts);
    }
    EXPECT_GT(sums.forks, seeds() * 2);
    EXPECT_GT(sums.avc_retry, 0U);
    EXPECT_GT(sums.fork_failed, 0U);
}

TYPED_TEST(RmapCoop, GrowthAndBuffersKeepTheMapWhole) {
    using W = Aim7<Coop, TypeParam>;
    std::uint64_t heaps = 0;
    std::uint64_t buffers = 0;
    std::uint64_t lost_races = 0;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        ParamValues params = small_params<W>(seed);
        params[place_of(W::info().params, "brk_pages", &ParamInfo::key)] = static_cast<std::int64_t>(seed % 3);
        params[place_of(W::info().params, "buffers", &ParamInfo::key)] = static_cast<std::int64_t>(seed % 2);
        const auto threads = static_cast<unsigned>(2 + seed % 7);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), params, 2);
        ASSERT_TRUE(trial.passed()) << trial.failures();
        heaps += trial.counts.op(W::info(), "brk");
        buffers += trial.counts.op(W::info(), "unmap");
        lost_races += trial.slow_writes;
    }
    EXPECT_GT(heaps, seeds());
    EXPECT_GT(buffers, seeds());
    EXPECT_GT(lost_races, 0U);  // they met at the roots
}

TYPED_TEST(RmapCoop, StormsOfExitsKeepTheMapWhole) {
    using W = ExitStorm<Coop, TypeParam>;
    std::uint64_t storms = 0;
    std::uint64_t drains = 0;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 7);
        ParamValues params = small_params<W>(seed);
        std::int64_t& children = params[static_cast<std::size_t>(RmapParam::children)];
        children = std::max<std::int64_t>(children, 1);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), params, 8);
        ASSERT_TRUE(trial.passed()) << trial.failures();
        const auto op = [&trial](std::string_view name) { return trial.counts.op(W::info(), name); };
        EXPECT_GE(op("exit"), op("storm") * threads * static_cast<std::uint64_t>(children)) << "seed " << seed;
        storms += op("storm");
        drains += trial.counts.site(static_cast<std::size_t>(RmapSite::drain), Mode::write);
    }
    EXPECT_GT(storms, seeds() / 4);
    EXPECT_GT(drains, 0U);  // exits met at one root
}

TYPED_TEST(RmapCoop, ReclaimBesideForksKeepsTheMapWhole) {
    using W = ReclaimScan<Coop, TypeParam>;
    Sums sums;
    for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 7);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), small_reclaim_params<W>(seed), 3);
        ASSERT_TRUE(trial.passed()) << trial.failures();
        sums.add(trial.counts);
    }
    EXPECT_GT(sums.forks, seeds());
    EXPECT_GT(sums.reclaimed, seeds());
    // The rare ways of the walk are gone, not only the common one.
    EXPECT_GT(sums.try_failed, 0U);
    EXPECT_GT(sums.walk_missed, 0U);
    EXPECT_GT(sums.drains, 0U);
}

// A lock that does not exclude is found.
template <class L>
class RmapCoopControls : public testing::Test {};
TYPED_TEST_SUITE(RmapCoopControls, TypesOf<ControlLocks<Coop>>::type);

TYPED_TEST(RmapCoopControls, AreRefused) {
    using W = ForkServer<Coop, TypeParam>;
    bool found = false;
    for (std::uint64_t seed = 1; seed <= 100 && !found; ++seed) {
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, 3), small_params<W>(seed), 2);
        found = !trial.passed();
    }
    EXPECT_TRUE(found);
}

}  // namespace
}  // namespace lockbench
