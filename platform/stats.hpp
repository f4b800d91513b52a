// SPDX-License-Identifier: MIT
// What one thread counts while it measures. Host memory outside the modelled world: written through Ctx by guards and
// workloads, merged by the harness after the threads have stopped, never read by control flow.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "platform/events.hpp"
#include "platform/platform.hpp"
#include "platform/units.hpp"

namespace lockbench {

// Log-bucket histogram of durations: values below 16 exactly, then 16 buckets an octave (relative width at most 1/16),
// up to 2^40.
// Histograms merge by addition; a percentile is read off the merged one, never averaged.
class Histogram {
  public:
    static constexpr unsigned kSubBits = 4;  // 16 buckets an octave
    static constexpr unsigned kMaxBits = 40;
    static constexpr std::size_t kBuckets = (kMaxBits - kSubBits + 1) << kSubBits;

    static constexpr std::size_t bucket_of(std::uint64_t value) {
        constexpr std::uint64_t kTop = (std::uint64_t{1} << kMaxBits) - 1;
        const std::uint64_t v = std::min(value, kTop);
        if (v < (1U << kSubBits)) {
            return static_cast<std::size_t>(v);
        }
        const auto shift = static_cast<unsigned>(std::bit_width(v)) - 1U - kSubBits;
        return ((static_cast<std::size_t>(shift) + 1U) << kSubBits) +
               static_cast<std::size_t>((v >> shift) & ((1U << kSubBits) - 1U));
    }
    // Smallest value that falls into `bucket`.
    static constexpr std::uint64_t lower_bound(std::size_t bucket) {
        if (bucket < (1U << kSubBits)) {
            return bucket;
        }
        const std::size_t shift = (bucket >> kSubBits) - 1U;
        return ((std::uint64_t{1} << kSubBits) + (bucket & ((1U << kSubBits) - 1U))) << shift;
    }

    void add(std::uint64_t value) { ++counts_[bucket_of(value)]; }
    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < kBuckets; ++i) {
            counts_[i] += other.counts_[i];
        }
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }
    [[nodiscard]] std::uint64_t total() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t c : counts_) {
            sum += c;
        }
        return sum;
    }

  private:
    std::array<std::uint64_t, kBuckets> counts_{};
};

// How far the last owner of what is now taken ran from the new one. Order and names are part of the files of a run.
enum class Distance : std::uint8_t {
    self,
    same_core,
    same_llc,
    same_node,
    same_package,
    other_package,
    unknown,
    kCount
};
inline constexpr std::size_t kDistanceCount = static_cast<std::size_t>(Distance::kCount);
inline constexpr std::array<std::string_view, kDistanceCount> kDistanceNames = {
    "self", "same_core", "same_llc", "same_node", "same_package", "other_package", "unknown"};

inline constexpr std::size_t kMaxSites = 32;  // call sites that take the measured lock
inline constexpr std::size_t kMaxOps = 32;    // kinds of workload operation

// Sampled waits of one thread in one mode.
struct ModeStats {
    Histogram wait_ns;
    std::uint64_t wait_ns_max = 0;
    // Longest stretch between two clock stamps of the thread in this mode. A stretch spans at most sample_every
    // acquisitions, so this is an upper bound of the longest wait, including waits that were not sampled. In ticks of
    // the platform's Stopwatch, as is last_stamp.
    std::uint64_t gap_ticks_max = 0;
    std::uint64_t last_stamp = 0;
};

struct alignas(kCacheLine) ThreadStats {
    // Acquisitions of the measured lock by call site and mode; their sums are the window's acquisitions.
    std::array<std::array<std::uint64_t, kModeCount>, kMaxSites> sites{};
    std::array<std::uint64_t, kMaxSites> try_failed{};
    std::array<std::uint64_t, kDistanceCount> handoff{};
    std::array<std::uint64_t, kMaxOps> ops{};
    std::array<ModeStats, kModeCount> modes{};

    [[nodiscard]] std::uint64_t acquisitions(Mode mode) const {
        std::uint64_t sum = 0;
        for (const auto& site : sites) {
            sum += site[static_cast<std::size_t>(mode)];
        }
        return sum;
    }
};

}  // namespace lockbench
