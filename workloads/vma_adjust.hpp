// SPDX-License-Identifier: MIT
// vma_adjust: processes below one ancestor change the rights of parts of their VMAs, move them and grow their stacks.
//
// Origin: mprotect, mremap and stack faults, Linux 3.12, in processes that were forked from one another, as the
//   programs of a prefork server or of Android are: they share root locks, and each change of a VMA's bounds takes one
//   for write and goes through all trees of the chain, twice. Within one process mmap_sem would let one at a time in.
// Each thread has a process of its own (generations >= 2) and children of that; a turn changes one VMA:
//
//   whole --split--> split --boundary moved--> split --merge--> whole
//                    split --moved away--> away --moved back--> whole
//                    split --first part replaced--> apart, whose parts have different anon_vmas: replaced again
//   The last VMA is the stack. After `lifetime` turns the process exits and another one is forked.
// Write sections of the root lock: split 2, boundary 1, merge 2, move away 2, back 2 and one for each 64 pages,
// replace 2 (unlink; prepare, on a root of its own), growth 1; besides those of forks and exits. compact_permille
// brings readers.
// Differs: which parts are changed, and how often, is drawn; no trace is known.
#pragma once

#include <vector>

#include "workloads/fork_server.hpp"
#include "workloads/migrate.hpp"
#include "workloads/mremap.hpp"
#include "workloads/rmap_check.hpp"

namespace lockbench {

namespace detail {
constexpr auto adjust_params() {
    using enum RmapParam;
    auto params = select_params({form,       fork_reuse, anon_vmas,     pages,         children,         generations,
                                 touch,      grow_pages, write_hold_ns, read_hold_ns,  layout,           nowait_fail,
                                 alloc_fail, batch,      page_copy_ns,  fork_permille, compact_permille, move,
                                 replace,    grow,       lifetime,      adjust_share});
    own_param(params, anon_vmas).default_value = 4;
    own_param(params, anon_vmas).min = 2;
    own_param(params, anon_vmas).help =
        "Anonymous VMAs of each process, the last of them the stack, each below a root lock that all processes share; "
        "few, so that changes meet (estimate).";
    own_param(params, pages).min = 2;
    own_param(params, pages).max = kMaxPagesOfHeap;
    own_param(params, children).default_value = 4;
    own_param(params, children).help =
        "Children of each process that live at a time: they make its trees larger (estimate).";
    own_param(params, generations).min = 2;
    own_param(params, generations).help =
        "Depth of the chains, one tree each: 2 is a child of the ancestor; each thread has a process of its own.";
    own_param(params, grow_pages).default_value = 16;
    own_param(params, grow_pages).help = "Room of each stack to grow by a page at a time (estimate).";
    own_param(params, fork_permille).default_value = 20;
    own_param(params, fork_permille).help =
        "Turns that fork a child of the process as it is now, with its split VMAs, and end the oldest (estimate).";
    own_param(params, compact_permille).default_value = 20;
    own_param(params, compact_permille).help =
        "Turns that move a batch of pages from the list as compaction does: readers of the root locks (estimate).";
    return params;
}
inline constexpr auto kAdjustParams = adjust_params();
inline constexpr auto kAdjustOps = select_ops({RmapOp::vma_changed,
                                               RmapOp::vma_split,
                                               RmapOp::boundary_moved,
                                               RmapOp::vma_merged,
                                               RmapOp::vma_moved,
                                               RmapOp::vma_moved_back,
                                               RmapOp::vma_replaced,
                                               RmapOp::stack_grown,
                                               RmapOp::fork,
                                               RmapOp::exit,
                                               RmapOp::fault,
                                               RmapOp::fork_failed,
                                               RmapOp::avc_retry,
                                               RmapOp::avc_linked,
                                               RmapOp::anon_vma_reused,
                                               RmapOp::page_migrated,
                                               RmapOp::migration_failed,
                                               RmapOp::migration_retry,
                                               RmapOp::migration_wait,
                                               RmapOp::walk_missed,
                                               RmapOp::entry_migrated,
                                               RmapOp::entry_restored});
inline constexpr std::array<std::string_view, 1> kAdjustRoles = {"adjust"};
inline constexpr std::array<std::size_t, 1> kAdjustShares = {kAdjustParams.size() - 1};
inline constexpr WorkloadInfo kAdjustInfo = {
    .name = "vma_adjust",
    .summary = "Forked processes split, merge and move VMAs and grow stacks: writers that go through trees twice.",
    .origin =
        "Linux 3.12 mm/mprotect.c mprotect_fixup, mm/mmap.c vma_adjust and expand_downwards, mm/mremap.c move_vma",
    .params = kAdjustParams,
    .roles = kAdjustRoles,
    .share_param = kAdjustShares,
    .ops = kAdjustOps,
    .sites = kRmapSiteNames,
};
}  // namespace detail

// One VMA of a process, or what has become of it.
template <class E>
struct VmaParts {
    enum class State : unsigned char { whole, split, away, apart };

