// SPDX-License-Identifier: MIT
// Waiting on the simulated machine: the stops of await_until, the retry loops, the clock.
//
// A stop has fired() for a poll by a thread that runs; and for a thread that waits: holds(), the truth now, and arm(),
// which sees to it that the thread looks again when that may have changed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/sim/engine.hpp"
#include "platform/site.hpp"

namespace lockbench::sim {

// The thread that runs; stops and loops exist in threads only.
inline Thread& me() {
    check(self_thread != nullptr, "outside a run nobody can end this wait");
    return *self_thread;
}

// Virtual ns; 0 never comes.
struct Deadline {
    std::uint64_t at;

    [[nodiscard]] bool holds() const { return at != 0 && engine->clock() >= at * kPerNs; }
    [[nodiscard]] bool fired() const {
        if (self_thread != nullptr) {
            engine->spend(*self_thread, engine->machine().op);
        }
        return holds();
    }
    void arm(Thread& thread) const {
        if (at != 0) {
            engine->set_timer(thread, at * kPerNs > thread.now ? at * kPerNs : thread.now);
        }
    }
};

struct NotRunning {
    ThreadId tid;

    [[nodiscard]] bool holds() const { return tid == kNoThread || engine->thread(tid).state != ThreadState::running; }
    [[nodiscard]] bool fired() const {
        engine->spend(me(), engine->machine().op);
        return holds();
    }
    void arm(Thread& thread) const {
        if (tid != kNoThread) {
            engine->thread(tid).watchers.push_back({thread.tid, thread.stamp});
        }
    }
};

// Another thread of this CPU waits, and this one's quantum is over.
struct ShouldYield {
    Thread* owner = self_thread;

    [[nodiscard]] bool holds() const { return owner != nullptr && engine->processor(owner->cpu).need_resched; }
    [[nodiscard]] bool fired() const {
        engine->spend(me(), engine->machine().op);
        return holds();
    }
    static void arm(Thread&) {}  // the end of the quantum makes the thread look
};

struct Cancelled {
    Thread* owner = self_thread;

    [[nodiscard]] bool holds() const { return owner != nullptr && owner->cancelled; }
    [[nodiscard]] bool fired() const {
        engine->spend(me(), engine->machine().op);
        return holds();
    }
    static void arm(Thread&) {}  // cancel() makes its target look
};

struct Budget {
    std::uint64_t polls;
    Time over = 0;

    bool fired() { return polls == 0 || --polls == 0; }
    [[nodiscard]] bool holds() const { return over != 0 && engine->clock() >= over; }
    void arm(Thread& thread) {
        over = thread.now + polls * engine->machine().poll;
        engine->set_timer(thread, over);
    }
};

template <class A, class Pred>
struct When {
    const A& atomic;
    Pred pred;
    At at;

    [[nodiscard]] bool fired() const { return pred(atomic.load(at)); }
    [[nodiscard]] bool holds() const { return pred(atomic.peek()); }
    void arm(Thread& thread) const { engine->watch_line(thread, &atomic); }
};

// 1-based place of the first stop that fired, 0 for none; later ones are not asked.
template <class... Stops>
int first_fired(Stops&... stops) {
    int place = 0;
    int which = 0;
    (void)((++place, stops.fired() ? (which = place, true) : false) || ...);
    return which;
}
template <class... Stops>
int first_holding(const Stops&... stops) {
    int place = 0;
    int which = 0;
    (void)((++place, stops.holds() ? (which = place, true) : false) || ...);
    return which;
}

inline void pause() {
    if (self_thread != nullptr) {
        engine->spend(*self_thread, engine->machine().pause);
    }
}

// As natively, a turn costs a pause: these loops are short, and a long one is to be seen in the time it takes.
class Retry {
  public:
    static void again() { pause(); }
};

template <std::size_t>
class EffectLoop {
  public:
    static void again() { pause(); }
};

class Stopwatch {
  public:
    Stopwatch() : begin_(stamp()) {}
    [[nodiscard]] std::uint64_t ticks() const { return stamp() - begin_; }
    static std::uint64_t stamp() { return engine->clock() / kPerNs; }

  private:
    std::uint64_t begin_;
};

}  // namespace lockbench::sim
