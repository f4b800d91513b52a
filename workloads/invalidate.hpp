// SPDX-License-Identifier: MIT
// Reclaim of pages that devices map as well: try_to_unmap with its calls of the notifiers, by each of the policies that
// were proposed in 2013 (second_mmu.hpp), and shrink_page_list around it.
//
// Origin: try_to_unmap_one and mmu_notifier_invalidate_page of mm/rmap.c and include/linux/mmu_notifier.h,
//   shrink_page_list of mm/vmscan.c, Linux 3.12 (a0); the proposals of the debate for the others. a3 has the shape of
//   the batched TLB flush of 4.3, a5 that of the calls that may not block (4.19).
// Differs: a1, a2, a3 and a4 take a reference on the struct of the address space alone (mm_count). Its end takes the
//   device's translations away first, so a call that comes late finds no device; and dropping the last such reference
//   frees a struct and takes no lock, where the last user's would run exit_mmap and had to be left to a worker.
//
// Acquisitions of the root lock for read, for each page: referenced and unmap, as in shrink.hpp; a4 takes it once more
// (resume) for each call after which the page is still mapped.
#pragma once

#include <optional>

#include "workloads/device_actor.hpp"
#include "workloads/shrink.hpp"

namespace lockbench {

// The site of a4's further acquisitions, behind those of reclaim.
enum class DeviceSite : std::size_t { resume = kReclaimSites };

// A call that is to be made: about one page of a process, by numbers, as its VMAs may have gone by then.
template <class E>
struct PendingCall {
    Mm<E>* mm = nullptr;
    std::uint64_t mm_id = 0;
    std::uint32_t vma = 0;
    std::uint64_t slot = 0;
};

// Calls to be made after unlock. No memory is allocated in reclaim: a walk that finds no room ends early.
template <class E>
class PendingCalls {
  public:
    static constexpr std::size_t kMost = 64;         // calls
    static constexpr std::size_t kMostOfAPage = 32;  // calls

    [[nodiscard]] bool has_room(std::size_t before) const { return count_ < kMost && count_ - before < kMostOfAPage; }
    [[nodiscard]] bool fits_a_page() const { return count_ + kMostOfAPage <= kMost; }
    [[nodiscard]] std::size_t size() const { return count_; }
    void add(const PendingCall<E>& call) { calls_[count_++] = call; }
    template <class F>
    void drain(F&& f) {
        for (std::size_t i = 0; i < count_; ++i) {
            f(calls_[i]);
        }
        count_ = 0;
    }

