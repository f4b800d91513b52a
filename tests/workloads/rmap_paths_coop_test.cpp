// SPDX-License-Identifier: MIT
// Single paths of the model under seeded schedules: racing first faults, neighbours that share, the small locks, the
// guarantee that nobody sleeps inside a spinning lock.
#include <gtest/gtest.h>

#include <deque>

#include "locks/registry.hpp"
#include "tests/workloads/coop_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

using Env = RmapEnv<Coop>;
constexpr std::uint64_t kSeeds = 500;

// Threads of one process: all work in the parent.
template <class L>
class SharedParent {
  public:
    using Trial = ProcessTrial<Env, L>;
    using Thread = RmapThread<Env, L>;
    using Body = std::function<void(SharedParent&, Thread&, ThreadId)>;

    SharedParent(std::uint64_t seed, unsigned threads, const RmapConfig& config)
        : world({.seed = seed, .threads = threads, .max_steps = 1'000'000}),
          trial(world.make<Trial>(config, TrialSetup{})) {
        for (ThreadId tid = 0; tid < threads; ++tid) {
            stats_.emplace_back();
            contexts_.emplace_back(tid, seed, 0, stats_.back(), nullptr);
            threads_.push_back(&world.make<Thread>(contexts_.back(), trial.config()));
        }
    }
    void run(const Body& body) {
        world.run([&](ThreadId tid) {
            body(*this, *threads_[tid], tid);
            flush_added(trial.rmap().memory, threads_[tid]->task);
        });
    }
    // Verifies, ends the world; what was found, or nothing.
    std::string finish() {
        Verdict verdict;
        if (world.verdict().passed) {
            trial.verify(verdict);
        }
        std::string all = world.close().text;
        for (const std::string& failure : verdict.failures) {
            all += failure + "\n";
        }
        return all;
    }
    // The VMA with this number.
    Vma<Env>& vma(std::uint32_t number) {
        Vma<Env>* at = trial.parent().first.peek();
        while (at->number.peek() != number) {
            at = at->next.peek();
        }
        return *at;
    }
    std::uint64_t site(RmapSite which) const {
        std::uint64_t sum = 0;
        for (const ThreadStats& stats : stats_) {
            sum += stats.sites[static_cast<std::size_t>(which)][static_cast<std::size_t>(Mode::write)];
        }
        return sum;
    }

    CoopWorld world;
    Trial& trial;

  private:
    std::deque<ThreadStats> stats_;
    std::deque<Ctx<Coop>> contexts_;
    std::vector<Thread*> threads_;
};

RmapConfig small_config() {
    RmapConfig config = rmap_config(detail::kReclaimInfo, default_params(detail::kReclaimInfo));
    config.anon_vmas = 1;
    config.fresh_vmas = 2;  // numbers 1 and 2, side by side
    config.file_vmas = 0;
    config.pages = 3;
    config.batch = 4;
    config.ipi_ns = 10;
    config.swap_ns = 10;
    return config;
}

template <class L>
class RmapPaths : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(RmapPaths, BothKinds);

// All threads touch the same untouched VMA: one anon_vma stays, the losers give theirs back.
TYPED_TEST(RmapPaths, RacingFirstFaultsMakeOneAnonVma) {
    std::uint64_t races = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SharedParent<TypeParam> parent(seed, 3, small_config());
        parent.run([](auto& shared, auto& thread, ThreadId tid) {
            Vma<Env>& vma = shared.vma(1);
            touch_page(shared.trial.rmap(), thread, vma, vma.pgoff.get() + tid);
            touch_page(shared.trial.rmap(), thread, vma, vma.pgoff.get());
        });
        EXPECT_EQ(parent.trial.rmap().anon_vmas.live(), 2);
        races += parent.site(RmapSite::prepare) - 1;
        ASSERT_EQ(parent.finish(), "");
    }
    EXPECT_GT(races, 0U);  // the re-check under the page_table_lock was needed
}

TYPED_TEST(RmapPaths, NeighboursShareAnAnonVma) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SharedParent<TypeParam> parent(seed, 2, small_config());
        parent.run([](auto& shared, auto& thread, ThreadId tid) {
            if (tid == 0) {
                for (const std::uint32_t number : {2U, 1U}) {  // the one behind first: found as the next
                    Vma<Env>& vma = shared.vma(number);
                    touch_page(shared.trial.rmap(), thread, vma, vma.pgoff.get());
                }
            } else {
                shrink_lists(shared.trial.rmap(), thread);
            }
        });
        EXPECT_EQ(parent.trial.rmap().anon_vmas.live(), 2);
        EXPECT_EQ(parent.vma(1).anon_vma.peek(), parent.vma(2).anon_vma.peek());
        EXPECT_NE(parent.vma(1).anon_vma.peek(), parent.vma(0).anon_vma.peek());  // a gap lies between
        ASSERT_EQ(parent.finish(), "");
    }
}

