// SPDX-License-Identifier: MIT
#include "platform/explore/random_memory.hpp"

#include <algorithm>
#include <cstring>

#include "platform/check.hpp"
#include "platform/explore/graph.hpp"

namespace lockbench::explore {
namespace {

constexpr std::size_t kMessagesInBlock = 256;
constexpr std::size_t kLane = 4;    // views are as long as whole vector registers
constexpr std::size_t kSlack = 16;  // locations more than are known
constexpr std::size_t round_up(std::size_t count, std::size_t to) { return (count + to - 1) / to * to; }

}  // namespace

RandomMemory::RandomMemory(Core& program, Model model)
    : core_(program),
      model_(model),
      threads_(program.thread_count()),
      depth_mask_(model == Model::sc ? 0 : kDepth - 1),
      spots_(Arena::bytes_for(program.thread_count())) {
    constexpr std::size_t kFirstRoom = 128;
    lay_out(kFirstRoom);
}

RandomMemory::Row RandomMemory::take_rows(std::size_t numbers) {
    return Row(static_cast<Ticks*>(::operator new (numbers * sizeof(Ticks), std::align_val_t{kCacheLine})));
}

void RandomMemory::lay_out(std::size_t locations) {
    room_ = locations;
    stride_ = round_up(threads_ + (model_ == Model::sc ? 0 : room_), kCacheLine / sizeof(Ticks));
    views_ = take_rows((std::size_t{3} * threads_ + 1) * stride_);
    accessed_.resize(room_ * threads_);
    accessed_outside_.resize(room_ * threads_);
    locations_.reserve(room_);  // they do not move while a run goes on
    message_blocks_.clear();
    free_messages_.clear();
}

bool RandomMemory::grew() {
    if (!full_) {
        return false;
    }
    full_ = false;
    if (locations_.size() + kSlack > room_) {
        check(room_ < kMaxLocations, "more locations than engine r takes");
        lay_out(2 * room_);
    }
    return true;
}

void RandomMemory::begin_run() {
    ++run_;
    most_ = model_ == Model::sc ? room_ : std::min(room_, round_up(locations_.size() + kSlack, kLane));
    used_ = threads_ + (model_ == Model::sc ? 0 : most_);
    std::memset(views_.get(), 0, (std::size_t{3} * threads_ + 1) * stride_ * sizeof(Ticks));
    pending_known_ = 0;
    released_known_ = 0;
    free_messages_.clear();
    messages_used_ = 0;
    reused_.clear();
}

std::uint32_t RandomMemory::new_location(std::uint32_t place) {
    if (locations_.size() == most_) {
        full_ = true;
        core_.engine().fail(Failure::limit, "more locations than the views have room for");
    }
    const auto index = static_cast<std::uint32_t>(locations_.size());
    locations_.emplace_back();
    locations_.back().place = place;
    spots_[place].location = index;
    return index;
}

void RandomMemory::first_use(Location& location, std::uint8_t bytes) {
    location.run = run_;
    location.newest = 0;
    location.set_up = 0;
    location.waiters = 0;
    location.initialised = core_.arena().initialised(location.place);
    Write first;
    std::memcpy(&first.value, core_.arena().at(location.place), bytes);
    location.writes[0] = first;
    for (std::uint32_t i = 1; i <= depth_mask_; ++i) {
        location.writes[i].message = nullptr;
    }
    const auto row = static_cast<std::ptrdiff_t>(index(location) * threads_);
    std::fill_n(accessed_.begin() + row, threads_, 0);
    std::fill_n(accessed_outside_.begin() + row, threads_, 0);
}

void RandomMemory::join(Ticks* into, const Ticks* from) const {
    into = std::assume_aligned<kCacheLine>(into);
    from = std::assume_aligned<kCacheLine>(from);
    for (std::size_t i = 0; i < used_; ++i) {
        into[i] = into[i] < from[i] ? from[i] : into[i];
    }
}
void RandomMemory::copy(Ticks* into, const Ticks* from) const { std::memcpy(into, from, used_ * sizeof(Ticks)); }

Ticks* RandomMemory::take_message() {
    if (!free_messages_.empty()) {
        Ticks* const message = free_messages_.back();
        free_messages_.pop_back();
        return message;
    }
    const std::size_t block = messages_used_ / kMessagesInBlock;
    if (block == message_blocks_.size()) {
        message_blocks_.push_back(take_rows(kMessagesInBlock * stride_));
        std::memset(message_blocks_.back().get(), 0, kMessagesInBlock * stride_ * sizeof(Ticks));
    }
    return message_blocks_[block].get() + messages_used_++ % kMessagesInBlock * stride_;
}

std::uint32_t RandomMemory::oldest(const Location& location, ThreadId tid, Order order) const {
    if (depth_mask_ == 0) {
        return location.newest;
    }
    const std::size_t column = threads_ + index(location);
    auto bound = static_cast<std::uint32_t>(view(tid)[column]);
    if (order == Order::seq_cst) {
        bound = std::max(bound, static_cast<std::uint32_t>(fences()[column]));
    }
    return location.newest < bound + depth_mask_ ? bound : location.newest - depth_mask_;
}

Fault RandomMemory::read(Location& location, ThreadId tid, std::uint32_t number, Order order) {
    const Write& from = write(location, number);
    Ticks* const mine = view(tid);
    if (from.message != nullptr) {
        if (acquires(order)) {
            join(mine, from.message);
        } else {
            Ticks* const later = pending(tid);
            if ((pending_known_ >> tid & 1U) == 0) {
                pending_known_ |= std::uint64_t{1} << tid;
                std::memset(later, 0, stride_ * sizeof(Ticks));
            }
            join(later, from.message);
        }
    }
    if (depth_mask_ != 0) {
        Ticks& floor = mine[threads_ + index(location)];
        floor = std::max(floor, static_cast<Ticks>(number));
    }
    if (number == 0 && !location.initialised) {
        return {Failure::uninitialised, {}};
    }
    if (location.set_up != 0 && number >= location.set_up && !knows(tid, location.set_up_by)) {
        return {Failure::race, location.set_up_by};
    }
    return {};
}

Fault RandomMemory::write(Location& location, ThreadId tid, std::uint64_t value, Order order, bool rmw,
                          std::uint32_t step) {
    Ticks* const mine = view(tid);
    const std::uint32_t number = location.newest + 1;
    Write& before = write(location, location.newest);
    Write& now = write(location, number);
    const Ticks* const continued = rmw ? before.message : nullptr;
    Ticks* message = now.message;  // of the write that is not kept any more
    if (depth_mask_ != 0) {
        mine[threads_ + index(location)] = static_cast<Ticks>(number);
    }
    const Ticks* const own = releases(order) ? mine : (released_known_ >> tid & 1U) != 0 ? released(tid) : nullptr;
    if (own == nullptr && continued == nullptr) {
        if (message != nullptr) {
            drop_message(message);
        }
        message = nullptr;
    } else {
        message = message != nullptr ? message : take_message();
        if (continued == nullptr) {
            copy(message, own);
        } else {
            if (continued != message) {
                copy(message, continued);
            }
            if (own != nullptr) {
                join(message, own);
            }
        }
    }
    if (order == Order::seq_cst && depth_mask_ != 0) {
        fences()[threads_ + index(location)] = static_cast<Ticks>(number);
    }
    location.newest = number;
    now.value = value;
    now.message = message;
    now.by = {tid, mine[tid]};
    now.step = step;
    if (location.set_up != 0 && !knows(tid, location.set_up_by)) {
        return {Failure::race, location.set_up_by};
    }
    return {};
}

Fault RandomMemory::set_up(Location& location, ThreadId tid, std::uint64_t value, std::uint32_t step) {
    const Fault fault = write(location, tid, value, Order::relaxed, false, step);
    location.set_up = location.newest;
    location.set_up_by = {tid, now(tid)};
    return fault;
}

Fault RandomMemory::get(Location& location, ThreadId tid) {
    const Write& from = write(location, location.newest);
    if (!knows(tid, from.by)) {
        return {Failure::race, from.by};
    }
    if (location.newest == 0 && !location.initialised) {
        return {Failure::uninitialised, {}};
    }
    return {};
}

Fault RandomMemory::set(Location& location, ThreadId tid, std::uint64_t value, std::uint32_t step) {
    const Ticks* const mine = view(tid);
    for (ThreadId other = 0; other < threads_; ++other) {
        if (const Ticks at = accessed(location, other); other != tid && at > mine[other]) {
            return {Failure::race, {other, at}};
        }
    }
    // Plain: a message would order what the data must not.
    const std::uint32_t number = location.newest + 1;
    Write& now = write(location, number);
    if (now.message != nullptr) {
        drop_message(now.message);
    }
    location.newest = number;
    now = {value, nullptr, {tid, mine[tid]}, step};
    return {};
}

void RandomMemory::fence(ThreadId tid, Order order) {
    Ticks* const mine = view(tid);
    const std::uint64_t bit = std::uint64_t{1} << tid;
    if (acquires(order) && (pending_known_ & bit) != 0) {
        join(mine, pending(tid));
    }
    if (order == Order::seq_cst && depth_mask_ != 0) {
        for (std::size_t i = threads_; i < used_; ++i) {
            mine[i] = fences()[i] = std::max(mine[i], fences()[i]);
        }
    }
    if (releases(order)) {
        released_known_ |= bit;
        std::memcpy(released(tid), mine, stride_ * sizeof(Ticks));
    }
}

void RandomMemory::forget_older(const Location& location, ThreadId tid, std::uint32_t number) {
    if (depth_mask_ != 0) {
        Ticks& floor = view(tid)[threads_ + index(location)];
        floor = std::max(floor, static_cast<Ticks>(number));
    }
}

Fault RandomMemory::touch(Location& location, ThreadId tid, bool in_section) {
    Fault fault;
    const Life state = life(location.place);
    if (state != kAlive) [[unlikely]] {
        if (state == kEnded || (state == kEndedStable && !in_section)) {
            fault.failure = Failure::use_after_free;
        } else if (state == kReused) {
            for (auto range = reused_.rbegin(); range != reused_.rend(); ++range) {
                if (location.place - range->begin < range->bytes) {
                    // What is stable lives again for everybody.
                    if (!range->stable && !knows(tid, range->since)) {
                        fault = {Failure::use_after_free, range->since};
                    }
                    break;
                }
            }
        }
    }
    const Ticks now = view(tid)[tid];
    accessed(location, tid) = now;
    if (!in_section) {
        accessed_outside(location, tid) = now;
    }
    return fault;
}

Fault RandomMemory::end(std::uint32_t place, std::uint32_t bytes, ThreadId tid, bool stable) {
    Fault fault;
    if (life(place) == kEnded || life(place) == kEndedStable) {
        return {Failure::double_free, {}};
    }
    const Ticks* const mine = view(tid);
    for (std::uint32_t at = place; at < place + bytes; ++at) {
        Spot& spot = spots_[at];
        spot.life = run_ * 4 + (stable ? kEndedStable : kEnded);
        if (spot.location == kNoLocation || locations_[spot.location].run != run_) {
            continue;
        }
        const Location& location = locations_[spot.location];
        for (ThreadId other = 0; other < threads_; ++other) {
            const Ticks last = stable ? accessed_outside(location, other) : accessed(location, other);
            if (other != tid && last > mine[other]) {
                fault = {Failure::use_after_free, {other, last}};
            }
        }
    }
    return fault;
}

void RandomMemory::reuse(std::uint32_t place, std::uint32_t bytes, ThreadId tid, bool stable) {
    for (std::uint32_t at = place; at < place + bytes; ++at) {
        Spot& spot = spots_[at];
        spot.life = run_ * 4 + kReused;
        if (!stable && spot.location != kNoLocation && locations_[spot.location].run == run_) {
            Location& location = locations_[spot.location];
            write(location, location.newest).value = 0;
            location.initialised = false;
        }
    }
    reused_.push_back({place, bytes, {tid, now(tid)}, stable});
}

std::uint64_t RandomMemory::waiters_within(std::uint32_t place, std::uint32_t bytes) const {
    std::uint64_t found = 0;
    for (std::uint32_t at = place; at < place + bytes; ++at) {
        if (const std::uint32_t known = spots_[at].location; known != kNoLocation && locations_[known].run == run_) {
            found |= locations_[known].waiters;
        }
    }
    return found;
}

}  // namespace lockbench::explore