    State state = State::whole;
    Vma<E>* head = nullptr;  // all of it, when it is whole
    Vma<E>* tail = nullptr;
};

template <Platform P, class L, class E = RmapEnv<P>, class Q = FaithfulRmap>
class VmaAdjust {
  public:
    static const WorkloadInfo& info() { return detail::kAdjustInfo; }

    explicit VmaAdjust(const TrialSetup& setup) : trial_(rmap_config(info(), setup.params), setup) {}

    class Thread {
      public:
        Thread(VmaAdjust& adjust, Ctx<P>& ctx, RoleId) : family(adjust.trial_, ctx) {
            family.fork_children();
            look(adjust.trial_.config());
        }
        // What there is to change of the process: all its anonymous VMAs, as they were forked.
        void look(const RmapConfig& config) {
            parts.clear();
            stack = family.source().first.get();
            for (std::uint32_t i = 1; i < config.anon_vmas; ++i) {
                parts.push_back({VmaParts<E>::State::whole, stack, nullptr});
                stack = stack->next.get();
            }
            left = config.lifetime;
        }
        Family<E, L, Q> family;
        std::vector<VmaParts<E>> parts;
        Vma<E>* stack = nullptr;
        std::uint32_t left = 0;  // turns of this process
    };

    void step(Thread& thread) {
        const RmapConfig& config = trial_.config();
        RandomStream& random = thread.family.thread().task.ctx.random;
        if (random.chance(config.fork_permille)) {
            fork_child(thread);
        } else if (random.chance(config.compact_permille)) {
            compact(trial_.rmap(), thread.family.thread());
        } else if (random.chance(config.grow_permille)) {
            grow_stack(thread);
        } else {
            change_part(thread);
        }
        if constexpr (P::kChecked) {
            check_process(thread.family.thread(), thread.family.source());
        }
        if (--thread.left == 0) {
            thread.family.renew_source();
            thread.look(config);
        }
    }
    void finish(Thread& thread) { thread.family.finish(); }
    void verify(Verdict& verdict) { trial_.verify(verdict); }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(std::forward<F>(f));
    }

  private:
    using State = typename VmaParts<E>::State;

    // The child writes some pages of the VMAs as its parent has split and moved them, so that its own are copies.
    void fork_child(Thread& thread) {
        const Mm<E>* const child = thread.family.fork_idle();
        if (child == nullptr) {
            return;
        }
        for (Vma<E>* vma = child->first.get(); vma != nullptr; vma = vma->next.get()) {
            write_to(thread, *vma, trial_.config().touch_permille);
        }
        if (thread.family.children() > trial_.config().children) {
            thread.family.end_oldest();
        }
    }

    void write_to(Thread& thread, Vma<E>& vma, std::uint32_t permille) {
        RmapThread<E, L>& own = thread.family.thread();
        const std::uint64_t first = vma.pgoff.get();
        const std::uint64_t end = first + vma.pages();
        for (std::uint64_t index = first; index < end; ++index) {
            if (own.task.ctx.random.chance(permille)) {
                touch_page(trial_.rmap(), own, vma, index);
            }
        }
    }

    void grow_stack(Thread& thread) {
        RmapThread<E, L>& own = thread.family.thread();
        if (expand_stack(trial_.rmap(), own, *thread.stack, 1)) {
            touch_page(trial_.rmap(), own, *thread.stack, thread.stack->pgoff.get());
            own.task.count(RmapOp::stack_grown);
            own.task.count(RmapOp::vma_changed);
        }
    }

