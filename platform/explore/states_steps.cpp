// SPDX-License-Identifier: MIT
// What one step does.
#include <algorithm>

#include "platform/check.hpp"
#include "platform/explore/states_engine.hpp"

namespace lockbench::explore {

void StatesEngine::step(ThreadId tid) {
    const LocalId at = now_[tid];
    const Local& here = locals_.at(at);
    if (here.end != Local::End::none || waits_for_buffer(tid, here)) {
        return;
    }
    if (here.micro) {
        settle(tid);  // only where a thread begins
    } else if (here.kind == Kind::await) {
        poll(tid, at);
    } else if (here.kind == Kind::release) {
        release(tid, at);
    } else if (here.places.empty()) {
        follow(tid, 0, 0, false);
    } else {
        access(tid);
    }
}

// A load, store or read-modify-write, of atomics or data.
void StatesEngine::access(ThreadId tid) {
    const Local& here = locals_.at(now_[tid]);
    const bool reads = here.kind == Kind::load || here.kind == Kind::rmw || here.kind == Kind::get;
    ValueId value = 0;
    bool own = false;
    if (check_access(tid, here, here.place, !reads) && (!reads || read(tid, here.place, value, own))) {
        follow(tid, 0, value, own);
    }
}

// What happens with the step that has just been taken, and then its end.
void StatesEngine::settle(ThreadId tid) {
    const Local& here = locals_.at(now_[tid]);
    if (!here.micro || here.end != Local::End::none || (here.kind != Kind::choose && waits_for_buffer(tid, here))) {
        emit();
    } else if (here.kind == Kind::choose) {
        const Row row = now_;
        const std::size_t told = lines_.size();
        for (std::uint64_t choice = 0; choice < here.operand && verdict_.passed(); ++choice) {
            now_ = row;
            lines_.resize(told);
            follow(tid, 0, static_cast<ValueId>(choice), false);
        }
    } else if (here.kind == Kind::fence) {
        follow(tid, 0, 0, false);
    } else {
        access(tid);
    }
}

// The thread's operation is answered by this value of the place of this number; its own store, if `own`.
void StatesEngine::follow(ThreadId tid, std::size_t way, ValueId value, bool own) {
    const LocalId at = now_[tid];
    const Outcome outcome = locals_.outcome(at, way, value);
    const Local& here = locals_.at(at);
    const PlaceId place = here.places.empty() ? 0 : here.places[way];
    if (telling_) {
        Line line;
        line.tid = tid;
        line.local = at;
        line.place = place;
        line.own = own;
        line.reads =
            here.kind == Kind::load || here.kind == Kind::rmw || here.kind == Kind::get || here.kind == Kind::await;
        line.writes = outcome.kind == Outcome::Kind::goes_on && outcome.writes;
        line.read = line.reads ? locals_.place(place).values[value] : 0;
        line.written = line.writes ? locals_.place(place).values[outcome.write] : 0;
        line.choice = value;
        line.buffered = line.writes && tso_ && goes_to_buffer(here);
        lines_.push_back(line);
    }
    if (outcome.kind == Outcome::Kind::fails) {
        const Locals::Fault& found = locals_.fault(outcome.next);
        fault(found.failure, found.message);
        return;
    }
    if (outcome.writes) {
        write(tid, here, place, outcome.write);
    }
    now_[tid] = outcome.next;
    settle(tid);
}

void StatesEngine::poll(ThreadId tid, LocalId at) {
    const Local& here = locals_.at(at);
    const Row row = now_;
    for (std::size_t way = 0; way < here.places.size() && verdict_.passed(); ++way) {
        now_ = row;
        lines_.clear();
        ValueId value = 0;
        bool own = false;
        if (!check_access(tid, here, here.places[way], false) || !read(tid, here.places[way], value, own)) {
            return;
        }
        const bool waits = locals_.outcome(at, way, value).kind == Outcome::Kind::waits;
        if (!waits) {
            follow(tid, way, value, own);
        } else if ((here.places.size() > 1 || here.idle) && !here.polled) {
            // It has seen that the first place does not do. From now on any may end the wait, and it has to go on.
            now_[tid] = locals_.polled_twin(at);
            emit();
        }
        if (!here.polled) {
            return;
        }
    }
}

bool StatesEngine::read(ThreadId tid, PlaceId place, ValueId& value, bool& own) {
    value = value_of(place);
    if (tso_) {
        for (const Buffered& store : buffers_.at(buffer_of(tid))) {
            if (store.place == place) {
                value = locals_.value_id(place, store.value);
                own = true;
            }
        }
    }
    if (value == 0 && !locals_.place(place).initialised) {
        fault(Failure::uninitialised, "thread " + std::to_string(tid) + " reads " + place_name(place) + " at " +
                                          short_name(locals_.at(now_[tid]).site) + ", which was never set");
        return false;
    }
    return true;
}

// A place that was touched for the first time by this step lies behind the row's end.
void StatesEngine::set_value(PlaceId place, ValueId value) {
    if (first_place_ + place >= now_.size()) {
        now_.resize(first_place_ + place + 1U, 0);
    }
    now_[first_place_ + place] = value;
}

bool StatesEngine::goes_to_buffer(const Local& local) {
    return local.kind == Kind::rmw ? local.part != 0 : local.order != Order::seq_cst || local.micro;
}

void StatesEngine::write(ThreadId tid, const Local& local, PlaceId place, ValueId value) {
    if (!tso_ || !goes_to_buffer(local)) {
        set_value(place, value);
        return;
    }
    std::vector<Buffered> list = buffers_.at(buffer_of(tid));
    list.push_back({place, local.part, locals_.place(place).values[value], local.micro, local.site});
    set_buffer(tid, std::move(list));
}

void StatesEngine::set_buffer(ThreadId tid, std::vector<Buffered> list) {
    now_[threads_ + tid] = buffers_.id_of(std::move(list), [](const Buffered& store) {
        const std::uint64_t words[] = {store.place, store.part, store.value, store.plain ? 1U : 0U};
        return std::string(reinterpret_cast<const char*>(words), sizeof words);
    });
}

// The thread's operation has to wait until its stores are in memory. Accesses to data alone go there at once.
bool StatesEngine::waits_for_buffer(ThreadId tid, const Local& local) {
    if (!tso_ || buffer_of(tid) == 0 || !needs_room(local, buffers_.at(buffer_of(tid)))) {
        return false;
    }
    if (may_flush(buffer_of(tid))) {
        return true;
    }
    for (const Buffered& store : buffers_.at(buffer_of(tid))) {
        set_value(store.place, locals_.value_id(store.place, store.value));
    }
    now_[threads_ + tid] = 0;
    return false;
}

bool StatesEngine::needs_room(const Local& local, const std::vector<Buffered>& buffer) {
    const auto newest_is_part = [&](PlaceId place) {
        bool part = false;
        for (const Buffered& store : buffer) {
            part = store.place == place ? store.part != 0 : part;
        }
        return part;
    };
    switch (local.kind) {
        case Kind::load:
        case Kind::get:
        case Kind::await:
            // A word of which only a part is in the buffer is not forwarded.
            return std::any_of(local.places.begin(), local.places.end(), newest_is_part);
        case Kind::rmw:
            if (local.part == 0) {
                return true;
            }
            return std::any_of(buffer.begin(), buffer.end(),
                               [&](const Buffered& store) { return store.place == local.place; }) ||
                   too_full(buffer);
        case Kind::release:
        case Kind::fence:
            return local.kind == Kind::release || local.order == Order::seq_cst;
        default:
            return goes_to_buffer(local) ? too_full(buffer) : true;
    }
}

bool StatesEngine::too_full(const std::vector<Buffered>& buffer) {
    full_ = full_ || buffer.size() >= kMostBuffered;
    return buffer.size() >= kMostBuffered;
}

bool StatesEngine::may_flush(std::uint32_t buffer) const {
    const auto& list = buffers_.at(buffer);
    return std::any_of(list.begin(), list.end(), [](const Buffered& store) { return !store.plain; });
}

// The oldest store goes to memory, and the accesses to data before it, which nobody may look at before that.
void StatesEngine::flush(ThreadId tid) {
    if (!may_flush(buffer_of(tid))) {
        return;
    }
    std::vector<Buffered> list = buffers_.at(buffer_of(tid));
    std::size_t count = 0;
    bool plain = true;
    while (plain) {
        const Buffered& store = list[count++];
        plain = store.plain;
        if (!check_alive(tid, store.place, true, store.site)) {
            return;
        }
        const std::uint64_t old = locals_.place(store.place).values[value_of(store.place)];
        const std::uint64_t fresh = store.part == 0 ? store.value : (old & ~store.part) | (store.value & store.part);
        set_value(store.place, locals_.value_id(store.place, fresh));
        if (telling_) {
            Line line;
            line.tid = tid;
            line.flush = true;
            line.place = store.place;
            line.written = fresh;
            line.site = store.site;
            lines_.push_back(line);
        }
    }
    list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(count));
    set_buffer(tid, std::move(list));
    emit();
}

