// SPDX-License-Identifier: MIT
// Which device may be called from where: the table of policies, devices and kinds of lock. It is data and stands here
// alone; what refuses a cell, what lists and documents the cells, and the tests of each all read it.
//
// Origin: the debate of September 2013 (list, "anon_vmas: Convert the rwsem to an rwlock_t"): cards for RDMA and GPUs
//   sleep in their callback, which try_to_unmap makes inside the lock. The ways out are those that were proposed there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "locks/lock.hpp"
#include "platform/units.hpp"

namespace lockbench {

// When reclaim calls the device about a page that it has taken from a process.
enum class CallPolicy : std::uint32_t {
    a0,    // inside the lock of the reverse map: Linux from 2.6.27 on
    a1,    // after it, with a reference on the address space; the page is the reclaimer's anyway
    a2,    // after it, with the mmap_sem of the process, which is only tried
    a3,    // after a batch of pages, which are written out and freed later still
    a4,    // the lock is dropped for each call, and the walk begins anew
    a5,    // inside it and before anything is changed, but the device may say no: the page stays then
    pte,   // inside the lock of the page-table entry as well
    late,  // after it and with no reference on anything: what "just unlock first" comes to
    kCount
};
inline constexpr std::size_t kCallPolicies = static_cast<std::size_t>(CallPolicy::kCount);

// Where a policy's calls stand.
enum class CallPlace : unsigned char { after_unlock, inside_rmap_lock, inside_pte_lock };

struct CallPolicyInfo {
    std::string_view name;
    CallPlace place;
    bool may_refuse;  // the device is told not to wait and may refuse
    bool pins;        // address space and page are kept until the call has returned
    std::string_view what;
};
inline constexpr std::array<CallPolicyInfo, kCallPolicies> kCallPolicyInfos = {{
    {"a0", CallPlace::inside_rmap_lock, false, true, "inside the rmap lock, as it was"},
    {"a1", CallPlace::after_unlock, false, true, "after unlock, with a reference on the mm"},
    {"a2", CallPlace::after_unlock, false, true,
     "after unlock, with mmap_sem if a trylock gets it; else skip the page"},
    {"a3", CallPlace::after_unlock, false, true, "after unlock, a batch of up to 32 pages at a time"},
    {"a4", CallPlace::after_unlock, false, true, "drop the lock, call, take it again and walk anew"},
    {"a5", CallPlace::inside_rmap_lock, true, true, "inside, but may not wait: a device that would have to refuses"},
    {"pte", CallPlace::inside_pte_lock, false, true, "inside the PTE lock"},
    {"late", CallPlace::after_unlock, false, false, "after unlock, with no reference on mm or page"},
}};
constexpr const CallPolicyInfo& info_of(CallPolicy policy) {
    return kCallPolicyInfos[static_cast<std::size_t>(policy)];
}

enum class DeviceKind : std::uint32_t { none, kvm, gru, xpmem, rdma, gpu, kCount };
inline constexpr std::size_t kDeviceKinds = static_cast<std::size_t>(DeviceKind::kCount);

// How a callback waits until the device uses a page no more.
enum class CardWait : unsigned char { none, spins, interrupts, sleeps };

struct DeviceInfo {
    std::string_view name;
    CardWait page_call;         // about one page, from reclaim
    CardWait range_call;        // about a range, from fork and exit, outside the locks of the reverse map
    std::uint32_t can_at_once;  // permille of the calls that may not wait and yet succeed; the others refuse
    Nanoseconds typical_ns;     // of the wait
    std::string_view what;
};
// Times are estimates, but rdma's: "tens of us" is what ASPLOS'17 (page fault support for network controllers) measured
// for an invalidation; an interrupt between CPUs takes 1 to 3 us.
inline constexpr std::array<DeviceInfo, kDeviceKinds> kDeviceInfos = {{
    {"none", CardWait::none, CardWait::none, 1000, 0, "no device"},
    {"kvm", CardWait::interrupts, CardWait::interrupts, 1000, 2'000, "a guest: its CPUs are interrupted"},
    {"gru", CardWait::spins, CardWait::spins, 1000, 1'000, "SGI GRU: one flush instruction to the unit"},
    {"xpmem", CardWait::spins, CardWait::sleeps, 1000, 2'000, "SGI XPMEM: messages, and sleeps in range calls only"},
    {"rdma", CardWait::sleeps, CardWait::sleeps, 0, 30'000, "an RDMA card with on-demand paging: waits for the card"},
    {"gpu", CardWait::sleeps, CardWait::sleeps, 800, 100'000, "a GPU: waits for a fence, or says that it is busy"},
}};
constexpr const DeviceInfo& info_of(DeviceKind kind) { return kDeviceInfos[static_cast<std::size_t>(kind)]; }

// Why this cell is illegal; empty: it is legal.
constexpr std::string_view illegal_because(CallPolicy policy, DeviceKind kind, WaitKind lock) {
    const CallPolicyInfo& calls = info_of(policy);
    const bool sleeps = info_of(kind).page_call == CardWait::sleeps && !calls.may_refuse;
    if (kind == DeviceKind::none) {
        return {};
    }
    if (!calls.pins) {
        return "nothing keeps address space and page until the device has been told: it would use memory that is "
               "another's by then";
    }
    if (sleeps && calls.place == CallPlace::inside_pte_lock) {
        return "the device's callback sleeps, and the lock of a page-table entry is a spinlock";
    }
    if (sleeps && calls.place == CallPlace::inside_rmap_lock && lock == WaitKind::spin) {
        return "the device's callback sleeps inside the lock of the reverse map, and this lock's waiters spin";
    }
    return {};
}

namespace detail {
template <class Infos>
constexpr auto names_of_infos(const Infos& infos) {
    std::array<std::string_view, std::tuple_size_v<Infos>> names{};
    for (std::size_t i = 0; i < names.size(); ++i) {
        names[i] = infos[i].name;
    }
    return names;
}
}  // namespace detail
inline constexpr auto kCallPolicyNames = detail::names_of_infos(kCallPolicyInfos);
inline constexpr auto kDeviceNames = detail::names_of_infos(kDeviceInfos);

}  // namespace lockbench
