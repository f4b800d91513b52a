// SPDX-License-Identifier: MIT
// Waiting in the explorer: stops are choices, loops are cut, sleeping is a word a thread.
//
// A wait with stops is one choice: none of them (0: the thread waits for its predicate), or which one ends the wait, in
// which case the thread has polled a value that was not what it waits for. How often a stop fires that nobody may rely
// on is bounded (Bounds), and so is a verdict that had to leave some out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "platform/check.hpp"
#include "platform/explore/atomic.hpp"
#include "platform/explore/core.hpp"

namespace lockbench::explore {

// One of n, recorded by the engine. sure: a thread that asks again and again is answered with another than 0 one day.
std::size_t choose(std::size_t n, Site site, bool sure = false);
// True within what is left of `budget`, if the engine chooses so.
bool choose_rare(unsigned& budget, Site site);

// A stop says whether it may end the wait now (may_fire), what happens to the thread when it does (fire), and whether a
// thread may rely on it (kSure).

// 0 never comes; otherwise a name: each deadline expires at a moment of its own, which the engine chooses.
struct Deadline {
    std::uint64_t at;

    static constexpr bool kSure = true;
    [[nodiscard]] bool fired(Site site = Site::here()) const;
    [[nodiscard]] bool may_fire() const;
    void fire(Site site) const;
    [[nodiscard]] bool is_set() const { return at != 0; }
};

// What may be answered with yes at any time, and need not.
struct MayStop {
    static constexpr bool kSure = false;
    bool always = false;

    [[nodiscard]] bool fired(Site site = Site::here()) const {
        return always || choose_rare(self_thread->left.stops, site);
    }
    [[nodiscard]] bool may_fire() const { return always || self_thread->left.stops != 0; }
    void fire(Site) const {
        if (!always) {
            --self_thread->left.stops;
        }
    }
    [[nodiscard]] static bool is_set() { return true; }
};
struct NotRunning : MayStop {};
struct ShouldYield : MayStop {};
struct Budget {
    std::uint64_t polls;

    static constexpr bool kSure = true;
    [[nodiscard]] bool fired(Site site = Site::here()) const { return MayStop{polls == 0}.fired(site); }
    [[nodiscard]] bool may_fire() const { return MayStop{polls == 0}.may_fire(); }
    void fire(Site site) const { MayStop{polls == 0}.fire(site); }
    [[nodiscard]] static bool is_set() { return true; }
};

struct Cancelled {
    static constexpr bool kSure = true;
    [[nodiscard]] bool fired(Site site = Site::here()) const;
    [[nodiscard]] static bool may_fire();
    static void fire(Site) { self_thread->cancelled = true; }
    // Nobody is obliged to cancel a thread.
    [[nodiscard]] static bool is_set() { return self_thread->cancelled; }
};

template <class A, class Pred>
struct When {
    const A& atomic;
    Pred pred;
    At at;

