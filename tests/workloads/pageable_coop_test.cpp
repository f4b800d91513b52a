// SPDX-License-Identifier: MIT
// pageable_reclaim under seeded schedules: every legal cell of the table of policies, devices and locks keeps the
// invariants, with every lock; every illegal one breaks, and it is seen how.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "locks/registry.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/pageable_scene.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

// All policies with all devices.
template <class F>
void for_each_pair(F&& f) {
    for (std::size_t policy = 0; policy < kCallPolicies; ++policy) {
        for (std::size_t client = 0; client < kDeviceKinds; ++client) {
            f(static_cast<CallPolicy>(policy), static_cast<DeviceKind>(client),
              std::string(kCallPolicyNames[policy]) + " " + std::string(kDeviceNames[client]));
        }
    }
}

template <class W>
CoopTrial run_cell(CallPolicy policy, DeviceKind client, std::uint64_t seed) {
    return run_coop_trial<W>(rmap_options(seed, static_cast<unsigned>(2 + seed % 4)),
                             few_mirrored_pages<W>(policy, client, seed), 4);
}

template <class L>
class PageableCoop : public testing::Test {};
TYPED_TEST_SUITE(PageableCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(PageableCoop, LegalCellsKeepTheDeviceConsistent) {
    using W = PageableReclaim<Coop, TypeParam>;
    const unsigned seeds = test::seeds(6, 50);
    for_each_pair([&](CallPolicy policy, DeviceKind client, const std::string& cell) {
        if (!illegal_because(policy, client, TypeParam::kInfo.kind).empty()) {
            return;
        }
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            const CoopTrial trial = run_cell<W>(policy, client, seed);
            ASSERT_TRUE(trial.passed()) << cell << " seed " << seed << ": " << trial.failures();
            const auto count = [&trial](std::string_view name) { return trial.counts.op(W::info(), name); };
            EXPECT_EQ(count("invalidate"), count("entry_cleared")) << cell << " seed " << seed;
            EXPECT_EQ(count("illegal_access"), 0U) << cell << " seed " << seed;
            EXPECT_EQ(count("device_access") == 0 && client != DeviceKind::none, false) << cell << " seed " << seed;
        }
    });
}

template <class L>
class PageableTable : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(PageableTable, BothKinds);

// What each legal cell does beside keeping the invariants.
TYPED_TEST(PageableTable, LegalCellsWaitSkipAndRetryAsTheySay) {
    using W = PageableReclaim<Coop, TypeParam>;
    for_each_pair([](CallPolicy policy, DeviceKind client, const std::string& cell) {
        if (client == DeviceKind::none || !illegal_because(policy, client, TypeParam::kInfo.kind).empty()) {
            return;
        }
        std::map<std::string, std::uint64_t> sums;
        std::uint64_t resumed = 0;
        for (std::uint64_t seed = 1; seed <= 60; ++seed) {
            const CoopTrial trial = run_cell<W>(policy, client, seed);
            ASSERT_TRUE(trial.passed()) << cell << " seed " << seed << ": " << trial.failures();
            for (const OpInfo& op : W::info().ops) {
                sums[std::string(op.name)] += trial.counts.op(W::info(), op.name);
            }
            resumed += trial.counts.site(static_cast<std::size_t>(DeviceSite::resume), Mode::read);
        }
        EXPECT_GT(sums["page_reclaimed"], 0U) << cell;
        EXPECT_GT(sums["callback"], 0U) << cell;
        EXPECT_GT(sums["card_wait"], 0U) << cell;
        EXPECT_GT(sums["device_retry"], 0U) << cell;
        EXPECT_LE(sums["callback"], sums["invalidate"] + sums["page_skipped"]) << cell;
        const bool refuses = policy == CallPolicy::a5 && info_of(client).can_at_once < 1000;
        EXPECT_EQ(sums["page_skipped"] > 0, policy == CallPolicy::a2 || refuses) << cell;
        EXPECT_EQ(resumed > 0, policy == CallPolicy::a4) << cell;
    });
}

