// SPDX-License-Identifier: MIT
// Binding the calling thread to a CPU, and proof that it is there.
//
// The kernel's own calls are used, never hwloc_set_cpubind: on a topology that is not this system that call returns
// success and does nothing. A new thread inherits the mask of its creator, so "unpinned" is an act too: unpin_self()
// sets the process's first mask again.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "platform/units.hpp"

namespace lockbench {

// Operating-system numbers of the CPUs that the calling thread may use, ascending. Throws HostError where the kernel
// will not tell.
std::vector<CpuId> affinity_of_self();

// The mask that the process was started with, read before main: the CPUs that "unpinned" means.
const std::vector<CpuId>& process_mask();

// Why something failed, in words; nothing when it was done and verified. Threads of a trial report this before the
// start barrier, so that all of them can agree not to run; an exception could not cross that barrier.
using Failure = std::optional<std::string>;

// Binds the calling thread to one CPU and verifies it twice: by its mask, and by the CPU it runs on.
[[nodiscard]] Failure pin_self(CpuId cpu);
// Verifies only: the mask is still exactly `cpu` and the thread is on it. For the end of a window.
[[nodiscard]] Failure verify_pinned(CpuId cpu);
// Sets the mask to `cpus` (the process's first mask) and verifies that the kernel took all of it.
[[nodiscard]] Failure unpin_self(std::span<const CpuId> cpus);

// For a thread of a trial: binds it to `cpu`, or gives it the process's mask for kNoCpu, and verifies that.
[[nodiscard]] Failure pin_measured_thread(CpuId cpu);
// Verifies only: somebody else may have changed the mask since (taskset, a cpuset, a CPU that was switched off).
[[nodiscard]] Failure verify_measured_thread(CpuId cpu);

}  // namespace lockbench
