// SPDX-License-Identifier: MIT
// The schedule: who runs next, who is blocked on what, virtual time, injected events.
#include <algorithm>
#include <utility>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"

namespace lockbench::coop {
namespace {

// Stays with a thread for eight steps on average.
constexpr std::uint32_t kStickySteps = 8;

}  // namespace

void Thread::reset() {
    clock = Clock{};
    pending_acquire = Clock{};
    release_fence = Clock{};
    woken_by = Clock{};
    has_release_fence = false;
    done = false;
    off_cpu = false;
    woken = true;
    unparked = false;
    cancelled = false;
    preempt_off = 0;
    read_sections = 0;
    block = Block{};
    injected = 0;
    forced = 0;
    wait_count = 0;
    retry_depth = 0;
    retry_begin = 0;
    seen_count = 0;
    seen_overflow = false;
    polled = Polled{};
    events = {};
    read_modify_writes = 0;
    last_site = {};
}

void Engine::run(const std::function<void(ThreadId)>& body) {
    check(self_thread == nullptr, "a world runs one phase at a time, from the host");
    if (failed()) {
        return;
    }
    body_ = &body;
    // What earlier phases and the host did happened before.
    Clock all;
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        all.join(threads_[tid].clock);
    }
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        Thread& thread = threads_[tid];
        thread.clock = all;
        ++thread.clock.at[tid];
        thread.done = false;
        thread.fiber.start(&Engine::fiber_body);
    }
    unfinished_ = (1U << thread_count_) - 1;
    ready_ = unfinished_;
    Thread& first = strategy_ == CoopStrategy::pct ? pick_priority(ready_) : pick_random(ready_);
    self_thread = &first;
    main_.switch_to(first.fiber);
    self_thread = nullptr;
    body_ = nullptr;
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        threads_[tid].block = Block{};  // of a fiber that was abandoned: its frame is gone
        threads_[tid].fiber.drop();
    }
    verdict_->steps = steps_;
}

void Engine::fiber_body() {
    Thread& me = *self_thread;
    (*engine->body_)(me.tid);
    engine->finish(me);
}

void Engine::finish(Thread& me) {
    note(Op::done, kNone, {}, 0, 0);
    if (me.preempt_off != 0) {
        message_ = "thread " + std::to_string(me.tid) + " ends with preemption off (count " +
                   std::to_string(me.preempt_off) + ")";
        fail(CoopFailure::unbalanced);
    }
    if (me.read_sections != 0) {
        message_ = "thread " + std::to_string(me.tid) + " ends inside a ReadSection";
        fail(CoopFailure::unbalanced);
    }
    me.done = true;
    unfinished_ &= ~(1U << me.tid);
    ready_ &= ~(1U << me.tid);
    set_off_cpu(me, true);
    if (unfinished_ == 0) {
        me.fiber.leave_to(main_);
    }
    leave(me);
}

// Chooses a next thread for one that cannot go on, and goes there.
void Engine::leave(Thread& me) {
    if (ready_ == 0) {
        idle();
    }
    Thread& next = strategy_ == CoopStrategy::pct ? pick_priority(ready_) : pick_random(ready_);
    if (me.done) {
        self_thread = &next;
        me.fiber.leave_to(next.fiber);
    }
    go_to(me, next);
}

void Engine::go_to(Thread& me, Thread& next) {
    if (&next == &me) {
        return;
    }
    self_thread = &next;
    me.fiber.switch_to(next.fiber);
}

// Nobody can run: only what must happen in the end can help, and time is the only such thing that is not looked at
// eagerly.
void Engine::idle() {
    while (ready_ == 0) {
        std::uint64_t earliest = UINT64_MAX;
        for (ThreadId tid = 0; tid < thread_count_; ++tid) {
            const Thread& thread = threads_[tid];
            if (!thread.done && thread.block.deadline != 0) {
                earliest = std::min(earliest, thread.block.deadline);
            }
        }
        if (earliest == UINT64_MAX) {
            message_ = "nobody can run";
            fail(CoopFailure::deadlock);
        }
        advance_to(earliest);
    }
}

void Engine::advance_to(std::uint64_t ns) {
    now_ = std::max(now_, ns);
    expire();
}

// Lets those run whose deadline has come, and finds the next one.
void Engine::expire() {
    next_deadline_ = UINT64_MAX;
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        const std::uint64_t deadline = threads_[tid].block.deadline;
        if (deadline == 0) {
            continue;
        }
        if (now_ >= deadline) {
            recheck(1U << tid);
        } else {
            next_deadline_ = std::min(next_deadline_, deadline);
        }
    }
}

Thread& Engine::pick(Thread& me) {
    switch (strategy_) {
        case CoopStrategy::pct:
            return pick_priority(ready_);
        case CoopStrategy::sticky:
            return random_.below(kStickySteps) != 0 ? me : pick_random(ready_);
        default:
            return pick_random(ready_);
    }
}