// The ways in which an illegal cell shows what it is, on a platform that sees all.
std::set<CoopFailure> ways_to_break(CallPolicy policy) {
    if (policy == CallPolicy::late) {
        return {CoopFailure::use_after_free, CoopFailure::race, CoopFailure::check_failed};
    }
    return {CoopFailure::sleeping_in_atomic};
}

TYPED_TEST(PageableTable, IllegalCellsBreak) {
    using W = PageableReclaim<Coop, TypeParam>;
    constexpr std::uint64_t kSchedules = 200;
    for_each_pair([](CallPolicy policy, DeviceKind client, const std::string& cell) {
        if (illegal_because(policy, client, TypeParam::kInfo.kind).empty()) {
            return;
        }
        CoopFailure found = CoopFailure::none;
        for (std::uint64_t seed = 1; seed <= kSchedules && found == CoopFailure::none; ++seed) {
            found = run_cell<W>(policy, client, seed).coop.kind;
        }
        EXPECT_EQ(ways_to_break(policy).count(found), 1U) << cell << ": " << to_string(found);
    });
}

// The table itself, by hand.
TEST(PageableTableTest, IsWhatTheDebateSays) {
    const auto legal = [](CallPolicy policy, DeviceKind client, WaitKind kind) {
        return illegal_because(policy, client, kind).empty();
    };
    using K = DeviceKind;
    using C = CallPolicy;
    for (const DeviceKind client : {K::kvm, K::gru, K::xpmem}) {
        for (const WaitKind kind : {WaitKind::spin, WaitKind::sleep}) {
            EXPECT_TRUE(legal(C::a0, client, kind)) << info_of(client).name << ": nobody sleeps";
            EXPECT_TRUE(legal(C::pte, client, kind)) << info_of(client).name << ": nobody sleeps";
        }
    }
    for (const DeviceKind client : {K::rdma, K::gpu}) {
        EXPECT_FALSE(legal(C::a0, client, WaitKind::spin)) << info_of(client).name;
        EXPECT_TRUE(legal(C::a0, client, WaitKind::sleep)) << info_of(client).name;
        EXPECT_FALSE(legal(C::pte, client, WaitKind::sleep)) << info_of(client).name;
        for (const CallPolicy policy : {C::a1, C::a2, C::a3, C::a4, C::a5}) {
            EXPECT_TRUE(legal(policy, client, WaitKind::spin)) << info_of(client).name << info_of(policy).name;
        }
    }
    for (const DeviceKind client : {K::kvm, K::gru, K::xpmem, K::rdma, K::gpu}) {
        EXPECT_FALSE(legal(C::late, client, WaitKind::sleep)) << info_of(client).name;
    }
    EXPECT_TRUE(legal(C::late, K::none, WaitKind::spin)) << "nobody is called";
}

// One process, one thread: each page is mapped once and by the device.
struct Counted {
    std::uint64_t freed = 0;
    CoopTrial trial;

    [[nodiscard]] std::uint64_t op(std::string_view name) const { return trial.counts.op(detail::kPageableInfo, name); }
    [[nodiscard]] std::uint64_t reads(std::size_t site) const { return trial.counts.site(site, Mode::read); }
};

template <class L>
Counted reclaim_alone(CallPolicy policy, DeviceKind client, bool with_child) {
    Counted counted;
    counted.trial = MirroredProcess<L>::run(policy, client, [&](MirroredProcess<L>& process) {
        process.use_all();
        Mm<PageableEnv<Coop>>* const child = with_child ? process.fork() : nullptr;
        counted.freed = process.reclaim_all();
        if (child != nullptr) {
            process.exit(child);
        }
        process.use_all();
    });
    return counted;
}

constexpr auto kReferenced = static_cast<std::size_t>(RmapSite::referenced);
constexpr auto kUnmap = static_cast<std::size_t>(RmapSite::unmap);
constexpr auto kResume = static_cast<std::size_t>(DeviceSite::resume);