// Both neighbours at once: one anon_vma or two, by who came first, but each chain is whole.
TYPED_TEST(RmapPaths, NeighboursRace) {
    std::uint64_t shared_ones = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SharedParent<TypeParam> parent(seed, 4, small_config());
        parent.run([](auto& shared, auto& thread, ThreadId tid) {
            Vma<Env>& vma = shared.vma(1 + tid % 2);
            touch_page(shared.trial.rmap(), thread, vma, vma.pgoff.get());
        });
        shared_ones += parent.trial.rmap().anon_vmas.live() == 2 ? 1 : 0;
        ASSERT_EQ(parent.finish(), "");
    }
    EXPECT_GT(shared_ones, 0U);
    EXPECT_LT(shared_ones, kSeeds);
}

// Threads of the parent write, fork and reclaim the same pages: copy on write, reuse, swap and their locks all meet.
TYPED_TEST(RmapPaths, FaultsForksAndReclaimOfOneProcess) {
    std::uint64_t swapped = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SharedParent<TypeParam> parent(seed, 4, small_config());
        parent.run([&swapped](auto& shared, auto& thread, ThreadId tid) {
            auto& rmap = shared.trial.rmap();
            Vma<Env>& vma = shared.vma(0);
            if (tid == 0) {
                Mm<Env>* const child = fork_mm(rmap, thread, shared.trial.parent());
                Vma<Env>& copy = *child->first.get();
                touch_page(rmap, thread, copy, copy.pgoff.get());
                exit_mm(rmap, thread, child);
            }
            for (int turn = 0; turn < 2; ++turn) {
                if (tid == 1) {
                    shrink_lists(rmap, thread);
                } else {
                    touch_page(rmap, thread, vma, vma.pgoff.get() + tid % 2);
                }
            }
            swapped += thread.task.ctx.stats.ops[static_cast<std::size_t>(RmapOp::swap_in)];
        });
        ASSERT_EQ(parent.finish(), "") << "seed " << seed;
    }
    EXPECT_GT(swapped, 0U);
}

// A heap that was forked is not made longer, as trees of ancestors would have to know: what it grows by is a VMA under
// a root of its own, and that is made longer. The first process's heap is in one tree only and grows itself.
TYPED_TEST(RmapPaths, AForkedHeapGrowsUnderARootOfItsOwn) {
    RmapConfig config = small_config();
    config.brk_pages = 2;
    SharedParent<TypeParam> parent(1, 1, config);
    parent.run([](auto& shared, auto& thread, ThreadId) {
        auto& rmap = shared.trial.rmap();
        const auto root = [](const Vma<Env>& vma) {
            return root_of<Env, TypeParam>(anon_vma_of<Env, TypeParam>(anon_vma_tag(vma)));
        };
        Mm<Env>* const child = fork_mm(rmap, thread, shared.trial.parent());
        Vma<Env>& heap = *child->first.get();
        const std::uint64_t pages = heap.pages();
        Vma<Env>* const grown = grow_heap(rmap, thread, heap, 1);
        check(grown != nullptr && grown != &heap && heap.pages() == pages, "the forked VMA stays as it is");
        check(anon_vma_tag(*grown) == nullptr && shared.site(RmapSite::adjust) == 0, "no root lock for that");
        touch_page(rmap, thread, *grown, grown->pgoff.get());
        check(root(*grown) != root(heap) && root(heap) == root(shared.vma(0)), "a root of its own");
        check(grow_heap(rmap, thread, heap, 1) == grown && grown->pages() == 2, "which grows");
        check(shared.site(RmapSite::adjust) == 1, "in one section");
        exit_mm(rmap, thread, child);
        check(grow_heap(rmap, thread, shared.vma(0), 1) == &shared.vma(0), "the first process's heap grows itself");
        check(shared.site(RmapSite::adjust) == 2, "in one section");
    });
    ASSERT_EQ(parent.finish(), "");
}

