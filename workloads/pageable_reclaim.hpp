// SPDX-License-Identifier: MIT
// pageable_reclaim: page reclaim on a process whose page tables a device shares, while the process forks.
//
// Origin: the objection of September 2013 to a spinning lock for the reverse map: kswapd's try_to_unmap calls devices
//   inside that lock, and RDMA cards and GPUs sleep in the call. Parameters choose the device (client) and from where
//   it is called (policy); second_mmu.hpp says which of these are legal with which lock.
// The first process has the device. Threads reclaim and fork as in reclaim_scan, from processes of their own below the
// same roots unless generations is 1; those of the role `device` are the device: they use the first process's pages
// through translations of their own and fault where there is none. A fork of that process itself takes the right to
// write from all pages, so it calls the device for each VMA, outside the lock under test.
#pragma once

#include "workloads/page_supply.hpp"
#include "workloads/pageable_shrink.hpp"

namespace lockbench {

// Parameters of its own, behind those of reclaim.
enum class PageableParam : std::size_t {
    client,
    policy,
    device_ns,
    slow_permille,
    slow_ns,
    write_permille,
    burst,
    access_ns,
    device_share,
    kCount
};

namespace detail {
inline constexpr std::array<ParamInfo, static_cast<std::size_t>(PageableParam::kCount)> kPageableOwn = {{
    {"client", "enum", static_cast<std::int64_t>(DeviceKind::rdma), 0, kDeviceKinds - 1,
     "The device that shares the process's page tables, and so whether its callback sleeps.", kDeviceNames},
    {"policy", "enum", static_cast<std::int64_t>(CallPolicy::a1), 0, kCallPolicies - 1,
     "From where reclaim calls it; a1 is legal with every lock. What each permits: lockbench list notifiers.",
     kCallPolicyNames},
    {"device_ns", "ns", 0, 0, kMaxInjectedNs,
     "Time until the device has given a page up; 0: the client's own, 1 us (gru) to 100 us (gpu) (estimate)."},
    {"slow_permille", "permille", 10, 0, 1000, "Calls of a device that sleeps that take slow_ns instead (estimate)."},
    {"slow_ns", "ns", 300'000, 0, kMaxInjectedNs, "Time of the slow ones (estimate)."},
    {"device_write_permille", "permille", 500, 0, 1000,
     "Share of the device's accesses that write; all take the right to (estimate)."},
    {"burst", "accesses", 32, 1, 4096, "Accesses of the device in one of its turns, each to another page (estimate)."},
    {"access_ns", "ns", 500, 0, kMaxInjectedNs, "Time between two accesses of the device (estimate)."},
    {"device_share", "1", 1, 1, 1000, "Weight of the threads that are the device."},
}};
constexpr auto pageable_params() {
    std::array<ParamInfo, kReclaimParamCount + kPageableOwn.size()> all{};
    std::copy(kReclaimParams.begin(), kReclaimParams.end(), all.begin());
    std::copy(kPageableOwn.begin(), kPageableOwn.end(), all.begin() + kReclaimParamCount);
    own_param(all, RmapParam::generations).default_value = 2;
    own_param(all, RmapParam::generations).help =
        "Depth of the chains: with 1 the process that has the device forks itself, so that each fork takes the "
        "device's "
        "rights; with more, others fork below the same root locks.";
    return all;
}
constexpr std::size_t place_in_params(PageableParam param) {
    return kReclaimParamCount + static_cast<std::size_t>(param);
}
inline constexpr auto kPageableParams = pageable_params();
constexpr auto pageable_ops() {
    std::array<OpInfo, kReclaimOps + kDeviceOps.size()> all{};
    std::copy_n(kRmapOps.begin(), kReclaimOps, all.begin());
    std::copy(kDeviceOps.begin(), kDeviceOps.end(), all.begin() + kReclaimOps);
    return all;
}
inline constexpr auto kPageableOps = pageable_ops();
static_assert(kPageableOps.size() <= kMaxOps);
constexpr auto pageable_sites() {
    std::array<std::string_view, kReclaimSites + 1> all{};
    std::copy_n(kRmapSiteNames.begin(), kReclaimSites, all.begin());
    all[static_cast<std::size_t>(DeviceSite::resume)] = "resume";
    return all;
}
inline constexpr auto kPageableSites = pageable_sites();
inline constexpr std::array<std::string_view, 3> kPageableRoles = {"reclaim", "fork", "device"};
inline constexpr std::array<std::size_t, 3> kPageableShares = {static_cast<std::size_t>(RmapParam::reclaim_share),
                                                               static_cast<std::size_t>(RmapParam::fork_share),
                                                               place_in_params(PageableParam::device_share)};
inline CallPolicy policy_of(const ParamValues& values) {
    return static_cast<CallPolicy>(values[place_in_params(PageableParam::policy)]);
}
inline DeviceKind client_of(const ParamValues& values) {
    return static_cast<DeviceKind>(values[place_in_params(PageableParam::client)]);
}
inline std::string_view pageable_refusal(const LockInfo& lock, const ParamValues& values) {
    return illegal_because(policy_of(values), client_of(values), lock.kind);
}
inline constexpr WorkloadInfo kPageableInfo = {
    .name = "pageable_reclaim",
    .summary = "Reclaim on a process whose page tables a device shares: who waits for the device, and with which lock.",
    .origin = "Linux 3.12 mm/rmap.c try_to_unmap and mm/mmu_notifier.c; the list's debate of September 2013",
    .params = kPageableParams,
    .roles = kPageableRoles,
    .share_param = kPageableShares,
    .ops = kPageableOps,
    .sites = kPageableSites,
    .refusal = &pageable_refusal,
};
}  // namespace detail

template <Platform P, class L, class E = PageableEnv<P>, class Q = FaithfulPageable>
class PageableReclaim {
  public:
    static const WorkloadInfo& info() { return detail::kPageableInfo; }

