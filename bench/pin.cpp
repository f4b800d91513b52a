// SPDX-License-Identifier: MIT
#include "bench/pin.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/limits.hpp"

namespace lockbench {
namespace {

struct FreeSet {
    void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using SetPtr = std::unique_ptr<cpu_set_t, FreeSet>;

// A set with room for `cpus` CPUs, all clear; glibc's fixed cpu_set_t ends at 1024 CPUs.
SetPtr empty_set(std::size_t cpus) {
    SetPtr set(CPU_ALLOC(cpus));
    if (set) {
        CPU_ZERO_S(CPU_ALLOC_SIZE(cpus), set.get());
    }
    return set;
}

// errno of the call, 0 when `cpus` holds the answer.
int read_affinity(std::vector<CpuId>& cpus) {
    // A set smaller than the kernel's gives EINVAL, so it grows until the kernel is content.
    for (std::size_t room = 1024; room <= kMostCpuNumber; room *= 2) {
        const SetPtr set = empty_set(room);
        const std::size_t bytes = CPU_ALLOC_SIZE(room);
        if (!set) {
            return ENOMEM;
        }
        if (sched_getaffinity(0, bytes, set.get()) == 0) {
            for (std::size_t cpu = 0; cpu < room; ++cpu) {
                if (CPU_ISSET_S(cpu, bytes, set.get())) {
                    cpus.push_back(static_cast<CpuId>(cpu));
                }
            }
            return 0;
        }
        if (errno != EINVAL) {
            return errno;
        }
    }
    return EINVAL;
}

Failure set_affinity(std::span<const CpuId> cpus) {
    const SetPtr set = empty_set(kMostCpuNumber);
    const std::size_t bytes = CPU_ALLOC_SIZE(kMostCpuNumber);
    if (!set) {
        return "no memory for a CPU set";
    }
    for (const CpuId cpu : cpus) {
        if (static_cast<std::size_t>(cpu) >= kMostCpuNumber) {  // a negative number becomes a huge one
            return "CPU " + std::to_string(cpu) + " is no CPU number";
        }
        CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set.get());
    }
    if (sched_setaffinity(0, bytes, set.get()) != 0) {
        return "the kernel refused CPUs " + format_numbers(cpus) + ": " + std::strerror(errno);
    }
    return std::nullopt;
}

// The kernel cuts a mask down to the cpuset without a word, so success alone proves nothing.
Failure verify_mask(std::span<const CpuId> wanted) {
    std::vector<CpuId> got;
    if (const int error = read_affinity(got); error != 0) {
        return std::string("the kernel does not tell the affinity: ") + std::strerror(error);
    }
    if (!std::equal(got.begin(), got.end(), wanted.begin(), wanted.end())) {
        return "asked for CPUs " + format_numbers(wanted) + ", got " + format_numbers(got);
    }
    return std::nullopt;
}

// Read while the program starts, when nothing can have bound this thread yet. Empty where the kernel does not tell.
const std::vector<CpuId> kMaskAtStart = [] {
    std::vector<CpuId> cpus;
    read_affinity(cpus);
    return cpus;
}();

}  // namespace

const std::vector<CpuId>& process_mask() { return kMaskAtStart; }

std::vector<CpuId> affinity_of_self() {
    std::vector<CpuId> cpus;
    if (const int error = read_affinity(cpus); error != 0) {
        throw HostError(std::string("sched_getaffinity: ") + std::strerror(error));
    }
    return cpus;
}

Failure pin_self(CpuId cpu) {
    if (Failure failure = set_affinity({&cpu, 1})) {
        return failure;
    }
    return verify_pinned(cpu);
}

Failure verify_pinned(CpuId cpu) {
    if (Failure failure = verify_mask({&cpu, 1})) {
        return failure;
    }
    if (const int now = sched_getcpu(); now != cpu) {
        return "bound to CPU " + std::to_string(cpu) + " but runs on CPU " + std::to_string(now);
    }
    return std::nullopt;
}

Failure unpin_self(std::span<const CpuId> cpus) {
    std::vector<CpuId> sorted(cpus.begin(), cpus.end());
    std::sort(sorted.begin(), sorted.end());
    if (Failure failure = set_affinity(sorted)) {
        return failure;
    }
    return verify_mask(sorted);
}

Failure pin_measured_thread(CpuId cpu) { return cpu == kNoCpu ? unpin_self(process_mask()) : pin_self(cpu); }

Failure verify_measured_thread(CpuId cpu) { return cpu == kNoCpu ? verify_mask(process_mask()) : verify_pinned(cpu); }

}  // namespace lockbench
