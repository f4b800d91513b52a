// SPDX-License-Identifier: MIT
// What an access means: lifetime, initialisation, happens-before.
//
// Clocks follow C++20 [intro.races] and [atomics.fences]: an acquire reads what a release sequence left, a
// read-modify-write continues the sequence, a plain store breaks it, fences turn relaxed accesses around them into
// such. Races are found as FastTrack does (Flanagan and Freund, PLDI 2009): by the time of the last write and of the
// last reads since.
#include "platform/check.hpp"
#include "platform/coop_engine.hpp"

namespace lockbench::coop {
namespace {

constexpr bool acquires(Order order) {
    return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst;
}
constexpr bool releases(Order order) {
    return order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
}

}  // namespace

Loc& Engine::create_loc(std::uintptr_t address, std::size_t bytes, bool atomic) {
    const auto number = static_cast<std::uint32_t>(locs_.size());
    Loc& loc = locs_.emplace_back();
    if (read_sites_.size() < locs_.size()) {
        read_sites_.resize(locs_.capacity());
    }
    loc.address = address;
    loc.bytes = static_cast<std::uint8_t>(bytes);
    loc.flags = atomic ? Loc::kAtomic : 0;
    loc.object = object_at(reinterpret_cast<const void*>(address));
    if (loc.object != kNone) {
        Object& object = objects_[loc.object];
        loc.next_in_object = object.first_loc;
        object.first_loc = number;
        if (!object.live) {
            loc.flags |= Loc::kDead;
        }
    }
    loc_map_.insert(address, number);
    return loc;
}

Loc& Engine::enter(const void* address, std::size_t bytes, bool atomic, Site site) {
    const auto key = reinterpret_cast<std::uintptr_t>(address);
    const std::uint32_t number = loc_map_.find(key);
    Loc& loc = number == kNone ? create_loc(key, bytes, atomic) : locs_[number];
    if ((loc.flags & Loc::kDead) != 0) [[unlikely]] {
        touch_dead(loc, site);
    }
    if (self_thread != nullptr) {
        self_thread->last_site = site;
        if (atomic && !self_thread->clock.covers(loc.writer, loc.write_time)) [[unlikely]] {
            touch_wrong_init(loc, site);
        }
    }
    return loc;
}

Loc& Engine::enter_unordered(const void* address, std::size_t bytes, Site site) {
    Loc& loc = enter(address, bytes, false, site);
    loc.flags |= Loc::kAtomic;
    return loc;
}

void Engine::construct(const void* address, std::size_t bytes, bool atomic, bool initialised) {
    const auto key = reinterpret_cast<std::uintptr_t>(address);
    const std::uint32_t number = loc_map_.find(key);
    Loc& loc = number == kNone ? create_loc(key, bytes, atomic) : locs_[number];
    loc.bytes = static_cast<std::uint8_t>(bytes);
    loc.flags = static_cast<std::uint8_t>((atomic ? Loc::kAtomic : 0) | (initialised ? 0 : Loc::kUninitialised));
    loc.read_mask = 0;
    loc.writer = self_thread != nullptr ? static_cast<std::uint8_t>(self_thread->tid) : 0;
    loc.write_time = self_thread != nullptr ? self_thread->clock.at[self_thread->tid] : 0;
    loc.write_site = {};
    bump(loc);
}

void Engine::reinit(Loc& loc, Site site) {
    loc.flags &= static_cast<std::uint8_t>(~(Loc::kUninitialised | Loc::kHasSync));
    loc.writer = self_thread != nullptr ? static_cast<std::uint8_t>(self_thread->tid) : 0;
    loc.write_time = self_thread != nullptr ? self_thread->clock.at[self_thread->tid] : 0;
    loc.write_site = site;
    bump(loc);
}

// The location was written: those who wait for it look again.
void Engine::bump(Loc& loc) {
    const std::uint32_t before = loc.version++;
    if (self_thread != nullptr && self_thread->retry_depth != 0) {
        const std::uint32_t number = number_of(loc);
        for (std::uint32_t i = 0; i < self_thread->seen_count; ++i) {
            Thread::Seen& seen = self_thread->seen[i];
            if (seen.loc == number && seen.version == before) {
                seen.version = loc.version;  // a thread does not wake itself
            }
        }
    }
    if (loc.waiters != 0) {
        recheck(loc.waiters);
    }
}

void Engine::note_seen(Thread& me, const Loc& loc) {
    const std::uint32_t number = number_of(loc);
    for (std::uint32_t i = me.retry_begin; i < me.seen_count; ++i) {
        if (me.seen[i].loc == number) {
            return;
        }
    }
    if (me.seen_count == Thread::kMaxSeen) {
        me.seen_overflow = true;
        return;
    }
    me.seen[me.seen_count++] = {number, loc.version};
}

bool Engine::seen_changed(const Thread& thread) const {
    const Polled& polled = thread.polled;
    if (thread.seen_overflow || (polled.cancelled && thread.cancelled)) {
        return true;
    }
    for (std::uint32_t watched = polled.watched; watched != 0; watched &= watched - 1) {
        if (threads_[static_cast<std::size_t>(std::countr_zero(watched))].off_cpu) {
            return true;
        }
    }
    for (std::uint32_t i = thread.retry_begin; i < thread.seen_count; ++i) {
        if (locs_[thread.seen[i].loc].version != thread.seen[i].version) {
            return true;
        }
    }
    return false;
}

void Engine::release_into(Thread& me, Clock& clock) {
    clock.join(me.clock);
    ++me.clock.at[me.tid];
}

void Engine::loaded(Loc& loc, Op op, At at, std::uint64_t value) {
    check(at.order != Order::release && at.order != Order::acq_rel, "a load cannot release", at.site.file,
          at.site.line);
    if ((loc.flags & Loc::kUninitialised) != 0) [[unlikely]] {
        read_uninitialised(loc, at.site);
    }
    if (Thread* me = self_thread; me != nullptr) {
        if ((loc.flags & Loc::kHasSync) != 0) {
            (acquires(at.order) ? me->clock : me->pending_acquire).join(loc.clock);
        }
        if (me->retry_depth != 0) {
            note_seen(*me, loc);
        }
    }
    note(op, number_of(loc), at.site, value, value);
}

void Engine::stored(Loc& loc, At at, std::uint64_t before, std::uint64_t after) {
    check(at.order != Order::acquire && at.order != Order::acq_rel, "a store cannot acquire", at.site.file,
          at.site.line);
    loc.flags &= static_cast<std::uint8_t>(~(Loc::kUninitialised | Loc::kHasSync));
    if (Thread* me = self_thread; me != nullptr) {
        if (releases(at.order)) {
            loc.clock = me->clock;
            ++me->clock.at[me->tid];
            loc.flags |= Loc::kHasSync;
        } else if (me->has_release_fence) {
            loc.clock = me->release_fence;
            loc.flags |= Loc::kHasSync;
        }
    }
    note(Op::store, number_of(loc), at.site, before, after);
    bump(loc);
}

void Engine::merge(Loc& loc, Op op, At at, std::uint64_t before, std::uint64_t after) {
    if ((loc.flags & Loc::kUninitialised) != 0) [[unlikely]] {
        read_uninitialised(loc, at.site);
    }
    if (Thread* me = self_thread; me != nullptr) {
        if ((loc.flags & Loc::kHasSync) != 0) {
            (acquires(at.order) ? me->clock : me->pending_acquire).join(loc.clock);
        } else {
            loc.clock = Clock{};
        }
        if (me->retry_depth != 0) {
            note_seen(*me, loc);
        }
        if (releases(at.order)) {
            release_into(*me, loc.clock);
            loc.flags |= Loc::kHasSync;
        } else if (me->has_release_fence) {
            loc.clock.join(me->release_fence);
            loc.flags |= Loc::kHasSync;
        }
    }
    note(op, number_of(loc), at.site, before, after);
    bump(loc);
}

void Engine::modified(Loc& loc, At at, std::uint64_t before, std::uint64_t after) {
    if (self_thread != nullptr) {
        ++self_thread->read_modify_writes;
    }
    merge(loc, Op::rmw, at, before, after);
}

void Engine::stored_part(Loc& loc, At at, std::uint64_t before, std::uint64_t after) {
    check(at.order != Order::acquire && at.order != Order::acq_rel, "a store cannot acquire", at.site.file,
          at.site.line);
    merge(loc, Op::store, at, before, after);
}

void Engine::plain_read(Loc& loc, Site site, std::uint64_t value) {
    if ((loc.flags & Loc::kUninitialised) != 0) [[unlikely]] {
        read_uninitialised(loc, site);
    }
    if (Thread* me = self_thread; me != nullptr) {
        if (!me->clock.covers(loc.writer, loc.write_time)) [[unlikely]] {
            race(loc, site, "reads", loc.writer, true);
        }
        loc.clock.at[me->tid] = me->clock.at[me->tid];
        loc.read_mask |= static_cast<std::uint16_t>(1U << me->tid);
        read_sites_[number_of(loc)][me->tid] = site;
    }
    note(Op::get, number_of(loc), site, value, value);
}

// A write, or the end of the object, comes after every access so far.
void Engine::check_write(Loc& loc, Site site, const char* verb) {
    const Clock& clock = self_thread->clock;
    if (!clock.covers(loc.writer, loc.write_time)) [[unlikely]] {
        race(loc, site, verb, loc.writer, true);
    }
    for (std::uint32_t readers = loc.read_mask; readers != 0; readers &= readers - 1) {
        const auto reader = static_cast<ThreadId>(std::countr_zero(readers));
        if (!clock.covers(reader, loc.clock.at[reader])) [[unlikely]] {
            race(loc, site, verb, reader, false);
        }
    }
}

void Engine::plain_written(Loc& loc, Site site, std::uint64_t before, std::uint64_t after) {
    loc.flags &= static_cast<std::uint8_t>(~Loc::kUninitialised);
    if (Thread* me = self_thread; me != nullptr) {
        check_write(loc, site, "writes");
        loc.writer = static_cast<std::uint8_t>(me->tid);
        loc.write_time = me->clock.at[me->tid];
    } else {
        loc.writer = 0;
        loc.write_time = 0;
    }
    loc.read_mask = 0;
    loc.write_site = site;
    note(Op::set, number_of(loc), site, before, after);
    ++loc.version;
}

void Engine::fence(Thread& me, At at) {
    if (acquires(at.order)) {
        me.clock.join(me.pending_acquire);
    }
    if (releases(at.order)) {
        me.release_fence = me.clock;
        me.has_release_fence = true;
        ++me.clock.at[me.tid];
    }
    note(Op::fence, kNone, at.site, 0, 0);
}

void Engine::note(Op op, std::uint32_t loc, Site site, std::uint64_t before, std::uint64_t after) {
    const ThreadId tid = self_thread != nullptr ? self_thread->tid : kNoThread;
    trace_[traced_++ % kTrace] = {steps_, tid, op, loc, site, before, after};
}

void Engine::touch_dead(Loc& loc, Site site) {
    const Object& object = objects_[loc.object];
    const bool stable = loc.address - object.base < object.stable_bytes;
    const Thread* me = self_thread;
    // What read-copy-update promises: a section that began before the free keeps the memory of this type.
    if (stable && me != nullptr && me->read_sections != 0 && me->section_began <= object.ended_at) {
        return;
    }
    message_ = (me != nullptr ? "thread " + std::to_string(me->tid) : std::string("the host")) + " touches " +
               name_of(number_of(loc)) + " at " + name_of(site) + ", which " +
               (object.ended_by == kNoThread ? "the host" : "thread " + std::to_string(object.ended_by)) +
               (object.kind == ObjectKind::pool ? " freed" : " destroyed") + " at step " +
               std::to_string(object.ended_at);
    if (stable && me != nullptr && me->read_sections != 0) {
        message_ += "; its ReadSection began only at step " + std::to_string(me->section_began);
    } else if (stable) {
        message_ += "; it is type-stable, but only a ReadSection may touch it after that";
    }
    fail(CoopFailure::use_after_free);
}

void Engine::touch_wrong_init(Loc& loc, Site site) {
    message_ = "thread " + std::to_string(self_thread->tid) + " uses " + name_of(number_of(loc)) + " at " +
               name_of(site) + ", not ordered after its initialisation by thread " + std::to_string(loc.writer) +
               (loc.write_site.file != nullptr ? " at " + name_of(loc.write_site) : std::string(" (construction)"));
    fail(CoopFailure::race);
}

void Engine::read_uninitialised(Loc& loc, Site site) {
    message_ = (self_thread != nullptr ? "thread " + std::to_string(self_thread->tid) : std::string("the host")) +
               " reads " + name_of(number_of(loc)) + " at " + name_of(site) + ", which was never set";
    fail(CoopFailure::uninitialised);
}

void Engine::race(Loc& loc, Site site, const char* verb, ThreadId other, bool other_write) {
    message_ = "thread " + std::to_string(self_thread->tid) + " " + verb + " " + name_of(number_of(loc)) + " at " +
               name_of(site) + ", not ordered after thread " + std::to_string(other) + "'s " +
               (other_write ? "write" : "read");
    const Site earlier = other_write ? loc.write_site : read_sites_[number_of(loc)][other];
    message_ += earlier.file != nullptr ? " at " + name_of(earlier) : std::string(" (construction)");
    // An access that may come after the end of its object.
    fail((loc.flags & Loc::kDead) != 0 ? CoopFailure::use_after_free : CoopFailure::race);
}

}  // namespace lockbench::coop
