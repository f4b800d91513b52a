// SPDX-License-Identifier: MIT
// A batch of shrink_page_list whose pages devices map as well: when the calls are made, and what has to wait for them.
//
// Origin and locks: invalidate.hpp. The page lock is held from the first look to the calls; a batch of a3 waits for its
// calls without page locks, as nobody maps its pages any more, and who faults on one waits for its slot.
#pragma once

#include "workloads/invalidate.hpp"

namespace lockbench {

// What an access of a device to a page that was freed meets.
inline constexpr std::uint64_t kFreedPage = ~std::uint64_t{1};

template <class E, class L, class Q>
class CallingShrink {
  public:
    CallingShrink(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, CallState<E>& state)
        : rmap_(rmap), thread_(thread), state_(state) {}

    // Takes a batch of the inactive list's oldest pages away from all who map them. Returns how many were freed.
    std::size_t run() {
        Memory<E>& memory = rmap_.memory;
        Task<E>& task = thread_.task;
        std::array<Page<E>*, kPageBatch> pages{};
        const std::size_t count = isolate_pages(memory, task, memory.inactive, pages.data(), task.config.batch);
        for (std::size_t i = 0; i < count; ++i) {
            shrink_page(pages[i]);
            if (!state_.pending.fits_a_page()) {
                finish_batch();
            }
        }
        finish_batch();
        task.count(RmapOp::page_reclaimed, freed_);
        putback_pages(memory, task, kept_.data(), kept_count_);
        return freed_;
    }

  private:
    struct Later {
        Page<E>* page;
        SwapSlot<E>* slot;
    };

    [[nodiscard]] bool pins() const { return info_of(state_.policy).pins; }
    [[nodiscard]] bool batches() const {
        return state_.policy == CallPolicy::a3 || state_.policy == CallPolicy::late || !Q::kFreeAfterCalls;
    }

    void keep(Page<E>* page, RmapOp why) {
        thread_.task.count(why);
        kept_[kept_count_++] = page;
    }
    // Nobody maps the page any more, and its data is in the slot: it is freed if nobody else has a reference.
    void free_or_keep(Page<E>* page) {
        if (freeze_page(page)) {
            dead_[dead_count_++] = page;
        } else {
            keep(page, RmapOp::page_kept);
        }
    }

    void shrink_page(Page<E>* page) {
        using P = typename E::P;
        Task<E>& task = thread_.task;
        task.count(RmapOp::page_scanned);
        if (!PageLock<P>::try_lock(page->flags)) {
            keep(page, RmapOp::page_kept);
            return;
        }
        task.ranks.take(Rank::page);
        shrink_locked_page(page);
        PageLock<P>::unlock(page->flags);
        task.ranks.drop(Rank::page);
    }

    void activate(Page<E>* page) {
        page->flags.or_(kPageActive, relaxed);  // relaxed: the page is isolated
        keep(page, RmapOp::page_activated);
    }

    void shrink_locked_page(Page<E>* page) {
        Task<E>& task = thread_.task;
        if (!page_mapped(page)) {
            free_or_keep(page);
            return;
        }
        if (page_referenced<RmapSite::referenced>(rmap_, thread_, page) != 0) {
            activate(page);
            return;
        }
        if (task.fails(task.config.alloc_fail)) {
            task.count(RmapOp::swap_failed);
            activate(page);
            return;
        }
        SwapSlot<E>* const slot = rmap_.memory.slots.make(page->stamp.get());
        CallingUnmap<E, L, Q> walk(rmap_, thread_, state_, page, slot);
        const Unmapped outcome = walk.run(flush_later_);
        if (!Q::kCopyAfterCalls || !pins()) {
            write_out(page, *slot, walk.touched());
        }
        if (batches() && outcome == Unmapped::all) {
            later_[later_count_++] = {page, slot};
            return;
        }
        make_calls(rmap_.memory, task, state_, Q::kPinsMm && pins());
        settle(page, slot, outcome, walk.touched());
    }

    // The page's data goes to the slot. It may be mapped still, with its data in other hands, if no entry was replaced.
    void write_out(Page<E>* page, SwapSlot<E>& slot, bool touched) {
        if (touched) {
            SecondMmu::carry(*page, slot);
        }
        SecondMmu::fill<E>(slot);
    }

    // The calls about the page have returned.
    void settle(Page<E>* page, SwapSlot<E>* slot, Unmapped outcome, bool touched) {
        Task<E>& task = thread_.task;
        if (Q::kCopyAfterCalls && pins()) {
            write_out(page, *slot, touched);
        }
        put_slot(rmap_.memory, slot);
        switch (outcome) {
            case Unmapped::young:
                activate(page);
                return;
            case Unmapped::skipped:
                count_device(task, DeviceOp::page_skipped);
                keep(page, RmapOp::page_kept);
                return;
            case Unmapped::some:
                keep(page, RmapOp::page_kept);
                return;
            case Unmapped::all:
                if (task.config.swap_ns != 0) {
                    E::P::compute(task.config.swap_ns);
                }
                break;
            case Unmapped::missed:
                break;
        }
        free_or_keep(page);
    }

    void finish_batch() {
        const bool frees_late = Q::kFreeAfterCalls && pins();
        if (flush_later_) {
            flush_tlb(thread_.task);  // before the memory is used again
            flush_later_ = false;
        }
        const bool pinned = Q::kPinsMm && pins();
        if (frees_late) {
            make_calls(rmap_.memory, thread_.task, state_, pinned);
        }
        for (std::size_t i = 0; i < later_count_; ++i) {
            settle(later_[i].page, later_[i].slot, Unmapped::all, true);
        }
        later_count_ = 0;
        for (std::size_t i = 0; i < dead_count_; ++i) {
            check(read_locked(dead_[i]->mapcount) == 0, "a page that is reclaimed is not mapped");
            if constexpr (!E::P::kChecked) {  // where the platform does not see it by itself
                dead_[i]->stamp.set(kFreedPage);
            }
            rmap_.memory.pages.destroy(dead_[i]);
        }
        freed_ += dead_count_;
        dead_count_ = 0;
        if (!frees_late) {
            make_calls(rmap_.memory, thread_.task, state_, pinned);
        }
    }

    Rmap<E, L, Q>& rmap_;
    RmapThread<E, L>& thread_;
    CallState<E>& state_;
    std::array<Page<E>*, kPageBatch> kept_{};
    std::size_t kept_count_ = 0;
    std::array<Page<E>*, kPageBatch> dead_{};
    std::size_t dead_count_ = 0;
    std::array<Later, kPageBatch> later_{};
    std::size_t later_count_ = 0;
    std::size_t freed_ = 0;
    bool flush_later_ = false;
};

}  // namespace lockbench
