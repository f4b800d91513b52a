// SPDX-License-Identifier: MIT
// Faults of the kernel's history, put back one at a time: each must be found within some schedules, and the right form
// must pass all of the same ones.
#include <gtest/gtest.h>

#include <functional>

#include "locks/rwsem_3_10.hpp"
#include "locks/ticket.hpp"
#include "tests/workloads/rule_search.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

using Env = RmapEnv<Coop>;

struct NoRecheck : FaithfulRmap {
    static constexpr bool kRecheckAfterTrylock = false;
};
struct RootFreedFirst : FaithfulRmap {
    static constexpr bool kFreeChildBeforeRoot = false;
};
struct PreparedUnlocked : FaithfulRmap {
    static constexpr bool kPrepareUnderLock = false;
};
struct NoDrain : FaithfulRmap {
    static constexpr bool kDrainOnFree = false;
};
struct PutInsideLock : FaithfulRmap {
    static constexpr bool kPutAfterUnlock = false;
};
struct NoReinsert : FaithfulRmap {
    static constexpr bool kReinsertOnExpand = false;
};
struct NoReinsertAbove : FaithfulRmap {
    static constexpr bool kReinsertOnAdjust = false;
};
struct ReleaseOutsideSection : FaithfulRmap {
    static constexpr bool kReleaseInSection = false;
};
// The design before anon_vmas had references on their root: the order of unlinking alone kept the root alive.
struct NoRootReference : FaithfulRmap {
    static constexpr bool kChildHoldsRoot = false;
};
struct OldestFirst : NoRootReference {
    static constexpr bool kUnlinkNewestFirst = false;
};

CoopOptions options_of(std::uint64_t seed, unsigned threads) {
    return {.seed = seed, .threads = threads, .max_steps = 2'000'000};
}

// A shared parent and one child of it; threads get both. Afterwards nothing must be left.
template <class L, class Q>
class Orphan {
  public:
    using Trial = ProcessTrial<Env, L, Q>;
    using Thread = RmapThread<Env, L>;

    static CoopTrial run(std::uint64_t seed, unsigned threads,
                         const std::function<void(Orphan&, Thread&, ThreadId)>& body) {
        return run_scene<Orphan, Thread>(options_of(seed, threads), body, [](Orphan& orphan, Verdict& verdict) {
            verify_empty(orphan.trial.rmap(), verdict);
        });
    }

    // The child has written its pages: they are its own.
    Orphan() : trial(config(), {}), child(fork_mm(trial.rmap(), trial.host(), trial.parent())), own(child_anon_vma()) {
        for (std::uint64_t page = 0; page < config().pages; ++page) {
            touch_page(trial.rmap(), trial.host(), vma(), vma().pgoff.get() + page);
        }
        flush_added(trial.rmap().memory, trial.host().task);
    }
    Vma<Env>& vma() { return *child->first.get(); }
    AnonVmaTag* child_anon_vma() { return child->first.get()->anon_vma.load(seq_cst); }

    static RmapConfig config() {
        RmapConfig config = rmap_config(detail::kReclaimInfo, default_params(detail::kReclaimInfo));
        config.anon_vmas = 1;
        config.fresh_vmas = 0;
        config.file_vmas = 0;
        config.pages = 2;
        config.batch = 4;
        config.grow_pages = 1;
        config.brk_pages = 2;
        return config;
    }

    Trial trial;
    Mm<Env>* child;
    Coop::Atomic<AnonVmaTag*> own;  // for late walkers; null from the moment the child exits
};

// The parent exits, then the child, while others reclaim their pages.
template <class L, class Q>
CoopTrial orphan_exits(std::uint64_t seed, unsigned reclaimers) {
    return Orphan<L, Q>::run(seed, 1 + reclaimers, [](Orphan<L, Q>& orphan, auto& thread, ThreadId tid) {
        if (tid == 0) {
            exit_mm(orphan.trial.rmap(), thread, &orphan.trial.parent());
            exit_mm(orphan.trial.rmap(), thread, orphan.child);
        } else {
            for (int turn = 0; turn < 3; ++turn) {
                shrink_lists(orphan.trial.rmap(), thread);
            }
        }
    });
}

