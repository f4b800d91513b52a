// SPDX-License-Identifier: MIT
// What engine R knows of memory: for each location its newest writes, and for each thread what it has learnt.
//
// A view is a row of numbers: for each thread how many of its steps came before (happens-before), and for each location
// the oldest write that may still be read (coherence). Each thread has a view; a write that releases leaves a copy of
// its thread's as a message, and who acquires from it joins that. The order of a location's writes is that in which
// they are made. Under `sc` only the newest write of a location is kept and views know threads alone.
//
// Sequentially consistent fences and accesses go through one more row, of locations: a fence joins it with its
// thread's, both ways; a write raises its own location there, a read is no older than it says. That is no weaker than
// RC11's psc, and only for reads that both fences and accesses order stronger.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "platform/explore/core.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

using Ticks = std::int32_t;

// A step of a thread. Thread kNoThread: before the run began, and before everything.
struct Moment {
    ThreadId tid = kNoThread;
    Ticks at = 0;
};

// What a step has done wrong, and the step of another thread that it goes wrong with.
struct Fault {
    Failure failure = Failure::none;
    Moment with;
};

class RandomMemory {
  public:
    static constexpr std::uint32_t kDepth = 8;  // writes of a location that are kept
    static constexpr std::uint32_t kNoLocation = 0xffff'ffff;

    struct Write {
        std::uint64_t value = 0;
        Ticks* message = nullptr;  // null: it tells nothing
        Moment by;
        std::uint32_t step = 0;  // of the trace; 0: the first value
    };
    struct Location {
        std::uint32_t place = 0;
        std::uint32_t run = 0;     // the run that all below is of
        std::uint32_t newest = 0;  // number of the newest write; 0: the first value
        std::uint32_t set_up = 0;  // number of the newest init
        Moment set_up_by;
        bool initialised = false;
        std::uint64_t waiters = 0;  // bit t: thread t wants to know of writes
        std::array<Write, kDepth> writes;
    };

    RandomMemory(Core& program, Model model);
    void begin_run();
    // True: a run has met more locations than its views had room for. Now they have; it is to be begun again.
    [[nodiscard]] bool grew();
    static constexpr std::size_t kMaxLocations = 16384;

    // The location of a place; its first use in a run gives it the first value.
    Location& at(std::uint32_t place, std::uint8_t bytes) {
        const std::uint32_t known = spots_[place].location;
        Location& location = locations_[known == kNoLocation ? new_location(place) : known];
        if (location.run != run_) [[unlikely]] {
            first_use(location, bytes);
        }
        return location;
    }
    Location& known(std::size_t index) { return locations_[index]; }
    [[nodiscard]] std::size_t index(const Location& location) const {
        return static_cast<std::size_t>(&location - locations_.data());
    }
    Write& write(Location& location, std::uint32_t number) { return location.writes[number & depth_mask_]; }
    [[nodiscard]] std::uint64_t newest_value(const Location& location) const {
        return location.writes[location.newest & depth_mask_].value;
    }

    // A step of a thread begins: time goes on for it.
    Ticks tick(ThreadId tid) { return ++view(tid)[tid]; }
    [[nodiscard]] Ticks now(ThreadId tid) const { return view(tid)[tid]; }
    // The oldest write that the thread may read.
    [[nodiscard]] std::uint32_t oldest(const Location& location, ThreadId tid, Order order) const;
    Fault read(Location& location, ThreadId tid, std::uint32_t number, Order order);
    // A write behind the newest one; `rmw`: which it has read.
    Fault write(Location& location, ThreadId tid, std::uint64_t value, Order order, bool rmw, std::uint32_t step);
    Fault set_up(Location& location, ThreadId tid, std::uint64_t value, std::uint32_t step);
    Fault get(Location& location, ThreadId tid);
    Fault set(Location& location, ThreadId tid, std::uint64_t value, std::uint32_t step);
    void fence(ThreadId tid, Order order);
    // The thread does not read older writes of the location than `number` any more.
    void forget_older(const Location& location, ThreadId tid, std::uint32_t number);