// A child grows its heap, maps and unmaps while others reclaim its pages: walks meet VMAs that come and go.
TYPED_TEST(RmapPaths, AddressSpaceChangesBesideReclaim) {
    std::uint64_t reclaimed = 0;
    RmapConfig config = small_config();
    config.brk_pages = 2;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        SharedParent<TypeParam> parent(seed, 3, config);
        parent.run([&reclaimed](auto& shared, auto& thread, ThreadId tid) {
            auto& rmap = shared.trial.rmap();
            if (tid != 0) {
                for (int turn = 0; turn < 4; ++turn) {
                    reclaimed += shrink_lists(rmap, thread);
                }
                return;
            }
            Mm<Env>* const child = fork_mm(rmap, thread, shared.trial.parent());
            Vma<Env>& heap = *child->first.get();
            Vma<Env>& grown = *grow_heap(rmap, thread, heap, 1);
            touch_page(rmap, thread, grown, grown.pgoff.get());
            check(grow_heap(rmap, thread, heap, 1) == &grown, "there is room to grow");
            check(grow_heap(rmap, thread, heap, 1) == nullptr, "and no more");
            const std::uint64_t last = grown.pgoff.get() + grown.pages() - 1;
            touch_page(rmap, thread, grown, last);
            Vma<Env>& buffer = *map_buffer(rmap.memory, thread.task, *child, 2);
            touch_page(rmap, thread, buffer, buffer.pgoff.get());
            flush_added(rmap.memory, thread.task);
            touch_page(rmap, thread, grown, last);
            unmap_buffer(rmap, thread, buffer);
            exit_mm(rmap, thread, child);
        });
        ASSERT_EQ(parent.finish(), "") << "seed " << seed;
    }
    EXPECT_GT(reclaimed, kSeeds);
}

// A writer that holds a spinning root lock never yields to a PTE lock that another holds; the platform would tell.
TEST(SmallLocks, PteLockExcludesAndWaitsBothWays) {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        CoopWorld world({.seed = seed, .threads = 4});
        auto& lock = world.make<PteLock<Coop>>();
        auto& counter = world.make<Coop::Plain<int>>(0);
        world.run([&](ThreadId tid) {
            for (int i = 0; i < 3; ++i) {
                const PteGuard<Coop> hold(lock, tid % 2 == 0 ? Waiting::spin : Waiting::yield);
                const int before = counter.get();
                Coop::relax();
                counter.set(before + 1);
            }
        });
        EXPECT_EQ(counter.peek(), 12);
        EXPECT_TRUE(lock.is_constructed());
        ASSERT_EQ(world.close().text, "");
    }
}

// Other bits of the word change meanwhile, as the lists' flags do.
TEST(SmallLocks, PageLockExcludesAndWakes) {
    std::uint64_t slept = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        CoopWorld world({.seed = seed, .threads = 4});
        auto& flags = world.make<Coop::Atomic<std::uint32_t>>(0U);
        auto& counter = world.make<Coop::Plain<int>>(0);
        world.run([&](ThreadId tid) {
            for (int i = 0; i < 3; ++i) {
                if (tid == 3) {
                    flags.or_(kPageLru, relaxed);
                    flags.and_(~kPageLru, relaxed);
                    continue;
                }
                PageLock<Coop>::lock(flags);
                const int before = counter.get();
                Coop::relax();
                slept += (flags.load(relaxed) & kPageWaiters) != 0 ? 1 : 0;
                counter.set(before + 1);
                PageLock<Coop>::unlock(flags);
            }
        });
        EXPECT_EQ(counter.peek(), 9);
        EXPECT_EQ(flags.peek(), 0U);
        ASSERT_EQ(world.close().text, "");
    }
    EXPECT_GT(slept, 0U);
}

// What the checks of the model themselves must tell.
TEST(SmallLocks, WrongOrderOfRanksIsTold) {
    CoopWorld world({.seed = 1, .threads = 1});
    world.run([](ThreadId) {
        HeldRanks<true> ranks;
        ranks.take(Rank::mmap_sem);
        ranks.take(Rank::pte);
        ranks.take(Rank::anon_vma);
    });
    EXPECT_EQ(world.close().kind, CoopFailure::check_failed);
}
TEST(SmallLocks, RightOrderOfRanksPasses) {
    CoopWorld world({.seed = 1, .threads = 1});
    world.run([](ThreadId) {
        HeldRanks<true> ranks;
        for (const Rank rank : {Rank::mmap_sem, Rank::mmap_sem, Rank::anon_vma, Rank::pte, Rank::pte, Rank::lru}) {
            ranks.take(rank);
        }
        ranks.drop(Rank::lru);
        ranks.take(Rank::lru);
    });
    EXPECT_EQ(world.close().text, "");
}
TEST(SmallLocks, TwoRootsAtOnceAreTold) {
    CoopWorld world({.seed = 1, .threads = 1});
    world.run([](ThreadId) {
        HeldRanks<true> ranks;
        ranks.take(Rank::anon_vma);
        ranks.take(Rank::anon_vma);
    });
    EXPECT_EQ(world.close().kind, CoopFailure::check_failed);
}

}  // namespace
}  // namespace lockbench