// A walker that relies on what the drain promises: an anon_vma whose count is not 0 under the root lock stays until the
// lock is dropped. (The walks of reclaim ask for a mapping instead, and unlinking takes the lock after the last one
// went; the drain is their second line of defence.)
// kRecycled: the walker, who came before the end, finds the anon_vma again as another's, its own root now.
template <class L, class Q, bool kRecycled = false>
CoopTrial exit_beside_walker(std::uint64_t seed) {
    return Orphan<L, Q>::run(seed, 2, [](Orphan<L, Q>& orphan, auto& thread, ThreadId tid) {
        using Object = AnonVma<Env, L>;
        if (tid == 0) {
            orphan.own.store(nullptr, seq_cst);
            exit_mm(orphan.trial.rmap(), thread, orphan.child);
            if constexpr (kRecycled) {
                auto& rmap = orphan.trial.rmap();
                Vma<Env>* const buffer = map_buffer(rmap.memory, thread.task, orphan.trial.parent(), 2);
                touch_page(rmap, thread, *buffer, buffer->pgoff.get());
            }
            exit_mm(orphan.trial.rmap(), thread, &orphan.trial.parent());
            return;
        }
        for (int attempt = 0; attempt < 4; ++attempt) {
            Object* own = nullptr;
            Object* root = nullptr;
            {
                const Coop::ReadSection section;
                own = anon_vma_of<Env, L>(orphan.own.load(seq_cst));
                if (own == nullptr) {
                    return;
                }
                root = root_of<Env, L>(own);
                for (int look = 0; kRecycled && root != own && look < 64; ++look) {
                    Coop::relax();
                    root = root_of<Env, L>(own);
                }
                if ((kRecycled && root != own) || !try_lock_for_read(root->stable.lock, thread.token)) {
                    continue;
                }
                if (own->stable.refcount.load(seq_cst) == 0) {
                    unlock_for_read(root->stable.lock, thread.token);
                    return;
                }
            }
            static_cast<void>(own->fresh.tree.get());
            Coop::relax();
            static_cast<void>(own->fresh.tree.get());
            const Coop::ReadSection section;
            unlock_for_read(root->stable.lock, thread.token);
        }
    });
}

// The child grows its stack, or its heap in two steps, and gets a page there back from swap. That of the stack it
// shares with a child of its own, so that it comes back as a page of the root, whose tree then has members with
// different lower bounds. A wrong upper bound shows in the smallest tree already, that of the heap's new VMA; a member
// that joins would mend it.
enum class Grows { stack, heap };
template <class L, class Q, Grows kWhat = Grows::stack>
CoopTrial grown_page(std::uint64_t seed) {
    return Orphan<L, Q>::run(seed, 1, [](Orphan<L, Q>& orphan, auto& thread, ThreadId) {
        auto& rmap = orphan.trial.rmap();
        const bool stack = kWhat == Grows::stack;
        Vma<Env>* vma = &orphan.vma();
        if (stack) {
            check(expand_stack(rmap, thread, *vma, 1), "there is room to grow");
        } else {
            vma = grow_heap(rmap, thread, orphan.vma(), 1);
            touch_page(rmap, thread, *vma, vma->pgoff.get());
            check(grow_heap(rmap, thread, orphan.vma(), 1) == vma, "its new VMA grows");
        }
        const std::uint64_t first = vma->pgoff.get();
        const std::uint64_t grown = stack ? first : first + vma->pages() - 1;
        touch_page(rmap, thread, *vma, grown);
        Mm<Env>* const grandchild = stack ? fork_mm(rmap, thread, *orphan.child) : nullptr;
        const auto reclaim_all = [&rmap, &thread] {
            for (int turn = 0; turn < 8; ++turn) {
                shrink_lists(rmap, thread);
            }
        };
        reclaim_all();
        handle_fault(rmap, thread, *vma, grown);
        reclaim_all();
        check(thread.task.ctx.stats.ops[static_cast<std::size_t>(RmapOp::swap_in)] == 1, "the page came back once");
        for (Mm<Env>* mm : {grandchild, orphan.child, &orphan.trial.parent()}) {
            if (mm != nullptr) {
                exit_mm(rmap, thread, mm);
            }
        }
    });
}

template <class L>
class RmapFaults : public testing::Test {};
using BothKinds = testing::Types<TicketLock<Coop>, Rwsem310<Coop>>;
TYPED_TEST_SUITE(RmapFaults, BothKinds);

template <class L, class Q>
Scenario orphan_scenario(unsigned reclaimers) {
    return [reclaimers](std::uint64_t seed) { return orphan_exits<L, Q>(seed, reclaimers); };
}

// The fault, and under which lock.
template <class L>
std::string named(std::string_view fault) {
    return std::string(fault) + ", " + std::string(L::kInfo.name);
}

TYPED_TEST(RmapFaults, B2WalkWithoutASecondLook) {
    expect_found_as("B2", named<TypeParam>("no second look after the trylock"),
                    orphan_scenario<TypeParam, NoRecheck>(2), orphan_scenario<TypeParam, FaithfulRmap>(2),
                    CoopFailure::use_after_free);
}

