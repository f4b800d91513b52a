// SPDX-License-Identifier: MIT
// Faults of the history of the read-write semaphores since 5.3, as moves that take the place of the right ones.
//
// And one of 5.0. Each is named after its place in the catalogue of tests/mutants/catalogue.toml.
#pragma once

#include <cstdint>

#include "locks/rwsem_5_0_queue.hpp"
#include "locks/rwsem_count.hpp"

namespace lockbench::test {

// The waker reads the waiter's task after it was cleared: the waiter may be gone.
template <Platform P>
struct M16 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::Waiter;
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch& woken) {
        count.add(delta, relaxed);
        while (chain != nullptr) {
            Waiter* const next = chain->next.get();
            const std::uint64_t task = chain->task.exchange(0, release);
            woken.add(chain->mode.get() == Mode::read ? task : 0);
            chain = next;
        }
    }
};
// The wake-up comes before the task is cleared: the sleeper finds nothing and sleeps on.
template <Platform P>
struct M20 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::Waiter;
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch&) {
        count.add(delta, relaxed);
        while (chain != nullptr) {
            Waiter* const next = chain->next.get();
            wake_task<P>(chain->task.load(relaxed));
            chain->task.store(0, release);
            chain = next;
        }
    }
};
// A reader that finds the queue empty and the writer gone enters without having seen what the writer did.
template <Platform P>
struct M21 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    static std::int64_t recount(const Count& count) { return count.load(relaxed); }
};
// So does a sleeper that finds itself granted before it was woken.
template <Platform P>
struct M22 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Waiter;
    static bool is_granted(const Waiter& waiter) { return waiter.task.load(relaxed) == 0; }
};
// Readers come in past sleeping writers as long as readers are in.
template <Platform P>
struct M23 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    static bool may_steal_read(std::int64_t count, std::uint64_t) {
        return (count & (Right::kWriter | Right::kHandoff)) == 0;
    }
};
// The last waiter gives up and leaves the hand-off behind, on an empty queue.
template <Platform P>
struct M24 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::List;
    using typename Right::Waiter;
    static bool leave(Count& count, List& list, Waiter& waiter) {
        list.remove(waiter);
        if (!list.empty()) {
            return true;
        }
        count.and_(~Right::kWaiters, relaxed);
        return false;
    }
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        const bool first = list.front() == &waiter;
        return leave(count, list, waiter) && first;
    }
};
// The first in line alone honours the hand-off, whoever set it, and one that gives up wakes nobody: a free lock that
// nobody may take (5.16 to 5.18).
template <Platform P>
struct M25 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::List;
    using typename Right::Waiter;
    static bool is_for_first_only(const Waiter& first, const Waiter& mine) { return &first != &mine; }
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        Right::leave(count, list, waiter);
        return false;
    }
};
// Who asks for the hand-off takes it for its own, first in line or not, and waits for the owner awake.
template <Platform P>
struct M26 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Waiter;
    static void mark_handoff(Waiter&, Waiter& mine) { mine.handoff_set.set(true); }
};
// Whether the one that gives up is first is asked when it is gone.
template <Platform P>
struct M27 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::List;
    using typename Right::Waiter;
    static bool withdraw(Count& count, List& list, Waiter& waiter) {
        return Right::leave(count, list, waiter) && list.front() == &waiter;
    }
};
// The readers' units are added when they are already on their way.
template <Platform P>
struct M36 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    using typename Right::Waiter;
    template <class Batch>
    static void let_in(Count& count, std::int64_t delta, Waiter* chain, Batch& woken) {
        Right::let_in(count, 0, chain, woken);
        count.add(delta, relaxed);
    }
};
// Whoever queues wakes nobody, although it misled one that left, or readers wait beside readers.
template <Platform P>
struct M37 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    static bool wakes_when_queueing(std::int64_t) { return false; }
};
// A downgraded writer publishes nothing.
template <Platform P>
struct M40 : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    static bool release_to_read(Count& count) {
        return (count.fetch_add(Right::kReader - Right::kWriter, relaxed) & Right::kWaiters) != 0;
    }
};

// A reader that goes to spin takes its claim back and does not care whom it misled: Linux 5.3 to 5.10.
template <Platform P>
struct Misleading : RwsemCount<P> {
    using Right = RwsemCount<P>;
    using typename Right::Count;
    static bool drop_read(Count& count) {
        count.sub(Right::kReader, relaxed);
        return false;
    }
};

// The look for a spinner comes before the release (4.2 to 4.14).
template <Platform P>
struct M19 : Rwsem50Moves<P> {
    template <class Release, class Osq>
    static bool release_then_look(const Osq& osq, bool& spinner, Release release_count) {
        spinner = osq.is_locked();
        return release_count();
    }
};

}  // namespace lockbench::test
