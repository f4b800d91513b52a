// SPDX-License-Identifier: MIT
// A device that shares the page tables of a process: page tables of its own, faults, accesses, and the callbacks by
// which it is told that a page goes (mmu notifiers).
//
// Origin: virt/kvm/kvm_main.c, drivers/misc/sgi-gru, sgi-xp and mm/mmu_notifier.c of Linux 3.12; the on-demand paging
//   of drivers/infiniband (3.19) for the device that sleeps. The count of running invalidations and the sequence number
//   are those of KVM and of on-demand paging.
// Differs: a device writes and needs the right to write for it, so a page that it maps is mapped by one process alone.
//   A mirror is locked VMA by VMA, as a memory region of an RDMA card is; KVM has one lock a guest. KVM keeps its lock
//   while it waits for interrupted CPUs, here nobody does. A range call is made VMA by VMA.
//
//   word of a translation    63            6      0
//                           +---------------+-------+
//                           | page          | dying |   0: none
//                           +---------------+-------+
//   none -> page         a fault, if no invalidation of the region runs or has ended since it looked up the page
//   page -> page|dying   a callback has begun: the device may still use the page
//   page|dying -> none   the device has said that it does not; then the callback returns
//
// I8  The device uses no page after the callback about it returned; until then the page is not freed, copied or written
//     out. Every access checks it: the page's data must be that of the mirrored address, its counter the one that the
//     device left there.
// Locks: a region's lock is inside all others.
#pragma once

#include <array>
#include <cstdint>

#include "workloads/callback_sections.hpp"
#include "workloads/fork.hpp"
#include "workloads/second_mmu.hpp"

namespace lockbench {

// What the devices of a trial count; the places follow those of the reclaim operations.
enum class DeviceOp : std::uint32_t {
    invalidate,    // entries that reclaim cleared: a call of the notifiers each
    callback,      // of those, for a process with a device
    card_wait,     // callbacks that waited for the card
    page_skipped,  // pages that stay because a call could not be made or was refused
    device_access,
    device_fault,
    device_retry,
    illegal_access,
    kCount
};
inline constexpr std::array<OpInfo, static_cast<std::size_t>(DeviceOp::kCount)> kDeviceOps = {{
    {"invalidate", "calls of the notifiers, one for each entry that reclaim clears", false},
    {"callback", "calls that reached a device", false},
    {"card_wait", "callbacks and range calls that waited for the card", false},
    {"page_skipped", "pages kept because a call could not be made or was refused", false},
    {"device_access", "accesses", true},
    {"device_fault", "faults of the device", false},
    {"device_retry", "faults of the device that met an invalidation", false},
    {"illegal_access", "accesses after the callback, lost writes, calls for ended processes, sleeps while spinning",
     false},
}};

// What must never happen; counted where it is seen, and any of them fails the trial.
enum class DeviceFault : std::size_t { late_access, lost_write, ended_mm, slept_in_atomic, kCount };
inline constexpr std::array<std::string_view, static_cast<std::size_t>(DeviceFault::kCount)> kDeviceFaultTexts = {
    "I8: accesses of the device to a page after the callback about it had returned",
    "I8: writes of the device that were lost, as the page was copied before the callback had returned",
    "callbacks for an address space that had ended",
    "callbacks that slept where nobody may sleep: inside a spinning lock",
};

struct DeviceSettings {
    DeviceKind kind = DeviceKind::none;
    Nanoseconds typical_ns = 0;
    std::uint32_t slow_permille = 0;
    Nanoseconds slow_ns = 0;
    std::uint32_t write_permille = 1000;  // of the device's accesses
    std::uint32_t threads = 1;            // of the trial, who may be in a callback
};

template <class E>
struct DeviceEntry {
    DeviceEntry() : word(0), written(0) {}
    typename E::template Plain<std::uint64_t> word;
    typename E::template Plain<std::uint64_t> written;  // what the device left in the page; stays when it is unmapped
};
template <class E>
struct DeviceChunk {
    DeviceEntry<E> entry[kPtesInChunk];
};

// The mirror of one VMA.
template <class E>
struct DeviceRegion {
    DeviceRegion(std::uint32_t which, std::uint64_t first, std::uint64_t room)
        : running(0), sequence(0), number(which), origin(first), entries(room) {}