    explicit PageableReclaim(const TrialSetup& setup)
        : trial_(rmap_config(info(), setup.params), setup),
          store_(settings_of(setup), setup.homes.data),
          policy_(detail::policy_of(setup.params)),
          burst_(static_cast<std::uint32_t>(own(setup, PageableParam::burst))),
          access_ns_(static_cast<Nanoseconds>(own(setup, PageableParam::access_ns))) {
        for (std::size_t role = 0; role < shares_.size(); ++role) {
            shares_[role] = setup.params[detail::kPageableShares[role]];
        }
        if (store_.settings.kind != DeviceKind::none) {
            attach_device(store_, trial_.parent(), trial_.config().anon_vmas);
        }
    }

    class Thread {
      public:
        Thread(PageableReclaim& reclaim, Ctx<P>& ctx, RoleId with_role)
            : role(with_role),
              family(reclaim.trial_, ctx),
              supply(reclaim.trial_, family),
              written(family.make_cursor(reclaim.trial_.parent())) {
            calls.policy = reclaim.policy_;
            calls.store = &reclaim.store_;
        }
        RoleId role;
        Family<E, L, Q> family;
        PageSupply<E, L, Q> supply;
        PageCursor<E> written;  // by the device
        CallState<E> calls;
    };

    void step(Thread& thread) {
        RmapThread<E, L>& walker = thread.family.thread();
        const RoleId role = thread.role == kEveryRole ? draw_role(walker.task.ctx.random, shares_) : thread.role;
        if (role == kReclaim) {
            level_lists(trial_.rmap(), walker);
            thread.supply.fault_in(CallingShrink<E, L, Q>(trial_.rmap(), walker, thread.calls).run());
            thread.supply.use_again();
        } else if (role == kFork) {
            thread.family.fork_step();
        } else {
            run_device(thread);
        }
    }
    void finish(Thread& thread) { thread.family.finish(); }
    void verify(Verdict& verdict) {
        for (std::size_t fault = 0; fault < kDeviceFaultTexts.size(); ++fault) {
            verdict.expect_equal(static_cast<std::int64_t>(store_.faults[fault].peek()), 0, kDeviceFaultTexts[fault]);
        }
        verify_device(verdict);
        store_.settings.kind = DeviceKind::none;  // the card is idle by now: nobody waits for it
        trial_.verify(verdict);
        if (verdict.passed()) {
            verdict.expect_equal(store_.devices.live() + store_.regions.live() + store_.chunks.live(), 0,
                                 "parts of devices left over");
        }
    }
    template <class F>
    void for_each_home(F&& f) const {
        trial_.for_each_home(f);
        store_.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::data, base, bytes); });
    }

  private:
    static constexpr RoleId kReclaim = 0;
    static constexpr RoleId kFork = 1;
    static constexpr std::uint32_t kLongestStride = 16;  // pages

    static std::int64_t own(const TrialSetup& setup, PageableParam param) {
        return setup.params[detail::place_in_params(param)];
    }
    static DeviceSettings settings_of(const TrialSetup& setup) {
        DeviceSettings settings;
        settings.kind = detail::client_of(setup.params);
        const auto given = static_cast<Nanoseconds>(own(setup, PageableParam::device_ns));
        settings.typical_ns = given == 0 ? info_of(settings.kind).typical_ns : given;
        settings.slow_permille = static_cast<std::uint32_t>(own(setup, PageableParam::slow_permille));
        settings.slow_ns = static_cast<Nanoseconds>(own(setup, PageableParam::slow_ns));
        settings.write_permille = static_cast<std::uint32_t>(own(setup, PageableParam::write_permille));
        settings.threads = setup.threads;
        return settings;
    }

    // One turn of the device; without one its threads do nothing for as long.
    void run_device(Thread& thread) {
        RmapThread<E, L>& writer = thread.family.thread();
        // relaxed: attached before the threads began, and gone after they ended.
        Device<E>* const device = trial_.parent().second.device.load(relaxed);
        for (std::uint32_t i = 0; i < burst_; ++i) {
            for (std::uint32_t skip = writer.task.ctx.random.below(kLongestStride) + 1; skip > 0; --skip) {
                thread.written.advance();
            }
            if (device != nullptr) {
                device_use(trial_.rmap(), writer, *device, thread.written.vma(), thread.written.index());
            }
            if (access_ns_ != 0) {
                P::compute(access_ns_);
            }
        }
    }

    // When no thread runs: the device maps nothing but what the process may write to, and all that it wrote is there.
    void verify_device(Verdict& verdict) {
        const Device<E>* const device = trial_.parent().second.device.peek();
        const Vma<E>* vma = trial_.parent().first.peek();
        for (std::uint32_t at = 0; device != nullptr && at < device->regions.peek(); ++at, vma = vma->next.peek()) {
            const DeviceRegion<E>& region = *device->region[at].peek();
            verdict.expect(region.lock.is_constructed(), "the lock of a device's region is not as it was made");
            verdict.expect_equal(region.running.peek(), 0, "invalidations that have begun and not ended");
            const PteTable<E>* const table = vma->table.peek();
            for (std::uint64_t slot = 0; slot < region.entries.peek(); ++slot) {
                const auto& entry = region.chunk[slot / kPtesInChunk].peek()->entry[slot % kPtesInChunk];
                verify_entry(entry, table->chunk[slot / kPtesInChunk].peek()->pte[slot % kPtesInChunk].peek(), verdict);
            }
        }
    }
    static void verify_entry(const DeviceEntry<E>& entry, std::uint64_t pte, Verdict& verdict) {
        const std::uint64_t word = entry.word.peek();
        if (word != 0) {
            verdict.expect((word & kDying) == 0, "a translation of the device is half taken away");
            verdict.expect(Pte::maps<E>(pte, translated<E>(word)) && (pte & Pte::kWrite) != 0,
                           "I8: the device maps a page that the process does not");
        }
        const std::uint64_t left = Pte::present(pte)   ? Pte::page<E>(pte)->second.word.peek()
                                   : Pte::swapped(pte) ? SwapSlot<E>::of(pte)->second.word.peek()
                                                       : entry.written.peek();
        verdict.expect(left == entry.written.peek(), "a write of the device is lost");
    }

    ProcessTrial<E, L, Q> trial_;
    DeviceStore<E> store_;
    CallPolicy policy_;
    std::uint32_t burst_;
    Nanoseconds access_ns_;
    std::array<std::int64_t, 3> shares_{};
};

}  // namespace lockbench
