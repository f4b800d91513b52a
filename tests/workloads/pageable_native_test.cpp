// SPDX-License-Identifier: MIT
// pageable_reclaim on real threads: legal cells find nothing wrong, and what an illegal one breaks is counted and fails
// the trial.
#include <gtest/gtest.h>

#include <string>

#include "locks/qrwlock.hpp"
#include "locks/rwsem.hpp"
#include "locks/ticket.hpp"
#include "tests/workloads/native_trial.hpp"
#include "workloads/pageable_reclaim.hpp"

namespace lockbench {
namespace {

template <class W>
TrialCounts run_cell(CallPolicy policy, DeviceKind client, std::uint32_t threads, std::uint32_t steps) {
    return run_native<W>(params_of<W>({{"anon_vmas", 2},
                                       {"children", 2},
                                       {"swap_ns", 0},
                                       {"ipi_ns", 0},
                                       {"access_ns", 0},
                                       {"client", static_cast<std::int64_t>(client)},
                                       {"policy", static_cast<std::int64_t>(policy)},
                                       {"device_ns", 2000},
                                       {"slow_ns", 20'000}}),
                         threads, steps);
}

template <class L>
class PageableNative : public testing::Test {};
using Locks = testing::Types<TicketLock<Native>, QrwLock<Native, SubWord::mixed>, Rwsem<Native>>;
TYPED_TEST_SUITE(PageableNative, Locks);

TYPED_TEST(PageableNative, LegalCellsAreClean) {
    using W = PageableReclaim<Native, TypeParam>;
    for (std::size_t policy = 0; policy < kCallPolicies; ++policy) {
        for (const DeviceKind client : {DeviceKind::kvm, DeviceKind::rdma, DeviceKind::gpu}) {
            if (!illegal_because(static_cast<CallPolicy>(policy), client, TypeParam::kInfo.kind).empty()) {
                continue;
            }
            const TrialCounts counts = run_cell<W>(static_cast<CallPolicy>(policy), client, 2, 30);
            const std::string cell = std::string(kCallPolicyNames[policy]) + " " + std::string(info_of(client).name);
            EXPECT_TRUE(counts.verdict.passed()) << cell << ": " << counts.failures();
            EXPECT_EQ(counts.op(W::info(), "illegal_access"), 0U) << cell;
            EXPECT_GT(counts.op(W::info(), "device_access"), 0U) << cell;
            EXPECT_GT(counts.op(W::info(), "page_reclaimed"), 0U) << cell;
        }
    }
}

// A sleep inside a spinning lock is counted even where nobody else happens to spin.
TYPED_TEST(PageableNative, ASleepInsideASpinningLockFailsTheTrial) {
    using W = PageableReclaim<Native, TypeParam>;
    const CallPolicy policy = TypeParam::kInfo.kind == WaitKind::spin ? CallPolicy::a0 : CallPolicy::pte;
    const TrialCounts counts = run_cell<W>(policy, DeviceKind::rdma, 1, 60);
    EXPECT_FALSE(counts.verdict.passed());
    EXPECT_NE(counts.failures().find("slept where nobody may sleep"), std::string::npos) << counts.failures();
    EXPECT_GT(counts.op(W::info(), "illegal_access"), 0U);
}

// "Just unlock first": within some trials the device uses a page that was freed or copied. Under TSan the race itself
// is reported before.
TYPED_TEST(PageableNative, ACallWithoutReferencesFailsTheTrial) {
    if (native::kTsan) {
        GTEST_SKIP() << "TSan reports the race itself";
    }
    using W = PageableReclaim<Native, TypeParam>;
    constexpr int kTrials = 50;
    std::string failures;
    for (int trial = 0; trial < kTrials && failures.find("I8") == std::string::npos; ++trial) {
        failures = run_cell<W>(CallPolicy::late, DeviceKind::rdma, 2, 60).failures();
    }
    EXPECT_NE(failures.find("I8"), std::string::npos) << failures;
}

}  // namespace
}  // namespace lockbench