TYPED_TEST(PageableTable, AcquisitionsAndCallsOfAPageAreExact) {
    static constexpr std::uint64_t kPages = MirroredProcess<TypeParam>::kPages;
    for_each_pair([](CallPolicy policy, DeviceKind client, const std::string& cell) {
        if (!illegal_because(policy, client, TypeParam::kInfo.kind).empty() || policy == CallPolicy::late) {
            return;
        }
        const Counted counted = reclaim_alone<TypeParam>(policy, client, false);
        ASSERT_TRUE(counted.trial.passed()) << cell << ": " << counted.trial.failures();
        const bool some_stay = policy == CallPolicy::a5 && info_of(client).can_at_once < 1000;
        const bool none_go = policy == CallPolicy::a5 && info_of(client).can_at_once == 0;
        const bool device = client != DeviceKind::none;
        EXPECT_EQ(counted.freed, none_go ? 0 : kPages) << cell << ": a device that refuses at times is asked again";
        EXPECT_EQ(counted.op("page_skipped") > 0, some_stay) << cell;
        // A call for each mapping that goes; the device is told of each page and, where it sleeps, waited for.
        EXPECT_EQ(counted.op("entry_cleared"), counted.freed) << cell;
        EXPECT_EQ(counted.op("invalidate"), counted.freed) << cell;
        EXPECT_EQ(counted.op("callback"), device ? counted.freed + counted.op("page_skipped") : 0) << cell;
        const bool at_once = policy == CallPolicy::a5 && info_of(client).page_call == CardWait::sleeps;
        EXPECT_EQ(counted.op("card_wait"), device && !at_once ? kPages : 0) << cell;
        // Two walks a page: referenced and unmap; a page that stays was walked for nothing.
        EXPECT_EQ(counted.reads(kReferenced), counted.op("page_scanned")) << cell;
        EXPECT_EQ(counted.reads(kUnmap), counted.freed + counted.op("page_skipped")) << cell;
        EXPECT_EQ(counted.reads(kResume), 0U) << cell << ": nothing is left to walk for";
    });
}

// Every page is mapped by a child too: the fork took the device's rights, reclaim calls for both, a4 walks on.
TYPED_TEST(PageableTable, ASharedPageTakesACallForEachMapping) {
    static constexpr std::uint64_t kPages = MirroredProcess<TypeParam>::kPages;
    for_each_pair([](CallPolicy policy, DeviceKind client, const std::string& cell) {
        if (client == DeviceKind::none || !illegal_because(policy, client, TypeParam::kInfo.kind).empty()) {
            return;
        }
        const Counted counted = reclaim_alone<TypeParam>(policy, client, true);
        ASSERT_TRUE(counted.trial.passed()) << cell << ": " << counted.trial.failures();
        EXPECT_EQ(counted.freed, kPages) << cell << ": the device maps none of them, so nobody refuses";
        EXPECT_EQ(counted.op("invalidate"), 2 * kPages) << cell;
        EXPECT_EQ(counted.op("callback"), kPages) << cell << ": the child has no device";
        EXPECT_EQ(counted.op("card_wait"), 1U) << cell << ": the fork's range call and no more";
        EXPECT_EQ(counted.reads(kUnmap), kPages) << cell;
        EXPECT_EQ(counted.reads(kResume), policy == CallPolicy::a4 ? kPages : 0) << cell;
    });
}

// a2 does without the page as long as somebody has the process's mmap_sem for write, as a fork has.
TYPED_TEST(PageableTable, ATriedSemaphoreSkipsPages) {
    std::uint64_t freed = 0;
    const CoopTrial trial = MirroredProcess<TypeParam>::run(
        CallPolicy::a2, DeviceKind::rdma, [&freed](MirroredProcess<TypeParam>& process) {
            process.use_all();
            auto& task = process.thread().task;
            process.parent().mmap_sem.lock(task.child_token);
            freed = process.reclaim_all();
            process.parent().mmap_sem.unlock(task.child_token);
            check(freed == 0, "no page was taken while the semaphore was held");
            freed = process.reclaim_all();
        });
    ASSERT_TRUE(trial.passed()) << trial.failures();
    EXPECT_EQ(freed, MirroredProcess<TypeParam>::kPages);
    EXPECT_GT(trial.counts.op(detail::kPageableInfo, "page_skipped"), 0U);
}

}  // namespace
}  // namespace lockbench
