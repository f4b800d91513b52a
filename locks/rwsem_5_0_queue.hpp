// SPDX-License-Identifier: MIT
// The words of the read-write semaphore of 5.0, its waking, and its readers' slow path. The writers' part is in
// rwsem_5_0.hpp.
//
// Origin: Linux 5.0 kernel/locking/rwsem-xadd.c (__rwsem_mark_wake, rwsem_wake, rwsem_down_read_failed).
// Differs: as in rwsem_5_0.hpp.
//
//   count_: see rwsem_xadd.hpp; owner_: see rwsem_5_0.hpp
//   wake, head writer:  wake it, no more
//   wake, head readers: a unit for the first; if a writer was faster, undo it; else units for all leading readers,
//     clear their tasks; wake them when the wait_lock is free
// I8  Who leaves nobody active with somebody waiting wakes, unless a spinner is about and somebody has the wait_lock:
//     of these one comes to see that nobody is active.
#pragma once

#include "locks/lock.hpp"
#include "locks/osq.hpp"
#include "locks/rwsem_xadd.hpp"
#include "locks/wait_list.hpp"

namespace lockbench {

struct Rwsem50Spinners;  // tells the queue nodes of these spinners from those of other locks

// The moves that releases before it, or this one, got wrong; tests replace them, one at a time, by the wrong one.
template <Platform P>
struct Rwsem50Moves {
    using Count = typename RwsemXadd<P>::Count;

    // After a release of the count: whether a spinner is there, who will wake when it leaves. Asked after the release,
    // or a spinner that has given up and queued meanwhile, seeing the lock held, is taken for one that will (M19).
    template <class Release, class Osq>
    static bool release_then_look(const Osq& osq, bool& spinner, Release release_count) {
        if (!release_count()) {
            return false;
        }
        // Between the release and the look, as queue_write() has one between leaving the OSQ and looking at the count:
        // one of the two sees the other.
        P::fence(seq_cst);
        spinner = osq.is_locked();
        return true;
    }
    // Under the wait_lock: the count, for a reader that finds the list empty and may own the lock already (M21).
    static std::int64_t recount(const Count& count) {
        // acquire (A9, pairs with rwsem_xadd.hpp:R1, rwsem_xadd.hpp:R2): the writer that it met on its fast path has
        // left since.
        return count.load(acquire);
    }
};

template <Platform P, class WaitLock, class Moves>
struct Rwsem50Queue {
    using Xadd = RwsemXadd<P>;
    using Token = SleeperToken<P, WaitLock>;

    static constexpr std::uint64_t kNobody = 0;
    static constexpr std::uint64_t kReaderOwned = 1;
    static constexpr std::uint64_t kAnonymous = 2;
    static constexpr unsigned kOwnerShift = 2;
    // Rounds of grant and undo that an exploration follows; natively no limit.
    static constexpr std::size_t kGrantBound = 4;
    static constexpr std::size_t kWokenTogether = 64;
    using Batch = WakeBatch<P, kWokenTogether>;

    Rwsem50Queue() : count(0), owner(kNobody) {}

    // A waiter or a claim on its way counts as locked.
    [[nodiscard]] bool is_locked() const {
        // relaxed: the caller orders this load against its own accesses.
        return count.load(relaxed) != 0;
    }
    // The name of the last reader may have stayed.
    [[nodiscard]] bool is_constructed() const {
        const std::uint64_t name = owner.peek();
        return count.peek() == 0 && wait_lock.is_constructed() && list.is_constructed() &&
               (name == kNobody || (name & kReaderOwned) != 0) && osq.is_constructed();
    }

    void own_write(Token& token) {
        // relaxed: a hint for spinners, who act on the count.
        owner.store(task_of(token.self) << kOwnerShift, relaxed);
    }
    void disown_write() {
        // relaxed: a hint; the release that follows keeps it before the release of the count.
        owner.store(kNobody, relaxed);
    }
    void own_read(std::uint64_t task) {
        // relaxed: a hint.
        owner.store(task << kOwnerShift | kReaderOwned | kAnonymous, relaxed);
    }

    // Releases the count and wakes whom that concerns.
    template <class Release>
    void leave(Token& token, Release release_count) {
        bool spinner = false;
        if (Moves::release_then_look(osq, spinner, release_count)) {
            wake_slow(token, RwsemWake::any, spinner);
        }
    }

