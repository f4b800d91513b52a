// SPDX-License-Identifier: MIT
#include "platform/explore/graph.hpp"

#include <algorithm>

namespace lockbench::explore {

void Graph::clear(ThreadId threads) {
    threads_ = threads;
    next_stamp_ = 1;
    for (auto& events : events_) {
        events.clear();
    }
    locations_.clear();
    ends_.clear();
    first = 0;
}

void Graph::copy_prefix(const Graph& other, const std::array<std::uint16_t, kMaxThreads>& kept) {
    threads_ = other.threads_;
    next_stamp_ = other.next_stamp_;
    bool whole = true;
    for (ThreadId tid = 0; tid < kMaxThreads; ++tid) {
        const auto& from = other.events_[tid];
        const std::size_t count = tid < threads_ ? kept[tid] : 0;
        events_[tid].assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
        whole = whole && count == from.size();
    }
    locations_.resize(other.locations_.size());
    ends_.clear();
    const auto is_kept = [&kept](EventId id) { return index_of(id) < kept[owner_of(id)]; };
    std::copy_if(other.ends_.begin(), other.ends_.end(), std::back_inserter(ends_), is_kept);
    for (std::size_t loc = 0; loc < locations_.size(); ++loc) {
        Location& mine = locations_[loc];
        const Location& theirs = other.locations_[loc];
        if (whole) {
            mine.writes.assign(theirs.writes.begin(), theirs.writes.end());
            mine.reads.assign(theirs.reads.begin(), theirs.reads.end());
            continue;
        }
        mine.writes.clear();
        mine.reads.clear();
        for (const EventId id : theirs.writes) {
            if (is_kept(id)) {
                mine.writes.push_back(id);
                at(id).mo = static_cast<std::uint16_t>(mine.writes.size());
            }
        }
        std::copy_if(theirs.reads.begin(), theirs.reads.end(), std::back_inserter(mine.reads), is_kept);
    }
}

std::size_t Graph::size() const {
    std::size_t total = 0;
    for (const auto& events : events_) {
        total += events.size();
    }
    return total;
}

std::uint16_t Graph::lower_bound(LocId loc, const Clock& hb) const {
    const Location& location = locations_[loc];
    std::uint16_t bound = newest(loc);
    while (bound != 0 && !hb.covers(location.writes[bound - 1U])) {
        --bound;
    }
    for (const EventId id : location.reads) {
        const Event& read = at(id);
        if (hb.covers(id) && !read.is(Event::kWaiting)) {
            bound = std::max(bound, mo(read.rf));
        }
    }
    return bound;
}

EventId Graph::add(ThreadId tid, Event event, std::uint16_t mo) {
    const std::size_t index = events_[tid].size();
    const EventId id = event_id(tid, index);
    event.stamp = next_stamp_++;
    event.hb.at[tid] = static_cast<std::uint16_t>(index + 1);
    event.porf.at[tid] = static_cast<std::uint16_t>(index + 1);
    if (event.is(Event::kWrite) && releases(event.order)) {
        event.view.at[tid] = static_cast<std::uint16_t>(index + 1);
    }
    events_[tid].push_back(event);
    if (event.is(Event::kWrite)) {
        insert(id, mo);
    } else if (event.is(Event::kRead)) {
        locations_[event.loc].reads.push_back(id);
    } else if (event.kind == Kind::release || event.kind == Kind::reuse) {
        ends_.push_back(id);
    }
    return id;
}

void Graph::insert(EventId write, std::uint16_t mo) {
    auto& writes = locations_[at(write).loc].writes;
    writes.insert(writes.begin() + mo, write);
    for (std::size_t i = mo; i < writes.size(); ++i) {
        at(writes[i]).mo = static_cast<std::uint16_t>(i + 1);
    }
}

void Graph::take_out(EventId write) {
    auto& writes = locations_[at(write).loc].writes;
    const std::size_t place = at(write).mo - 1U;
    writes.erase(writes.begin() + static_cast<std::ptrdiff_t>(place));
    for (std::size_t i = place; i < writes.size(); ++i) {
        at(writes[i]).mo = static_cast<std::uint16_t>(i + 1);
    }
}

std::uint16_t Graph::newest_before(LocId loc, std::uint32_t stamp, EventId by, const Clock& porf) const {
    const auto& writes = locations_[loc].writes;
    for (std::size_t place = writes.size(); place != 0; --place) {
        const EventId id = writes[place - 1];
        if (id != by && (at(id).stamp <= stamp || porf.covers(id))) {
            return static_cast<std::uint16_t>(place);
        }
    }
    return 0;
}

bool Graph::added_maximally(EventId id, EventId by, const Clock& porf) const {
    const Event& event = at(id);
    if (event.kind == Kind::choose) {
        return event.value == 0;
    }
    if (event.is(Event::kPlain) || !(event.is(Event::kRead) || event.is(Event::kWrite))) {
        return true;  // data races aside, a plain access has one place
    }
    const std::uint16_t newest_known = newest_before(event.loc, event.stamp, by, porf);
    if (event.is(Event::kRead)) {
        return mo(event.rf) == newest_known;
    }
    if (event.mo != newest_known) {
        return false;
    }
    const auto& reads = locations_[event.loc].reads;
    return std::none_of(reads.begin(), reads.end(),
                        [&](EventId read) { return at(read).rf == id && at(read).stamp < event.stamp; });
}

}  // namespace lockbench::explore
