// SPDX-License-Identifier: MIT
// What the slow paths of the locks report: a closed list, counted per thread by every platform (P::event), so that an
// era's behaviour can be seen step by step and not guessed from times. Fast paths report nothing and cost nothing.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace lockbench {

enum class Event : unsigned char {
    slow_read,        // a reader left its fast path
    slow_write,       // a writer left its fast path
    undo,             // an optimistic claim was taken back
    queued,           // a waiter entered a queue or list
    unqueued,         // a waiter left a queue without the lock
    pending_claimed,  // qspinlock: took the pending bit
    spin_started,     // began to spin on a running owner
    spin_acquired,    // took a sleeping lock by spinning
    spin_stopped,     // gave up spinning
    slept,            // went to sleep
    wake_sent,        // woke another thread
    granted,          // handed the lock to a sleeping waiter
    stolen,           // took the lock past sleeping waiters
    grant_undone,     // a grant to readers was taken back because a writer stole the lock
    cancelled,        // a killable wait was cancelled
    downgraded,       // writer became reader
    kCount
};

inline constexpr std::size_t kEventCount = static_cast<std::size_t>(Event::kCount);

inline constexpr std::array<std::string_view, kEventCount> kEventNames = {
    "slow_read",    "slow_write",    "undo",         "queued",    "unqueued",  "pending_claimed",
    "spin_started", "spin_acquired", "spin_stopped", "slept",     "wake_sent", "granted",
    "stolen",       "grant_undone",  "cancelled",    "downgraded"};

}  // namespace lockbench
