// SPDX-License-Identifier: MIT
// A kernel to play with: libpapi and our own code open events through the C library's syscall(), and the syscall()
// defined here, in the executable or in a preloaded library, comes before the C library's. So perf_event_open can be
// that of a kernel with a PMU of N counters, of one that forbids the call, of one without it. Hardware events count as
// the kernel's task clock; what was asked for is written down. To be included by one source of an executable or
// library.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace lockbench::testing {

// One call that reached the PMU.
struct AskedEvent {
    std::uint32_t type = 0;
    std::uint64_t config = 0;
    std::uint64_t config1 = 0;
};

struct FakeGroup {
    int hardware = 0;  // events of it that need a counter
    bool pinned = false;
    bool enabled = false;
    bool starved = false;  // pinned, and did not fit
    double share = 1;      // of its time that it has its counters
    long thread = 0;
};

// What perf_event_open does in this process.
struct FakeKernel {
    bool active = false;
    int refuse_with = 0;             // an errno for every call; 0: none
    int refuse_kernel_mode = 0;      // an errno for events that count the kernel
    int hardware_per_group = 1000;   // further hardware events of a group get EINVAL, as from a full PMU
    int hardware_per_thread = 1000;  // pinned groups beyond it are in error, others take turns
    int fail_after = -1;             // after this many calls every call fails with ENOENT; -1: never
    int calls = 0;
    bool reset_last = false;          // the last request on an event was a reset
    int refuse_start_above = 1000;    // groups of more hardware events open, but are not enabled by a start
    std::string log;                  // a file that gets a line a hardware event: type config config1, in hexadecimal
    std::vector<AskedEvent> asked;    // hardware events that opened
    std::map<int, FakeGroup> groups;  // by the leader's file
    std::mutex mutex;
};
inline FakeKernel kernel;

inline long real_syscall(long number, long a, long b, long c, long d, long e, long f) {
    using Call = long (*)(long, ...);
    static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "syscall"));
    return real(number, a, b, c, d, e, f);
}

inline void write_down(const perf_event_attr& attr) {
    kernel.asked.push_back({attr.type, attr.config, attr.config1});
    if (kernel.log.empty()) {
        return;
    }
    char line[80];
    const int length =
        std::snprintf(line, sizeof line, "%x %llx %llx\n", attr.type, static_cast<unsigned long long>(attr.config),
                      static_cast<unsigned long long>(attr.config1));
    // One write a line: the processes of a run share the file.
    const int fd = open(kernel.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        static_cast<void>(!write(fd, line, static_cast<std::size_t>(length)));
        static_cast<void>(real_syscall(SYS_close, fd, 0, 0, 0, 0, 0));
    }
}

inline long open_event(perf_event_attr* attr, long b, long c, int group, long e) {
    if (!kernel.active) {
        return real_syscall(SYS_perf_event_open, reinterpret_cast<long>(attr), b, c, group, e, 0);
    }
    const std::lock_guard guard(kernel.mutex);
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
        if ((group == -1 ? 0 : kernel.groups[group].hardware) >= kernel.hardware_per_group) {
            errno = EINVAL;
            return -1;
        }
        played.type = PERF_TYPE_SOFTWARE;
        played.config = PERF_COUNT_SW_TASK_CLOCK;
        played.config1 = 0;
        played.config2 = 0;
    }
    const long fd = real_syscall(SYS_perf_event_open, reinterpret_cast<long>(&played), b, c, group, e, 0);
    if (fd >= 0) {
        if (group == -1) {
            // A leader's descriptor may be one that was closed before.
            kernel.groups[static_cast<int>(fd)] = {0, attr->pinned != 0, false, false, 1, gettid()};
        }
        kernel.groups[group == -1 ? static_cast<int>(fd) : group].hardware += hardware ? 1 : 0;
    }
    if (fd >= 0 && hardware) {
        write_down(*attr);
    }
    return fd;
}

// Who has counters after a group was enabled: pinned ones first, the rest in turn.
inline void schedule(int leader) {
    FakeGroup& started = kernel.groups[leader];
    started.starved = false;
    started.enabled = true;
    int pinned = 0;
    int in_turn = 0;
    for (const auto& [fd, group] : kernel.groups) {
        if (group.enabled && !group.starved && group.thread == started.thread) {
            (group.pinned ? pinned : in_turn) += group.hardware;
        }
    }
    if (started.pinned && pinned > kernel.hardware_per_thread) {
        started.starved = true;
        pinned -= started.hardware;
    }
    const int left = std::max(kernel.hardware_per_thread - pinned, 0);
    for (auto& [fd, group] : kernel.groups) {
        if (!group.pinned && group.enabled && group.thread == started.thread && group.hardware != 0) {
            group.share = in_turn <= left ? 1 : static_cast<double>(left) / in_turn;
        }
    }
}

// PAPI enables a group briefly while events are added too. A start is told apart by the reset just before it.
inline bool refuses(int fd, unsigned long request) {
    if (!kernel.active) {
        return false;
    }
    const std::lock_guard guard(kernel.mutex);
    const bool starting = kernel.reset_last && request == PERF_EVENT_IOC_ENABLE;
    kernel.reset_last = request == PERF_EVENT_IOC_RESET;
    const auto group = kernel.groups.find(fd);
    if (group == kernel.groups.end()) {
        return false;
    }
    if (starting && group->second.hardware > kernel.refuse_start_above) {
        return true;
    }
    if (request == PERF_EVENT_IOC_ENABLE) {
        schedule(fd);
    } else if (request == PERF_EVENT_IOC_DISABLE) {
        group->second.enabled = false;
    }
    return false;
}

// What a group reads as after it had its counters for `share` of its time; -1 if it is no group that lacks any.
inline long read_short(int fd, void* buffer, std::size_t size) {
    if (!kernel.active) {
        return -1;
    }
    const std::lock_guard guard(kernel.mutex);
    const auto group = kernel.groups.find(fd);
    if (group == kernel.groups.end() || (group->second.share == 1 && !group->second.starved)) {
        return -1;
    }
    if (group->second.starved) {
        return 0;
    }
    const long got = real_syscall(SYS_read, fd, reinterpret_cast<long>(buffer), static_cast<long>(size), 0, 0, 0);
    auto* words = static_cast<std::uint64_t*>(buffer);  // events, time enabled, time running, values
    for (long i = 2; i < got / 8; ++i) {
        words[i] = static_cast<std::uint64_t>(static_cast<double>(i == 2 ? words[1] : words[i]) * group->second.share);
    }
    return got;
}

inline void forget(int fd) {
    if (kernel.active) {
        const std::lock_guard guard(kernel.mutex);
        kernel.groups.erase(fd);
    }
}

}  // namespace lockbench::testing

// One source includes this, and inline functions would not come before the C library's.
// NOLINTBEGIN(misc-definitions-in-headers)
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

extern "C" ssize_t read(int fd, void* buffer, std::size_t size) {
    const long got = lockbench::testing::read_short(fd, buffer, size);
    if (got >= 0) {
        return got;
    }
    using Call = ssize_t (*)(int, void*, std::size_t);
    static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "read"));
    return real(fd, buffer, size);
}

extern "C" int close(int fd) {
    lockbench::testing::forget(fd);
    using Call = int (*)(int);
    static const auto real = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "close"));
    return real(fd);
}
// NOLINTEND(misc-definitions-in-headers)
