// SPDX-License-Identifier: MIT
// The words of the read-write semaphores since 5.3, and what their slow paths share: waking, a reader's sleep, and
// spinning beside the owner. The eras differ in who may spin, steal and ask for the hand-off: that is in their files.
//
// Origin: Linux 5.3-6.3 kernel/locking/rwsem.c (rwsem_mark_wake, rwsem_optimistic_spin, rwsem_spin_on_owner).
// Differs: in rwsem_count.hpp. The clock is read in every round beside readers, where the kernel reads it in each 16th.
//   No real-time priorities.
//
//   wake, head writer:  wake it, no more, and only if nobody may hold the lock
//   wake, head readers: a unit for the head; if a writer was faster, take it back, and ask for the hand-off when the
//     head has waited long enough; else take the readers off the list (all of it, or the leading ones), add their
//     units, clear their tasks; wake them when the wait_lock is free
//   spin:    OSQ; while the owner runs; beside readers for 10 us and half a us for each, at most 25 us, then nobody
//     spins beside these readers any more
#pragma once

#include <algorithm>
#include <cstddef>

#include "locks/lock.hpp"
#include "locks/osq.hpp"
#include "locks/rwsem_count.hpp"
#include "locks/wait_list.hpp"

namespace lockbench {

struct RwsemSpinners;  // tells the queue nodes of these spinners from those of other locks

template <Platform P, class WaitLock>
struct RwsemWords {
    using Moves = RwsemCount<P>;

    RwsemWords() : count(0), owner(0) {
        static_assert(sizeof(RwsemWords) == 40, "struct rw_semaphore of 5.3 on x86-64");
        static_assert(offsetof(RwsemWords, owner) == 8 && offsetof(RwsemWords, osq) == 16 &&
                          offsetof(RwsemWords, wait_lock) == 20 && offsetof(RwsemWords, list) == 24,
                      "and its field order");
    }

    // A waiter or a claim on its way counts as locked.
    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own accesses.
        return count.load(relaxed) != 0;
    }
    // The name of the last reader may have stayed.
    [[nodiscard]] bool is_constructed() const {
        const std::uint64_t name = owner.peek();
        return count.peek() == 0 && (name == 0 || (name & Moves::kReaderOwned) != 0) && osq.is_constructed() &&
               wait_lock.is_constructed() && list.is_constructed();
    }

    typename Moves::Count count;
    typename Moves::Owner owner;
    OptimisticSpinQueue<P, RwsemSpinners> osq;
    WaitLock wait_lock;
    typename Moves::List list;
};

// Policy: what an era, or a variant of it, allows. Moves: RwsemCount<P>, or in tests one with a fault.
template <Platform P, class WaitLock, class Policy, class Moves>
struct RwsemQueue {
    using Words = RwsemWords<P, WaitLock>;
    using Waiter = RwsemWaiter<P>;
    using Token = SleeperToken<P, WaitLock, Waiter>;
    using Batch = WakeBatch<P, Policy::kMaxReadersWoken>;

    // Under the wait_lock, the list not empty (rwsem_mark_wake).
    static void mark_wake(Words& words, RwsemWake kind, Batch& woken) {
        Waiter* const head = words.list.front();
        // relaxed: written before the waiter entered the list, under the same wait_lock.
        const std::uint64_t task = head->task.load(relaxed);
        if (head->mode.get() == Mode::write) {
            // It has to take the lock itself.
            if (kind == RwsemWake::any) {
                woken.add(task);
            }
            return;
        }
        std::int64_t prepaid = 0;
        if (kind != RwsemWake::read_owned) {
            if (!claim_for_head(words, *head)) {
                return;
            }
            prepaid = Moves::kReader;
            // Spinners are told early that readers have the lock now.
            Moves::own_read(words.owner, task, head->owner_seen.get() & Moves::kNonspinnable);
        }
        std::int64_t readers = 0;
        Waiter* const chain = take_readers(words.list, readers);
        std::int64_t delta = readers * Moves::kReader - prepaid - (words.list.empty() ? Moves::kWaiters : 0);
        // relaxed: set and cleared under the wait_lock. With readers in, nobody need be forced to give way.
        if ((words.count.load(relaxed) & Moves::kHandoff) != 0) {
            delta -= Moves::kHandoff;
        }
        Moves::let_in(words.count, delta, chain, woken);
    }

    // The last one out, a writer with somebody waiting, a downgraded writer, a reader that stole (rwsem_wake,
    // rwsem_downgrade_wake).
    [[gnu::noinline, gnu::cold]] static void wake(Words& words, Token& token, RwsemWake kind) {
        Batch woken;
        words.wait_lock.lock(token.wait_token);
        if (!words.list.empty()) {
            mark_wake(words, kind, woken);
        }
        words.wait_lock.unlock(token.wait_token);
        woken.wake_all();
    }

