// SPDX-License-Identifier: MIT
// Forms that a lock had for a patch or two, between releases, and that a published table measured. For the simulated
// machine only: no release shipped them.
#pragma once

#include <string_view>

#include "locks/rwsem_5_3.hpp"
#include "locks/type_list.hpp"

namespace lockbench {

// The rewritten rwsem before d3681e269fff: a wake-up goes to the readers ahead of the first writer, and beside a reader
// nobody spins.
struct Rwsem53Plain : Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3.plain";
    static constexpr bool kWakeAllReaders = false;
    static constexpr bool kReaderSpin = false;
    static constexpr bool kWriterSpinOnReaders = false;
};
// With d3681e269fff and before cf69482d62d9: a wake-up goes to all readers.
struct Rwsem53WakeAll : Rwsem53Policy {
    static constexpr std::string_view kName = "rwsem_5_3.wake_all";
    static constexpr bool kReaderSpin = false;
    static constexpr bool kWriterSpinOnReaders = false;
};

template <Platform P>
using PatchForms = TypeList<Rwsem53<P, TicketLock<P>, Rwsem53Plain>, Rwsem53<P, TicketLock<P>, Rwsem53WakeAll>>;

}  // namespace lockbench
