// SPDX-License-Identifier: MIT
// The list of locks. A lock is added by its include and its line in AllLocks; tools, tests, tables and plots follow from here.
#pragma once

#include <string_view>

#include "locks/controls.hpp"
#include "locks/lock.hpp"
#include "locks/ticket.hpp"
#include "locks/type_list.hpp"

namespace lockbench {

// Every lock written over the seam, for any platform.
template <Platform P>
using AllLocks = TypeList<TicketLock<P>>;

// Locks that exist only for the harness's own tests: one that does nothing and one that does not exclude.
template <Platform P>
using ControlLocks = TypeList<NullLock<P>, BrokenLock<P>>;

}  // namespace lockbench
