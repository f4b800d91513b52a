// SPDX-License-Identifier: MIT
#include "platform/explore/states_locals.hpp"

#include <cstring>

#include "platform/check.hpp"

namespace lockbench::explore {
namespace {

constexpr PlaceId kNoPlace = ~PlaceId{0};

bool has_place(Kind kind) { return kind != Kind::fence && kind != Kind::choose && kind != Kind::release; }

}  // namespace

Locals::Locals(const Program& program, const Options& options)
    : tso_(options.model == Model::tso),
      core_(*this, program, options.bounds),
      place_of_offset_(Arena::kBytes, kNoPlace) {
    check(program.threads <= kStateThreads, "engine s takes 1 to 8 threads");
}

PlaceId Locals::place_of(std::uint32_t offset, std::uint8_t bytes) {
    PlaceId& id = place_of_offset_[offset];
    if (id == kNoPlace) {
        id = static_cast<PlaceId>(places_.size());
        StatePlace place;
        place.offset = offset;
        place.initialised = core_.arena().initialised(offset);
        std::uint64_t initial = 0;
        if (place.initialised) {
            std::memcpy(&initial, core_.arena().at(offset), bytes);
        }
        place.values.push_back(initial);
        // What was never set is no value, so that a store of the same bits is another.
        if (place.initialised) {
            place.ids.emplace(initial, 0);
        }
        places_.push_back(std::move(place));
    }
    return id;
}

ValueId Locals::value_id(PlaceId place, std::uint64_t value) {
    StatePlace& of = places_[place];
    const auto [at, fresh] = of.ids.emplace(value, static_cast<ValueId>(of.values.size()));
    if (fresh) {
        of.values.push_back(value);
    }
    return at->second;
}

// What a thread is besides its stack: all that its next operations may depend on.
Locals::Facts Locals::facts(const Thread& me) const {
    Facts known = {me.tid,
                   static_cast<std::uint64_t>(me.preempt_off),
                   me.sections,
                   me.writing ? 1U : 0U,
                   me.cancelled ? 1U : 0U,
                   me.left.spurious_wakes,
                   me.left.stops,
                   me.left.expiries,
                   me.deadlines,
                   static_cast<std::uint64_t>(me.phase),
                   static_cast<std::uint64_t>(me.mode),
                   core_.arena().changes(me.tid),
                   me.expired.size()};
    known.insert(known.end(), me.expired.begin(), me.expired.end());
    return known;
}

LocalId Locals::first(ThreadId tid) {
    core_.restart();
    stands_at_ = kNoLocal;
    chain_.clear();
    cursor_ = 0;
    leading_ = false;
    firsts_.push_back(go_on(tid, kNoLocal, 0));
    return firsts_.back();
}

// Leads a fiber to where it asks what `id` stands for. False where it does something else.
bool Locals::lead_to(LocalId id) {
    if (stands_at_ == id || (locals_[id].twin != kNoLocal && stands_at_ == locals_[id].twin)) {
        return true;
    }
    stands_at_ = kNoLocal;
    chain_.clear();
    for (LocalId at = id; at != kNoLocal; at = locals_[at].parent) {
        chain_.push_back(at);
    }
    core_.restart();
    cursor_ = 0;
    leading_ = true;
    event_ = Event::none;
    const ThreadId tid = locals_[id].tid;
    core_.resume(core_.thread(tid));
    leading_ = false;
    if (event_ == Event::failed) {
        return false;
    }
    if (cursor_ + 1 != chain_.size()) {
        fault_ = {Failure::not_deterministic,
                  "thread " + std::to_string(tid) + " ended, or stopped, before it had done all that it did before"};
        return false;
    }
    stands_at_ = id;
    return true;
}

// Tells the thread that stands at `from`, or has not begun, one more answer.
LocalId Locals::go_on(ThreadId tid, LocalId from, std::uint64_t answer) {
    answer_ = answer;
    event_ = Event::none;
    comes_from_ = from;
    new_points_.clear();
    idle_ = renewed_ = false;
    stands_at_ = kNoLocal;
    core_.resume(core_.thread(tid));
    switch (event_) {
        case Event::merged:
            return merged_with_;
        case Event::failed:
            return kNoLocal;
        default:
            return add(tid, from, answer);
    }
}

std::vector<Access> Locals::accesses_behind(LocalId from) const {
    if (from == kNoLocal || !locals_[from].micro) {
        return {};
    }
    const Local& parent = locals_[from];
    std::vector<Access> accesses = parent.accesses;
    if (parent.kind == Kind::get || parent.kind == Kind::set || parent.kind == Kind::init) {
        const Access access{parent.place, parent.kind != Kind::get, parent.kind == Kind::init, parent.inside,
                            parent.site};
        for (const Access& other : accesses) {
            if (other == access) {
                return accesses;
            }
        }
        accesses.push_back(access);
    }
    return accesses;
}

bool Locals::is_micro(const Local& local) const {
    switch (local.kind) {
        case Kind::get:
        case Kind::set:
        case Kind::init:
        case Kind::choose:
            return true;
        case Kind::fence:
            return !tso_ || local.order != Order::seq_cst;
        default:
            return false;
    }
}

LocalId Locals::add(ThreadId tid, LocalId from, std::uint64_t answer) {
    const auto id = static_cast<LocalId>(locals_.size());
    const Thread& me = core_.thread(tid);
    Local local;
    local.tid = tid;
    local.parent = from;
    local.fed = answer;
    local.depth = from == kNoLocal ? 0 : locals_[from].depth + 1;
    local.phase = me.phase;
    local.mode = me.mode;
    local.inside = me.sections != 0;
    local.accesses = accesses_behind(from);
    if (event_ == Event::asked) {
        describe(local, *asked_);
        stands_at_ = id;
    } else {
        local.end = event_ == Event::bound ? Local::End::bound : Local::End::done;
    }
    local.idle = idle_ || (from != kNoLocal && locals_[from].idle && locals_[from].micro);
    local.polling = local.phase == Phase::waits &&
                    ((event_ == Event::asked && local.kind == Kind::await) ||
                     (from != kNoLocal && locals_[from].polling && locals_[from].phase == Phase::waits));
    local.renewed = renewed_ || (from != kNoLocal && locals_[from].renewed && locals_[from].micro);
    locals_.push_back(std::move(local));
    facts_.push_back(facts(me));
    for (Facts& point : new_points_) {
        checkpoints_.emplace(std::move(point), id);
    }
    new_points_.clear();
    return id;
}

void Locals::describe(Local& local, const Request& request) {
    local.kind = request.kind;
    local.order = request.order;
    local.may_end = request.may_end;
    local.bytes = request.bytes;
    local.part = request.part;
    local.site = request.site;
    local.operand = request.operand;
    if (request.kind == Kind::release) {
        local.operand = std::uint64_t{request.place} << 32U | request.operand;
    }
    if (has_place(request.kind)) {
        local.place = place_of(request.place, request.bytes);
        for_each_place(request, [&](const Request& each) { local.places.push_back(place_of(each.place, each.bytes)); });
    }
    if (request.kind == Kind::store || request.kind == Kind::init || request.kind == Kind::set) {
        local.operand = value_id(local.place, request.operand);
    }
    local.micro = is_micro(local);
}

LocalId Locals::polled_twin(LocalId id) {
    if (locals_[id].twin == kNoLocal) {
        Local twin = locals_[id];
        twin.polled = true;
        twin.outcomes.clear();
        twin.children.clear();
        twin.accesses.clear();
        twin.idle = twin.renewed = false;
        twin.twin = id;
        locals_[id].twin = static_cast<LocalId>(locals_.size());
        locals_.push_back(std::move(twin));
        facts_.push_back(facts_[id]);
    }
    return locals_[id].twin;
}

const Outcome& Locals::learn(LocalId id, std::size_t way, ValueId value) {
    Outcome outcome;
    if (lead_to(id)) {
        outcome = ask(id, way, value);
    } else {
        outcome.kind = Outcome::Kind::fails;
        outcome.next = static_cast<LocalId>(faults_.size());
        faults_.push_back(fault_);
    }
    auto& outcomes = locals_[id].outcomes;
    if (outcomes.size() <= way) {
        outcomes.resize(way + 1);
    }
    if (outcomes[way].size() <= value) {
        outcomes[way].resize(value + 1U);
    }
    return outcomes[way][value] = outcome;
}

// Of the fiber that stands there.
Outcome Locals::ask(LocalId id, std::size_t way, ValueId value) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::goes_on;
    std::uint64_t told = 0;
    std::uint64_t seen = 0;
    if (locals_[id].kind == Kind::choose) {
        told = seen = value;
    } else if (!locals_[id].places.empty()) {
        const Request* request = asked_;
        for (std::size_t i = 0; i < way; ++i) {
            request = request->also;
        }
        const PlaceId place = locals_[id].places[way];
        told = places_[place].values[value];
        const bool several = locals_[id].places.size() > 1;
        seen = request->sees != nullptr ? request->sees(request->look, told) : told;
        std::uint64_t fresh = 0;
        if (request->kind == Kind::await && !request->holds(request->frame, told)) {
            outcome.kind = Outcome::Kind::waits;
        } else if (several) {
            told = seen = way;
        } else if (request->kind == Kind::rmw && request->update(request->frame, told, fresh)) {
            outcome.writes = true;
            outcome.write = value_id(place, fresh);
        } else if (request->kind == Kind::store || request->kind == Kind::init || request->kind == Kind::set) {
            outcome.writes = true;
            outcome.write = static_cast<ValueId>(locals_[id].operand);
            told = seen = 0;
        }
    }
    if (outcome.kind == Outcome::Kind::goes_on) {
        follow(id, told, seen, outcome);
    }
    return outcome;
}

// To where this answer leads. What the thread does next is the same whether it has polled before or not.
void Locals::follow(LocalId id, std::uint64_t told, std::uint64_t seen, Outcome& outcome) {
    auto& children = locals_[locals_[id].polled ? locals_[id].twin : id].children;
    for (const auto& [what, child] : children) {
        if (what == seen) {
            outcome.next = child;
            return;
        }
    }
    outcome.next = go_on(locals_[id].tid, id, told);
    if (outcome.next == kNoLocal) {
        outcome.kind = Outcome::Kind::fails;
        outcome.next = static_cast<LocalId>(faults_.size());
        faults_.push_back(fault_);
    } else {
        children.emplace_back(seen, outcome.next);
    }
}

}  // namespace lockbench::explore
