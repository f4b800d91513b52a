// SPDX-License-Identifier: MIT
// Steps of engine R: what a thread asks, answered from memory and from what is drawn.
#include <algorithm>
#include <bit>
#include <utility>

#include "platform/check.hpp"
#include "platform/explore/graph.hpp"
#include "platform/explore/random_engine.hpp"
#include "platform/explore/words.hpp"

namespace lockbench::explore {
namespace {

// Data needs no turn of its own: what orders two accesses orders them in every schedule, and where nothing does that is
// a failure.
constexpr bool takes_turn(Kind kind) {
    return kind != Kind::get && kind != Kind::set && kind != Kind::init && kind != Kind::choose &&
           kind != Kind::release && kind != Kind::reuse;
}

}  // namespace

std::uint64_t RandomEngine::perform(Thread& me, const Request& request) {
    if (me.tid >= core_.thread_count()) [[unlikely]] {
        check(request.kind == Kind::get || request.kind == Kind::load, "a program's verify() may only read");
        return final_value(request.place, request.bytes);
    }
    if (takes_turn(request.kind)) {
        take_turn(me);
    }
    choice_ = scripted_choice();
    switch (request.kind) {
        case Kind::load:
        case Kind::select:
            return load(me, request);
        case Kind::get:
            return get(me, request);
        case Kind::store:
        case Kind::init:
        case Kind::set:
            store(me, request);
            return 0;
        case Kind::rmw:
            return read_modify_write(me, request);
        case Kind::await:
            wait_at(me, request);
            return run_value_;
        case Kind::fence:
            begin_step(me, request);
            memory_.fence(me.tid, memory_.order_of(request.order));
            return 0;
        case Kind::choose:
            return choose(me, request);
        default:
            tell_life(me, request);
            return 0;
    }
}

RandomEngine::Step RandomEngine::step_of(const Thread& me, const Request& request) const {
    Step step;
    step.kind = request.kind;
    step.order = request.order;
    step.place = request.place;
    step.bytes = tells_life(request.kind) ? static_cast<std::uint32_t>(request.operand) : 0;
    step.site = request.site;
    step.tid = me.tid;
    step.at = memory_.now(me.tid);
    step.inside = me.sections != 0;
    return step;
}

void RandomEngine::begin_step(const Thread& me, const Request& request) {
    if (++steps_ >= kFairFrom) [[unlikely]] {
        uniform_ = true;
        stale_ = odd_ = 0;
        if (steps_ >= kLivelock) {
            fail(Failure::liveness, "no end after " + std::to_string(kLivelock) + " steps: a livelock");
        }
    }
    memory_.tick(me.tid);
    left_ -= left_ != 0 ? 1 : 0;
    if (recording_) [[unlikely]] {
        steps_of_run_.push_back(step_of(me, request));
    }
}

RandomEngine::Location& RandomEngine::step_at(Thread& me, const Request& request) {
    Location& location = memory_.at(request.place, request.bytes);
    begin_step(me, request);
    judge(me, request, memory_.touch(location, me.tid, me.read_sections != 0));
    return location;
}

bool RandomEngine::would_do(const Request& request, std::uint64_t value) const {
    std::uint64_t fresh = 0;
    return request.kind == Kind::rmw     ? !request.update(request.frame, value, fresh)
           : request.kind == Kind::await ? request.holds(request.frame, value)
                                         : true;
}

// The number of the write that the read sees; kNothing: there is none that it waits for. A read-modify-write that
// writes sees the newest one.
std::uint32_t RandomEngine::pick(Location& location, const Request& request, ThreadId tid) {
    const std::uint32_t newest = location.newest;
    const auto value_of = [&](std::uint32_t number) { return memory_.write(location, number).value; };
    const bool newest_will_do = request.kind != Kind::await || would_do(request, value_of(newest));
    const std::uint32_t oldest =
        memory_.oldest(location, tid, memory_.order_of(request.kind == Kind::rmw ? request.failure : request.order));
    if (oldest == newest) {
        return newest_will_do ? newest : kNothing;
    }
    if (scripted_) {
        const auto number = static_cast<std::uint32_t>(
            newest - std::min<std::uint64_t>(choice_ % RandomMemory::kDepth, newest - oldest));
        if (number != newest && would_do(request, value_of(number))) {
            return number;
        }
        return newest_will_do ? newest : kNothing;
    }
    const bool stale = newest_will_do ? random_.chance(stale_) : stale_ != 0 && random_.below(2) == 0;
    if (stale) {
        const std::uint32_t first = oldest + random_.below(newest - oldest);
        for (std::uint32_t number = first; number < newest; ++number) {
            if (would_do(request, value_of(number))) {
                return number;
            }
        }
    }
    return newest_will_do ? newest : kNothing;
}

std::uint64_t RandomEngine::finish_read(Thread& me, const Request& request, Location& location, std::uint32_t number) {
    const RandomMemory::Write& from = memory_.write(location, number);
    const std::uint64_t value = from.value;
    if (recording_) [[unlikely]] {
        Step& step = steps_of_run_.back();
        step.reads = true;
        step.value = value;
        step.from = from.step;
        step.newest = memory_.write(location, location.newest).step;
        step.order = memory_.order_of(request.order);
        step.choice = location.newest - number;
    }
    runs_[me.tid].seen.push_back({static_cast<std::uint32_t>(memory_.index(location)), number, 0, false});
    judge(me, request, memory_.read(location, me.tid, number, memory_.order_of(request.order)));
    return value;
}

std::uint64_t RandomEngine::load(Thread& me, const Request& request) {
    Location& location = step_at(me, request);
    return finish_read(me, request, location, pick(location, request, me.tid));
}

std::uint64_t RandomEngine::get(Thread& me, const Request& request) {
    Location& location = step_at(me, request);
    const RandomMemory::Write& from = memory_.write(location, location.newest);
    if (recording_) [[unlikely]] {
        Step& step = steps_of_run_.back();
        step.reads = true;
        step.value = from.value;
        step.from = step.newest = from.step;
    }
    judge(me, request, memory_.get(location, me.tid));
    return from.value;
}

void RandomEngine::note_write(Thread& me, Location& location, std::uint64_t before, std::uint64_t after) {
    if (recording_) [[unlikely]] {
        steps_of_run_.back().writes = true;
        steps_of_run_.back().wrote = after;
    }
    runs_[me.tid].seen.push_back(
        {static_cast<std::uint32_t>(memory_.index(location)), location.newest, after - before, true});
    if (location.waiters != 0) {
        tell_waiters(me, location, after);
    }
}

void RandomEngine::store(Thread& me, const Request& request) {
    Location& location = step_at(me, request);
    const std::uint64_t before = memory_.newest_value(location);
    if (request.kind == Kind::set) {
        judge(me, request, memory_.set(location, me.tid, request.operand, step_number()));
    } else if (request.kind == Kind::init) {
        judge(me, request, memory_.set_up(location, me.tid, request.operand, step_number()));
    } else {
        judge(me, request,
              memory_.write(location, me.tid, request.operand, memory_.order_of(request.order), false, step_number()));
    }
    note_write(me, location, before, request.operand);
}

std::uint64_t RandomEngine::read_modify_write(Thread& me, const Request& request) {
    Location& location = step_at(me, request);
    const std::uint32_t number = pick(location, request, me.tid);
    const std::uint64_t before = memory_.write(location, number).value;
    std::uint64_t after = 0;
    if (!request.update(request.frame, before, after)) {
        Request failing = request;
        failing.order = request.failure;
        return finish_read(me, failing, location, number);
    }
    finish_read(me, request, location, number);
    judge(me, request, memory_.write(location, me.tid, after, memory_.order_of(request.order), true, step_number()));
    note_write(me, location, before, after);
    return before;
}

std::uint64_t RandomEngine::choose(Thread& me, const Request& request) {
    begin_step(me, request);
    Run& run = runs_[me.tid];
    std::uint64_t value = 0;
    me.wants_time = me.wants_time || request.may_end;
    if (scripted_) {
        value = std::min(choice_, request.operand - 1);
    } else if (request.may_end && run.timed) {
        value = 1;
    } else if (random_.chance(odd_)) {
        value = 1 + random_.below(static_cast<std::uint32_t>(request.operand - 1));
    }
    if (request.may_end) {
        run.timed = false;
    }
    if (recording_) [[unlikely]] {
        steps_of_run_.back().value = steps_of_run_.back().choice = value;
    }
    return value;
}

void RandomEngine::tell_life(Thread& me, const Request& request) {
    begin_step(me, request);
    const auto bytes = static_cast<std::uint32_t>(request.operand);
    if (request.kind == Kind::reuse) {
        memory_.reuse(request.place, bytes, me.tid, request.stable);
        return;
    }
    judge(me, request, memory_.end(request.place, bytes, me.tid, request.stable));
    if (request.stable) {
        return;
    }
    for (std::uint64_t rest = memory_.waiters_within(request.place, bytes); rest != 0; rest &= rest - 1) {
        const auto tid = static_cast<ThreadId>(std::countr_zero(rest));
        if (tid != me.tid && runs_[tid].state == State::waits) {
            judge(me, request, {Failure::use_after_free, {tid, 0}});
        }
    }
}

std::size_t RandomEngine::wait_anywhere(Thread& me, const Request& request) {
    take_turn(me);
    choice_ = scripted_choice();
    wait_at(me, request);
    return run_ended_by_;
}

// True when one of the places has what is waited for; where several do, it may be any.
bool RandomEngine::look_at_places(Thread& me, const Request& request, std::size_t count) {
    const std::size_t first = count == 1  ? 0
                              : scripted_ ? choice_ / RandomMemory::kDepth
                                          : random_.below(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t which = (first + i) % count;
        const Request* place = &request;
        for (std::size_t skip = which; skip != 0; --skip) {
            place = place->also;
        }
        Location& location = memory_.at(place->place, place->bytes);
        const std::uint32_t number = pick(location, *place, me.tid);
        if (number == kNothing) {
            continue;
        }
        run_value_ = finish_read(me, *place, step_at(me, *place), number);
        run_ended_by_ = which;
        if (recording_) [[unlikely]] {
            steps_of_run_.back().choice += which * RandomMemory::kDepth;
        }
        return true;
    }
    return false;
}

// Waits at each of the request's places, and reads what ends the wait.
void RandomEngine::wait_at(Thread& me, const Request& request) {
    Run& run = runs_[me.tid];
    run.asked = &request;
    std::size_t count = 0;
    for (const Request* place = &request; place != nullptr; place = place->also) {
        ++count;
    }
    for (;;) {
        if (look_at_places(me, request, count)) {
            return;
        }
        for (const Request* place = &request; place != nullptr; place = place->also) {
            Location& location = memory_.at(place->place, place->bytes);
            location.waiters |= bit(me.tid);
            judge(me, *place, memory_.touch(location, me.tid, me.read_sections != 0));
        }
        run.state = State::waits;
        leave_blocked(me);
        run.state = State::runs;
        stop_waiting(me, request);
        choice_ = scripted_choice();
        if (std::exchange(run.timed, false)) {
            run_value_ = memory_.newest_value(memory_.at(request.place, request.bytes));
            run_ended_by_ = count;
            return;
        }
    }
}

void RandomEngine::stop_waiting(const Thread& me, const Request& request) {
    for (const Request* place = &request; place != nullptr; place = place->also) {
        memory_.at(place->place, place->bytes).waiters &= ~bit(me.tid);
    }
}

// Whoever may go on now is ready again.
void RandomEngine::tell_waiters(const Thread& me, const Location& location, std::uint64_t value) {
    for (std::uint64_t rest = location.waiters & ~bit(me.tid) & ~ready_; rest != 0; rest &= rest - 1) {
        const auto tid = static_cast<ThreadId>(std::countr_zero(rest));
        bool may_go_on = runs_[tid].state == State::retries;
        for (const Request* place = may_go_on ? nullptr : runs_[tid].asked; place != nullptr; place = place->also) {
            may_go_on = may_go_on || (place->place == location.place && place->holds(place->frame, value));
        }
        if (may_go_on) {
            ready_ |= bit(tid);
            look_again_ = true;
        }
    }
}

}  // namespace lockbench::explore