    // The last reader is out, or a claim that looked like one, and somebody waits: spinning may be worth while again.
    [[gnu::noinline, gnu::cold]] static void wake_after_readers(Words& words, Token& token) {
        allow_spinning(words.owner);
        wake(words, token, RwsemWake::any);
    }

    // A queued reader sleeps until another thread has granted it the lock; false: it gave up.
    template <bool kKillable>
    static bool sleep_until_granted(Words& words, Token& token) {
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            P::sleep_prepare();
            if (Moves::is_granted(token.waiter)) {
                return true;
            }
            if (kKillable && P::poll(P::cancelled())) {
                return !give_up_reading(words, token);
            }
            sleep<kKillable>();
        }
    }

    template <bool kKillable>
    static void sleep() {
        P::event(Event::slept);
        if constexpr (kKillable) {
            P::sleep_killable(P::never());  // what it was woken by is seen in the next round
        } else {
            P::sleep(P::never());
        }
    }

    // Under the wait_lock, which it leaves: takes a waiter that was cancelled off the list.
    static void give_up(Words& words, Token& token) {
        Batch woken;
        P::event(Event::cancelled);
        const bool others_first = Policy::kCancelledAlwaysWakes
                                      ? Moves::leave(words.count, words.list, token.waiter)
                                      : Moves::withdraw(words.count, words.list, token.waiter);
        if (others_first) {
            mark_wake(words, RwsemWake::any, woken);
        }
        words.wait_lock.unlock(token.wait_token);
        woken.wake_all();
    }

    static void forbid_spinning(typename Moves::Owner& owner, std::uint64_t flags) {
        // relaxed: a hint.
        std::uint64_t seen = owner.load(relaxed);
        for (typename P::template EffectLoop<Moves::kClaimBound> loop;
             (seen & Moves::kReaderOwned) != 0 && (seen & flags) == 0; loop.again()) {
            // relaxed: a hint; not a writer's word, nor one that says it already.
            if (owner.compare_exchange(seen, seen | flags, relaxed, relaxed)) {
                return;
            }
        }
    }
    static void allow_spinning(typename Moves::Owner& owner) {
        // relaxed: a hint.
        if ((owner.load(relaxed) & Policy::kWriterNonspinnable) != 0) {
            owner.and_(~Policy::kWriterNonspinnable, relaxed);  // relaxed: a hint.
        }
    }

  private:
    // False when a writer stole the lock, whose release will wake.
    static bool claim_for_head(Words& words, Waiter& head) {
        const std::int64_t before = Moves::claim_for_head(words.count);
        if ((before & Moves::kWriter) == 0) {
            return true;
        }
        P::event(Event::grant_undone);
        std::int64_t back = Moves::kReader;
        if (P::expired(head.patience.get())) {
            back -= (before & Moves::kHandoff) == 0 ? Moves::kHandoff : 0;
            head.handoff_set.set(true);
        }
        // relaxed: nothing was done under the unit.
        words.count.sub(back, relaxed);
        return false;
    }

    // Takes readers off the list, oldest first, chained by next.
    static Waiter* take_readers(typename Moves::List& list, std::int64_t& readers) {
        Waiter* first = nullptr;
        Waiter* last = nullptr;
        Waiter* waiter = list.front();
        while (waiter != nullptr && readers != static_cast<std::int64_t>(Policy::kMaxReadersWoken)) {
            Waiter* const next = waiter->next.get();
            if (waiter->mode.get() == Mode::read) {
                list.remove(*waiter);
                waiter->next.set(nullptr);
                if (last == nullptr) {
                    first = waiter;
                } else {
                    last->next.set(waiter);
                }
                last = waiter;
                ++readers;
            } else if (!Policy::kWakeAllReaders) {
                break;
            }
            waiter = next;
        }
        return first;
    }

    // True when it left the list; false when the lock was faster.
    [[gnu::noinline, gnu::cold]] static bool give_up_reading(Words& words, Token& token) {
        words.wait_lock.lock(token.wait_token);
        if (Moves::is_granted(token.waiter)) {
            words.wait_lock.unlock(token.wait_token);
            return false;
        }
        if constexpr (Policy::kCancelledReaderWakes) {
            give_up(words, token);
        } else {
            P::event(Event::cancelled);
            Moves::leave(words.count, words.list, token.waiter);
            words.wait_lock.unlock(token.wait_token);
        }
        return true;
    }
};

// Spinning beside the owner.
template <Platform P, class WaitLock, class Policy, class Moves>
struct RwsemSpin {
    using Queue = RwsemQueue<P, WaitLock, Policy, Moves>;
    using Words = typename Queue::Words;
    enum class Owner : unsigned char { nobody, writer, readers, not_to_spin_on };
    enum class Taken : unsigned char { no, yes, woke };  // woke: no, and others were woken

