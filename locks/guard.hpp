// SPDX-License-Identifier: MIT
// The one place where a workload takes the measured lock: marks, sampling of waits, hand-off counting, acquisitions by
// call site.
//
// kSite is the workload's number of the call site (below kMaxSites), so that acquisitions per kernel operation can be
// compared with the kernel's own. All counters go to ctx.stats, host memory that no control flow reads.
#pragma once

#include <cstdint>

#include "locks/lock.hpp"

namespace lockbench {

// The number of the last writer, plus one, in the data that the lock protects: written by writers, read by all. It
// makes bouncing visible without hardware counters. It belongs on the line that the critical section touches first
// anyway; where it lies is stated by each workload.
template <Platform P>
class LastWriter {
  public:
    LastWriter() : owner_(0) {}

    // Call while holding the lock in `mode`. Counts the distance to the last writer; a writer leaves its own number.
    template <Mode kMode>
    void note(Ctx<P>& ctx) {
        const std::uint32_t last = owner_.get();
        const auto distance =
            ctx.distance_row == nullptr ? static_cast<std::uint8_t>(Distance::unknown) : ctx.distance_row[last];
        ++ctx.stats.handoff[distance];
        if constexpr (kMode == Mode::write) {
            if (last != ctx.tid + 1) {
                owner_.set(ctx.tid + 1);
            }
        }
    }

  private:
    typename P::template Plain<std::uint32_t> owner_;
};

namespace detail {

template <Platform P, Mode kMode, class L>
void take(L& lock, typename L::Token& token) {
    if constexpr (kMode == Mode::write) {
        lock.lock(token);
    } else {
        lock_for_read(lock, token);
    }
}

// A timed acquisition that began at `begin` and has the lock now. Kept out of line, as what calls it: it runs once in
// sample_every acquisitions.
template <Platform P, Mode kMode>
[[gnu::noinline]] void note_wait(Ctx<P>& ctx, std::uint64_t begin) {
    const std::uint64_t now = P::Stopwatch::stamp();
    const std::uint64_t waited_ns = P::ticks_to_ns(now - begin);
    ModeStats& mode = ctx.stats.modes[static_cast<std::size_t>(kMode)];
    mode.wait_ns.add(waited_ns);
    mode.wait_ns_max = waited_ns > mode.wait_ns_max ? waited_ns : mode.wait_ns_max;
    if (mode.last_stamp != 0 && now - mode.last_stamp > mode.gap_ticks_max) {
        mode.gap_ticks_max = now - mode.last_stamp;
    }
    mode.last_stamp = now;
    ctx.sampler.rearm(ctx.random);
}

template <Platform P, Mode kMode, class L>
[[gnu::noinline]] void take_timed(Ctx<P>& ctx, L& lock, typename L::Token& token) {
    const std::uint64_t begin = P::Stopwatch::stamp();
    take<P, kMode>(lock, token);
    note_wait<P, kMode>(ctx, begin);
}

template <Platform P, Mode kMode, auto kSite>
void note_acquired(Ctx<P>& ctx, LastWriter<P>& last, const void* lock) {
    static_assert(static_cast<std::size_t>(kSite) < kMaxSites);
    P::mark(Mark::acquired, lock, kMode);
    ++ctx.stats.sites[static_cast<std::size_t>(kSite)][static_cast<std::size_t>(kMode)];
    last.template note<kMode>(ctx);
}

}  // namespace detail

// acquire/release pairs for sections that begin and end in different functions; Guard for the others.
template <auto kSite, Mode kMode, Platform P, class L>
void acquire_lock(Ctx<P>& ctx, L& lock, typename L::Token& token, LastWriter<P>& last) {
    P::mark(Mark::doorway, &lock, kMode);
    if (ctx.sampler.due()) [[unlikely]] {
        detail::take_timed<P, kMode>(ctx, lock, token);
    } else {
        detail::take<P, kMode>(lock, token);
    }
    detail::note_acquired<P, kMode, kSite>(ctx, last, &lock);
}

// True when taken. A failure is counted at the site. A success is an acquisition as any other and is timed as often:
// without them, readers that mostly get in by a trylock would be known by their failures alone.
template <auto kSite, Mode kMode, Platform P, class L>
bool try_acquire_lock(Ctx<P>& ctx, L& lock, typename L::Token& token, LastWriter<P>& last) {
    const std::uint64_t begin = ctx.sampler.due_next() ? P::Stopwatch::stamp() : 0;
    bool taken = false;
    if constexpr (kMode == Mode::write) {
        taken = lock.try_lock(token);
    } else {
        taken = try_lock_for_read(lock, token);
    }
    if (!taken) {
        ++ctx.stats.try_failed[static_cast<std::size_t>(kSite)];
        return false;
    }
    if (ctx.sampler.due()) [[unlikely]] {
        detail::note_wait<P, kMode>(ctx, begin);
    }
    detail::note_acquired<P, kMode, kSite>(ctx, last, &lock);
    return true;
}

// release (R1, pairs with prepare.hpp:A4): each lock's unlock is one, also for who only asks is_locked() later and then
// fences.
template <Mode kMode, Platform P, class L>
void release_lock(L& lock, typename L::Token& token) {
    P::mark(Mark::released, &lock, kMode);
    if constexpr (kMode == Mode::write) {
        lock.unlock(token);
    } else {
        unlock_for_read(lock, token);
    }
}

template <Platform P, class L, auto kSite, Mode kMode>
class Guard {
  public:
    Guard(Ctx<P>& ctx, L& lock, typename L::Token& token, LastWriter<P>& last) : lock_(lock), token_(token) {
        acquire_lock<kSite, kMode>(ctx, lock, token, last);
    }
    ~Guard() { release_lock<kMode, P>(lock_, token_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    L& lock_;
    typename L::Token& token_;
};

}  // namespace lockbench