    void change_part(Thread& thread) {
        RmapThread<E, L>& own = thread.family.thread();
        Task<E>& task = own.task;
        VmaParts<E>& part = thread.parts[task.ctx.random.below(static_cast<std::uint32_t>(thread.parts.size()))];
        Mm<E>& mm = thread.family.source();
        mmap_lock(task, mm, Mode::write, task.mmap_token);
        const RmapOp done = change(own, part);
        mmap_unlock(task, mm, Mode::write, task.mmap_token);
        if (done == RmapOp::kCount) {
            return;  // no memory
        }
        task.count(done);
        task.count(RmapOp::vma_changed);
        if (done == RmapOp::vma_replaced) {
            fill(thread, *part.head);
        }
        write_to(thread, *part.head, trial_.config().touch_permille);
    }

    // Of the pages that a process begins with none is ever missing.
    void fill(Thread& thread, Vma<E>& vma) {
        for (std::size_t at = vma.first_slot(); at < vma.end_slot(); ++at) {
            while (read_hint(table_of(vma)->pte(at)) == 0) {  // bounded: an allocation succeeds in the end
                touch_page(trial_.rmap(), thread.family.thread(), vma, vma.origin.get() + at);
            }
        }
    }

    // Changes a VMA, or its parts, and says how; kCount: no memory, and all is as before.
    RmapOp change(RmapThread<E, L>& own, VmaParts<E>& part) {
        const RmapConfig& config = trial_.config();
        RandomStream& random = own.task.ctx.random;
        switch (part.state) {
            case State::whole:
                return split(own, part);
            case State::away:
                move_vma_back(trial_.rmap(), own, *part.head, *part.tail);
                part.state = State::whole;
                return RmapOp::vma_moved_back;
            case State::apart:
                if (mergeable(*part.head, *part.tail)) {  // never: see prepare.hpp, reusable()
                    return change_rights(own, part);
                }
                part.head = replace_head(trial_.rmap(), own, *part.head, *part.tail);
                return RmapOp::vma_replaced;
            case State::split:
                break;
        }
        check(mergeable(*part.head, *part.tail), "what was split may be merged");
        if (random.chance(config.replace_permille)) {
            part.head = replace_head(trial_.rmap(), own, *part.head, *part.tail);
            part.state = State::apart;
            return RmapOp::vma_replaced;
        }
        if (random.chance(config.move_permille)) {
            Vma<E>* const moved = move_vma_away(trial_.rmap(), own, *part.tail);
            if (moved == nullptr) {
                return RmapOp::kCount;
            }
            part.tail = moved;
            part.state = State::away;
            return RmapOp::vma_moved;
        }
        return change_rights(own, part);
    }

    RmapOp split(RmapThread<E, L>& own, VmaParts<E>& part) {
        Vma<E>& whole = *part.head;
        const std::uint64_t pages = 1 + own.task.ctx.random.below(static_cast<std::uint32_t>(whole.pages() - 1));
        Vma<E>* const head = split_vma(trial_.rmap(), own, whole, pages);
        if (head == nullptr) {
            return RmapOp::kCount;
        }
        part = {State::split, head, &whole};
        protect_pages(own.task, whole);
        return RmapOp::vma_split;
    }

    // Half of the changes make the parts one again.
    RmapOp change_rights(RmapThread<E, L>& own, VmaParts<E>& part) {
        Vma<E>& head = *part.head;
        Vma<E>& tail = *part.tail;
        RandomStream& random = own.task.ctx.random;
        const std::uint64_t all = head.pages() + tail.pages();
        if (all == 2 || random.chance(500)) {
            merge_vmas(trial_.rmap(), own, head, tail);
            protect_pages(own.task, head);
            part.state = State::whole;
            return RmapOp::vma_merged;
        }
        const std::uint64_t pages = 1 + random.below(static_cast<std::uint32_t>(all - 1));
        move_boundary(trial_.rmap(), own, head, tail, head.start.get() + pages);
        protect_pages(own.task, pages > all / 2 ? head : tail);
        return RmapOp::boundary_moved;
    }

    ProcessTrial<E, L, Q> trial_;
};

}  // namespace lockbench