  private:
    std::array<PendingCall<E>, kMost> calls_{};
    std::size_t count_ = 0;
};

// What a reclaiming thread carries through its calls.
template <class E>
struct CallState {
    CallPolicy policy = CallPolicy::a0;
    DeviceStore<E>* store = nullptr;
    PendingCalls<E> pending;
    Mm<E>* held = nullptr;  // a2: its mmap_sem is held for read
};

// Under the rmap lock. If not, or no more, the device has done all that it did.
template <class E>
bool has_device(const Vma<E>& vma) {
    // acquire (A1, pairs with device.hpp:R2, device.hpp:R4): the device is set up, or its last write is seen.
    return vma.mm.get()->second.device.load(acquire) != nullptr;
}

// One call (mmu_notifier_invalidate_page). The address space must not go meanwhile; its device may.
template <class E>
bool call_device(Task<E>& task, Mm<E>* mm, std::uint32_t vma, std::uint64_t slot, Patiently patience, bool spinning) {
    const CallbackSections<typename E::P> section;
    // acquire (A1, pairs with device.hpp:R2): the device is set up.
    Device<E>* const device = mm->second.device.load(acquire);
    DeviceRegion<E>* const region = region_of(device, vma);
    if (region == nullptr) {
        return true;
    }
    count_device(task, DeviceOp::callback);
    if (!begin_invalidate(task, device->store, *region, slot, slot + 1, CallOf::page, patience, spinning)) {
        return false;
    }
    end_invalidate(task, *region);
    return true;
}

// Makes the calls that wait. `pinned`: with a reference on each address space, which is dropped here.
template <class E>
void make_calls(Memory<E>& memory, Task<E>& task, CallState<E>& state, bool pinned) {
    state.pending.drain([&](const PendingCall<E>& call) {
        if (call.mm->id.get() != call.mm_id) {
            blame(task, *state.store, DeviceFault::ended_mm);
            return;
        }
        call_device(task, call.mm, call.vma, call.slot, Patiently::waits, false);
        if (pinned) {
            SecondMmu::put_mm(memory, call.mm);
        }
    });
    if (state.held != nullptr) {
        unlock_for_read(state.held->mmap_sem, task.mmap_token);
        SecondMmu::put_mm(memory, state.held);
        state.held = nullptr;
    }
}

// Leaves an entry that names a slot, and makes the call at once where that is asked for under the PTE lock.
template <class E>
struct LeaveAndCall : LeaveSwapEntry<E> {
    // Under the PTE lock.
    void replaced(Task<E>& task, Vma<E>& vma) const {
        *cleared = true;
        count_device(task, DeviceOp::invalidate);
        if (policy == CallPolicy::pte && has_device(vma)) {
            call_device(task, vma.mm.get(), vma.number.get(), vma.slot(index), Patiently::waits, true);
        }
    }
    std::uint64_t index;
    CallPolicy policy;
    bool* cleared;
};

enum class Unmapped : unsigned char { all, young, some, missed, skipped };

// The walk of try_to_unmap over one page.
template <class E, class L, class Q>
class CallingUnmap {
  public:
    CallingUnmap(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, CallState<E>& state, Page<E>* page, SwapSlot<E>* slot)
        : rmap_(rmap),
          thread_(thread),
          state_(state),
          page_(page),
          leave_{{slot}, page->index.get(), state.policy, &cleared_},
          pending_before_(state.pending.size()) {}

    // True: some entry was replaced.
    [[nodiscard]] bool touched() const { return touched_; }

    Unmapped run(bool& flush_later) {
        LockedAnonVma<E, L> locked = lock_anon_vma_read<RmapSite::unmap>(rmap_, thread_, page_);
        if (locked.anon_vma == nullptr) {
            thread_.task.count(RmapOp::walk_missed);
            return page_mapped(page_) ? Unmapped::some : Unmapped::missed;
        }
        bool resumed = false;
        do {  // a4: until no call cuts the walk short; each has taken an entry away, so they end
            walk_anon_vma(locked, page_->index.get(), [&](Vma<E>& vma) { return visit(vma, flush_later); });
            resumed = state_.policy == CallPolicy::a4 && state_.pending.size() != 0 && drop_and_call(locked);
        } while (resumed);
        if (locked.anon_vma != nullptr) {
            if (stop_ == Unmapped::all) {
                check_complete(thread_.task, locked, page_);
            }
            unlock_anon_vma_read<Q>(thread_, locked);
        }
        if (pinned_ != nullptr) {
            put_anon_vma(rmap_, thread_, pinned_);
        }
        return stop_ != Unmapped::all ? stop_ : page_mapped(page_) ? Unmapped::some : Unmapped::all;
    }

  private:
    // May the walk go on to the next member?
    bool visit(Vma<E>& vma, bool& flush_later) {
        Task<E>& task = thread_.task;
        // a5: the rmap lock keeps the address space, but not its device, which is used up to the end of the call.
        std::optional<CallbackSections<typename E::P>> section;
        if (state_.policy == CallPolicy::a5) {
            section.emplace();
        }
        DeviceRegion<E>* begun = nullptr;
        if (has_device(vma) && find_entry(table_of(vma), vma, page_) != nullptr && !prepare_call(vma, begun)) {
            stop_ = Unmapped::skipped;
            return false;
        }
        cleared_ = false;
        const bool young = !unmap_one(task, vma, page_, leave_, flush_later);
        if (begun != nullptr) {
            end_invalidate(task, *begun);
        }
        if (young) {
            stop_ = Unmapped::young;
            return false;
        }
        touched_ |= cleared_;
        if (cleared_ && has_device(vma)) {
            after_entry(vma);
            if (state_.policy == CallPolicy::a4) {
                return false;
            }
        }
        return page_mapped(page_);
    }