    // An access to the place: is what lies there alive, for this thread?
    Fault touch(Location& location, ThreadId tid, bool in_section);
    // The end of what lies there; `stable`: of memory that read sections may still look at.
    Fault end(std::uint32_t place, std::uint32_t bytes, ThreadId tid, bool stable);
    // It is used again.
    void reuse(std::uint32_t place, std::uint32_t bytes, ThreadId tid, bool stable);
    [[nodiscard]] std::uint64_t waiters_within(std::uint32_t place, std::uint32_t bytes) const;

    [[nodiscard]] bool knows(ThreadId tid, Moment moment) const {
        return moment.tid == kNoThread || view(tid)[moment.tid] >= moment.at;
    }
    [[nodiscard]] Order order_of(Order order) const { return model_ == Model::sc ? Order::seq_cst : order; }

  private:
    enum Life : std::uint32_t { kAlive, kEnded, kEndedStable, kReused };
    struct Spot {  // a byte of the arena
        std::uint32_t location = kNoLocation;
        std::uint32_t life = 0;  // run * 4 + Life; of another run: alive
    };
    struct Reused {
        std::uint32_t begin;
        std::uint32_t bytes;
        Moment since;
        bool stable;
    };

    std::uint32_t new_location(std::uint32_t place);
    void first_use(Location& location, std::uint8_t bytes);
    [[nodiscard]] Life life(std::uint32_t place) const {
        const std::uint32_t life = spots_[place].life;
        return life / 4 == run_ ? static_cast<Life>(life % 4) : kAlive;
    }
    [[nodiscard]] Ticks* view(ThreadId tid) const { return views_.get() + tid * stride_; }
    [[nodiscard]] Ticks* pending(ThreadId tid) const { return views_.get() + (threads_ + tid) * stride_; }
    [[nodiscard]] Ticks* released(ThreadId tid) const {
        return views_.get() + (std::size_t{2} * threads_ + tid) * stride_;
    }
    [[nodiscard]] Ticks* fences() const { return views_.get() + std::size_t{3} * threads_ * stride_; }
    [[nodiscard]] Ticks& accessed(const Location& location, ThreadId tid) {
        return accessed_[index(location) * threads_ + tid];
    }
    [[nodiscard]] Ticks& accessed_outside(const Location& location, ThreadId tid) {
        return accessed_outside_[index(location) * threads_ + tid];
    }
    void join(Ticks* into, const Ticks* from) const;
    void copy(Ticks* into, const Ticks* from) const;
    Ticks* take_message();
    void drop_message(Ticks* message) { free_messages_.push_back(message); }
    void lay_out(std::size_t locations);

    Core& core_;
    Model model_;
    ThreadId threads_;
    std::uint32_t depth_mask_;
    std::uint32_t run_ = 0;
    std::vector<Spot> spots_;
    std::vector<Location> locations_;
    std::size_t room_ = 0;    // locations that a view has room for
    std::size_t stride_ = 0;  // of views, in numbers
    std::size_t used_ = 0;    // of a view, in this run: what is behind says nothing
    std::size_t most_ = 0;    // locations in this run
    bool full_ = false;
    struct Release {
        void operator()(Ticks* memory) const { ::operator delete (memory, std::align_val_t{kCacheLine}); }
    };
    using Row = std::unique_ptr<Ticks, Release>;
    static Row take_rows(std::size_t numbers);
    Row views_;
    std::vector<Ticks> accessed_;
    std::vector<Ticks> accessed_outside_;  // outside of read sections
    std::uint64_t pending_known_ = 0;      // bit t: pending(t) says something
    std::uint64_t released_known_ = 0;
    std::vector<Row> message_blocks_;
    std::vector<Ticks*> free_messages_;
    std::size_t messages_used_ = 0;  // of the blocks
    std::vector<Reused> reused_;
};

}  // namespace lockbench::explore
