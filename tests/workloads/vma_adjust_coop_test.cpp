// SPDX-License-Identifier: MIT
// vma_adjust under seeded schedules: VMAs are split, merged, moved and replaced beside walks, forks and exits with
// every lock, and no page is lost to the reverse map; every rule that merging and moving rest on is needed.
#include <gtest/gtest.h>

#include "locks/registry.hpp"
#include "tests/support/effort.hpp"
#include "tests/support/types_of.hpp"
#include "tests/workloads/rule_search.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

using Env = RmapEnv<Coop>;

// Small VMAs and short lives, so that a schedule meets all states of both.
template <class W>
ParamValues few_pages(std::uint64_t seed) {
    const Pick pick(seed);
    return params_of<W>({{"form", pick(0, 2)},
                         {"anon_vmas", 2 + pick(1, 2)},
                         {"pages_per_vma", 2 + pick(2, 4)},
                         {"children", pick(3, 3)},
                         {"generations", 2 + pick(4, 2)},
                         {"touch_permille", 300},
                         {"grow_pages", 2},
                         {"nowait_fail_permille", pick(5, 2) * 200},
                         {"alloc_fail_permille", pick(6, 3) == 0 ? 50 : 0},
                         {"batch", 4},
                         {"page_copy_ns", 10},
                         {"fork_permille", 100},
                         {"compact_permille", 250},
                         {"move_permille", 300},
                         {"replace_permille", 100},
                         {"grow_permille", 100},
                         {"lifetime", 12}});
}

template <class L>
class AdjustCoop : public testing::Test {};
TYPED_TEST_SUITE(AdjustCoop, TestedOf<AllLocks<Coop>>);

TYPED_TEST(AdjustCoop, VmasChangeAndNoPageIsLost) {
    using W = VmaAdjust<Coop, TypeParam>;
    const unsigned seeds = test::seeds(40);
    std::map<std::string_view, std::uint64_t> sums;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto threads = static_cast<unsigned>(2 + seed % 4);
        const CoopTrial trial = run_coop_trial<W>(rmap_options(seed, threads), few_pages<W>(seed), 10);
        ASSERT_TRUE(trial.passed()) << "seed " << seed << ": " << trial.failures();
        for (const OpInfo& op : W::info().ops) {
            sums[op.name] += trial.counts.op(W::info(), op.name);
        }
    }
    for (const char* name : {"vma_split", "boundary_moved", "vma_merged", "vma_moved", "vma_moved_back", "vma_replaced",
                             "stack_grown", "fork", "exit", "page_migrated"}) {
        EXPECT_GT(sums[name], seeds / 4) << name;
    }
    EXPECT_EQ(sums["vma_changed"], sums["vma_split"] + sums["boundary_moved"] + sums["vma_merged"] + sums["vma_moved"] +
                                       sums["vma_moved_back"] + sums["vma_replaced"] + sums["stack_grown"]);
}

// Each rule is taken away in turn.
struct NoReinsert : FaithfulRmap {
    static constexpr bool kReinsertOnAdjust = false;
};
struct SharesAnyChain : FaithfulRmap {
    static constexpr bool kShareSingular = false;
};
struct OneCount : FaithfulRmap {
    static constexpr bool kCountsApart = false;
};
struct MovesBackUnlocked : FaithfulRmap {
    static constexpr bool kMoveBackLocked = false;
};

// A first process with one VMA of four pages and today's counts. What a scene makes it ends, and then nothing is left.
template <class L, class Q, const WorkloadInfo& kInfo = detail::kReclaimInfo>
struct Scene {
    using Thread = RmapThread<Env, L>;
    using Body = std::function<void(Scene&, Thread&, ThreadId)>;

    static RmapConfig config() {
        RmapConfig config = rmap_config(kInfo, default_params(kInfo));
        config.form = RmapForm::today;
        config.fork_reuse = true;
        config.anon_vmas = 1;
        config.fresh_vmas = 0;
        config.file_vmas = 0;
        config.pages = 4;
        config.batch = 4;
        config.swap_ns = 0;
        config.ipi_ns = 0;
        return config;
    }
    Scene() : trial(config(), {}), stage(0) {}