std::string StatesEngine::access_name(ThreadId tid, PlaceId place, bool writes, Site site) const {
    return "thread " + std::to_string(tid) + (writes ? " writes " : " reads ") + place_name(place) + " at " +
           short_name(site);
}

// Two accesses to data that may happen at once, one of them a write; or one to what is being set up.
bool StatesEngine::check_access(ThreadId tid, const Local& local, PlaceId place, bool writes) {
    for (ThreadId other = 0; other < threads_; ++other) {
        if (other == tid) {
            continue;
        }
        for (const Access& access : locals_.at(now_[other]).accesses) {
            if (access.place != place || (!local.micro && !access.init) || (!access.writes && !writes)) {
                continue;
            }
            const bool sections = local.inside && access.inside;
            fault(sections ? Failure::exclusion : Failure::race,
                  access_name(tid, place, writes, local.site) +
                      (sections ? " while, in a section of its own, " : ", not ordered after what ") +
                      access_name(other, place, access.writes, access.site));
            return false;
        }
        if (tso_ && local.micro) {
            for (const Buffered& store : buffers_.at(now_[threads_ + other])) {
                if (store.place == place) {
                    fault(Failure::race, access_name(tid, place, writes, local.site) + ", not ordered after what " +
                                             access_name(other, place, true, store.site));
                    return false;
                }
            }
        }
    }
    return check_alive(tid, place, writes, local.site);
}

