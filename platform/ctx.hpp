// SPDX-License-Identifier: MIT
// What a thread of a trial carries with it: its number, its random stream, its statistics, its sampling phase. Built
// once a thread and handed to every lock token and workload step by reference.
#pragma once

#include <cstdint>

#include "platform/platform.hpp"
#include "platform/stats.hpp"
#include "platform/units.hpp"

namespace lockbench {

// xoshiro-class quality is not needed for mixes; SplitMix64 (Steele, Lea, Flood 2014) is one multiply-xorshift chain of
// 64 bits, and a stream is a function of (seed, thread) alone.
class RandomStream {
  public:
    explicit RandomStream(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31U);
    }
    // Uniform in [0, bound); bound 0 gives 0. The bias of the multiply-shift is below 2^-32 for the bounds used here.
    std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(((next() >> 32U) * bound) >> 32U); }
    // True with probability permille/1000.
    bool chance(std::uint32_t permille) { return below(1000) < permille; }

  private:
    std::uint64_t state_;
};

// Decides which acquisitions are timed: every k-th on average, with a random phase, so that no period of the workload
// can hide from it.
class Sampler {
  public:
    // every = 0: never (the untimed pass); 1: always.
    explicit Sampler(std::uint32_t every) : every_(every) { countdown_ = every == 0 ? UINT32_MAX : 1; }

    bool due() { return --countdown_ == 0; }
    // What due() will say, for an attempt that counts only if it succeeds.
    [[nodiscard]] bool due_next() const { return countdown_ == 1; }
    void rearm(RandomStream& random) {
        countdown_ = every_ == 0 ? UINT32_MAX : every_ == 1 ? 1 : 1 + every_ / 2 + random.below(every_);
    }
    [[nodiscard]] bool enabled() const { return every_ != 0; }

  private:
    std::uint32_t every_;
    std::uint32_t countdown_;
};

template <class P>
struct Ctx {
    // distance_row[t + 1] is the distance from this thread to thread t, distance_row[0] that to nobody (self). May be
    // null: unknown.
    Ctx(ThreadId id, std::uint64_t seed, std::uint32_t sample_every, ThreadStats& into, const std::uint8_t* distances)
        : tid(id),
          random(seed * 0x2545f4914f6cdd1dULL + id),
          sampler(sample_every),
          stats(into),
          distance_row(distances) {}

    ThreadId tid;
    RandomStream random;
    Sampler sampler;
    ThreadStats& stats;
    const std::uint8_t* distance_row;

    void count_op(std::size_t op) { ++stats.ops[op]; }
};

}  // namespace lockbench