    DeviceEntry<E>& at(std::uint64_t slot) { return chunk[slot / kPtesInChunk].get()->entry[slot % kPtesInChunk]; }

    PteLock<typename E::P> lock;
    typename E::template Plain<std::uint32_t> running;   // invalidations that have begun and not ended
    typename E::template Plain<std::uint64_t> sequence;  // of those that have ended
    typename E::template Plain<std::uint32_t> number;    // of the VMA in its process
    typename E::template Plain<std::uint64_t> origin;    // index of the first entry
    typename E::template Plain<std::uint64_t> entries;
    typename E::template Plain<DeviceChunk<E>*> chunk[kChunksInTable];
};

inline constexpr std::size_t kMostRegions = 1024;

template <class E>
struct DeviceStore;

// The device of one process, as long as that lives.
template <class E>
struct Device {
    Device(DeviceStore<E>& of, std::uint32_t count) : store(of), regions(count) {}

    DeviceStore<E>& store;
    typename E::template Plain<std::uint32_t> regions;
    typename E::template Plain<DeviceRegion<E>*> region[kMostRegions];
};

// All devices of a trial, and what is wrong with any of them.
template <class E>
struct DeviceStore {
    using P = typename E::P;
    template <class T>
    using Slab = typename P::template Slab<T>;

    DeviceStore(const DeviceSettings& with, NodeId home) : settings(with), devices(home), regions(home), chunks(home) {
        for (auto& count : faults) {
            count.init(0);
        }
    }

    template <class F>
    void for_each_chunk(F&& f) const {
        devices.for_each_chunk(f);
        regions.for_each_chunk(f);
        chunks.for_each_chunk(f);
    }

