// SPDX-License-Identifier: MIT
// What lockcheck lets a few threads do to the reverse map, with the lock under test as that of the anon_vmas: the code
// of workloads/, on two pages. One thread an action:
//
//   fork      the parent forks, the new child exits
//   exit      the child, which has copied both pages, exits
//   exits     the parent exits, then the child
//   recycle   the child exits, the parent forks another, whose anon_vma may lie where the child's lay; that one exits
//   stack     the child's stack grows and gets a page back from swap that another child of its own shares; all exit
//   heap      the same for a child that makes its heap longer, in two steps
//   fault     the parent writes to both pages
//   reclaim   both pages are taken away from all who map them
//   walk      who has found a page of the child's looks for its anon_vma (page_lock_anon_vma_read) and walks the tree
// At the end every invariant of the reverse map holds, and nothing that nobody needs is left.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "bench/lockcheck_client.hpp"
#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "workloads/registry.hpp"

namespace lockbench {

template <class L, class Q = FaithfulRmap>
class RmapProgram {
    using P = Explore;
    using E = RmapEnv<P>;

  public:
    explicit RmapProgram(std::vector<RmapAction> actions) : actions_(std::move(actions)), stats_(actions_.size()) {
        for (ThreadId tid = 0; tid < actions_.size(); ++tid) {
            ctxs_.push_back(std::make_unique<Ctx<P>>(tid, 1, 0, stats_[tid], nullptr));
        }
    }
    RmapProgram(const RmapProgram&) = delete;
    RmapProgram& operator=(const RmapProgram&) = delete;

    explore::Program program() {
        explore::Program program;
        program.threads = static_cast<ThreadId>(actions_.size());
        program.setup = [this](explore::Arena& arena) { set_up(arena); };
        program.body = [this](ThreadId tid) { act(actions_[tid], *world_->threads[tid]); };
        program.verify = [this] { verify(); };
        return program;
    }

  private:
    using Trial = ProcessTrial<E, L, Q>;
    using Thread = RmapThread<E, L>;
    static constexpr int kReclaimTurns = 2;  // a page is deactivated in one and goes in the next
    static constexpr int kAllTurns = 8;      // all pages go

    struct World {
        explicit World(const RmapConfig& config) : trial(config, {}) {}

        Trial trial;
        Mm<E>* child = nullptr;
        Page<E>* page = nullptr;  // of the child's, held for the walker
        Thread* threads[explore::kMaxFibers] = {};
    };

    static RmapConfig config() {
        RmapConfig config = rmap_config(detail::kReclaimInfo, default_params(detail::kReclaimInfo));
        config.anon_vmas = 1;
        config.fresh_vmas = 0;
        config.file_vmas = 0;
        config.pages = 2;
        config.batch = 2;
        config.grow_pages = 1;
        config.brk_pages = 2;
        return config;
    }
    [[nodiscard]] std::size_t count(RmapAction action) const {
        return static_cast<std::size_t>(std::count(actions_.begin(), actions_.end(), action));
    }
    [[nodiscard]] bool has_child() const {
        return std::any_of(actions_.begin(), actions_.end(),
                           [](RmapAction action) { return action >= RmapAction::exit && action <= RmapAction::heap; });
    }

    void set_up(explore::Arena& arena) {
        world_ = &arena.make<World>(config());
        Trial& trial = world_->trial;
        arena.label(&trial, sizeof trial, "rmap");
        for (ThreadId tid = 0; tid < actions_.size(); ++tid) {
            world_->threads[tid] = &arena.make<Thread>(*ctxs_[tid], trial.config());
        }
        if (!has_child()) {
            return;
        }
        world_->child = fork_mm(trial.rmap(), trial.host(), trial.parent());
        Vma<E>& vma = *world_->child->first.get();
        for (std::uint64_t page = 0; page < vma.pages(); ++page) {
            touch_page(trial.rmap(), trial.host(), vma, vma.pgoff.get() + page);
        }
        flush_added(trial.rmap().memory, trial.host().task);
        if (count(RmapAction::walk) != 0) {
            world_->page = Pte::page<E>(
                table_of(vma)->pte(vma.slot(vma.pgoff.get())).load(relaxed));  // relaxed: before all threads
            world_->page->count.add(static_cast<std::int32_t>(count(RmapAction::walk)), relaxed);  // relaxed: as above
        }
    }

