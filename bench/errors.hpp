// SPDX-License-Identifier: MIT
// How the edge of a tool ends: two kinds of error, thrown only inside bench/ while no thread of a trial runs, and
// turned by main into a sentence on stderr and an exit code.
#pragma once

#include <stdexcept>

namespace lockbench {

enum ExitCode : int {
    kExitDone = 0,
    kExitFailed = 1,  // a check or a trial failed
    kExitUsage = 2,   // the command line is wrong
    kExitHost = 3,    // this host lacks what was asked
    kExitInterrupted = 130
};

// The sentence names the option, the value, what is allowed and how to list it.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct HostError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace lockbench
