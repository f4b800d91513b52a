// SPDX-License-Identifier: MIT
// The FIFO list of sleeping waiters that the kernel's semaphores share, and the two ways in which a waiter sleeps.
//
// Origin: the on-stack waiters and the list_head of Linux 3.8-3.16 lib/rwsem.c, kernel/mutex.c (from 3.13 on in
//   kernel/locking).
// Differs: the waiter lies in the acquirer's token instead of its stack frame, so it outlives the wait; nothing relies
//   on that. The list ends in null pointers instead of closing through its head: the size and the lines touched are the
//   same, and no pointer to a node has to be turned into one to a waiter. A task is a thread number plus one, so waking
//   it needs no reference to a task (M16). Clearing a waiter's task is a release store where the kernel has a full
//   barrier before a plain store, and the sleeper's look at it an acquire where the kernel had none (M22).
//
//   head -> waiter <-> waiter <-> waiter <- tail      oldest first; both null when empty
// I1  head, tail, next and prev are read and written under the lock's wait_lock only.
// I2  A waiter is in at most one list. Whoever takes it out (itself, or the one that grants it the lock) holds the
//     wait_lock.
// I3  task goes from the waiter's number to 0 once, by the granter, after which the granter does not touch the waiter
//     any more.
#pragma once

#include <cstddef>
#include <cstdint>

#include "locks/lock.hpp"

namespace lockbench {

// Iterations of a sleeping loop that an exploration follows; natively no limit. A loop turns once more after each
// spurious wake.
inline constexpr std::size_t kSleepBound = 4;

template <Platform P>
struct Waiter {
    typename P::template Plain<Waiter*> next;
    typename P::template Plain<Waiter*> prev;
    typename P::template Atomic<std::uint64_t> task;  // thread number + 1; 0 once the lock was granted
    typename P::template Plain<Mode> mode;
};

// W: what waits, with the fields of Waiter and whatever else a lock notes of its waiters.
template <Platform P, class W = Waiter<P>>
class WaitList {
  public:
    WaitList() : head_(nullptr), tail_(nullptr) {}
    WaitList(const WaitList&) = delete;
    WaitList& operator=(const WaitList&) = delete;

    [[nodiscard]] bool empty() const { return head_.get() == nullptr; }
    [[nodiscard]] W* front() const { return head_.get(); }
    // Asked of a list that is not empty.
    [[nodiscard]] bool singular() const {
        const W* const first = head_.get();
        return first->next.get() == nullptr;
    }

    void push_back(W& waiter) {
        W* const last = tail_.get();
        waiter.next.set(nullptr);
        waiter.prev.set(last);
        tail_.set(&waiter);
        if (last == nullptr) {
            head_.set(&waiter);
        } else {
            last->next.set(&waiter);
        }
    }

    void remove(W& waiter) {
        W* const before = waiter.prev.get();
        W* const after = waiter.next.get();
        if (before == nullptr) {
            head_.set(after);
        } else {
            before->next.set(after);
        }
        if (after == nullptr) {
            tail_.set(before);
        } else {
            after->prev.set(before);
        }
    }

    // Drops all waiters before `first`, untouched: they may be gone. Null drops all.
    void start_at(W* first) {
        head_.set(first);
        if (first == nullptr) {
            tail_.set(nullptr);
        } else {
            first->prev.set(nullptr);
        }
    }

    [[nodiscard]] bool is_constructed() const { return head_.peek() == nullptr && tail_.peek() == nullptr; }

  private:
    typename P::template Plain<W*> head_;
    typename P::template Plain<W*> tail_;
};

// A thread's waiter, and its token for the wait_lock.
template <Platform P, class WaitLock, class W = Waiter<P>>
struct SleeperToken {
    explicit SleeperToken(Ctx<P>& ctx) : self(ctx.tid), wait_token(ctx) {}

    ThreadId self;
    W waiter;
    typename WaitLock::Token wait_token;
};

// On whose behalf the sleepers of a read-write semaphore are woken.
enum class RwsemWake : unsigned char {
    any,        // nobody is active: the head, whatever it is
    readers,    // perhaps readers are: readers, never a writer
    read_owned  // the caller knows that a reader holds the lock: readers, without asking the count first
};

constexpr std::uint64_t task_of(ThreadId tid) { return std::uint64_t{tid} + 1U; }
constexpr ThreadId thread_of(std::uint64_t task) { return static_cast<ThreadId>(task - 1U); }

template <Platform P>
void wake_task(std::uint64_t task) {
    P::event(Event::wake_sent);
    P::wake(thread_of(task));
}

// Where a granter puts those that are to be woken. WakeNow: they are, at once.
template <Platform P>
struct WakeNow {
    static void add(std::uint64_t task) { wake_task<P>(task); }
};
// WakeBatch: when the wait_lock is free again. At most kMost, on the waker's stack; when it is full they are woken at
// once. The kernel chains them through the tasks, and where two wakers have the same one the later adds nothing; here
// it is woken twice.
template <Platform P, std::size_t kMost>
class WakeBatch {
  public:
    void add(std::uint64_t task) {
        if (count_ == kMost) {
            wake_all();
        }
        tasks_[count_] = task;
        ++count_;
    }
    [[nodiscard]] bool empty() const { return count_ == 0; }
    void wake_all() {
        for (std::size_t i = 0; i < count_; ++i) {
            wake_task<P>(tasks_[i]);
        }
        count_ = 0;
    }

  private:
    std::size_t count_ = 0;
    std::uint64_t tasks_[kMost];
};

// Hands the lock to a waiter that was taken, or is about to be taken, off the list. Under the wait_lock. The waiter may
// be gone, or wait for another lock, as soon as its task is cleared: nothing of it is touched after that.
template <Platform P, class Woken>
void grant(Waiter<P>& waiter, Woken& woken) {
    // relaxed: written before the waiter entered the list, read under the same wait_lock.
    const std::uint64_t task = waiter.task.load(relaxed);
    P::event(Event::granted);
    // release (R1, pairs with A1): the granter has seen all earlier owners' writes, and so will the waiter; its own
    // reads of the waiter are done.
    waiter.task.store(0, release);
    woken.add(task);
}
template <Platform P>
bool is_granted(const Waiter<P>& waiter) {
    // acquire (A1, pairs with R1): what the granter saw of earlier owners is seen here.
    return waiter.task.load(acquire) == 0;
}

// Sleeps until another thread has granted the lock to this waiter.
template <Platform P>
void sleep_until_granted(const Waiter<P>& waiter) {
    for (typename P::template EffectLoop<kSleepBound> loop;; loop.again()) {
        P::sleep_prepare();
        if (is_granted(waiter)) {
            return;
        }
        P::event(Event::slept);
        P::sleep(P::never());
    }
}

}  // namespace lockbench
