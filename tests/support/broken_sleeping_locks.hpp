// SPDX-License-Identifier: MIT
// A small sleeping reader-writer lock of our own, correct as Bug::none: a list of waiters under a spinning lock, strict
// order, the lock handed over by whoever leaves.
#pragma once

#include <cstdint>

#include "tests/support/broken_locks.hpp"

namespace lockbench::test {

template <Platform P, Bug kBug = Bug::none>
class SmallSem {
  public:
    struct Token {
        explicit Token(Ctx<P>& ctx) : tid(ctx.tid) {}
        ThreadId tid;
        typename P::template Plain<Token*> next;
        typename P::template Plain<ThreadId> sleeper;
        typename P::template Plain<bool> writes;
        typename P::template Atomic<std::uint32_t> granted;
    };
    static constexpr LockInfo kInfo = small_info("small_sem", WaitKind::sleep, true, 24);

    SmallSem() : active_(0), waiting_(0), first_(nullptr) {}
    SmallSem(const SmallSem&) = delete;
    SmallSem& operator=(const SmallSem&) = delete;

    void lock(Token& token) { acquire_as(token, true, false); }
    bool lock_killable(Token& token) { return acquire_as(token, true, true); }
    bool try_lock(Token&) { return take_now(true); }
    void lock_shared(Token& token) { acquire_as(token, false, false); }
    bool lock_shared_killable(Token& token) { return acquire_as(token, false, true); }
    bool try_lock_shared(Token&) { return take_now(false); }
    void unlock(Token&) { leave(); }
    void unlock_shared(Token&) { leave(); }
    void downgrade(Token&) {
        guard_.lock();
        active_.store(1, relaxed);
        if constexpr (kBug == Bug::downgrade_leaves_flag) {
            waiting_.store(1, relaxed);
        }
        if constexpr (kBug != Bug::downgrade_wakes_nobody) {
            hand_over();
        } else {
            guard_.unlock();
        }
    }
    [[nodiscard]] bool is_locked() const { return active_.load(relaxed) != 0; }
    [[nodiscard]] bool is_constructed() const {
        return active_.peek() == 0 && waiting_.peek() == 0 && first_.peek() == nullptr && guard_.is_constructed();
    }

  private:
    // Under guard_. Whether somebody who does not wait may have the lock.
    bool may_take(bool writes) const {
        if (waiting_.load(relaxed) != 0) {
            return false;
        }
        const std::int32_t active = active_.load(relaxed);
        return writes ? active == 0 : active >= 0;
    }
    void count_in(bool writes) {
        const std::int32_t active = active_.load(relaxed);
        active_.store(writes ? -1 : active + 1, relaxed);
    }
    bool take_now(bool writes) {
        guard_.lock();
        const bool free = may_take(writes);
        if (free) {
            count_in(writes);
        }
        guard_.unlock();
        return free;
    }

    bool acquire_as(Token& token, bool writes, bool killable) {
        guard_.lock();
        if (may_take(writes)) {
            count_in(writes);
            guard_.unlock();
            return true;
        }
        P::event(writes ? Event::slow_write : Event::slow_read);
        append(token, writes);
        if constexpr (kBug == Bug::sleeps_under_wait_lock) {
            P::sleep_prepare();
            P::sleep(P::after(1));
        }
        guard_.unlock();
        return wait(token, killable);
    }
    void append(Token& token, bool writes) {
        token.next.set(nullptr);
        token.sleeper.set(token.tid);
        token.writes.set(writes);
        token.granted.init(0);
        waiting_.store(1, relaxed);
        Token* last = first_.get();
        if constexpr (kBug == Bug::last_in_first_out) {
            token.next.set(last);
            last = nullptr;
        }
        if (last == nullptr) {
            first_.set(&token);
            return;
        }
        while (last->next.get() != nullptr) {
            last = last->next.get();
        }
        last->next.set(&token);
    }
    bool wait(Token& token, bool killable) {
        for (typename P::template EffectLoop<8> loop;; loop.again()) {
            if constexpr (kBug != Bug::sleep_without_recheck) {
                P::sleep_prepare();
            }
            if (token.granted.load(acquire) != 0) {
                return true;
            }
            if constexpr (kBug == Bug::sleep_without_recheck) {
                P::sleep_prepare();
            }
            P::event(Event::slept);
            const Wake why = killable ? P::sleep_killable(P::never()) : P::sleep(P::never());
            if (why == Wake::cancelled) {
                return cancel(token);
            }
        }
    }
    // True when the lock came first.
    bool cancel(Token& token) {
        if constexpr (kBug == Bug::cancel_ignores_grant) {
            if (token.granted.load(acquire) != 0) {
                return false;
            }
        }
        guard_.lock();
        if (token.granted.load(acquire) != 0) {
            guard_.unlock();
            return true;
        }
        remove(token);
        if (first_.get() != nullptr) {
            hand_over();  // it may have stood in the way
            return false;
        }
        if constexpr (kBug != Bug::cancel_leaves_waiting) {
            waiting_.store(0, relaxed);
        }
        guard_.unlock();
        return false;
    }
    void remove(Token& token) {
        if (first_.get() == &token) {
            first_.set(token.next.get());
            return;
        }
        Token* before = first_.get();
        while (before->next.get() != &token) {
            before = before->next.get();
        }
        before->next.set(token.next.get());
    }

    void leave() {
        guard_.lock();
        const std::int32_t active = active_.load(relaxed);
        active_.store(active > 0 ? active - 1 : 0, relaxed);
        hand_over();
        if constexpr (kBug == Bug::unlock_looks_back) {
            if (waiting_.load(relaxed) != 0) {
                P::event(Event::wake_sent);
            }
        }
    }
    // Under guard_, which it leaves: lets in whoever stands first, with a reader all readers that follow it, and wakes
    // them when the list is free for others again.
    void hand_over() {
        constexpr std::size_t kMost = 16;  // waiters let in at once; there are no more threads in these tests
        Token* granted[kMost];
        ThreadId sleepers[kMost];
        std::size_t count = 0;
        for (Token* head = first_.get(); head != nullptr && count < kMost; head = first_.get()) {
            const bool writes = head->writes.get();
            const std::int32_t active = active_.load(relaxed);
            if (active < 0 || (writes && active != 0)) {
                break;
            }
            first_.set(head->next.get());
            if (first_.get() == nullptr) {
                waiting_.store(0, relaxed);
            }
            granted[count] = head;
            sleepers[count] = head->sleeper.get();
            ++count;
            grant(*head, writes);
        }
        guard_.unlock();
        for (std::size_t i = 0; i < count; ++i) {
            if constexpr (kBug == Bug::waker_reads_dead_waiter) {
                sleepers[i] = granted[i]->sleeper.get();
            }
            P::wake(sleepers[i]);
        }
    }
    void grant(Token& waiter, bool writes) {
        P::event(Event::granted);
        if constexpr (kBug != Bug::grant_before_count) {
            count_in(writes);
        }
        waiter.granted.store(1, release);
        if constexpr (kBug == Bug::grant_before_count) {
            count_in(writes);
        }
    }

    SmallTicket<P> guard_;
    typename P::template Atomic<std::int32_t> active_;    // -1 a writer, else the readers
    typename P::template Atomic<std::uint32_t> waiting_;  // the list is not empty
    typename P::template Plain<Token*> first_;
};

}  // namespace lockbench::test
