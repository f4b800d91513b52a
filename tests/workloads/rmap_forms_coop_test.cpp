// SPDX-License-Identifier: MIT
// Today's form under seeded schedules: walks that are given up, pages that are rotated for nothing, chains that stay
// short.
#include <gtest/gtest.h>

#include "locks/registry.hpp"
#include "tests/workloads/rule_search.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

using Env = RmapEnv<Coop>;

RmapConfig config_of(std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
    ParamValues params = default_params(detail::kReclaimInfo);
    const auto set = [&params](std::string_view key, std::int64_t value) {
        params[place_of(detail::kReclaimInfo.params, key, &ParamInfo::key)] = value;
    };
    set("anon_vmas", 1);
    set("fresh_vmas", 0);
    set("file_vmas", 0);
    set("pages_per_vma", 4);
    set("batch", 4);
    set("swap_ns", 0);
    set("ipi_ns", 0);
    for (const auto& [key, value] : changes) {
        set(key, value);
    }
    return rmap_config(detail::kReclaimInfo, params);
}

template <class L, class Q = FaithfulRmap>
struct Shared {
    explicit Shared(const RmapConfig& config) : trial(config, {}), step(0) {}

    ProcessTrial<Env, L, Q> trial;
    Coop::Atomic<int> step;
    void reach(int which) { step.store(which, release); }
    void await(int which) {
        step.await_until([which](int now) { return now >= which; }, acquire);
    }
};

struct Rotations {
    std::uint64_t given_up = 0;
    std::uint64_t rotated = 0;
    std::uint64_t unused = 0;
    std::uint64_t reclaimed_meanwhile = 0;
    std::uint64_t reclaimed = 0;
};

// One thread holds the root while another asks whether pages were used. The pages are on the inactive list already,
// and `used` of them are touched after that.
template <class L>
Rotations reclaim_beside_a_writer(std::uint32_t used) {
    Rotations found;
    ThreadStats stats[2];
    CoopWorld world({.seed = 1, .threads = 2, .max_steps = 1'000'000});
    auto& shared = world.make<Shared<L>>(config_of({{"form", 1}}));
    std::deque<Ctx<Coop>> contexts;
    std::vector<RmapThread<Env, L>*> threads;
    for (ThreadId tid = 0; tid < 2; ++tid) {
        contexts.emplace_back(tid, 1, 0, stats[tid], nullptr);
        threads.push_back(&world.make<RmapThread<Env, L>>(contexts.back(), shared.trial.config()));
    }
    world.run([&](ThreadId tid) {
        auto& rmap = shared.trial.rmap();
        auto& thread = *threads[tid];
        Vma<Env>& vma = *shared.trial.parent().first.get();
        const auto op = [&thread](RmapOp which) { return thread.task.ctx.stats.ops[static_cast<std::size_t>(which)]; };
        if (tid == 0) {
            shared.await(1);
            AnonVma<Env, L>* const root = root_of<Env, L>(anon_vma_of<Env, L>(anon_vma_tag(vma)));
            lock_root_write<RmapSite::adjust>(thread, root);
            shared.reach(2);
            while (shared.step.load(acquire) < 3) {
                Coop::relax();
            }
            unlock_root_write(thread, root);
            shared.reach(4);
            return;
        }
        shrink_active(rmap, thread);  // clears their young bits
        for (std::uint32_t page = 0; page < used; ++page) {
            touch_page(rmap, thread, vma, vma.pgoff.get() + page);
        }
        shared.reach(1);
        shared.await(2);
        found.reclaimed_meanwhile = shrink_inactive(rmap, thread);
        shared.reach(3);
        shared.await(4);
        found.reclaimed = shrink_inactive(rmap, thread);
        found.given_up = op(RmapOp::walk_given_up);
        found.rotated = op(RmapOp::page_rotated);
        found.unused = op(RmapOp::rotated_unused);
        for (std::uint32_t page = 0; page < 4; ++page) {
            touch_page(rmap, thread, vma, vma.pgoff.get() + page);
        }
        flush_added(rmap.memory, thread.task);
    });
    Verdict verdict;
    EXPECT_TRUE(world.verdict().passed) << world.verdict().text;
    shared.trial.verify(verdict);
    EXPECT_TRUE(verdict.passed()) << verdict.failures.front();
    EXPECT_EQ(world.close().text, "");
    return found;
}

template <class L>
class RmapForms : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(RmapForms, BothKinds);

