// SPDX-License-Identifier: MIT
// A kernel to play with: libpapi and our own probe open events through the C library's syscall(), and the syscall()
// defined here, in the executable, comes before the C library's. So perf_event_open can be that of a kernel with a PMU
// of N counters, of one that forbids the call, of one without it. To be included by one source of an executable.
#pragma once

#include <dlfcn.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <map>

namespace lockbench::testing {

// What perf_event_open does in this process.
struct FakeKernel {
    bool active = false;
    int refuse_with = 0;            // an errno for every call; 0: none
    int refuse_kernel_mode = 0;     // an errno for events that count the kernel
    int hardware_per_group = 1000;  // further hardware events of a group get EINVAL, as from a full PMU
    int fail_after = -1;            // after this many calls every call fails with ENOENT; -1: never
    int calls = 0;
    bool reset_last = false;        // the last request on an event was a reset
    int refuse_start_above = 1000;  // groups of more hardware events open, but are not enabled by a start
    std::map<int, int> group_size;
};
inline FakeKernel kernel;

inline long real_syscall(long number, long a, long b, long c, long d, long e, long f) {
    using Call = long (*)(long, ...);
    static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "syscall"));
    return real(number, a, b, c, d, e, f);
}

inline long open_event(perf_event_attr* attr, long b, long c, int group, long e) {
    if (!kernel.active) {
        return real_syscall(SYS_perf_event_open, reinterpret_cast<long>(attr), b, c, group, e, 0);
    }
    ++kernel.calls;
    kernel.reset_last = false;
    if (kernel.fail_after >= 0 && kernel.calls > kernel.fail_after) {
        errno = ENOENT;
        return -1;
    }
    if (kernel.refuse_with != 0) {
        errno = kernel.refuse_with;
        return -1;
    }
    if (kernel.refuse_kernel_mode != 0 && attr->exclude_kernel == 0) {
        errno = kernel.refuse_kernel_mode;
        return -1;
    }
    perf_event_attr played = *attr;
    const bool hardware =
        attr->type == PERF_TYPE_HARDWARE || attr->type == PERF_TYPE_HW_CACHE || attr->type == PERF_TYPE_RAW;
    if (hardware) {
        if (kernel.group_size[group] >= kernel.hardware_per_group) {
            errno = EINVAL;
            return -1;
        }
        played.type = PERF_TYPE_SOFTWARE;
        played.config = PERF_COUNT_SW_TASK_CLOCK;
        played.config1 = 0;
        played.config2 = 0;
    }
    const long fd = real_syscall(SYS_perf_event_open, reinterpret_cast<long>(&played), b, c, group, e, 0);
    if (fd >= 0 && hardware) {
        // A leader's descriptor may be one that was closed before.
        group == -1 ? kernel.group_size[static_cast<int>(fd)] = 1 : ++kernel.group_size[group];
    }
    return fd;
}

// PAPI enables a group briefly while events are added too. A start is told apart by the reset just before it.
inline bool refuses(int fd, unsigned long request) {
    const bool starting = kernel.reset_last && request == PERF_EVENT_IOC_ENABLE;
    kernel.reset_last = request == PERF_EVENT_IOC_RESET;
    return kernel.active && starting && kernel.group_size[fd] > kernel.refuse_start_above;
}

}  // namespace lockbench::testing

// One source includes this, and an inline function would not come before the C library's.
// NOLINTNEXTLINE(misc-definitions-in-headers)
extern "C" long syscall(long number, ...) noexcept {
    va_list list;
    va_start(list, number);
    if (number == SYS_perf_event_open) {
        auto* attr = va_arg(list, perf_event_attr*);
        const long pid = va_arg(list, long);
        const long cpu = va_arg(list, long);
        // The group arrives zero-extended where the caller passed an int.
        const int group = static_cast<int>(va_arg(list, long));
        const long flags = va_arg(list, long);
        va_end(list);
        return lockbench::testing::open_event(attr, pid, cpu, group, flags);
    }
    long args[6];
    for (long& arg : args) {
        arg = va_arg(list, long);
    }
    va_end(list);
    return lockbench::testing::real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

// NOLINTNEXTLINE(misc-definitions-in-headers)
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
    va_list list;
    va_start(list, request);
    void* argument = va_arg(list, void*);
    va_end(list);
    if (lockbench::testing::refuses(fd, request)) {
        errno = EINVAL;
        return -1;
    }
    using Call = int (*)(int, unsigned long, ...);
    static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "ioctl"));
    return real(fd, request, argument);
}