TYPED_TEST(RmapFaults, B1InsertedWithoutTheLock) {
    expect_found_as("B1", named<TypeParam>("a VMA joins a new anon_vma without its lock"),
                    &exit_beside_walker<TypeParam, PreparedUnlocked, true>,
                    &exit_beside_walker<TypeParam, FaithfulRmap, true>, CoopFailure::race);
}

TYPED_TEST(RmapFaults, B3RootFreedBeforeItsChild) {
    expect_found_as("B3", named<TypeParam>("the root is freed before its child"),
                    orphan_scenario<TypeParam, RootFreedFirst>(2), orphan_scenario<TypeParam, FaithfulRmap>(2),
                    CoopFailure::use_after_free);
}

TYPED_TEST(RmapFaults, B4EndWithoutDrain) {
    expect_found_as("B4", named<TypeParam>("the end of an anon_vma does not wait for the root lock"),
                    &exit_beside_walker<TypeParam, NoDrain>, &exit_beside_walker<TypeParam, FaithfulRmap>,
                    CoopFailure::use_after_free);
}

// A lock that does not say so while readers have it: the end does not wait.
template <class L>
struct SilentAboutReaders : L {
    [[nodiscard]] bool is_locked() const { return false; }
};
TYPED_TEST(RmapFaults, B5LockedAndSaysThatItIsNot) {
    expect_found_as("B5", named<TypeParam>("is_locked() is false while readers hold the lock"),
                    &exit_beside_walker<SilentAboutReaders<TypeParam>, FaithfulRmap>,
                    &exit_beside_walker<TypeParam, FaithfulRmap>, CoopFailure::use_after_free);
}

// Natively a self-deadlock; the order of ranks tells it before.
TYPED_TEST(RmapFaults, B8LastReferenceInsideTheLock) {
    expect_found_as("B8", named<TypeParam>("the last reference is dropped inside the lock"),
                    orphan_scenario<TypeParam, PutInsideLock>(2), orphan_scenario<TypeParam, FaithfulRmap>(2),
                    CoopFailure::check_failed);
}

TYPED_TEST(RmapFaults, B10BoundsChangedInsideTheTrees) {
    expect_found_as("B10", named<TypeParam>("lower bounds change inside the trees"), &grown_page<TypeParam, NoReinsert>,
                    &grown_page<TypeParam, FaithfulRmap>, CoopFailure::check_failed);
}

TYPED_TEST(RmapFaults, B10UpperBoundChangedInsideTheTrees) {
    const Found found = expect_found_as("B10", named<TypeParam>("upper bounds change inside the trees"),
                                        &grown_page<TypeParam, NoReinsertAbove, Grows::heap>,
                                        &grown_page<TypeParam, FaithfulRmap, Grows::heap>, CoopFailure::check_failed);
    EXPECT_NE(found.text.find("every entry that maps a page is in the tree"), std::string::npos) << found.text;
}

// In the right order the root outlives its children even without references, as long as nobody reclaims.
TYPED_TEST(RmapFaults, B11RootUnlinkedFirst) {
    expect_found_as("B11", named<TypeParam>("the root is unlinked before its children"),
                    orphan_scenario<TypeParam, OldestFirst>(0), orphan_scenario<TypeParam, NoRootReference>(0),
                    CoopFailure::use_after_free);
    expect_found(orphan_scenario<TypeParam, NoRootReference>(2), orphan_scenario<TypeParam, FaithfulRmap>(2),
                 CoopFailure::use_after_free);
}

// A semaphore's release frees the count first and then takes the wait_lock to wake the next: by then a writer that
// steals may have unlinked and freed the root. No fault of the history, but one that this model met.
TEST(RmapBugs, ReleaseOutsideAReadSection) {
    using L = Rwsem310<Coop>;
    expect_found(orphan_scenario<L, ReleaseOutsideSection>(2), orphan_scenario<L, FaithfulRmap>(2),
                 CoopFailure::use_after_free);
    // A ticket lock is not touched after its release: it needs no section.
    EXPECT_EQ(search(orphan_scenario<TicketLock<Coop>, ReleaseOutsideSection>(2), kControl).text, "");
}

// Nobody gives the CPU away inside a section of a lock whose waiters spin.
TEST(RmapWaiting, FollowsTheLockUnderTest) {
    EXPECT_EQ(kWaitingInside<TicketLock<Coop>>, Waiting::spin);
    EXPECT_EQ(kWaitingInside<Rwsem310<Coop>>, Waiting::yield);
}

}  // namespace
}  // namespace lockbench
