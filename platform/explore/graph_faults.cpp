// SPDX-License-Identifier: MIT
// What an event that was just added shows to be wrong.
#include "platform/explore/graph_engine.hpp"

namespace lockbench::explore {

void GraphEngine::fail_pair(Failure failure, EventId one, EventId other, const char* what) {
    fail(failure, name(one) + what + name(other));
}

// Data: each access is ordered with all others that conflict, by happens-before.
void GraphEngine::check_plain(Thread& me, EventId id) {
    const Event& event = graph_->at(id);
    const Location& location = graph_->location(event.loc);
    const auto judge = [&](EventId other) {
        if (other == id || event.hb.covers(other)) {
            return;
        }
        // Before this access nothing came to the thread from the other's section.
        const bool at_once =
            event.is(Event::kInside) && graph_->at(other).is(Event::kInside) && !runs_[me.tid].porf.covers(other);
        if (at_once) {
            fail_pair(Failure::exclusion, id, other, " while, in a section of its own, ");
        }
        fail_pair(Failure::race, id, other, ", not ordered after what ");
    };
    for (const EventId write : location.writes) {
        judge(write);
    }
    if (event.is(Event::kWrite)) {
        for (const EventId read : location.reads) {
            judge(read);
        }
    }
}

// Who sees what init() wrote, or writes after it, comes after it: nobody else could reach the location before.
void GraphEngine::check_init(Thread& me, LocId loc, std::size_t mo, const Clock& hb) {
    const Location& location = graph_->location(loc);
    for (std::size_t place = mo; place != 0; --place) {
        const EventId write = location.writes[place - 1];
        if (graph_->at(write).kind != Kind::init) {
            continue;
        }
        if (!hb.covers(write)) {
            const auto mine = event_id(me.tid, graph_->size(me.tid) - 1);
            fail_pair(Failure::race, mine, write, ", not ordered after the set-up in which ");
        }
        return;
    }
}

// True when the thread that ended the object has used its memory again, and what has this clock comes after that. What
// is stable lives again for whoever has heard of it, by whatever order.
bool GraphEngine::reused_since(EventId end, const Clock& hb) const {
    for (const EventId other : graph_->ends()) {
        if (graph_->at(other).kind == Kind::reuse && graph_->at(other).value == graph_->at(end).value &&
            owner_of(other) == owner_of(end) && index_of(other) > index_of(end) && hb.covers(other)) {
            return true;
        }
    }
    return false;
}

// An access to an object that has ended, or may end before it.
void GraphEngine::check_lifetime(Thread& me, const Request& request, EventId id) {
    for (const EventId end : graph_->ends()) {
        const Event& ended = graph_->at(end);
        if (ended.kind == Kind::release && request.place - (ended.value >> 32U) < (ended.value & 0xffff'ffffU) &&
            !(ended.is(Event::kStable) && me.read_sections != 0) &&
            !reused_since(end, ended.is(Event::kStable) ? graph_->at(id).porf : graph_->at(id).hb)) {
            fail_pair(Failure::use_after_free, id, end, " although ");
        }
    }
}

void GraphEngine::check_end(Thread& me, EventId id, const Request& request) {
    for (const EventId end : graph_->ends()) {
        if (end != id && graph_->at(end).kind == Kind::release && graph_->at(end).value == graph_->at(id).value &&
            !reused_since(end, graph_->at(id).hb)) {
            fail_pair(Failure::double_free, id, end, " although ");
        }
    }
    const auto within = [&](LocId loc) { return places_[loc].offset - request.place < request.operand; };
    const Clock& hb = graph_->at(id).hb;
    for (std::size_t loc = 0; loc < graph_->locations(); ++loc) {
        if (!within(static_cast<LocId>(loc))) {
            continue;
        }
        const Location& location = graph_->location(static_cast<LocId>(loc));
        for (const auto* list : {&location.writes, &location.reads}) {
            for (const EventId other : *list) {
                if (!hb.covers(other) && !(request.stable && graph_->at(other).is(Event::kSection))) {
                    fail_pair(Failure::use_after_free, id, other, " although, perhaps later, ");
                }
            }
        }
    }
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        const Run& run = runs_[tid];
        if (tid != me.tid && !core_.thread(tid).done && !request.stable && run.asked != nullptr &&
            run.asked->kind == Kind::await && within(loc_of_place_[run.asked->place])) {
            fail(Failure::use_after_free, name(id) + " although thread " + std::to_string(tid) + " still polls it at " +
                                              short_name(run.asked->site));
        }
    }
}

}  // namespace lockbench::explore
