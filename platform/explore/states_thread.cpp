// SPDX-License-Identifier: MIT
// What a thread meets while it is led to a local state, and followed to the next.
#include <algorithm>

#include "platform/check.hpp"
#include "platform/explore/states_locals.hpp"

namespace lockbench::explore {

// Called on the thread's fiber.
std::uint64_t Locals::answer(Thread& me, const Request& request) {
    check(me.tid < core_.thread_count(), "a program's verify() may only peek()");
    if (leading_ && cursor_ + 1 < chain_.size()) {
        // chain_ ends with the thread's beginning; each state but that one says what its parent was told.
        const std::size_t at = chain_.size() - 1 - cursor_;
        const Local& local = locals_[chain_[at]];
        if (local.kind != request.kind || (!local.places.empty() && places_[local.place].offset != request.place)) {
            fail(Failure::not_deterministic, "thread " + std::to_string(me.tid) + " does something else at " +
                                                 short_name(request.site) + " than in an earlier run");
        }
        ++cursor_;
        return locals_[chain_[at - 1]].fed;
    }
    asked_ = &request;
    event_ = Event::asked;
    core_.leave(me);
    return answer_;
}

std::uint64_t Locals::perform(Thread& me, const Request& request) { return answer(me, request); }

std::size_t Locals::wait_anywhere(Thread& me, const Request& request) {
    return static_cast<std::size_t>(answer(me, request)) * (request.also != nullptr ? 1U : 0U);
}

// A place in the order of the thread's operations.
std::size_t Locals::retry_head(Thread&) {
    return leading_ ? cursor_ : comes_from_ == kNoLocal ? 0 : locals_[comes_from_].depth + 1U;
}

// The thread is again where its iteration began, if all is as it was then but for memory, which states know.
void Locals::retry_failed(Thread& me, std::size_t begin, Site site) {
    if (leading_) {
        return;
    }
    LocalId head = comes_from_;
    while (head != kNoLocal && locals_[head].depth > begin) {
        head = locals_[head].parent;
    }
    if (head != kNoLocal && locals_[head].polled) {
        head = locals_[head].twin;
    }
    if (head == kNoLocal || locals_[head].depth != begin) {
        bound_reached(me, site);  // an iteration that looks at nothing
    }
    const Local& now = locals_[comes_from_];
    const bool polling = now.polling && me.phase == Phase::waits;
    if (facts_[head] != facts(me) || locals_[head].accesses != accesses_behind(comes_from_) ||
        locals_[head].polling != polling) {
        return;
    }
    if (locals_[head].idle) {
        // It has begun, as the other has that has polled once.
        if (locals_[head].kind != Kind::await || locals_[head].places.size() != 1) {
            return;
        }
        head = polled_twin(head);
    }
    event_ = Event::merged;
    merged_with_ = head;
    core_.leave_for_good(me);
}

void Locals::bound_reached(Thread& me, Site site) {
    if (loop_bound_.empty()) {
        loop_bound_ = short_name(site);
    }
    event_ = Event::bound;
    core_.leave_for_good(me);
}

void Locals::checkpoint(Thread& me, Point point, std::uint64_t tag) {
    if (point != Point::held) {
        me.phase = Phase::idle;
        me.mode = Mode::write;
        idle_ = true;
        renewed_ = point == Point::renewed;
    }
    if (point == Point::renewed) {
        me.left = core_.bounds();
        me.cancelled = false;
        me.deadlines = 0;
        me.expired.clear();
    }
    if (leading_) {
        return;
    }
    Facts key = facts(me);
    key.push_back(static_cast<std::uint64_t>(point));
    key.push_back(tag);
    for (const Access& access : accesses_behind(comes_from_)) {
        key.push_back(std::uint64_t{access.place} << 3U | (access.writes ? 4U : 0U) | (access.init ? 2U : 0U) |
                      (access.inside ? 1U : 0U));
    }
    const auto known = checkpoints_.find(key);
    if (known != checkpoints_.end()) {
        event_ = Event::merged;
        merged_with_ = known->second;
        core_.leave_for_good(me);
    }
    new_points_.push_back(std::move(key));
}

void Locals::fail(Failure failure, std::string message) {
    event_ = Event::failed;
    fault_ = {failure, std::move(message)};
    core_.leave_for_good(*self_thread);
}

const Locals::Fault* Locals::verify() {
    event_ = Event::none;
    core_.verify();
    stands_at_ = kNoLocal;
    return event_ == Event::failed ? &fault_ : nullptr;
}

std::uint64_t Locals::final_value(std::uint32_t place, std::uint8_t bytes) {
    const PlaceId id = place_of(place, bytes);
    return places_[id].values[id < final_values.size() ? final_values[id] : 0];
}

}  // namespace lockbench::explore
