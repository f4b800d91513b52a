// SPDX-License-Identifier: MIT
// Events: told again from the graph, or added to it with all their alternatives put by.
#include <algorithm>

#include "platform/check.hpp"
#include "platform/explore/graph_engine.hpp"

namespace lockbench::explore {

LocId GraphEngine::location_of(const Request& request) {
    LocId& loc = loc_of_place_[request.place];
    if (loc == kInitial) {
        if (places_.size() >= kInitial) {
            fail(Failure::limit, "more locations than the explorer takes");
        }
        loc = static_cast<LocId>(places_.size());
        Place place{request.place, core_.arena().initialised(request.place), 0};
        std::memcpy(&place.initial, core_.arena().at(request.place), request.bytes);
        places_.push_back(place);
    }
    return loc;
}

std::uint64_t GraphEngine::value_at(LocId loc, std::size_t mo) const {
    return mo == 0 ? places_[loc].initial : graph_->at(graph_->write_at(loc, mo)).value;
}

Event GraphEngine::begin_event(const Thread& me, const Request& request) {
    const Run& run = runs_[me.tid];
    Event event;
    event.kind = request.kind;
    event.hb = run.hb;
    event.porf = run.porf;
    event.flags = static_cast<std::uint16_t>((me.sections != 0 ? Event::kInside : 0) |
                                             (me.read_sections != 0 ? Event::kSection : 0));
    if (request.kind == Kind::get || request.kind == Kind::set) {
        event.flags |= Event::kPlain;
    } else {
        event.order = order_of(request.order);
    }
    return event;
}

// What `event` knows once it has read from `rf`. Its order is settled.
void GraphEngine::apply_read(Event& event, const Graph& graph, EventId rf) const {
    event.rf = rf;
    event.value = rf == kInitial ? places_[event.loc].initial : graph.at(rf).value;
    if (rf == kInitial) {
        return;
    }
    const Event& write = graph.at(rf);
    event.porf.join(write.porf);
    if (acquires(event.order)) {
        event.hb.join(write.view);
    }
}

// The next event of a thread as the graph has it.
const Event& GraphEngine::recorded(Thread& me, const Request& request) {
    const Event& event = graph_->at(event_id(me.tid, runs_[me.tid].position));
    const bool placed = event.is(Event::kRead) || event.is(Event::kWrite);
    if (event.kind != request.kind || (placed && event.loc != location_of(request))) {
        fail(Failure::not_deterministic, "thread " + std::to_string(me.tid) + " does something else at " +
                                             short_name(request.site) + " than in an earlier run");
    }
    return event;
}

void GraphEngine::done_with(Thread& me, const Event& event) {
    Run& run = runs_[me.tid];
    run.hb = event.hb;
    run.porf = event.porf;
    ++run.position;
    if (event.is(Event::kRead) && event.rf != kInitial) {
        run.pending.join(graph_->at(event.rf).view);
    }
    if (event.kind == Kind::fence && releases(event.order)) {
        run.released = event.hb;
    }
}

std::uint64_t GraphEngine::perform(Thread& me, const Request& request) {
    if (me.tid >= core_.thread_count()) {
        check(request.kind == Kind::get || request.kind == Kind::load, "a program's verify() may only read");
        return final_value(request.place, request.bytes);
    }
    Run& run = runs_[me.tid];
    if (run.sites.size() <= run.position + 1) {
        run.sites.resize(2 * run.position + 16);
    }
    run.sites[run.position] = run.sites[run.position + 1] = request.site;
    switch (request.kind) {
        case Kind::rmw:
            return read_modify_write(me, request);
        case Kind::store:
        case Kind::init:
        case Kind::set:
            write(me, request);
            return 0;
        case Kind::choose:
            return choose(me, request);
        case Kind::fence:
        case Kind::release:
        case Kind::reuse:
            simple(me, request);
            return 0;
        default:
            return read(me, request);
    }
}

std::uint64_t GraphEngine::read(Thread& me, const Request& request) {
    const Run& run = runs_[me.tid];
    const std::uint64_t value =
        run.position < graph_->size(me.tid) ? replay_read(me, request) : extend_read(me, request);
    const Event& event = graph_->at(event_id(me.tid, run.position));
    if (event.rf == kInitial && !places_[event.loc].initialised) {
        fail(Failure::uninitialised, "thread " + std::to_string(me.tid) + " reads " + place_name(event.loc) + " at " +
                                         short_name(request.site) + ", which may never have been set by then");
    }
    done_with(me, event);
    return value;
}

std::uint64_t GraphEngine::replay_read(Thread& me, const Request& request) {
    const EventId id = event_id(me.tid, runs_[me.tid].position);
    if (recorded(me, request).is(Event::kWaiting)) {
        wait(me, request);
    }
    Event& event = graph_->at(id);
    if (event.is(Event::kRevisited)) {
        const Event was = event;
        event = read_event(me, request, *graph_, graph_->mo(was.rf));
        event.stamp = was.stamp;
        event.hb.at[me.tid] = event.porf.at[me.tid] = static_cast<std::uint16_t>(index_of(id) + 1);
        const bool wanted = request.holds == nullptr || request.holds(request.frame, event.value);
        if (!wanted && request.kind == Kind::await && graph_->mo(event.rf) == graph_->newest(event.loc)) {
            event.flags |= Event::kWaiting;
            wait(me, request);
        }
        if (!wanted || !consistent(*graph_, options_.model)) {
            drop(me);
        }
        check_lifetime(me, request, id);
        check_init(me, event.loc, graph_->mo(event.rf), event.hb);
    }
    return event.value;
}

// The newest value does not do; another graph brings one that does.
void GraphEngine::wait(Thread& me, const Request& request) {
    runs_[me.tid].asked = &request;
    ++runs_[me.tid].position;
    stop(me, State::waits, request.site);
}

// A read of the write at `mo`, not in the graph yet.
Event GraphEngine::read_event(const Thread& me, const Request& request, const Graph& graph, std::uint16_t mo) {
    Event event = begin_event(me, request);
    event.loc = location_of(request);
    event.flags |= Event::kRead;
    const EventId rf = graph.write_at(event.loc, mo);
    if (request.kind == Kind::rmw) {
        std::uint64_t fresh = 0;
        const std::uint64_t old = rf == kInitial ? places_[event.loc].initial : graph.at(rf).value;
        if (request.update(request.frame, old, fresh)) {
            event.flags |= Event::kRmw;
        } else {
            event.order = order_of(request.failure);
        }
    }
    apply_read(event, graph, rf);
    return event;
}

// The values that the read may see, newest first.
void GraphEngine::pick_values(const Thread& me, const Request& request, LocId loc,
                              std::vector<std::uint16_t>& options) {
    const std::uint16_t newest = graph_->newest(loc);
    const std::uint16_t bound = request.kind == Kind::get ? newest : graph_->lower_bound(loc, runs_[me.tid].hb);
    for (unsigned mo = newest + 1U; mo-- > bound;) {
        const std::uint64_t value = value_at(loc, mo);
        if (request.holds != nullptr && !request.holds(request.frame, value)) {
            continue;
        }
        if (request.kind == Kind::rmw && graph_->taken(loc, mo)) {
            // Taken by another: this one can only take its place, by a revisit of the other.
            std::uint64_t fresh = 0;
            if (request.update(request.frame, value, fresh) &&
                !may_take_over(me, loc, static_cast<std::uint16_t>(mo))) {
                continue;
            }
        }
        options.push_back(static_cast<std::uint16_t>(mo));
    }
}

std::uint64_t GraphEngine::extend_read(Thread& me, const Request& request) {
    take_turn(me, request);
    const LocId loc = location_of(request);
    graph_->need_location(loc);
    std::vector<std::uint16_t>& options = values_;
    options.clear();
    pick_values(me, request, loc, options);
    const std::uint16_t newest = graph_->newest(loc);
    if (scripted_run_) {
        options.assign(1, scripted(newest));
    }
    if (request.kind == Kind::await && options.front() != newest && !scripted_run_) {
        // Older values would do, the newest does not: it may also wait on.
        for (const std::uint16_t mo : options) {
            branch_read(me, request, mo);
        }
        Event event = read_event(me, request, *graph_, newest);
        event.flags |= Event::kWaiting;
        graph_->add(me.tid, event);
        wait(me, request);
    }
    if (options.empty()) {
        stop(me, State::pruned, request.site);
    }
    for (std::size_t i = options.size(); i-- > 1;) {
        branch_read(me, request, options[i]);
    }
    const std::uint16_t mo = options.front();
    const EventId id = graph_->add(me.tid, read_event(me, request, *graph_, mo));
    if (mo != newest && !consistent(*graph_, options_.model)) {
        drop(me);
    }
    check_lifetime(me, request, id);
    if (request.kind == Kind::get) {
        check_plain(me, id);
    } else {
        check_init(me, loc, mo, graph_->at(id).hb);
    }
    return graph_->at(id).value;
}

void GraphEngine::branch_read(const Thread& me, const Request& request, std::uint16_t mo) {
    Graph* const other = take_graph();
    other->copy_prefix(*graph_, whole());
    const Event event = read_event(me, request, *other, mo);
    other->add(me.tid, event);
    if (mo != graph_->newest(event.loc) && !consistent(*other, options_.model)) {
        free_graphs_.push_back(other);
        return;
    }
    put_by(other, me.tid);
}

std::uint64_t GraphEngine::read_modify_write(Thread& me, const Request& request) {
    Run& run = runs_[me.tid];
    const std::uint64_t old = read(me, request);
    std::uint64_t fresh = 0;
    if (!request.update(request.frame, old, fresh)) {
        return old;
    }
    if (run.position < graph_->size(me.tid)) {
        done_with(me, recorded(me, request));
        return old;
    }
    run.write_part = true;
    take_turn(me, request);
    write_part(me, request, fresh);
    run.write_part = false;
    return old;
}

// Right behind the write that its read part has read.
void GraphEngine::write_part(Thread& me, const Request& request, std::uint64_t value) {
    const EventId rf = graph_->at(event_id(me.tid, runs_[me.tid].position - 1)).rf;
    Event event = write_event(me, request, value);
    event.flags |= Event::kRmw;
    if (rf != kInitial) {
        event.view.join(graph_->at(rf).view);  // it continues the release sequence
    }
    const std::uint16_t mo = graph_->mo(rf);
    const bool was_taken = graph_->taken(event.loc, mo);
    const bool was_newest = mo == graph_->newest(event.loc);
    const EventId id = graph_->add(me.tid, event, mo);
    revisit(id);
    if (was_taken || (!was_newest && !consistent(*graph_, options_.model))) {
        drop(me);
    }
    check_lifetime(me, request, id);
    wake_waiters(me, event.loc, value);
    done_with(me, graph_->at(id));
}

Event GraphEngine::write_event(const Thread& me, const Request& request, std::uint64_t value) {
    Event event = begin_event(me, request);
    event.loc = location_of(request);
    graph_->need_location(event.loc);
    event.flags |= Event::kWrite;
    event.value = value;
    event.view = releases(event.order) ? event.hb : runs_[me.tid].released;
    return event;
}

void GraphEngine::write(Thread& me, const Request& request) {
    if (runs_[me.tid].position < graph_->size(me.tid)) {
        done_with(me, recorded(me, request));
        return;
    }
    take_turn(me, request);
    const Event event = write_event(me, request, request.operand);
    const LocId loc = event.loc;
    std::uint16_t place = graph_->newest(loc);
    if (scripted_run_) {
        place = scripted(place);
    } else if (request.kind == Kind::store) {
        for (std::uint16_t mo = graph_->lower_bound(loc, runs_[me.tid].hb); mo < place; ++mo) {
            if (graph_->taken(loc, mo)) {
                continue;
            }
            Graph* const other = take_graph();
            other->copy_prefix(*graph_, whole());
            other->add(me.tid, event, mo);
            if (consistent(*other, options_.model)) {
                put_by(other, me.tid);
            } else {
                free_graphs_.push_back(other);
            }
        }
    }
    const EventId id = graph_->add(me.tid, event, place);
    if (request.kind == Kind::set) {
        check_plain(me, id);
    } else {
        check_init(me, loc, place, event.hb);
        revisit(id);
    }
    check_lifetime(me, request, id);
    wake_waiters(me, loc, event.value);
    done_with(me, graph_->at(id));
}

std::uint64_t GraphEngine::choose(Thread& me, const Request& request) {
    if (runs_[me.tid].position < graph_->size(me.tid)) {
        const Event& event = recorded(me, request);
        done_with(me, event);
        return event.value;
    }
    take_turn(me, request);
    Event event = begin_event(me, request);
    event.flags |= request.may_end ? Event::kSure : 0;
    if (scripted_run_) {
        event.value = step_->choice;
    } else {
        for (event.value = request.operand - 1; event.value != 0; --event.value) {
            Graph* const other = take_graph();
            other->copy_prefix(*graph_, whole());
            other->add(me.tid, event);
            put_by(other, me.tid);
        }
    }
    done_with(me, graph_->at(graph_->add(me.tid, event)));
    return event.value;
}

// Fences, and the lives of objects.
void GraphEngine::simple(Thread& me, const Request& request) {
    if (runs_[me.tid].position < graph_->size(me.tid)) {
        done_with(me, recorded(me, request));
        return;
    }
    take_turn(me, request);
    Event event = begin_event(me, request);
    if (request.kind != Kind::fence) {
        event.value = std::uint64_t{request.place} << 32U | request.operand;
        event.flags |= request.stable ? Event::kStable : 0;
    } else if (acquires(event.order)) {
        event.hb.join(runs_[me.tid].pending);
    }
    const EventId id = graph_->add(me.tid, event);
    if (request.kind == Kind::release) {
        check_end(me, id, request);
    }
    done_with(me, graph_->at(id));
}

// The place in its location's order that the replay names.
std::uint16_t GraphEngine::scripted(std::uint16_t newest) const {
    return static_cast<std::uint16_t>(newest - std::min<std::uint64_t>(newest, step_->choice));
}

}  // namespace lockbench::explore
