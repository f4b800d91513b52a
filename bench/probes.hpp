// SPDX-License-Identifier: MIT
// Microbenchmarks of the seam's operations, each a workload of one operation and no lock. The same source runs on the
// CPUs of this host and on a simulated machine: the first gives the second its numbers, and says how well they fit.
//
// Origin: microbenchmarks; the compare-exchange ping-pong is the measure of the public core-to-core matrices.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "workloads/workload.hpp"

namespace lockbench {

// `path` is what an uncontended ticket lock does, in its order. The exchanges pass a line to and fro between two
// threads, the hand-over the turn to sleep.
enum class ProbeKind : std::uint8_t {
    load,
    store,
    rmw,
    fence,
    pause,
    allocate,
    unpark,
    path,
    cas_exchange,
    store_exchange,
    hand_over,
    kCount
};
inline constexpr std::size_t kProbeKinds = static_cast<std::size_t>(ProbeKind::kCount);
struct ProbeText {
    std::string_view name;
    std::string_view what;  // one of it
    std::uint32_t threads;
};
inline constexpr std::array<ProbeText, kProbeKinds> kProbeTexts = {{
    {"load", "a load of a line that is held", 1},
    {"store", "a store to a line that is held", 1},
    {"rmw", "a locked instruction on a line that is held", 1},
    {"fence", "a full fence", 1},
    {"pause", "a pause", 1},
    {"allocate", "an object of a slab, taken and given back", 1},
    {"unpark", "a futex wake that wakes nobody", 1},
    {"path", "an uncontended ticket lock's seven operations", 1},
    {"cas_exchange", "a line's way to another core, by compare-exchange", 2},
    {"store_exchange", "a line's way to another core, by load and store", 2},
    {"hand_over", "one thread's wake-up by another that then sleeps", 2},
}};
constexpr const ProbeText& text_of(ProbeKind kind) { return kProbeTexts[static_cast<std::size_t>(kind)]; }

namespace detail {
inline constexpr std::array<ParamInfo, 1> kProbeParams = {{{"share", "1", 1, 1, 1, "Weight of the only role."}}};
inline constexpr std::array<std::string_view, 1> kProbeRoles = {"probe"};
inline constexpr std::array<std::size_t, 1> kProbeShares = {0};
inline constexpr std::array<OpInfo, 1> kProbeOps = {{{"probe", "operations", true}}};
}  // namespace detail

template <Platform P, ProbeKind kKind>
class Probe {
  public:
    static const WorkloadInfo& info() {
        static constexpr WorkloadInfo kInfo = {
            .name = text_of(kKind).name,
            .summary = text_of(kKind).what,
            .origin = "microbenchmark",
            .params = detail::kProbeParams,
            .roles = detail::kProbeRoles,
            .share_param = detail::kProbeShares,
            .ops = detail::kProbeOps,
            .sites = {},
        };
        return kInfo;
    }

    explicit Probe(const TrialSetup& setup) : shared_(setup.homes.data, Layout::padded), line_(shared_.make()) {}
    ~Probe() { shared_.destroy(line_); }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    class Thread {
      public:
        Thread(Probe&, Ctx<P>& context, RoleId) : ctx(context) {}
        Ctx<P>& ctx;
        std::uint32_t sum = 0;  // of what was loaded, so that nothing is left out
    };

    // Exchanges wait by coming back: a thread whose window has ended answers nobody.
    void step(Thread& thread) {
        if constexpr (kKind == ProbeKind::cas_exchange) {
            const std::uint32_t mine = thread.ctx.tid;
            if (line_->word.try_cas(mine, other(thread), acq_rel)) {  // acq_rel: as a lock's exchange
                thread.ctx.count_op(0);
            }
        } else if constexpr (kKind == ProbeKind::store_exchange) {
            if (line_->word.load(acquire) == thread.ctx.tid) {  // acquire: pairs with the other's release
                line_->word.store(other(thread), release);
                thread.ctx.count_op(0);
            }
        } else if constexpr (kKind == ProbeKind::hand_over) {
            hand_over(thread);
        } else {
            for (std::uint32_t i = 0; i < kBatch; ++i) {
                once(thread);
            }
            thread.ctx.stats.ops[0] += kBatch;
        }
    }
    void finish(Thread& thread) {
        line_->sum.add(thread.sum, relaxed);  // relaxed: nobody reads it
    }
    void verify(Verdict&) {}
    template <class F>
    void for_each_home(F&& f) const {
        shared_.for_each_chunk([&f](void* base, std::size_t bytes) { f(HomeKind::data, base, bytes); });
    }

  private:
    static constexpr std::uint32_t kBatch = 64;  // operations between two looks at the clock
    static constexpr Nanoseconds kPatienceNs = 1'000'000;

    struct alignas(kCacheLine) Line {
        Line() : word(0), owner(0), sum(0), first(0), second(0) {}
        typename P::template Atomic<std::uint32_t> word;
        typename P::template Atomic<std::uint32_t> owner;
        typename P::template Atomic<std::uint32_t> sum;
        typename P::template Plain<std::uint32_t> first;
        typename P::template Plain<std::uint32_t> second;
    };

    static std::uint32_t other(const Thread& thread) { return 1 - thread.ctx.tid; }

    // Relaxed throughout: one thread, and no order is measured but the fence's own.
    void once(Thread& thread) {
        if constexpr (kKind == ProbeKind::load) {
            thread.sum += line_->word.load(relaxed);
        } else if constexpr (kKind == ProbeKind::store) {
            line_->word.store(thread.sum, relaxed);
        } else if constexpr (kKind == ProbeKind::rmw) {
            thread.sum += line_->word.fetch_add(1, relaxed);
        } else if constexpr (kKind == ProbeKind::fence) {
            P::fence(seq_cst);
        } else if constexpr (kKind == ProbeKind::pause) {
            P::relax();
        } else if constexpr (kKind == ProbeKind::allocate) {
            shared_.destroy(shared_.make());
        } else if constexpr (kKind == ProbeKind::unpark) {
            P::unpark(line_->word, 1);
        } else {
            static_assert(kKind == ProbeKind::path);
            const std::uint32_t ticket = line_->word.fetch_add(1, relaxed);
            thread.sum += line_->owner.load(acquire) == ticket ? 1U : 0U;  // acquire: as a lock's
            const std::uint32_t first = line_->first.get();
            line_->first.set(first + 1);
            line_->second.set(first + 1);
            const std::uint32_t owner = line_->owner.load(relaxed);
            line_->owner.store(owner + 1, release);  // release: as a lock's
        }
    }

    void hand_over(Thread& thread) {
        if (line_->word.load(acquire) == thread.ctx.tid) {  // acquire, release: the turn is passed
            line_->word.store(other(thread), release);
            P::wake(other(thread));
            thread.ctx.count_op(0);
            return;
        }
        P::sleep_prepare();
        if (line_->word.load(acquire) != thread.ctx.tid) {
            P::sleep(P::after(kPatienceNs));
        }
    }

    typename P::template Slab<Line> shared_;
    Line* line_;
};

}  // namespace lockbench
