// SPDX-License-Identifier: MIT
// pageable_reclaim under seeded schedules: every legal cell of the table of policies, devices and locks keeps the
// invariants, with every lock; every illegal one breaks, and it is seen how.
#include <gtest/gtest.h>

#include <string>

#include "locks/registry.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/coop_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

CoopOptions options_for(std::uint64_t seed, unsigned threads) {
    return {.seed = seed, .threads = threads, .max_steps = 4'000'000};
}

// Few pages, so that reclaim, forks and the device meet on them.
template <class W>
ParamValues few_pages(CallPolicy policy, DeviceKind client, std::uint64_t seed) {
    const auto pick = [seed](std::uint64_t salt, std::int64_t among) {
        return static_cast<std::int64_t>(RandomStream(seed * 16 + salt).below(static_cast<std::uint32_t>(among)));
    };
    return params_of<W>({{"anon_vmas", 1 + pick(0, 2)},
                         {"fresh_vmas", 0},
                         {"file_vmas", 0},
                         {"pages_per_vma", 1 + pick(1, 4)},
                         {"children", pick(2, 3)},
                         {"generations", 1 + pick(3, 2)},
                         {"touch_permille", 300},
                         {"source_touch_pages", 1},
                         {"alloc_fail_permille", pick(5, 3) == 0 ? 50 : 0},
                         {"batch", 4},
                         {"tlb", pick(6, 3)},
                         {"ipi_ns", 10},
                         {"swap_ns", 10},
                         {"client", static_cast<std::int64_t>(client)},
                         {"policy", static_cast<std::int64_t>(policy)},
                         {"device_ns", 20},
                         {"slow_permille", 100},
                         {"slow_ns", 200},
                         {"burst", 6},
                         {"access_ns", 5}});
}

template <class L>
using Pageable = PageableReclaim<Coop, L>;

template <class L>
class PageableCoop : public testing::Test {};
TYPED_TEST_SUITE(PageableCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(PageableCoop, LegalCellsKeepTheDeviceConsistent) {
    using W = Pageable<TypeParam>;
    const unsigned seeds = test::seeds(12);
    for (std::size_t policy = 0; policy < kCallPolicies; ++policy) {
        for (std::size_t client = 0; client < kDeviceKinds; ++client) {
            const auto as = static_cast<CallPolicy>(policy);
            const auto kind = static_cast<DeviceKind>(client);
            if (!illegal_because(as, kind, TypeParam::kInfo.kind).empty()) {
                continue;
            }
            for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
                const auto threads = static_cast<unsigned>(2 + seed % 4);
                const CoopTrial trial = run_coop_trial<W>(options_for(seed, threads), few_pages<W>(as, kind, seed), 4);
                ASSERT_TRUE(trial.passed()) << kCallPolicyNames[policy] << " " << kDeviceNames[client] << " seed "
                                            << seed << ": " << trial.failures();
            }
        }
    }
}

}  // namespace
}  // namespace lockbench