    static constexpr bool kSure = false;  // it is one of the places that the whole wait is judged by
    [[nodiscard]] bool fired() const { return pred(atomic.load(at)); }
    [[nodiscard]] static bool may_fire() { return true; }
    static void fire(Site) {}
    [[nodiscard]] static bool is_set() { return true; }
    [[nodiscard]] Request request() const {
        using T = typename A::Value;
        Request request = request_for<T>(Kind::await, &atomic, at);
        request.holds = &holds_thunk<T, Pred>;
        request.frame = &pred;
        return request;
    }
};
template <class S>
concept WaitsAtAPlace = requires(S stop) {
    stop.request();
};

// The wait of an engine that looks at all places at once: until one of them has what is waited for, unless it is chosen
// that a stop comes first.
template <class T, class Pred, class... Stops>
int wait_at_all_places(const void* address, const Pred& pred, At at, Stops&... stops) {
    constexpr std::size_t kStops = sizeof...(Stops);
    Request waits[kStops + 1] = {request_for<T>(Kind::await, address, at)};
    waits[0].frame = &pred;
    waits[0].holds = &holds_thunk<T, Pred>;
    int place = 0;
    int open[kStops + 1] = {};  // stops that may come by themselves
    std::size_t open_count = 1;
    int places[kStops + 1] = {};  // stops that are places
    std::size_t count = 1;
    int in_time = 0;  // the first stop that comes if nothing else does
    const auto look_at = [&](const auto& stop) {
        using Stop = std::remove_cvref_t<decltype(stop)>;
        ++place;
        if constexpr (WaitsAtAPlace<Stop>) {
            waits[count] = stop.request();
            waits[count - 1].also = &waits[count];
            places[count++] = place;
        } else {
            in_time = in_time == 0 && Stop::kSure && stop.is_set() ? place : in_time;
            if (stop.may_fire()) {
                open[open_count++] = place;
            }
        }
        return true;
    };
    (void)(look_at(stops) && ...);
    int which = open[open_count == 1 ? 0 : choose(open_count, at.site)];
    if (which == 0) {
        waits[0].may_end = in_time != 0;
        const std::size_t ended_by = core->engine().wait_anywhere(*self_thread, waits[0]);
        if (ended_by < count) {
            return places[ended_by];
        }
        which = in_time;
    } else if (pred(from_bits<T>(perform(request_for<T>(Kind::load, address, at))))) {
        return 0;
    }
    place = 0;
    (void)((++place == which ? (stops.fire(at.site), true) : false) || ...);
    return which;
}

// A wait for `pred` with stops: see the top of this file.
template <class T, class Pred, class... Stops>
int wait_until(const void* address, const Pred& pred, At at, Stops&... stops) {
    if (core->engine().waits_anywhere()) {
        return wait_at_all_places<T>(address, pred, at, stops...);
    }
    constexpr std::size_t kStops = sizeof...(Stops);
    int place = 0;
    int open[kStops + 1] = {};
    std::size_t count = 1;
    (void)((++place, stops.may_fire() ? (open[count++] = place, true) : true) && ...);
    const int which = open[count == 1 ? 0 : choose(count, at.site)];

    // A thread waits at the place that was chosen. Whether it would wait for ever is a matter of all its places.
    Request waits[kStops + 1] = {request_for<T>(Kind::await, address, at)};
    waits[0].frame = &pred;
    waits[0].holds = &holds_thunk<T, Pred>;
    const bool may_end = (false || ... || (std::remove_cvref_t<Stops>::kSure && stops.is_set()));
    waits[0].may_end = may_end;
    Request* last = &waits[0];
    place = 0;
    const auto add = [&](const auto& stop) {
        ++place;
        if constexpr (WaitsAtAPlace<decltype(stop)>) {
            waits[place] = stop.request();
            waits[place].may_end = may_end;
            waits[place].whole = &waits[0];
            last->also = &waits[place];
            last = &waits[place];
        }
    };
    (void)((add(stops), true) && ...);

    if (which != 0) {
        Request poll = waits[0];
        poll.kind = Kind::select;
        poll.holds = &fails_thunk<T, Pred>;
        perform(poll);
    }
    if (waits[which].holds != nullptr) {
        perform(waits[which]);
    }
    place = 0;
    (void)((++place == which ? (stops.fire(at.site), true) : false) || ...);
    return which;
}

// An iteration without net effect: again() ends this run for the thread, as an iteration that reads other values is
// another run.
class Retry {
  public:
    Retry() : begin_(self_thread == nullptr ? 0 : core->engine().retry_head(*self_thread)) {}
    Retry(const Retry&) = delete;
    Retry& operator=(const Retry&) = delete;
    void again(Site site = Site::here()) {
        check(self_thread != nullptr, "outside a run nobody can end this loop", site.file, site.line);
        core->engine().retry_failed(*self_thread, begin_, site);
        begin_ = core->engine().retry_head(*self_thread);
    }

  private:
    std::size_t begin_;
};

// An iteration with effects: so many are followed, and no more.
template <std::size_t kBound>
class EffectLoop {
  public:
    void again(Site site = Site::here()) {
        if (++turns_ > kBound && self_thread != nullptr) {
            core->engine().bound_reached(*self_thread, site);
        }
    }

  private:
    std::size_t turns_ = 0;
};

class Stopwatch {
  public:
    [[nodiscard]] static std::uint64_t ticks() { return 0; }
    static std::uint64_t stamp() { return 0; }
};

// Each thread's sleep word, by which it is woken, and its cancel word. Built before everything else of a program.
void build_kernel_words();
void sleep_prepare(Site site);
Wake sleep(Deadline deadline, bool killable, Site site);
void sleep_until(Deadline deadline, Site site);
void wake(ThreadId tid, Site site);
void cancel(ThreadId tid, Site site);
void clear_cancel(Site site);
Wake park(const Atomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline, Site site);
void unpark(const Atomic<std::uint32_t>& word, std::uint32_t count, Site site);
Deadline after();
void preempt_off();
void preempt_on(Site site);

}  // namespace lockbench::explore
