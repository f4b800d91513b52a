// SPDX-License-Identifier: MIT
// Numbers that every layer uses, with their units.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockbench {

// Dense number of a thread within one trial: 0 .. threads-1. Queue encodings store it plus one, so that 0 means
// "nobody".
using ThreadId = std::uint32_t;
// The operating system's number of a hardware thread; kNoCpu where a thread is not bound.
using CpuId = std::int32_t;
// The operating system's number of a NUMA node (sparse); kAnyNode leaves the choice to first touch.
using NodeId = std::int32_t;
// Durations are unsigned nanoseconds unless a name says otherwise.
using Nanoseconds = std::uint64_t;

inline constexpr ThreadId kNoThread = 0xffff'ffffU;
inline constexpr CpuId kNoCpu = -1;
inline constexpr NodeId kAnyNode = -1;
// Most threads in one trial: an OSQ or qspinlock tail could hold more (14 bits of CPU number in the kernel's word).
inline constexpr ThreadId kMaxThreads = 4096;
// Destructive interference size assumed on every supported host (x86-64, AArch64): bytes.
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kPage = 4096;

}  // namespace lockbench