    // rwsem_wake, rwsem_downgrade_wake
    [[gnu::noinline, gnu::cold]] void wake_slow(Token& token, RwsemWake kind, bool spinner) {
        if (!spinner) {
            wait_lock.lock(token.wait_token);
        } else if (!wait_lock.try_lock(token.wait_token)) {
            return;  // whoever has it, or the spinner, comes to see that nobody is active
        }
        Batch woken;
        if (!list.empty()) {
            mark_wake(kind, woken);
        }
        wait_lock.unlock(token.wait_token);
        woken.wake_all();
    }

    // Under the wait_lock, the list not empty (__rwsem_mark_wake).
    void mark_wake(RwsemWake kind, Batch& woken) {
        Waiter<P>* const head = list.front();
        // relaxed: written before the waiter entered the list, under the same wait_lock.
        const std::uint64_t task = head->task.load(relaxed);
        if (head->mode.get() == Mode::write) {
            if (kind == RwsemWake::any) {
                woken.add(task);
            }
        } else if (kind == RwsemWake::read_owned) {
            Xadd::grant_leading_readers(count, list, 0, woken);
        } else if (claim_for_head()) {
            own_read(task);  // spinners are told early that readers have the lock now
            Xadd::grant_leading_readers(count, list, Xadd::kReadUnit, woken);
        }
    }

    // One unit for the reader at the head: false when a writer stole the lock, whose release will wake.
    bool claim_for_head() {
        for (typename P::template EffectLoop<kGrantBound> loop;; loop.again()) {
            // acquire (A10, pairs with rwsem_xadd.hpp:R1, rwsem_xadd.hpp:R3): no writer is active, and the readers see
            // the last one's writes through the granter.
            if (count.fetch_add(Xadd::kReadUnit, acquire) >= Xadd::kWaiting) {
                return true;
            }
            P::event(Event::grant_undone);
            // relaxed: nothing was done under the unit.
            if (count.fetch_sub(Xadd::kReadUnit, relaxed) - Xadd::kReadUnit < Xadd::kWaiting) {
                return false;
            }
            // The thief left meanwhile and saw this unit as active: waking is now for this thread to do.
        }
    }

    // rwsem_down_read_failed; the unit is in the count. False when cancelled.
    template <bool kKillable>
    [[gnu::noinline, gnu::cold]] bool read_slow(Token& token) {
        P::event(Event::slow_read);
        Xadd::prepare(token.waiter, token.self, Mode::read);
        wait_lock.lock(token.wait_token);
        if (list.empty() && Moves::recount(count) >= 0) {
            wait_lock.unlock(token.wait_token);
            return true;
        }
        const auto queued = Xadd::enqueue(count, list, token.waiter, Xadd::kReadUnit);
        Batch woken;
        // Nobody is active: whoever left last may have been misled by this unit. Or no writer is, and this reader is
        // the first to wait: it joins the readers, waking itself.
        if (queued.count == Xadd::kWaiting || (queued.count > Xadd::kWaiting && queued.first)) {
            mark_wake(RwsemWake::any, woken);
        }
        wait_lock.unlock(token.wait_token);
        woken.wake_all();
        for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
            P::sleep_prepare();
            if (is_granted(token.waiter)) {
                return true;
            }
            if (kKillable && P::poll(P::cancelled())) {
                return !give_up_reading(token);
            }
            sleep<kKillable>();
        }
    }

    // True when it left the list; false when the lock was faster. The last one takes the mark along; nobody is woken.
    [[gnu::noinline, gnu::cold]] bool give_up_reading(Token& token) {
        wait_lock.lock(token.wait_token);
        const bool granted = is_granted(token.waiter);
        if (!granted) {
            take_off(token);
        }
        wait_lock.unlock(token.wait_token);
        return !granted;
    }
    // Under the wait_lock: a cancelled waiter. True when others wait.
    bool take_off(Token& token) {
        P::event(Event::cancelled);
        list.remove(token.waiter);
        if (list.empty()) {
            count.sub(Xadd::kWaiting, relaxed);  // relaxed: a mark, kept under the wait_lock
            return false;
        }
        return true;
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

    typename Xadd::Count count;
    typename Xadd::List list;
    WaitLock wait_lock;
    OptimisticSpinQueue<P, Rwsem50Spinners> osq;
    typename P::template Atomic<std::uint64_t> owner;
};

}  // namespace lockbench