bool StatesEngine::check_alive(ThreadId tid, PlaceId place, bool writes, Site site) {
    const std::uint32_t offset = locals_.place(place).offset;
    for (const std::uint64_t range : ended_.at(now_[ended_slot_])) {
        if (offset - (range >> 32U) < (range & 0xffff'ffffU)) {
            fault(Failure::use_after_free, access_name(tid, place, writes, site) + " although it has ended");
            return false;
        }
    }
    return true;
}

// The end of an object.
void StatesEngine::release(ThreadId tid, LocalId at) {
    const Local& here = locals_.at(at);
    const std::uint64_t range = here.operand;
    const std::string what = "thread " + std::to_string(tid) + " ends " +
                             locals_.core().arena().name(static_cast<std::uint32_t>(range >> 32U)) + " at " +
                             short_name(here.site);
    std::vector<std::uint64_t> list = ended_.at(now_[ended_slot_]);
    if (std::find(list.begin(), list.end(), range) != list.end()) {
        fault(Failure::double_free, what + " although it has ended");
        return;
    }
    const auto within = [&](PlaceId place) {
        return locals_.place(place).offset - (range >> 32U) < (range & 0xffff'ffffU);
    };
    for (ThreadId other = 0; other < threads_; ++other) {
        const Local& its = locals_.at(now_[other]);
        const bool polls = its.kind == Kind::await && its.end == Local::End::none &&
                           std::any_of(its.places.begin(), its.places.end(), within);
        const bool touches = std::any_of(its.accesses.begin(), its.accesses.end(),
                                         [&](const Access& access) { return within(access.place); });
        if (other != tid && (polls || touches)) {
            fault(Failure::use_after_free, what + " although thread " + std::to_string(other) + " still " +
                                               (polls ? "polls it at " : "may touch it before ") +
                                               short_name(its.site));
            return;
        }
    }
    list.push_back(range);
    std::sort(list.begin(), list.end());
    now_[ended_slot_] = ended_.id_of(std::move(list), [](std::uint64_t each) {
        return std::string(reinterpret_cast<const char*>(&each), sizeof each);
    });
    follow(tid, 0, 0, false);
}

}  // namespace lockbench::explore
