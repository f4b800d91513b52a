// SPDX-License-Identifier: MIT
// Execution graphs: what each thread did (po), which write each read took its value from (rf), in which order the
// writes of a location come (mo); and the clocks that follow from these.
//
// An event is named by its thread and its place there; a location's first value is the write kInitial, before all
// others. What a graph loses when a read is revisited is always the end of a thread, so names stay.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/explore/core.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

using EventId = std::uint16_t;
using LocId = std::uint16_t;
inline constexpr ThreadId kMaxThreads = 8;
inline constexpr unsigned kIndexBits = 12;
inline constexpr std::size_t kMaxEvents = (1U << kIndexBits) - 1;  // of one thread
inline constexpr EventId kInitial = 0xffff;
static_assert(kMaxThreads << kIndexBits <= kInitial);

constexpr EventId event_id(ThreadId tid, std::size_t index) {
    return static_cast<EventId>((tid << kIndexBits) | static_cast<unsigned>(index));
}
constexpr ThreadId owner_of(EventId id) { return static_cast<ThreadId>(id >> kIndexBits); }
constexpr std::size_t index_of(EventId id) { return id & kMaxEvents; }

// How many events of each thread come before, or are, what the clock belongs to.
struct alignas(16) Clock {
    std::array<std::uint16_t, kMaxThreads> at{};

    void join(const Clock& other) {
        for (std::size_t i = 0; i < kMaxThreads; ++i) {
            at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
        }
    }
    [[nodiscard]] bool covers(EventId id) const { return id == kInitial || at[owner_of(id)] > index_of(id); }
};

struct Event {
    enum Flags : std::uint16_t {
        kWaiting = 1,     // an await that waits for a later write than rf, which was the newest and does not do
        kRmw = 2,         // both parts of a read-modify-write
        kWrite = 4,       // store, init, set, the writing part of an rmw
        kRead = 8,        // load, await, select, get, the reading part of an rmw
        kInside = 16,     // inside a marked section
        kPlain = 32,      // get, set
        kRevisited = 64,  // its clocks follow when its thread comes to it again
        kSure = 128,      // choose: one day something else than 0 is chosen
        kSection = 256,   // inside a read section
        kStable = 512,    // release, reuse: of memory that read sections may look at all the same
    };

    std::uint64_t value = 0;
    std::uint32_t stamp = 0;  // when it was added
    LocId loc = 0;
    EventId rf = kInitial;  // reads
    std::uint16_t mo = 0;   // writes: its place among those of its location, from 1 on
    Kind kind = Kind::load;
    Order order = Order::relaxed;
    std::uint16_t flags = 0;
    Clock hb;    // happens-before, itself included
    Clock porf;  // program order and reads-from, itself included
    Clock view;  // writes: what who acquires from it learns

    [[nodiscard]] bool is(Flags flag) const { return (flags & flag) != 0; }
};

// The writes of a location in their order, and its reads in no particular one.
struct Location {
    std::vector<EventId> writes;
    std::vector<EventId> reads;
};

constexpr bool acquires(Order order) {
    return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst;
}
constexpr bool releases(Order order) {
    return order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
}

class Graph {
  public:
    void clear(ThreadId threads);
    // As `other` with the first kept[t] events of each thread.
    void copy_prefix(const Graph& other, const std::array<std::uint16_t, kMaxThreads>& kept);

    [[nodiscard]] ThreadId threads() const { return threads_; }
    [[nodiscard]] std::size_t size(ThreadId tid) const { return events_[tid].size(); }
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] const Event& at(EventId id) const { return events_[owner_of(id)][index_of(id)]; }
    [[nodiscard]] Event& at(EventId id) { return events_[owner_of(id)][index_of(id)]; }
    [[nodiscard]] const std::vector<Event>& events(ThreadId tid) const { return events_[tid]; }
    [[nodiscard]] const Location& location(LocId loc) const { return locations_[loc]; }
    [[nodiscard]] std::size_t locations() const { return locations_.size(); }
    void need_location(LocId loc) {
        if (loc >= locations_.size()) {
            locations_.resize(loc + 1U);
        }
    }

    // Place of a write in its location's order; 0: the first value.
    [[nodiscard]] std::uint16_t mo(EventId write) const { return write == kInitial ? std::uint16_t{0} : at(write).mo; }
    [[nodiscard]] EventId write_at(LocId loc, std::size_t mo) const {
        return mo == 0 ? kInitial : locations_[loc].writes[mo - 1];
    }
    [[nodiscard]] std::uint16_t newest(LocId loc) const {
        return static_cast<std::uint16_t>(locations_[loc].writes.size());
    }
    // True when the write at `mo` was taken by a read-modify-write that is in the graph: nothing fits behind it.
    [[nodiscard]] bool taken(LocId loc, std::size_t mo) const {
        return mo < locations_[loc].writes.size() && at(locations_[loc].writes[mo]).is(Event::kRmw);
    }
    // Coherence: the oldest write that a thread with this clock may still read, or put a write behind.
    [[nodiscard]] std::uint16_t lower_bound(LocId loc, const Clock& hb) const;

    // Adds an event at the end of its thread. It has its clocks but for itself; a write is put behind place `mo`.
    EventId add(ThreadId tid, Event event, std::uint16_t mo = 0);
    // The ends of objects, and where their memory is used again.
    [[nodiscard]] const std::vector<EventId>& ends() const { return ends_; }
    // Puts a write that was taken out of its order, or never in it, behind `mo`.
    void insert(EventId write, std::uint16_t mo);
    void take_out(EventId write);

    // Backward revisits (Kokologiannakis, Marmanis, Vafeiadis: Truly stateless, optimal dynamic partial order
    // reduction, POPL 2022): an event that a revisit by a write with `porf` would delete must be one that the search
    // puts back by its ordinary course, or the same graph would be found twice.
    [[nodiscard]] bool added_maximally(EventId id, EventId by, const Clock& porf) const;
    // The newest write that existed when `stamp` was given or lies in `porf`, `by` aside.
    [[nodiscard]] std::uint16_t newest_before(LocId loc, std::uint32_t stamp, EventId by, const Clock& porf) const;

  private:
    ThreadId threads_ = 0;
    std::uint32_t next_stamp_ = 1;
    std::array<std::vector<Event>, kMaxThreads> events_;
    std::vector<Location> locations_;
    std::vector<EventId> ends_;

  public:
    ThreadId first = 0;  // the thread whose replay decides soonest whether this graph is possible
};

// False when a graph breaks the axioms that the search does not keep by itself: under SC the order of everything, under
// RC11 that of the sequentially consistent accesses and fences (psc).
bool consistent(const Graph& graph, Model model);

}  // namespace lockbench::explore
