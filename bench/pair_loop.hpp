// SPDX-License-Identifier: MIT
// The loop behind an uncontended cost: acquire, release, nothing else, on one thread.
//
// The floor's loops have exactly this shape, so that loop and gap cancel in the ratio.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

#include "bench/by_hand.hpp"
#include "bench/cells.hpp"
#include "locks/lock.hpp"
#include "platform/native.hpp"

namespace lockbench {

// Runs `pair` `iterations` times. In the spaced form a calibrated gap follows each pair: it begins when the pair's
// instructions are done, and the next pair begins when it is.
template <class Pair>
void repeat_pair(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns, Pair&& pair) {
    if (spacing == Spacing::tight) {
        for (std::uint64_t i = 0; i < iterations; ++i) {
            pair();
            native::keep_loop(i);
        }
        return;
    }
    // A counted loop and no clock, as a reading of the clock could overtake the pair's last store; serialised on both
    // sides, or the loop would run beside the pair and hide it.
    const auto spins = static_cast<std::uint64_t>(static_cast<double>(gap_ns) * native::World::get().spins_per_ns());
    for (std::uint64_t i = 0; i < iterations; ++i) {
        pair();
        native::serialise();
        native::busy_loop(spins);
        native::serialise();
    }
}

template <class L, Mode kMode>
void pair_loop(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    struct alignas(2 * kCacheLine) Padded {  // adjacent-line prefetch must not drag a neighbour in
        L lock;
    };
    ThreadStats stats;
    Ctx<Native> ctx(Native::self(), 1, 0, stats, nullptr);
    Padded padded;
    typename L::Token token(ctx);
    repeat_pair(iterations, spacing, gap_ns, [&] {
        if constexpr (kMode == Mode::write) {
            padded.lock.lock(token);
            padded.lock.unlock(token);
        } else {
            padded.lock.lock_shared(token);
            padded.lock.unlock_shared(token);
        }
    });
}

// The floor beside it: what the lock's kInfo says that it cannot do without, by hand.
template <class L, Mode kMode>
void floor_loop(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    using by_hand::Direction;
    constexpr bool kWrite = kMode == Mode::write;
    constexpr const by_hand::Path &kAcquire = by_hand::kPath < L, kWrite ? &FastPaths::lock : &FastPaths::lock_shared,
                                  0, false > ;
    constexpr const by_hand::Path &kRelease = by_hand::kPath < L,
                                  kWrite ? &FastPaths::unlock : &FastPaths::unlock_shared, 0, false > ;
    by_hand::Words words(by_hand::starts_at(kAcquire));
    auto* seen = &words;  // others might look at it, as at a lock
    benchmark::DoNotOptimize(seen);
    benchmark::ClobberMemory();
    repeat_pair(iterations, spacing, gap_ns, [&] {
        if (!by_hand::follow<kAcquire, Direction::enter>(words) || !by_hand::follow<kRelease, Direction::leave>(words))
            [[unlikely]] {
            by_hand::not_uncontended();
        }
    });
}

// The loop and its gap alone.
inline void gap_loop(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    repeat_pair(iterations, spacing, gap_ns, [] {});
}

}  // namespace lockbench