    DeviceSettings settings;
    Slab<Device<E>> devices;
    Slab<DeviceRegion<E>> regions;
    Slab<DeviceChunk<E>> chunks;
    typename E::template Atomic<std::uint64_t> faults[static_cast<std::size_t>(DeviceFault::kCount)];
};

template <class E>
void count_device(Task<E>& task, DeviceOp op) {
    ++task.ctx.stats.ops[kReclaimOps + static_cast<std::size_t>(op)];
}
template <class E>
void blame(Task<E>& task, DeviceStore<E>& store, DeviceFault fault) {
    store.faults[static_cast<std::size_t>(fault)].add(1, relaxed);  // relaxed: read when no thread runs
    count_device(task, DeviceOp::illegal_access);
}

inline constexpr std::uint64_t kDying = 1;
template <class E>
Page<E>* translated(std::uint64_t word) {
    return reinterpret_cast<Page<E>*>(static_cast<std::uintptr_t>(word & ~kDying));
}

enum class Patiently : unsigned char { waits, refuses };
enum class CallOf : unsigned char { page, range };

// Waits until the device uses what is dying no more. `spinning`: a lock is held whose holder may not sleep.
template <class E>
void wait_for_card(Task<E>& task, DeviceStore<E>& store, CallOf call, bool spinning) {
    using P = typename E::P;
    const DeviceSettings& settings = store.settings;
    const DeviceInfo& info = info_of(settings.kind);
    const CardWait wait = call == CallOf::page ? info.page_call : info.range_call;
    const bool slow = wait == CardWait::sleeps && task.ctx.random.chance(settings.slow_permille);
    const Nanoseconds ns = slow ? settings.slow_ns : settings.typical_ns;
    count_device(task, DeviceOp::card_wait);
    switch (wait) {
        case CardWait::none:
            break;
        case CardWait::spins:
            P::compute(ns);
            break;
        case CardWait::interrupts:
            P::ipi(1, ns);
            break;
        case CardWait::sleeps:
            if (spinning || task.waiting == Waiting::spin) {
                blame(task, store, DeviceFault::slept_in_atomic);
            }
            P::sleep_until(P::after(ns));
            break;
    }
}

// The begin of an invalidation of [first, last): from here to the end no fault of the region installs anything. Returns
// when the device uses none of the pages any more. False: it would have had to wait and did nothing.
template <class E>
bool begin_invalidate(Task<E>& task, DeviceStore<E>& store, DeviceRegion<E>& region, std::uint64_t first,
                      std::uint64_t last, CallOf call, Patiently patience, bool spinning = false) {
    bool used = false;
    {
        const PteGuard<typename E::P> guard(region.lock, task.waiting);
        for (std::uint64_t slot = first; slot < last; ++slot) {
            used |= region.at(slot).word.get() != 0;
        }
        if (used && patience == Patiently::refuses &&
            !task.ctx.random.chance(info_of(store.settings.kind).can_at_once)) {
            return false;
        }
        region.running.set(region.running.get() + 1);
        for (std::uint64_t slot = first; used && slot < last; ++slot) {
            auto& word = region.at(slot).word;
            const std::uint64_t seen = word.get();
            word.set(seen == 0 ? 0 : seen | kDying);
        }
    }
    if (!used) {
        return true;
    }
    // A device that need not wait has nothing in flight: its flush is done at once.
    if (patience == Patiently::waits || info_of(store.settings.kind).page_call != CardWait::sleeps) {
        wait_for_card(task, store, call, spinning);
    }
    const PteGuard<typename E::P> guard(region.lock, task.waiting);
    for (std::uint64_t slot = first; slot < last; ++slot) {
        region.at(slot).word.set(0);
    }
    return true;
}
template <class E>
void end_invalidate(Task<E>& task, DeviceRegion<E>& region) {
    const PteGuard<typename E::P> guard(region.lock, task.waiting);
    region.sequence.set(region.sequence.get() + 1);
    region.running.set(region.running.get() - 1);
}

// The part of a process that belongs to its device.
template <class E>
DeviceRegion<E>* region_of(Device<E>* device, std::uint32_t number) {
    return device == nullptr || number >= device->regions.get() ? nullptr : device->region[number].get();
}

// The notifiers' side: what an address space, a page and a slot have for devices, and the calls that paths beside
// reclaim make (see NoSecondMmu).
struct SecondMmu {
    template <class E>
    struct InMm {
        InMm() : device(nullptr), references(1) {}
        typename E::template Atomic<Device<E>*> device;
        typename E::template Atomic<std::int32_t> references;  // on the struct alone (mm_count)
    };
    template <class E>
    struct InPage {
        InPage() : word(0) {}
        typename E::template Plain<std::uint64_t> word;  // what the device writes
    };
    // The data of a page comes into its slot when the device has been told, a moment after the entries that name the
    // slot; who faults meanwhile waits, as for a page in the swap cache.
    template <class E>
    struct InSlot {
        InSlot() : filled(0), word(0) {}
        typename E::template Atomic<std::uint32_t> filled;  // 0 no, 1 yes, 2 no and somebody sleeps
        typename E::template Plain<std::uint64_t> word;
    };

    template <class E>
    class RangeCall {
      public:
        RangeCall(Task<E>& task, Vma<E>& vma) : task_(task) {
            Mm<E>* const mm = vma.mm.get();
            // acquire (A4, pairs with R2): the device is set up. The caller has the process: it does not end.
            Device<E>* const device = mm->second.device.load(acquire);
            region_ = region_of(device, vma.number.get());
            if (region_ != nullptr) {
                begin_invalidate(task, device->store, *region_, 0, region_->entries.get(), CallOf::range,
                                 Patiently::waits);
            }
        }
        ~RangeCall() {
            if (region_ != nullptr) {
                end_invalidate(task_, *region_);
            }
        }
        RangeCall(const RangeCall&) = delete;
        RangeCall& operator=(const RangeCall&) = delete;

