// SPDX-License-Identifier: MIT
// The list of locks. A lock is added by its include and its line in AllLocks; tools, tests, tables and plots follow
// from here.
#pragma once

#include "locks/controls.hpp"
#include "locks/lock.hpp"
#include "locks/mcs.hpp"
#include "locks/mutex_3_10.hpp"
#include "locks/osq.hpp"
#include "locks/qrwlock.hpp"
#include "locks/qrwlock_2013.hpp"
#include "locks/qrwlock_3_16.hpp"
#include "locks/qrwlock_4_3.hpp"
#include "locks/qspinlock.hpp"
#include "locks/rwlock_classic.hpp"
#include "locks/rwsem.hpp"
#include "locks/rwsem_3_10.hpp"
#include "locks/rwsem_3_16.hpp"
#include "locks/rwsem_3_8.hpp"
#include "locks/rwsem_3_9.hpp"
#include "locks/rwsem_5_0.hpp"
#include "locks/rwsem_5_3.hpp"
#include "locks/ticket.hpp"
#include "locks/type_list.hpp"
#include "locks/yield_lock.hpp"

namespace lockbench {

// Every lock written over the seam, for any platform. The order is that of tables: exclusive spin locks, reader-writer
// spin locks, sleeping locks by era, then their builds for more threads than CPUs.
template <Platform P>
using AllLocks =
    TypeList<TicketLock<P>, McsLock<P>, OsqLock<P>, QSpinLock<P, SubWord::mixed>, QSpinLock<P, SubWord::portable>,
             RwlockClassic<P>, QrwLock2013<P>, QrwLock2013<P, QrwReaders::unfair>, QrwLock316<P>,
             QrwLock316<P, QSpinLock<P, SubWord::mixed, true>>, QrwLock43<P>, QrwLock<P, SubWord::mixed>,
             QrwLock<P, SubWord::portable>, Mutex310<P>, Rwsem38<P>, Rwsem39<P>, Rwsem310<P>, Rwsem316<P>, Rwsem50<P>,
             Rwsem53<P>, Rwsem53<P, TicketLock<P>, Rwsem53LeadingReaders>,
             Rwsem53<P, TicketLock<P>, Rwsem53NoReaderSpin>, Rwsem53<P, TicketLock<P>, Rwsem53NoSpinBesideReaders>,
             Rwsem<P>, Mutex310<P, SpinThenYieldLock<P>>, Rwsem38<P, SpinThenYieldLock<P>>,
             Rwsem39<P, SpinThenYieldLock<P>>, Rwsem310<P, SpinThenYieldLock<P>>, Rwsem316<P, SpinThenYieldLock<P>>,
             Rwsem50<P, SpinThenYieldLock<P>>, Rwsem53<P, SpinThenYieldLock<P>>, Rwsem<P, SpinThenYieldLock<P>>>;

// Locks that exist only for the harness's own tests: one that does nothing and one that does not exclude.
template <Platform P>
using ControlLocks = TypeList<NullLock<P>, BrokenLock<P>>;

}  // namespace lockbench
