// SPDX-License-Identifier: MIT
// Checks that are always on. A failed check is a bug in a lock, a workload or the harness, never bad input.
#pragma once

namespace lockbench {

// What a failed check calls; it must not return. The default prints and aborts. The cooperative platform installs its
// own, which ends the schedule and reports the seed that leads to it.
using CheckHandler = void (*)(const char* what, const char* file, int line);

// Installs `handler` (nullptr: the default) and returns the one that was in force.
CheckHandler set_check_handler(CheckHandler handler) noexcept;
[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

inline void check(bool holds, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (!holds) [[unlikely]] {
        check_failed(what, file, line);
    }
}

}  // namespace lockbench