      private:
        Task<E>& task_;
        DeviceRegion<E>* region_ = nullptr;
    };

    template <class From, class To>
    static void carry(const From& from, To& to) {
        to.second.word.set(from.second.word.get());
    }
    template <class Slot>
    static bool is_filled(const Slot& slot) {
        // acquire (A5, pairs with R3): the data is seen.
        return slot.second.filled.load(acquire) == 1;
    }
    template <class E>
    static void wait_filled(SwapSlot<E>& slot) {
        using P = typename E::P;
        auto& filled = slot.second.filled;
        for (typename P::template EffectLoop<4> loop;; loop.again()) {
            const std::uint32_t seen = filled.load(acquire);  // acquire (A5, pairs with R3)
            if (seen == 1) {
                return;
            }
            // relaxed: announces a sleeper; the filler's exchange reads the same word.
            if (seen == 2 || filled.try_cas(0, 2, relaxed)) {
                P::park(filled, 2, P::never());
            }
        }
    }
    // The page's data goes to the slot: whoever writes to it has been told.
    template <class E>
    static void fill(SwapSlot<E>& slot) {
        // release (R3, pairs with A5): the data is seen by who reads the slot.
        if (slot.second.filled.exchange(1, release) == 2) {
            E::P::unpark(slot.second.filled, 0x7fff'ffff);
        }
    }

    // The process ends: first the device gives everything up, then nobody finds it any more, then its memory goes.
    template <class E>
    static void leave_mm(Task<E>& task, Mm<E>& mm) {
        // acquire (A4, pairs with R2): the device is set up.
        Device<E>* const device = mm.second.device.load(acquire);
        if (device == nullptr) {
            return;
        }
        DeviceStore<E>& store = device->store;
        for (std::uint32_t number = 0; number < device->regions.get(); ++number) {
            DeviceRegion<E>& region = *device->region[number].get();
            begin_invalidate(task, store, region, 0, region.entries.get(), CallOf::range, Patiently::waits);
        }
        // seq_cst: see CallbackSections. release (R4, pairs with invalidate.hpp:A1): who finds the device gone sees its
        // last write.
        mm.second.device.store(nullptr, seq_cst);
        CallbackSections<typename E::P>::synchronize(store.settings.threads);
        for (std::uint32_t number = 0; number < device->regions.get(); ++number) {
            DeviceRegion<E>* const region = device->region[number].get();
            for (std::uint64_t slot = 0; slot < region->entries.get(); slot += kPtesInChunk) {
                store.chunks.destroy(region->chunk[slot / kPtesInChunk].get());
            }
            store.regions.destroy(region);
        }
        store.devices.destroy(device);
    }
    template <class E>
    static void put_mm(Memory<E>& memory, Mm<E>* mm) {
        if (drop_reference(mm->second.references)) {
            memory.mms.destroy(mm);
        }
    }
};

template <Platform P>
using PageableEnv = RmapEnv<P, Rwsem310<P>, Mutex310<P>, SecondMmu>;

// Gives a process a device, which mirrors its first `vmas` VMAs (mmu_notifier_register).
template <class E>
void attach_device(DeviceStore<E>& store, Mm<E>& mm, std::uint32_t vmas) {
    Device<E>* const device = store.devices.make(store, vmas);
    Vma<E>* vma = mm.first.get();
    for (std::uint32_t number = 0; number < vmas; ++number, vma = vma->next.get()) {
        check(vma->number.get() == number, "the VMAs that a device mirrors are the first ones");
        const std::uint64_t entries = table_entries(*vma);
        DeviceRegion<E>* const region = store.regions.make(number, vma->origin.get(), entries);
        for (std::uint64_t slot = 0; slot < entries; slot += kPtesInChunk) {
            region->chunk[slot / kPtesInChunk].set(store.chunks.make());
        }
        device->region[number].set(region);
    }
    mm.second.device.store(device, release);  // release (R2, pairs with A4, invalidate.hpp:A1)
}

}  // namespace lockbench
