// SPDX-License-Identifier: MIT
// pageable_reclaim on a simulated machine: the same source runs there, legal cells are clean, and sleeping under a lock
// whose waiters spin costs what the debate feared.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>

#include "locks/qrwlock.hpp"
#include "locks/rwsem_3_10.hpp"
#include "tests/support/sim_scene.hpp"
#include "tests/workloads/trial_counts.hpp"
#include "workloads/pageable_reclaim.hpp"

namespace lockbench {
namespace {

constexpr std::uint32_t kThreads = 6;
constexpr Nanoseconds kWindow = 3'000'000;

// Two nodes of four CPUs; six threads, two of each role.
template <class W>
TrialCounts simulate(CallPolicy policy, DeviceKind client) {
    const ParamValues params = params_of<W>({{"anon_vmas", 2},
                                             {"children", 2},
                                             {"client", static_cast<std::int64_t>(client)},
                                             {"policy", static_cast<std::int64_t>(policy)}});
    test::Stage stage(test::small_machine(2, 4), kThreads);
    W& workload = sim::make_local<W>(TrialSetup{params, kThreads, 1, {}});
    const std::vector<RoleId> roles = roles_of(W::info(), params, kThreads);
    TrialCounts counts;
    std::deque<Ctx<Sim>> contexts;
    for (ThreadId tid = 0; tid < kThreads; ++tid) {
        counts.threads.push_back(std::make_unique<ThreadStats>());
        contexts.emplace_back(tid, 1, 1, *counts.threads.back(), nullptr);
    }
    const sim::RunEnd end = stage.run([&](ThreadId tid) {
        auto& thread = sim::make_local<typename W::Thread>(workload, contexts[tid], roles[tid]);
        while (Sim::now() < kWindow) {
            workload.step(thread);
        }
        workload.finish(thread);
        std::destroy_at(&thread);
    });
    counts.verdict.expect(end == sim::RunEnd::done, "the run did not end");
    if (counts.verdict.passed()) {
        workload.verify(counts.verdict);
        std::destroy_at(&workload);
    }
    return counts;
}

TEST(PageableSim, LegalCellsAreClean) {
    using Sleeping = PageableReclaim<Sim, Rwsem310<Sim>>;
    using Spinning = PageableReclaim<Sim, QrwLock<Sim, SubWord::mixed>>;
    for (const DeviceKind client : {DeviceKind::kvm, DeviceKind::rdma}) {
        for (const CallPolicy policy : {CallPolicy::a0, CallPolicy::a2, CallPolicy::a3, CallPolicy::a4}) {
            const std::string cell = std::string(info_of(policy).name) + " " + std::string(info_of(client).name);
            const TrialCounts sleeping = simulate<Sleeping>(policy, client);
            EXPECT_TRUE(sleeping.verdict.passed()) << cell << ": " << sleeping.failures();
            EXPECT_GT(sleeping.op(Sleeping::info(), "card_wait"), 0U) << cell;
            EXPECT_GT(sleeping.op(Sleeping::info(), "page_reclaimed"), 0U) << cell;
            if (illegal_because(policy, client, WaitKind::spin).empty()) {
                const TrialCounts spinning = simulate<Spinning>(policy, client);
                EXPECT_TRUE(spinning.verdict.passed()) << cell << ": " << spinning.failures();
            }
        }
    }
}

// What a fork waits for is the device, where it is called inside the lock, and is not where it is called after it.
TEST(PageableSim, ForksWaitForTheDeviceInsideTheLockAlone) {
    using W = PageableReclaim<Sim, Rwsem310<Sim>>;
    const auto longest = [](const TrialCounts& counts) {
        std::uint64_t most = 0;
        for (const auto& stats : counts.threads) {
            most = std::max(most, stats->modes[static_cast<std::size_t>(Mode::write)].wait_ns_max);
        }
        return most;
    };
    const Nanoseconds card = info_of(DeviceKind::rdma).typical_ns;
    const TrialCounts inside = simulate<W>(CallPolicy::a0, DeviceKind::rdma);
    const TrialCounts after = simulate<W>(CallPolicy::a3, DeviceKind::rdma);
    EXPECT_GE(longest(inside), card);
    EXPECT_LT(longest(after), card);
    EXPECT_GT(after.op(W::info(), "fork"), inside.op(W::info(), "fork"));
}

}  // namespace
}  // namespace lockbench
