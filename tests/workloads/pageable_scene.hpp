// SPDX-License-Identifier: MIT
// Small trials of pageable_reclaim for the cooperative platform.
#pragma once

#include <functional>

#include "tests/workloads/coop_trial.hpp"
#include "workloads/pageable_reclaim.hpp"

namespace lockbench {

// Few pages, so that reclaim, forks and the device meet on them.
template <class W>
ParamValues few_mirrored_pages(CallPolicy policy, DeviceKind client, std::uint64_t seed) {
    const Pick pick(seed);
    return params_of<W>({{"anon_vmas", 1 + pick(0, 2)},
                         {"fresh_vmas", 0},
                         {"file_vmas", 0},
                         {"pages_per_vma", 1 + pick(1, 4)},
                         {"children", pick(2, 3)},
                         {"generations", 1 + pick(3, 2)},
                         {"touch_permille", 300},
                         {"source_touch_pages", 1},
                         {"alloc_fail_permille", pick(5, 3) == 0 ? 50 : 0},
                         {"batch", 4},
                         {"tlb", pick(6, 3)},
                         {"ipi_ns", 10},
                         {"swap_ns", 10},
                         {"client", static_cast<std::int64_t>(client)},
                         {"policy", static_cast<std::int64_t>(policy)},
                         {"device_ns", 20},
                         {"slow_permille", 100},
                         {"slow_ns", 200},
                         {"burst", 6},
                         {"access_ns", 5}});
}

// The parameters of a process of one VMA.
inline RmapConfig one_mirrored_vma(std::uint32_t pages) {
    RmapConfig config = rmap_config(detail::kPageableInfo, default_params(detail::kPageableInfo));
    config.anon_vmas = 1;
    config.fresh_vmas = 0;
    config.file_vmas = 0;
    config.pages = pages;
    config.batch = 4;
    return config;
}

// The first process has a device; one thread does all, so that what it counts is exact.
template <class L, class Q = FaithfulPageable>
class MirroredProcess {
  public:
    using E = PageableEnv<Coop>;
    using Body = std::function<void(MirroredProcess&)>;
    static constexpr std::uint32_t kPages = 8;

    // Runs `body` in a world of its own and checks what it left.
    static CoopTrial run(CallPolicy policy, DeviceKind kind, const Body& body) {
        CoopTrial trial;
        trial.counts.threads.push_back(std::make_unique<ThreadStats>());
        Ctx<Coop> ctx(0, 1, 0, *trial.counts.threads.back(), nullptr);
        CoopWorld world(rmap_options(1, 1));
        auto& process = world.make<MirroredProcess>(kind);
        auto& thread = world.make<RmapThread<E, L>>(ctx, process.trial_.config());
        auto& calls = world.make<CallState<E>>();
        calls.policy = policy;
        calls.store = &process.store_;
        process.thread_ = &thread;
        process.calls_ = &calls;
        world.run([&](ThreadId) {
            body(process);
            flush_added(process.trial_.rmap().memory, thread.task);
        });
        if (world.verdict().passed) {
            process.store_.settings.kind = DeviceKind::none;
            process.trial_.verify(trial.counts.verdict);
        }
        trial.coop = world.close();
        return trial;
    }

    explicit MirroredProcess(DeviceKind kind)
        : trial_(one_mirrored_vma(kPages), {}), store_({.kind = kind, .typical_ns = 20, .threads = 1}, kAnyNode) {
        if (kind != DeviceKind::none) {
            attach_device(store_, trial_.parent(), 1);
        }
    }

    // The device uses all pages.
    void use_all() {
        Vma<E>& vma = *trial_.parent().first.get();
        if (Device<E>* const device = trial_.parent().second.device.load(relaxed); device != nullptr) {
            for (std::uint64_t page = 0; page < kPages; ++page) {
                device_use(trial_.rmap(), *thread_, *device, vma, vma.pgoff.get() + page);
            }
        }
    }
    Mm<E>* fork() { return fork_mm(trial_.rmap(), *thread_, trial_.parent()); }
    void exit(Mm<E>* mm) { exit_mm(trial_.rmap(), *thread_, mm); }
    // Twice through the lists: young pages get their second chance.
    std::size_t reclaim_all() {
        std::size_t freed = 0;
        for (std::uint32_t turn = 0; turn < kPages; ++turn) {
            level_lists(trial_.rmap(), *thread_);
            freed += CallingShrink<E, L, Q>(trial_.rmap(), *thread_, *calls_).run();
        }
        return freed;
    }
    Mm<E>& parent() { return trial_.parent(); }
    RmapThread<E, L>& thread() { return *thread_; }

  private:
    ProcessTrial<E, L, Q> trial_;
    DeviceStore<E> store_;
    RmapThread<E, L>* thread_ = nullptr;
    CallState<E>* calls_ = nullptr;
};

}  // namespace lockbench