    static CoopTrial run(std::uint64_t seed, unsigned threads, const Body& body) {
        return run_scene<Scene, Thread>(
            rmap_options(seed, threads),
            [&body](Scene& scene, Thread& thread, ThreadId tid) {
                body(scene, thread, tid);
                flush_added(scene.trial.rmap().memory, thread.task);
            },
            [](Scene& scene, Verdict& verdict) { scene.trial.verify(verdict); });
    }

    Mm<Env>* fork(Thread& thread, Mm<Env>& mm) { return fork_mm(trial.rmap(), thread, mm); }
    void exit(Thread& thread, Mm<Env>* mm) { exit_mm(trial.rmap(), thread, mm); }
    void write(Thread& thread, Vma<Env>& vma) {
        for (std::uint64_t page = 0; page < vma.pages(); ++page) {
            touch_page(trial.rmap(), thread, vma, vma.pgoff.get() + page);
        }
    }
    void reclaim_all(Thread& thread) {
        for (int turn = 0; turn < 8; ++turn) {
            shrink_lists(trial.rmap(), thread);
        }
    }

    ProcessTrial<Env, L, Q> trial;
    Coop::Atomic<int> stage;
};

// A child splits its VMA, moves the boundary and makes it whole again, beside one who reclaims its pages.
template <class L, class Q>
CoopTrial bounds_change(std::uint64_t seed) {
    return Scene<L, Q>::run(seed, 2, [](auto& scene, auto& thread, ThreadId tid) {
        if (tid == 1) {
            scene.reclaim_all(thread);
            return;
        }
        auto& rmap = scene.trial.rmap();
        Mm<Env>* const child = scene.fork(thread, scene.trial.parent());
        Vma<Env>& whole = *child->first.get();
        scene.write(thread, whole);
        flush_added(rmap.memory, thread.task);
        Vma<Env>& head = *split_vma(rmap, thread, whole, 1);
        check_process(thread, *child);
        move_boundary(rmap, thread, head, whole, head.start.get() + 3);
        check_process(thread, *child);
        merge_vmas(rmap, thread, head, whole);
        check_process(thread, *child);
        scene.exit(thread, child);
    });
}

// A part of a child's VMA moves away and comes back, some times, while its pages are migrated.
template <class L, class Q>
CoopTrial moved_back(std::uint64_t seed) {
    return Scene<L, Q, detail::kAdjustInfo>::run(seed, 2, [](auto& scene, auto& thread, ThreadId tid) {
        constexpr int kTurns = 4;
        auto& rmap = scene.trial.rmap();
        if (tid == 1) {
            scene.stage.await_until([](int now) { return now != 0; }, acquire);
            for (int turn = 0; turn < kTurns; ++turn) {
                compact(rmap, thread);
            }
            return;
        }
        Mm<Env>* const child = scene.fork(thread, scene.trial.parent());
        Vma<Env>* tail = child->first.get();
        scene.write(thread, *tail);
        flush_added(rmap.memory, thread.task);
        scene.stage.store(1, release);
        for (int turn = 0; turn < kTurns; ++turn) {
            Vma<Env>& head = *split_vma(rmap, thread, *tail, 1);
            Vma<Env>& away = *move_vma_away(rmap, thread, *tail);
            move_vma_back(rmap, thread, head, away);
            tail = &head;
        }
        check_process(thread, *child);
        scene.exit(thread, child);
    });
}

// A child replaces the first part of its VMA and would merge it with the rest, whose pages are its parent's: only where
// both parts have one anon_vma, which then must stand for one chain. The pages of the rest are then looked for.
template <class L, class Q>
CoopTrial replaced_part(std::uint64_t seed) {
    return Scene<L, Q>::run(seed, 1, [](auto& scene, auto& thread, ThreadId) {
        auto& rmap = scene.trial.rmap();
        Mm<Env>* const child = scene.fork(thread, scene.trial.parent());
        Vma<Env>& rest = *child->first.get();
        Vma<Env>* head = split_vma(rmap, thread, rest, 2);
        head = replace_head(rmap, thread, *head, rest);
        scene.write(thread, *head);
        if (mergeable(*head, rest)) {
            merge_vmas(rmap, thread, *head, rest);
        }
        flush_added(rmap.memory, thread.task);
        scene.reclaim_all(thread);
        scene.exit(thread, child);
        scene.write(thread, *scene.trial.parent().first.get());
    });
}