    // Takes the lock by spinning, with try_take(); `forbidding` are the flags of the owner word that forbid it
    // (rwsem_can_spin_on_owner, rwsem_optimistic_spin). Preemption off.
    template <Mode kMode, class TryTake>
    static bool spin(Words& words, ThreadId self, std::uint64_t forbidding, TryTake try_take) {
        auto should_yield = P::should_yield();
        P::event(Event::spin_started);
        bool taken = false;
        if (words.osq.lock(self, should_yield)) {
            taken = spin_as_head<kMode>(words, forbidding, should_yield, try_take);
            words.osq.unlock(self);
        }
        P::event(taken ? Event::spin_acquired : Event::spin_stopped);
        return taken;
    }

    // Beside readers, whose name may be stale, or nobody, or a writer that runs.
    static bool worth_spinning(const Words& words, std::uint64_t forbidding) {
        if (P::poll(P::should_yield())) {
            return false;
        }
        // relaxed: a hint.
        const std::uint64_t owner = words.owner.load(relaxed);
        const Owner state = state_of(owner, forbidding);
        return state != Owner::not_to_spin_on &&
               (state != Owner::writer || !P::poll(P::not_running(Moves::thread_named(owner))));
    }

    // While a writer owns the lock and runs; then what is now (rwsem_spin_on_owner).
    template <class ShouldYield>
    static Owner watch(const Words& words, std::uint64_t forbidding, ShouldYield& should_yield) {
        // relaxed: a hint.
        const std::uint64_t owner = words.owner.load(relaxed);
        if (state_of(owner, forbidding) != Owner::writer) {
            return state_of(owner, forbidding);
        }
        const auto changed = [owner](std::uint64_t now) { return now != owner; };
        auto not_running = P::not_running(Moves::thread_named(owner));
        int stopped = 0;
        if constexpr (Policy::kHandoffStopsSpinners) {
            // relaxed: a hint; the lock that is handed off is for none of the spinners.
            auto handoff = P::when(
                words.count, [](std::int64_t count) { return (count & Moves::kHandoff) != 0; }, relaxed);
            // relaxed: a hint.
            stopped = words.owner.await_until(changed, relaxed, handoff, not_running, should_yield);
            if (stopped == 1) {
                return Owner::not_to_spin_on;
            }
        } else {
            // relaxed: a hint.
            stopped = words.owner.await_until(changed, relaxed, not_running, should_yield);
        }
        // relaxed: a hint. It may have gone and come back.
        const std::uint64_t now = words.owner.load(relaxed);
        return stopped == 0 || now != owner ? state_of(now, forbidding) : Owner::not_to_spin_on;
    }

  private:
    static constexpr Nanoseconds kBesideReadersNs = 10'000;
    static constexpr Nanoseconds kBesideEachNs = 500;
    static constexpr std::int64_t kReadersCounted = 30;
    // Rounds of one spinner in which it wakes others that an exploration follows; natively no limit.
    static constexpr std::size_t kWakingRounds = 2;

    static Owner state_of(std::uint64_t owner, std::uint64_t forbidding) {
        if ((owner & forbidding) != 0) {
            return Owner::not_to_spin_on;
        }
        if ((owner & Moves::kReaderOwned) != 0) {
            return Owner::readers;
        }
        return (owner & ~Moves::kOwnerFlags) != 0 ? Owner::writer : Owner::nobody;
    }

    // Others go on from a round in which a reader wakes them, so such a round is not as good as left out.
    template <Mode kMode, class ShouldYield, class TryTake>
    static bool spin_as_head(Words& words, std::uint64_t forbidding, ShouldYield& should_yield, TryTake try_take) {
        Owner before = Owner::nobody;
        typename P::Deadline limit = P::never();
        for (typename P::template EffectLoop<kWakingRounds> waking;; waking.again()) {
            for (typename P::Retry loop;; loop.again()) {
                const Owner now = watch(words, forbidding, should_yield);
                if (now == Owner::not_to_spin_on) {
                    return false;
                }
                const Taken taken = try_take();
                if (taken == Taken::yes) {
                    return true;
                }
                if (kMode == Mode::write && now == Owner::readers) {
                    if (!Policy::kWriterSpinOnReaders) {
                        return false;
                    }
                    if (before != Owner::readers) {
                        limit = time_beside_readers(words);
                    }
                    if (P::expired(limit)) {
                        Queue::forbid_spinning(words.owner, Policy::kAllNonspinnable);
                        return false;
                    }
                }
                if (now != Owner::writer && P::poll(should_yield)) {
                    return false;
                }
                before = now;
                if (taken == Taken::woke) {
                    break;
                }
            }
        }
    }

    static typename P::Deadline time_beside_readers(const Words& words) {
        // relaxed: a guess.
        const std::int64_t readers = std::min(Moves::readers_of(words.count.load(relaxed)), kReadersCounted);
        return P::after(kBesideReadersNs + static_cast<Nanoseconds>(readers) * kBesideEachNs);
    }
};

}  // namespace lockbench