// All four pages are rotated; of those that nobody had used, the next walk says so and takes them.
TYPED_TEST(RmapForms, PagesOfALockedRootAreRotated) {
    for (const std::uint32_t used : {0U, 1U, 4U}) {
        const Rotations found = reclaim_beside_a_writer<TypeParam>(used);
        EXPECT_EQ(found.reclaimed_meanwhile, 0U);
        EXPECT_EQ(found.given_up, 4U);
        EXPECT_EQ(found.rotated, 4U);
        EXPECT_EQ(found.unused, 4 - used);
        EXPECT_EQ(found.reclaimed, 4 - used);
    }
}

// Reclaim beside forks: today's walks for references never wait and some are given up; 3.12's are never.
TYPED_TEST(RmapForms, WalksAreGivenUpInTodaysFormOnly) {
    using W = ReclaimScan<Coop, TypeParam>;
    for (const std::int64_t gives_up : {0, 1}) {
        std::uint64_t given_up = 0;
        std::uint64_t failed = 0;
        std::uint64_t rotated = 0;
        std::uint64_t reclaimed = 0;
        for (std::uint64_t seed = 1; seed <= 100; ++seed) {
            const ParamValues params = params_of<W>({{"form", gives_up},
                                                     {"anon_vmas", 1},
                                                     {"fresh_vmas", 0},
                                                     {"file_vmas", 0},
                                                     {"pages_per_vma", 3},
                                                     {"children", 2},
                                                     {"batch", 4},
                                                     {"swap_ns", 10},
                                                     {"ipi_ns", 10}});
            const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, 4), params, 3);
            ASSERT_TRUE(trial.passed()) << trial.failures();
            given_up += trial.counts.op(W::info(), "walk_given_up");
            rotated += trial.counts.op(W::info(), "page_rotated");
            reclaimed += trial.counts.op(W::info(), "page_reclaimed");
            for (const auto& stats : trial.counts.threads) {
                failed += stats->try_failed[static_cast<std::size_t>(RmapSite::referenced)] +
                          stats->try_failed[static_cast<std::size_t>(RmapSite::referenced_active)];
            }
        }
        EXPECT_GT(failed, 0U);
        EXPECT_EQ(given_up, gives_up == 0 ? 0 : failed);
        EXPECT_EQ(rotated > 0, gives_up != 0);
        EXPECT_LE(rotated, given_up);
        EXPECT_GT(reclaimed, 0U);
    }
}

struct NoReuse : FaithfulRmap {
    static constexpr bool kForkReuse = false;
};

// A daemon forks itself anew: today's kernel promises that there are never more anon_vmas than twice the VMAs.
template <class L, class Q>
CoopTrial daemon(std::uint64_t seed) {
    CoopTrial trial;
    trial.counts.threads.push_back(std::make_unique<ThreadStats>());
    Ctx<Coop> ctx(0, seed, 0, *trial.counts.threads.back(), nullptr);
    CoopWorld world({.seed = seed, .threads = 1, .max_steps = 1'000'000});
    auto& shared = world.make<Shared<L, Q>>(config_of({{"form", 1}}));
    auto& thread = world.make<RmapThread<Env, L>>(ctx, shared.trial.config());
    world.run([&](ThreadId) {
        auto& rmap = shared.trial.rmap();
        Mm<Env>* process = &shared.trial.parent();
        for (int generation = 0; generation < 8; ++generation) {
            Mm<Env>* const child = fork_mm(rmap, thread, *process);
            if (process != &shared.trial.parent()) {
                exit_mm(rmap, thread, process);
            }
            process = child;
            check(rmap.anon_vmas.live() <= 2 * rmap.memory.vmas.live(), "a VMA needs two anon_vmas at most");
        }
        exit_mm(rmap, thread, process);
    });
    if (world.verdict().passed) {
        shared.trial.verify(trial.counts.verdict);
    }
    trial.coop = world.close();
    return trial;
}

TYPED_TEST(RmapForms, B7ChainsThatGrowWithoutBound) {
    const std::string named = "a forked VMA adopts no anon_vma, " + std::string(TypeParam::kInfo.name);
    expect_found_as("B7", named, &daemon<TypeParam, NoReuse>, &daemon<TypeParam, FaithfulRmap>,
                    CoopFailure::check_failed, "a process that forks itself anew", kFewControls);
}

}  // namespace
}  // namespace lockbench
