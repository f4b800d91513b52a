// SPDX-License-Identifier: MIT
// rw_mix under seeded schedules, with every lock and with those that do not exclude.
#include <gtest/gtest.h>

#include "locks/registry.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/coop_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

template <class W>
CoopTrial run_mix(std::uint64_t seed) {
    return run_coop_trial<W>(
        {.seed = seed, .threads = static_cast<unsigned>(2 + seed % 7)},
        params_of<W>(
            {{"read_permille", 500}, {"think_ns", 5}, {"read_hold_ns", 5}, {"write_hold_ns", 5}, {"lines", 2}}),
        6);
}

template <class L>
class RwMixCoop : public testing::Test {};
TYPED_TEST_SUITE(RwMixCoop, TestedOf<AllLocks<Coop>>);
TYPED_TEST(RwMixCoop, CountersEqualTheWrites) {
    using W = RwMix<Coop, TypeParam>;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        const CoopTrial trial = run_mix<W>(seed);
        ASSERT_TRUE(trial.passed()) << trial.failures();
    }
}

template <class L>
class RwMixCoopControls : public testing::Test {};
TYPED_TEST_SUITE(RwMixCoopControls, TypesOf<ControlLocks<Coop>>::type);
TYPED_TEST(RwMixCoopControls, AreRefused) {
    bool found = false;
    for (std::uint64_t seed = 1; seed <= 50 && !found; ++seed) {
        found = !run_mix<RwMix<Coop, TypeParam>>(seed).passed();
    }
    EXPECT_TRUE(found);
}

}  // namespace
}  // namespace lockbench