    void act(RmapAction action, Thread& thread) {
        Rmap<E, L, Q>& rmap = world_->trial.rmap();
        switch (action) {
            case RmapAction::exits:
                exit_mm(rmap, thread, &world_->trial.parent());
                exit_mm(rmap, thread, world_->child);
                break;
            case RmapAction::exit:
                exit_mm(rmap, thread, world_->child);
                break;
            case RmapAction::recycle:
                exit_mm(rmap, thread, world_->child);
                exit_mm(rmap, thread, fork_mm(rmap, thread, world_->trial.parent()));
                break;
            case RmapAction::stack:
            case RmapAction::heap:
                grow(rmap, thread, action == RmapAction::stack);
                break;
            case RmapAction::fork:
                exit_mm(rmap, thread, fork_mm(rmap, thread, world_->trial.parent()));
                break;
            case RmapAction::fault:
                fault(thread, *world_->trial.parent().first.get());
                break;
            case RmapAction::reclaim:
                reclaim(rmap, thread, kReclaimTurns);
                break;
            case RmapAction::walk:
                walk(rmap, thread);
                break;
        }
        flush_added(rmap.memory, thread.task);
    }
    void grow(Rmap<E, L, Q>& rmap, Thread& thread, bool stack) {
        Vma<E>* vma = world_->child->first.get();
        if (stack) {
            check(expand_stack(rmap, thread, *vma, 1), "there is room to grow");
        } else {
            vma = grow_heap(rmap, thread, *vma, 1);
            touch_page(rmap, thread, *vma, vma->pgoff.get());
            check(grow_heap(rmap, thread, *world_->child->first.get(), 1) == vma, "its new VMA grows");
        }
        const std::uint64_t first = vma->pgoff.get();
        const std::uint64_t grown = stack ? first : first + vma->pages() - 1;
        touch_page(rmap, thread, *vma, grown);
        Mm<E>* const grandchild = stack ? fork_mm(rmap, thread, *world_->child) : nullptr;
        reclaim(rmap, thread, kAllTurns);
        handle_fault(rmap, thread, *vma, grown);
        reclaim(rmap, thread, kAllTurns);
        if (grandchild != nullptr) {
            exit_mm(rmap, thread, grandchild);
        }
        exit_mm(rmap, thread, world_->child);
    }
    void reclaim(Rmap<E, L, Q>& rmap, Thread& thread, int turns) {
        for (int turn = 0; turn < turns; ++turn) {
            shrink_lists(rmap, thread);
        }
    }
    void fault(Thread& thread, Vma<E>& vma) {
        const std::uint64_t first = vma.pgoff.get();
        for (std::uint64_t page = 0; page < vma.pages(); ++page) {
            touch_page(world_->trial.rmap(), thread, vma, first + page);
        }
    }
    void walk(Rmap<E, L, Q>& rmap, Thread& thread) {
        Page<E>* const page = world_->page;
        const LockedAnonVma<E, L> locked = lock_anon_vma_read<RmapSite::referenced>(rmap, thread, page);
        if (locked.anon_vma != nullptr) {
            walk_anon_vma(locked, page->index.get(), [](const Vma<E>& vma) { return vma.pages() != 0; });
            unlock_anon_vma_read<Q>(thread, locked);
        }
        put_page(rmap.memory, thread.task, page);
    }

    void verify() {
        Verdict verdict;
        Rmap<E, L, Q>& rmap = world_->trial.rmap();
        if (count(RmapAction::exits) != 0) {
            verify_empty(rmap, verdict);
        } else {
            RmapVerifier<E, L, Q>(rmap, world_->trial.parent(), verdict).run();
        }
        if (!verdict.passed()) {
            explore::core->engine().fail(explore::Failure::check_failed, verdict.failures.front());
        }
    }

    std::vector<RmapAction> actions_;
    std::vector<ThreadStats> stats_;
    std::vector<std::unique_ptr<Ctx<P>>> ctxs_;
    World* world_ = nullptr;
};

template <class L, class Q = FaithfulRmap>
explore::Verdict check_rmap(const std::vector<RmapAction>& actions, const explore::Options& options) {
    RmapProgram<L, Q> hands(actions);
    const explore::Program program = hands.program();
    return options.engine(program, options);
}

}  // namespace lockbench