Thread& Engine::pick_random(std::uint32_t among) {
    const auto count = static_cast<std::uint32_t>(std::popcount(among));
    std::uint32_t left = count == 1 ? 0 : random_.below(count);
    for (; left != 0; --left) {
        among &= among - 1;
    }
    return threads_[static_cast<std::size_t>(std::countr_zero(among))];
}

Thread& Engine::pick_priority(std::uint32_t among) {
    Thread* best = nullptr;
    for (; among != 0; among &= among - 1) {
        Thread& thread = threads_[static_cast<std::size_t>(std::countr_zero(among))];
        if (best == nullptr || thread.priority > best->priority) {
            best = &thread;
        }
    }
    return *best;
}

void Engine::yield_point(Thread& me, Nanoseconds ns, bool off_cpu) {
    now_ += ns;
    if (++steps_ >= next_stop_) {
        rare_step(me);
    }
    if (off_cpu) {
        set_off_cpu(me, true);
    }
    if (now_ >= next_deadline_) {
        expire();
    }
    me.priority = --lowest_priority_;
    const std::uint32_t others = ready_ & ~(1U << me.tid);
    if (others != 0) {
        go_to(me, strategy_ == CoopStrategy::pct ? pick_priority(others) : pick_random(others));
    }
    if (off_cpu) {
        set_off_cpu(me, false);
    }
}

void Engine::wait_on(Thread& me, Loc& loc) {
    const auto bit = static_cast<std::uint16_t>(1U << me.tid);
    if ((loc.waiters & bit) == 0 && me.wait_count < Thread::kMaxWaits) {
        loc.waiters |= bit;
        me.wait_locs[me.wait_count++] = number_of(loc);
    }
}

void Engine::block(Thread& me) {
    ready_ &= ~(1U << me.tid);
    next_deadline_ = me.block.deadline != 0 ? std::min(next_deadline_, me.block.deadline) : next_deadline_;
    recheck(1U << me.tid);
    if (++steps_ >= next_stop_) {
        rare_step(me);
    }
    leave(me);
    unblock(me);
}

void Engine::unblock(Thread& me) {
    for (std::uint32_t i = 0; i < me.wait_count; ++i) {
        locs_[me.wait_locs[i]].waiters &= static_cast<std::uint16_t>(~(1U << me.tid));
    }
    me.wait_count = 0;
    me.block = Block{};
    ready_ |= 1U << me.tid;
}

bool Engine::is_ready(const Thread& thread) const {
    if (thread.injected != 0 || (thread.block.deadline != 0 && now_ >= thread.block.deadline)) {
        return true;
    }
    switch (thread.block.kind) {
        case BlockKind::await:
            return thread.block.ready(thread.block.frame);
        case BlockKind::retry:
            return seen_changed(thread);
        case BlockKind::sleep:
            return thread.woken;
        case BlockKind::sleep_killable:
            return thread.woken || thread.cancelled;
        case BlockKind::park:
            return thread.unparked;
        case BlockKind::sleep_until:
            return thread.cancelled;
        default:
            return true;
    }
}

void Engine::recheck(std::uint32_t threads) {
    for (; threads != 0; threads &= threads - 1) {
        const auto tid = static_cast<std::size_t>(std::countr_zero(threads));
        const Thread& thread = threads_[tid];
        if (thread.block.kind == BlockKind::none) {
            continue;
        }
        if (is_ready(thread)) {
            ready_ |= 1U << tid;
        } else {
            ready_ &= ~(1U << tid);
        }
    }
}

bool Engine::quiet() const { return self_thread != nullptr && ready_ == 1U << self_thread->tid; }

void Engine::set_off_cpu(Thread& thread, bool off) {
    thread.off_cpu = off;
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        if ((threads_[tid].block.watched >> thread.tid & 1U) != 0) {
            recheck(1U << tid);
        }
    }
}

void Engine::wake(Thread& thread) {
    thread.woken = true;
    recheck(1U << thread.tid);
}

void Engine::cancel(Thread& thread) {
    thread.cancelled = true;
    wake(thread);
}

void Engine::enqueue_parked(Thread& me, const void* word) {
    me.unparked = false;
    parked_.push_back({word, me.tid});
}

void Engine::leave_park_queue(Thread& me) {
    std::erase_if(parked_, [&me](const Parked& parked) { return parked.tid == me.tid; });
}

void Engine::unpark(const void* word, std::uint32_t count) {
    for (std::size_t i = 0; i < parked_.size() && count != 0;) {
        if (parked_[i].word != word) {
            ++i;
            continue;
        }
        Thread& thread = threads_[parked_[i].tid];
        parked_.erase(parked_.begin() + static_cast<std::ptrdiff_t>(i));
        thread.unparked = true;
        recheck(1U << thread.tid);
        --count;
    }
}

}  // namespace lockbench::coop
