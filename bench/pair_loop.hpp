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

// The loop of all spaced pairs, once in the program: where a loop lies, and what the compiler keeps in registers around
// one pair and not around another, would else be counted as the pair's. A gap of native::straight_work() follows each
// pair: it begins when the pair's instructions are done, and the next pair begins when it is.
void spaced_pairs(std::uint64_t iterations, void (*pair)(void* state), void* state);

// Runs `pair` `iterations` times.
template <class Pair>
void repeat_pair(std::uint64_t iterations, Spacing spacing, Pair& pair) {
    if (spacing == Spacing::spaced) {
        spaced_pairs(
            iterations, [](void* state) { (*static_cast<Pair*>(state))(); }, &pair);
        return;
    }
    for (std::uint64_t i = 0; i < iterations; ++i) {
        pair();
        native::keep_loop(i);
    }
}

// A lock of the thread's own.
template <class L, Mode kMode>
struct LockPair {
    struct alignas(2 * kCacheLine) Padded {  // adjacent-line prefetch must not drag a neighbour in
        L lock;
    };
    Padded padded;
    ThreadStats stats;
    Ctx<Native> ctx{Native::self(), 1, 0, stats, nullptr};
    typename L::Token token{ctx};

    void operator()() {
        if constexpr (kMode == Mode::write) {
            padded.lock.lock(token);
            padded.lock.unlock(token);
        } else {
            padded.lock.lock_shared(token);
            padded.lock.unlock_shared(token);
        }
    }
};

template <class L, Mode kMode>
void pair_loop(std::uint64_t iterations, Spacing spacing) {
    LockPair<L, kMode> pair;
    repeat_pair(iterations, spacing, pair);
}

// The floor beside it: what the lock's kInfo says that it cannot do without, by hand.
template <class L, Mode kMode>
struct FloorPair {
    static constexpr bool kWrite = kMode == Mode::write;
    static constexpr const by_hand::Path &kAcquire = by_hand::kPath < L,
                                         kWrite ? &FastPaths::lock : &FastPaths::lock_shared, 0, false > ;
    static constexpr const by_hand::Path &kRelease = by_hand::kPath < L,
                                         kWrite ? &FastPaths::unlock : &FastPaths::unlock_shared, 0, false > ;
    by_hand::Words words{by_hand::starts_at(kAcquire)};

    void operator()() {
        using by_hand::Direction;
        if (!by_hand::follow<kAcquire, Direction::enter>(words) || !by_hand::follow<kRelease, Direction::leave>(words))
            [[unlikely]] {
            by_hand::not_uncontended();
        }
    }
};

template <class L, Mode kMode>
void floor_loop(std::uint64_t iterations, Spacing spacing) {
    FloorPair<L, kMode> pair;
    auto* seen = &pair;  // others might look at it, as at a lock
    benchmark::DoNotOptimize(seen);
    benchmark::ClobberMemory();
    repeat_pair(iterations, spacing, pair);
}

// The loop and its gap alone.
void gap_loop(std::uint64_t iterations, Spacing spacing);

}  // namespace lockbench