// Two parts of a VMA adopt an anon_vma that one of them has taken a moment before, though their chains differ. Above it
// are the root's anon_vma, that of a process that is gone, which `first` adopts, and that of `gone`, which nobody
// adopts while its VMA is split in two.
template <class L, class Q>
CoopTrial adopted_twice(std::uint64_t seed) {
    return Scene<L, Q>::run(seed, 1, [](auto& scene, auto& thread, ThreadId) {
        auto& rmap = scene.trial.rmap();
        Mm<Env>* const older = scene.fork(thread, scene.trial.parent());
        Mm<Env>* const gone = scene.fork(thread, *older);
        scene.exit(thread, older);
        Mm<Env>* const first = scene.fork(thread, *gone);
        split_vma(rmap, thread, *gone->first.get(), 2);
        split_vma(rmap, thread, *first->first.get(), 2);
        Mm<Env>* const second = scene.fork(thread, *first);
        scene.write(thread, *second->last.get());  // pages of an anon_vma that only its second part is in
        scene.exit(thread, gone);
        Mm<Env>* const third = scene.fork(thread, *second);
        if (mergeable(*third->first.get(), *third->last.get())) {
            merge_vmas(rmap, thread, *third->first.get(), *third->last.get());
        }
        flush_added(rmap.memory, thread.task);
        scene.exit(thread, second);
        scene.reclaim_all(thread);
        scene.exit(thread, third);
        scene.exit(thread, first);
        scene.write(thread, *scene.trial.parent().first.get());
    });
}

template <class L>
class AdjustFaults : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(AdjustFaults, BothKinds);

template <class L>
std::string named(std::string_view fault) {
    return std::string(fault) + ", " + std::string(L::kInfo.name);
}

TYPED_TEST(AdjustFaults, B6OneCountForChildrenAndUsers) {
    const Found found =
        expect_found_as("B6", named<TypeParam>("an anon_vma has one count"), &adopted_twice<TypeParam, OneCount>,
                        &adopted_twice<TypeParam, FaithfulRmap>, CoopFailure::use_after_free,
                        "forks of a split VMA, merged, 1 thread", kFewControls);
    EXPECT_NE(found.seed, 0U);
}

TYPED_TEST(AdjustFaults, B10BoundsChangedInsideTheTrees) {
    expect_found_as("B10", named<TypeParam>("a VMA is split inside the trees"), &bounds_change<TypeParam, NoReinsert>,
                    &bounds_change<TypeParam, FaithfulRmap>, CoopFailure::check_failed,
                    "split, boundary, merge and reclaim, 2 threads");
}

TYPED_TEST(AdjustFaults, B15MergedWithDifferentChains) {
    const Found found =
        expect_found_as("B15", named<TypeParam>("a neighbour's anon_vma is shared whatever its chain is"),
                        &replaced_part<TypeParam, SharesAnyChain>, &replaced_part<TypeParam, FaithfulRmap>,
                        CoopFailure::check_failed, "a part replaced, merged and reclaimed, 1 thread", kFewControls);
    EXPECT_NE(found.text.find("every entry that maps a page is in the tree"), std::string::npos) << found.text;
}

// No fault of the history: what copy_vma asks for the locks for. A walk loses an entry, or whom it belongs to.
TYPED_TEST(AdjustFaults, EntriesThatMoveAgainstTheWalk) {
    EXPECT_NE(search(&moved_back<TypeParam, MovesBackUnlocked>, kSearch).seed, 0U);
    EXPECT_EQ(search(&moved_back<TypeParam, FaithfulRmap>, kControl).text, "");
}

}  // namespace
}  // namespace lockbench
