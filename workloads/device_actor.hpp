// SPDX-License-Identifier: MIT
// What a device does by itself: it reads and writes the pages of its process and faults where it has no translation.
//
// Origin: kvm_try_async_get_page, hva_to_pfn and mmu_notifier_retry of virt/kvm/kvm_main.c, Linux 3.12, and the page
//   faults of on-demand paging (drivers/infiniband, 3.19): look up the page through the CPU's page tables, then install
//   the translation unless an invalidation has run meanwhile; the page's reference is dropped at once.
#pragma once

#include "workloads/device.hpp"

namespace lockbench {

// What is right. Tests replace single rules to show that each is needed; nothing else does.
struct FaithfulPageable : FaithfulRmap {
    static constexpr bool kPinsMm = true;           // a call after unlock has a reference on it
    static constexpr bool kFreeAfterCalls = true;   // a page is not freed before the device knows
    static constexpr bool kCopyAfterCalls = true;   // nor copied
    static constexpr bool kFaultLooksAgain = true;  // at the count of running invalidations and at the sequence number
};

// One access. False: there is no translation.
template <class E>
bool device_access(Task<E>& task, Device<E>& device, DeviceRegion<E>& region, std::uint64_t slot) {
    const PteGuard<typename E::P> guard(region.lock, task.waiting);
    DeviceEntry<E>& entry = region.at(slot);
    const std::uint64_t word = entry.word.get();
    if (word == 0) {
        return false;
    }
    Page<E>* const page = translated<E>(word);
    const std::uint64_t index = region.origin.get() + slot;
    const std::uint64_t written = entry.written.get();
    if (page->stamp.get() != stamp_of_number(region.number.get(), index)) {
        blame(task, device.store, DeviceFault::late_access);  // the page is another's
    } else if (page->second.word.get() != written) {
        blame(task, device.store, DeviceFault::lost_write);
    }
    if (task.ctx.random.chance(device.store.settings.write_permille)) {
        page->second.word.set(written + 1);
        entry.written.set(written + 1);
    }
    count_device(task, DeviceOp::device_access);
    return true;
}

// The page that the process may write to at `index`, with a reference, or null (get_user_pages).
template <class E>
Page<E>* get_writable_page(Task<E>& task, Vma<E>& vma, std::uint64_t index) {
    PteTable<E>* const table = table_of(vma);
    const SpinHold<E> hold(task, table->lock, Rank::pte);
    const std::uint64_t pte = read_locked(table->pte(vma.slot(index)));
    if (!Pte::present(pte) || (pte & Pte::kWrite) == 0) {
        return nullptr;
    }
    Page<E>* const page = Pte::page<E>(pte);
    page->count.add(1, relaxed);  // relaxed: the mapping holds the page
    return page;
}

// One fault: false if it has to be repeated. The process lives, its VMAs stay.
template <class E, class L, class Q>
bool device_fault(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Vma<E>& vma, DeviceRegion<E>& region,
                  std::uint64_t slot) {
    Task<E>& task = thread.task;
    const std::uint64_t index = region.origin.get() + slot;
    std::uint64_t before = 0;
    count_device(task, DeviceOp::device_fault);
    {
        const PteGuard<typename E::P> guard(region.lock, task.waiting);
        before = region.sequence.get();
    }
    touch_page(rmap, thread, vma, index);
    Page<E>* const page = get_writable_page(task, vma, index);
    if (page == nullptr) {
        return false;  // others took it away again
    }
    bool installed = false;
    {
        const PteGuard<typename E::P> guard(region.lock, task.waiting);
        const bool quiet = region.running.get() == 0 && region.sequence.get() == before;
        if ((quiet || !Q::kFaultLooksAgain) && region.at(slot).word.get() == 0) {
            region.at(slot).word.set(reinterpret_cast<std::uintptr_t>(page));
        }
        installed = region.at(slot).word.get() != 0;
    }
    put_page(rmap.memory, task, page);
    if (!installed) {
        count_device(task, DeviceOp::device_retry);
    }
    return installed;
}

// An access with the faults that it takes; the device gives up after some, as its work request would come back.
template <class E, class L, class Q>
void device_use(Rmap<E, L, Q>& rmap, RmapThread<E, L>& thread, Device<E>& device, Vma<E>& vma, std::uint64_t index) {
    constexpr int kMostFaults = 4;
    DeviceRegion<E>& region = *region_of(&device, vma.number.get());
    const std::uint64_t slot = vma.slot(index);
    for (int faults = 0; !device_access(thread.task, device, region, slot) && faults < kMostFaults; ++faults) {
        device_fault(rmap, thread, vma, region, slot);
    }
}

}  // namespace lockbench
