// SPDX-License-Identifier: MIT
// Waiting on the cooperative platform: the stops, the retry loops, sleeping and parking.
//
// A stop has fired() for a poll; and for a wait, in which its thread does not run: holds(), the truth now; arm(), which
// registers what could change it; kMay, the injection that may end the wait without reason; accept(), called when it is
// the one that ended the wait.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"

namespace lockbench::coop {

// Virtual ns; 0 never comes.
struct Deadline {
    std::uint64_t at;

    static constexpr std::uint8_t kMay = 0;  // expiries are injected through the block's deadline
    [[nodiscard]] bool fired() const;
    [[nodiscard]] bool holds() const { return at != 0 && engine->now() >= at; }
    void arm(Thread& me) const {
        if (at != 0) {
            me.block.deadline = me.block.deadline == 0 ? at : std::min(me.block.deadline, at);
        }
    }
    void accept() const {}
};

struct NotRunning {
    ThreadId tid;

    static constexpr std::uint8_t kMay = bit_of(Inject::not_running);
    [[nodiscard]] bool fired() const;
    [[nodiscard]] bool holds() const { return tid == kNoThread || engine->thread(tid).off_cpu; }
    void arm(Thread& me) const { me.block.watched |= tid == kNoThread ? 0 : 1U << tid; }
    void accept() const {}
};

struct ShouldYield {
    static constexpr std::uint8_t kMay = bit_of(Inject::should_yield);
    [[nodiscard]] bool fired() const;
    [[nodiscard]] static bool holds() { return false; }
    static void arm(Thread&) {}
    static void accept() {}
};

struct Cancelled {
    Thread* owner = self_thread;  // others ask on its behalf while it is blocked

    static constexpr std::uint8_t kMay = 0;
    [[nodiscard]] bool fired() const;
    [[nodiscard]] bool holds() const { return owner != nullptr && owner->cancelled; }
    static void arm(Thread&) {}  // cancel() rechecks its target in any case
    static void accept() {}
};

struct Budget {
    std::uint64_t polls;

    static constexpr std::uint8_t kMay = bit_of(Inject::budget);
    bool fired();
    [[nodiscard]] bool holds() const { return polls == 0; }
    static void arm(Thread&) {}
    static void accept() {}
};

template <class A, class Pred>
struct When {
    const A& atomic;
    Pred pred;
    At at;

    static constexpr std::uint8_t kMay = 0;
    [[nodiscard]] bool fired() const { return pred(atomic.load(at)); }
    [[nodiscard]] bool holds() const { return pred(atomic.peek()); }
    void arm(Thread& me) const { engine->wait_on(me, engine->enter(&atomic, sizeof atomic, true, at.site)); }
    // The poll that saw it: the value is acquired here.
    void accept() const { atomic.take_poll(at); }
};

// 1-based place of the first stop that fired, 0 for none; later ones are not asked.
template <class... Stops>
int first_fired(Stops&... stops) {
    int place = 0;
    int which = 0;
    (void)((++place, stops.fired() ? (which = place, true) : false) || ...);
    return which;
}

// The same without effect, for a thread that is blocked.
template <class... Stops>
int first_holding(const Stops&... stops) {
    int place = 0;
    int which = 0;
    (void)((++place, stops.holds() ? (which = place, true) : false) || ...);
    return which;
}

// Place of the first stop that this injection can fire.
template <class... Stops>
int injected_place([[maybe_unused]] std::uint8_t injected) {
    int place = 0;
    int which = 0;
    (void)((++place, (std::remove_cvref_t<Stops>::kMay & injected) != 0 ? (which = place, true) : false) || ...);
    return which;
}

template <class... Stops>
void accept_place(int which, Stops&... stops) {
    int place = 0;
    (void)((++place == which ? (stops.accept(), true) : false) || ...);
}

// An iteration without net effect: again() sleeps until something that the iteration saw has changed.
class Retry {
  public:
    Retry();
    ~Retry();
    Retry(const Retry&) = delete;
    Retry& operator=(const Retry&) = delete;
    void again(Site site = Site::here());

  private:
    std::uint32_t outer_begin_ = 0;
    Polled outer_;
};

// An iteration with effects: all others get a turn before the next.
template <std::size_t>
class EffectLoop {
  public:
    void again(Site site = Site::here()) { again_after_others(site); }

  private:
    static void again_after_others(Site site);
};

void effect_loop_again(Site site);
template <std::size_t kBound>
void EffectLoop<kBound>::again_after_others(Site site) {
    effect_loop_again(site);
}

class Stopwatch {
  public:
    Stopwatch() : begin_(engine->now()) {}
    [[nodiscard]] std::uint64_t ticks() const { return engine->now() - begin_; }
    static std::uint64_t stamp() { return engine->now(); }

  private:
    std::uint64_t begin_;
};

void sleep_prepare(Site site);
Wake sleep(Deadline deadline, bool killable, Site site);
void sleep_until(Deadline deadline, Site site);
void wake(ThreadId tid, Site site);
void cancel(ThreadId tid, Site site);
void clear_cancel();
// `value` is the word as loaded by the caller in the same step.
Wake park(const void* word, bool as_expected, Deadline deadline, Site site);
void unpark(const void* word, std::uint32_t count, Site site);
void yield(Site site);
void relax(Site site);
void compute(Nanoseconds ns, Site site);
void preempt_on(Site site);
void fence(At at);

}  // namespace lockbench::coop