    // Before the entry is changed. False: the call could not be made, so the page stays.
    bool prepare_call(Vma<E>& vma, DeviceRegion<E>*& begun) {
        Task<E>& task = thread_.task;
        Mm<E>* const mm = vma.mm.get();
        if (state_.policy == CallPolicy::a2) {
            if (state_.held == mm) {
                return true;
            }
            if (state_.held != nullptr || !try_lock_for_read(mm->mmap_sem, task.mmap_token)) {
                return false;
            }
            mm->second.references.add(1, relaxed);  // relaxed: the rmap lock keeps the address space meanwhile
            state_.held = mm;
            return true;
        }
        if (state_.policy == CallPolicy::a5) {
            // acquire (A1, pairs with device.hpp:R2): the device is set up.
            Device<E>* const device = mm->second.device.load(acquire);
            DeviceRegion<E>* const region = region_of(device, vma.number.get());
            if (region == nullptr) {
                return true;
            }
            count_device(task, DeviceOp::callback);
            const std::uint64_t slot = vma.slot(page_->index.get());
            if (!begin_invalidate(task, device->store, *region, slot, slot + 1, CallOf::page, Patiently::refuses)) {
                return false;
            }
            begun = region;
        }
        return state_.pending.has_room(pending_before_);
    }

    // The entry is cleared, the PTE lock dropped, the rmap lock held.
    void after_entry(Vma<E>& vma) {
        Mm<E>* const mm = vma.mm.get();
        const std::uint64_t slot = vma.slot(page_->index.get());
        switch (state_.policy) {
            case CallPolicy::a0:
                call_device(thread_.task, mm, vma.number.get(), slot, Patiently::waits, false);
                break;
            case CallPolicy::a1:
            case CallPolicy::a2:
            case CallPolicy::a3:
            case CallPolicy::a4:
            case CallPolicy::late:
                if (pins_mm()) {
                    mm->second.references.add(1, relaxed);  // relaxed: the rmap lock keeps the address space meanwhile
                }
                state_.pending.add({mm, mm->id.get(), vma.number.get(), slot});
                break;
            case CallPolicy::a5:
            case CallPolicy::pte:
            case CallPolicy::kCount:
                break;
        }
    }

    // a4: makes the call without the lock. True: the lock is held again and the walk has to go on. The tree may change
    // meanwhile, so it begins anew and passes over what it has replaced; the anon_vma is kept by a reference.
    bool drop_and_call(LockedAnonVma<E, L>& locked) {
        if (pinned_ == nullptr) {
            pinned_ = locked.anon_vma;
            // relaxed: the lock is held and the page was mapped, so there is a reference.
            pinned_->stable.refcount.add(1, relaxed);
        }
        unlock_anon_vma_read<Q>(thread_, locked);
        make_calls(rmap_.memory, thread_.task, state_, pins_mm());
        if (!page_mapped(page_)) {
            locked = {};
            return false;
        }
        locked = {pinned_, root_of<E, L>(pinned_)};
        thread_.task.ranks.take(Rank::anon_vma);
        acquire_lock<DeviceSite::resume, Mode::read>(thread_.task.ctx, locked.root->stable.lock, thread_.token,
                                                     locked.root->stable.last_writer);
        thread_.task.waiting = kWaitingInside<L>;
        return true;
    }

    [[nodiscard]] bool pins_mm() const { return Q::kPinsMm && info_of(state_.policy).pins; }

    Rmap<E, L, Q>& rmap_;
    RmapThread<E, L>& thread_;
    CallState<E>& state_;
    Page<E>* page_;
    bool cleared_ = false;  // by the last visit
    bool touched_ = false;
    Unmapped stop_ = Unmapped::all;
    AnonVma<E, L>* pinned_ = nullptr;
    LeaveAndCall<E> leave_;
    std::size_t pending_before_;
};

}  // namespace lockbench
