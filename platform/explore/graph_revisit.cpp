// SPDX-License-Identifier: MIT
// Backward revisits: a write is offered to the reads that came before it.
#include <algorithm>

#include "platform/explore/graph_engine.hpp"

namespace lockbench::explore {

// All events.
GraphEngine::Prefix GraphEngine::whole() const {
    Prefix kept{};
    for (ThreadId tid = 0; tid < graph_->threads(); ++tid) {
        kept[tid] = static_cast<std::uint16_t>(graph_->size(tid));
    }
    return kept;
}

// The events up to `read`, and those that a write with `porf` needs.
GraphEngine::Prefix GraphEngine::kept_by(EventId read, const Clock& porf) const {
    const std::uint32_t stamp = graph_->at(read).stamp;
    Prefix kept{};
    for (ThreadId tid = 0; tid < graph_->threads(); ++tid) {
        const auto& events = graph_->events(tid);
        // Stamps grow along a thread.
        const auto end = std::upper_bound(events.begin(), events.end(), stamp,
                                          [](std::uint32_t at, const Event& event) { return at < event.stamp; });
        kept[tid] = std::max(static_cast<std::uint16_t>(end - events.begin()), porf.at[tid]);
    }
    return kept;
}

// Whether the read, and what the revisit would delete, were added by the ordinary course of the search.
bool GraphEngine::may_revisit(EventId read, EventId by, const Clock& porf) const {
    if (!graph_->added_maximally(read, by, porf)) {
        return false;
    }
    const Prefix kept = kept_by(read, porf);
    for (ThreadId tid = 0; tid < graph_->threads(); ++tid) {
        for (std::size_t i = kept[tid]; i < graph_->size(tid); ++i) {
            if (!graph_->added_maximally(event_id(tid, i), by, porf)) {
                return false;
            }
        }
    }
    return true;
}

// A read-modify-write that reads what another has taken survives only by revisiting that one.
bool GraphEngine::may_take_over(const Thread& me, LocId loc, std::uint16_t mo) const {
    const EventId taker = graph_->write_at(loc, mo + 1U);
    const auto read = static_cast<EventId>(taker - 1);  // its reading part
    Clock porf = runs_[me.tid].porf;
    if (mo != 0) {
        porf.join(graph_->at(graph_->write_at(loc, mo)).porf);
    }
    return !porf.covers(read) && may_revisit(read, kInitial, porf);
}

void GraphEngine::revisit(EventId by) {
    if (scripted_run_) {
        return;
    }
    const LocId loc = graph_->at(by).loc;
    const std::size_t count = graph_->location(loc).reads.size();
    for (std::size_t i = 0; i < count; ++i) {
        const EventId read = graph_->location(loc).reads[i];
        const Event& write = graph_->at(by);
        const Event& event = graph_->at(read);
        if (write.porf.covers(read) || event.is(Event::kPlain)) {
            continue;
        }
        if (may_revisit(read, by, write.porf)) {
            revisit_read(read, by);
        }
    }
}

// Puts by a graph for each place that the write may then have.
void GraphEngine::revisit_read(EventId read, EventId by) {
    const Event& write = graph_->at(by);
    Graph* base = take_graph();
    base->copy_prefix(*graph_, kept_by(read, write.porf));
    base->take_out(by);
    const std::size_t index = index_of(read);
    const Clock before = index == 0 ? Clock() : base->at(static_cast<EventId>(read - 1)).hb;
    const LocId loc = write.loc;
    const std::uint16_t newest = base->newest(loc);
    std::uint16_t first = std::max(base->lower_bound(loc, write.hb), base->lower_bound(loc, before));
    std::uint16_t last = newest;
    if (write.is(Event::kRmw)) {
        const std::uint16_t place = base->mo(base->at(static_cast<EventId>(by - 1)).rf);
        if (place < first) {
            free_graphs_.push_back(base);
            return;
        }
        first = last = place;
    }
    for (unsigned mo = first; mo <= last; ++mo) {
        if (base->taken(loc, mo)) {
            continue;
        }
        Graph* const revisited = take_graph();
        Prefix kept{};
        for (ThreadId tid = 0; tid < base->threads(); ++tid) {
            kept[tid] = static_cast<std::uint16_t>(base->size(tid));
        }
        revisited->copy_prefix(*base, kept);
        revisited->insert(by, static_cast<std::uint16_t>(mo));
        Event& event = revisited->at(read);
        event.rf = by;
        event.flags = static_cast<std::uint8_t>((event.flags & ~Event::kWaiting) | Event::kRevisited);
        put_by(revisited, owner_of(read));
    }
    free_graphs_.push_back(base);
}

// A waiting thread that comes first in the order of threads is next.
void GraphEngine::wake_waiters(const Thread& me, LocId loc, std::uint64_t value) {
    for (ThreadId tid = 0; tid < me.tid; ++tid) {
        const Run& run = runs_[tid];
        if (!core_.thread(tid).done && run.state == State::runs && run.asked->kind == Kind::await &&
            loc_of_place_[run.asked->place] == loc && run.asked->holds(run.asked->frame, value)) {
            turn_ = kNoThread;
        }
    }
}

}  // namespace lockbench::explore
