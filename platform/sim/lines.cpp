// SPDX-License-Identifier: MIT
// Cache lines: how a request travels to its line's home, waits there, is served, and what that does to other copies.
//
// A transfer has three legs. Request: to the home, where requests for one line queue in the order of their coming, so
// that near ones win races. Probe: from there to whoever holds the line; until it comes, the holder goes on hitting.
// Data: to the requester, which does its access at once. A line that all want moves once in a whole latency; its owner
// of the moment keeps it for about one locked instruction of that time, and the rest it is under way.
#include <algorithm>
#include <cstring>

#include "platform/sim/engine.hpp"

namespace lockbench::sim {
namespace {

bool overlap(const BufferedStore& store, const void* address, std::uint32_t bytes) {
    const auto* begin = static_cast<const std::byte*>(address);
    const auto* stored = static_cast<const std::byte*>(store.address);
    return begin < stored + store.bytes && stored < begin + bytes;
}

// Bits that are set. Not the builtin: without an instruction for it that is a call.
constexpr std::uint32_t count_bits(std::uint64_t bits) {
    bits -= bits >> 1U & 0x5555'5555'5555'5555U;
    bits = (bits & 0x3333'3333'3333'3333U) + (bits >> 2U & 0x3333'3333'3333'3333U);
    bits = (bits + (bits >> 4U)) & 0x0f0f'0f0f'0f0f'0f0fU;
    return static_cast<std::uint32_t>(bits * 0x0101'0101'0101'0101U >> 56U);
}

// The part of a word of holders from `at` to before `end`, which lie in it.
constexpr std::uint64_t part_of_word(std::uint64_t word, std::size_t at, std::size_t end) {
    const std::uint64_t mask = (end - at == 64 ? 0 : std::uint64_t{1} << (end - at)) - 1;
    return word >> (at % 64) & mask;
}

constexpr Time share(Time time, std::uint32_t permille) { return time * permille / 1000; }

}  // namespace

bool Engine::forwarded(const Thread& me, const void* address, std::uint64_t& value) {
    for (auto store = me.buffer.rbegin(); store != me.buffer.rend(); ++store) {
        if (store->address == address) {
            value = store->value;
            return true;
        }
    }
    return false;
}

void Engine::read_slow(Thread& me, std::size_t line, const void* address, std::uint32_t bytes, Site site) {
    point(me);
    for (auto store = me.buffer.rbegin(); store != me.buffer.rend(); ++store) {
        if (overlap(*store, address, bytes)) {
            if (store->address == address && store->bytes == bytes) {
                return;  // forwarded
            }
            drain(me);  // a store to a part of what is read: hardware waits as well
            break;
        }
    }
    if (holds(line, me.core)) {
        if (lines_[line].pending == 0) {
            return;
        }
        sync(me);
        if (holds(line, me.core)) {
            return;
        }
    }
    issue(me.own, me, line, Access::read, address, site, me.now);
    block(me);
}

void Engine::own_slow(Thread& me, std::size_t line, const void* address, Site site) {
    point(me);
    drain(me);
    if (lines_[line].exclusive == me.core + 1U) {
        if (lines_[line].pending == 0) {
            return;
        }
        sync(me);
        if (lines_[line].exclusive == me.core + 1U) {
            return;
        }
    }
    issue(me.own, me, line, Access::write, address, site, me.now);
    block(me);
}

void Engine::write_slow(Thread& me, std::size_t line, const BufferedStore& store) {
    point(me);
    if (me.buffer.empty() && lines_[line].exclusive == me.core + 1U) {
        if (lines_[line].pending != 0) {
            sync(me);
        }
        if (me.buffer.empty() && lines_[line].exclusive == me.core + 1U) {
            commit(store);
            return;
        }
    }
    if (me.buffer.size() >= machine_.store_buffer) {
        drain(me, machine_.store_buffer - 1);
    }
    me.buffer.push_back(store);
    if (me.buffer.size() == 1) {
        retire(me, me.now);
    }
}

void Engine::commit(const BufferedStore& store) {
    std::memcpy(store.address, &store.value, store.bytes);
    wrote(store.address);
}

// Stores leave the buffer in order, each when its line is there.
void Engine::retire(Thread& me, Time at) {
    while (!me.buffer.empty()) {
        const BufferedStore store = me.buffer.front();
        const std::size_t line = line_of(store.address);
        if (lines_[line].exclusive != me.core + 1U) {
            issue(me.store, me, line, Access::write, store.address, store.site, at);
            return;
        }
        commit(store);
        me.buffer.pop_front();
    }
}

void Engine::drain(Thread& me, std::size_t to) {
    while (me.buffer.size() > to) {
        me.draining = true;
        me.drain_to = to;
        block(me);
    }
}

NodeId Engine::home_of(const void* address) const { return lines_[line_of(address)].home; }

Hop Engine::hop_home(const Line& line, std::uint16_t group) const {
    return machine_.hop_to_node(group, static_cast<std::size_t>(line.home));
}

Hop Engine::routed(const Line& line, std::uint16_t group, std::uint16_t from_group) const {
    const Hop direct = machine_.hop_of_groups(group, from_group);
    if (!machine_.through_home || direct == Hop::same_llc) {
        return direct;
    }
    return std::max({direct, hop_home(line, group), hop_home(line, from_group)});
}

// By groups and not by cores: there are few of them, and a burst of reads asks this for each.
Engine::Holders Engine::others(std::size_t line, std::uint16_t core) const {
    Holders found;
    const std::uint16_t own = machine_.group_of_core[core];
    if (const std::uint16_t only = lines_[line].exclusive; only != 0) {  // who may write has the only copy
        if (only != core + 1U) {
            found.nearest = found.farthest = routed(lines_[line], own, machine_.group_of_core[only - 1U]);
            found.count = 1;
        }
        return found;
    }
    const std::uint64_t* bits = holders_ + line * words_;
    for (std::size_t group = 0; group < machine_.groups(); ++group) {
        std::uint32_t copies = 0;
        for (std::size_t at = first_core_[group]; at < first_core_[group + 1U];) {
            const std::size_t end = std::min<std::size_t>((at / 64 + 1) * 64, first_core_[group + 1U]);
            copies += count_bits(part_of_word(bits[at / 64], at, end));
            at = end;
        }
        copies -= group == own && holds(line, core) ? 1 : 0;
        if (copies != 0) {
            const Hop hop = routed(lines_[line], own, static_cast<std::uint16_t>(group));
            found.nearest = std::min(found.nearest, hop);
            found.farthest = std::max(found.farthest, hop);
            found.count += copies;
        }
    }
    return found;
}

// What a request would find now, and from how far away.
std::pair<Found, Hop> Engine::outlook(const Line& line, std::size_t number, const Thread& thread) const {
    if (line.owner != 0) {
        return {line.state, routed(line, thread.group, machine_.group_of_core[line.owner - 1U])};
    }
    const Holders holders = others(number, thread.core);
    return holders.count == 0 ? std::pair{Found::memory, hop_home(line, thread.group)}
                              : std::pair{line.state, holders.nearest};
}

void Engine::issue(Request& request, Thread& thread, std::size_t line, Access access, const void* address, Site site,
                   Time at) {
    Line& entry = lines_[line];
    if (entry.home < 0) {
        entry.home = static_cast<std::int16_t>(thread.node);
    }
    request.thread = &thread;
    request.next = nullptr;
    request.address = address;
    request.site = site;
    request.issued = at;
    request.line = static_cast<std::uint32_t>(line);
    request.access = access;
    request.buffered = &request == &thread.store;
    request.poll = false;
    request.active = true;
    thread.at = site;
    ++entry.pending;
    const auto [found, hop] = outlook(entry, line, thread);
    push(at + share(jittered(thread, machine_.cost(access, found, hop)), machine_.request_permille), EventKind::arrive,
         arg_of(request));
}

void Engine::arrive(Request& request) {
    Line& line = lines_[request.line];
    request.arrived = now_;
    (line.first == nullptr ? line.first : line.last->next) = &request;
    line.last = &request;
    if (line.serving) {
        return;  // an event is on its way that will see to it
    }
    if (now_ >= line.free_at) {
        serve(request.line);
    } else {
        line.serving = true;
        push(line.free_at, EventKind::free, request.line);
    }
}

void Engine::serve(std::size_t number) {
    Line& line = lines_[number];
    if (line.entered) {
        favour_near(line);
    }
    Request& request = *line.first;
    line.first = request.next;
    request.access == Access::read ? serve_read(request, line) : serve_write(request, line);
    line.serving = line.first != nullptr;
    if (line.serving) {
        push(std::max(line.free_at, now_), EventKind::free, static_cast<std::uint32_t>(number));
    }
}

void Engine::serve_read(Request& request, Line& line) {
    const Thread& thread = *request.thread;
    if (holds(request.line, thread.core)) {  // a thread of the same core was faster
        push(now_, EventKind::complete, arg_of(request));
        return;
    }
    // A burst of reads mostly finds a copy in the own last-level cache; nothing is nearer.
    bool at_hand = false;
    for (std::size_t at = first_core_[thread.group]; at < first_core_[thread.group + 1U] && line.exclusive == 0;) {
        const std::size_t end = std::min<std::size_t>((at / 64 + 1) * 64, first_core_[thread.group + 1U]);
        at_hand = at_hand || part_of_word(holders_[request.line * words_ + at / 64], at, end) != 0;
        at = end;
    }
    const Holders holders = at_hand ? Holders{Hop::same_llc, Hop::same_llc, 1} : others(request.line, thread.core);
    if (holders.count == 0) {
        transfer(request, line, Found::memory, hop_home(line, thread.group), 0);
        return;
    }
    if (line.state == Found::modified || line.state == Found::exclusive) {
        transfer(request, line, line.state, holders.nearest, 0);
        return;
    }
    // Clean copies, or an owner that goes on serving: the next request need not wait for this one's data.
    Found found = line.state;
    Hop hop =
        found == Found::owned ? routed(line, thread.group, machine_.group_of_core[line.owner - 1U]) : holders.nearest;
    if (found == Found::shared && machine_.protocol == Protocol::mesi && hop > Hop::same_llc) {
        found = Found::memory;  // nobody forwards a clean line
        hop = hop_home(line, thread.group);
    }
    const Time whole = jittered(*request.thread, machine_.cost(Access::read, found, hop));
    const Time done = now_ + whole - share(whole, machine_.request_permille);
    line.free_at = now_ + machine_.occupy_read;
    line.reads_done = std::max(line.reads_done, done);
    set_holder(request.line,
               thread.core);  // for those who come next; the reader itself goes on when the data are there
    count(request, found, hop, done, 0);
    push(done, EventKind::complete, arg_of(request));
}

void Engine::serve_write(Request& request, Line& line) {
    const Thread& thread = *request.thread;
    if (line.exclusive == thread.core + 1U) {
        push(now_, EventKind::complete, arg_of(request));
        return;
    }
    const Holders holders = others(request.line, thread.core);
    if (holders.count != 0) {
        transfer(request, line, line.state, holders.farthest, holders.count);
    } else if (holds(request.line, thread.core)) {
        transfer(request, line, Found::shared, Hop::same_llc, 0);
    } else {
        transfer(request, line, Found::memory, hop_home(line, thread.group), 0);
    }
}

void Engine::transfer(Request& request, Line& line, Found found, Hop hop, std::uint32_t copies) {
    const Time whole = jittered(*request.thread, machine_.cost(request.access, found, hop));
    const Time asked = share(whole, machine_.request_permille);
    const Time probe = share(whole, machine_.probe_permille);
    const Time acks = copies > 1 ? machine_.ack * (copies - 1) : 0;
    // Who had to queue knows by then where the line is: its probe comes when the owner's time with the line is over.
    const bool queued = now_ > request.arrived;
    const Time probed = queued ? std::max(now_, request.arrived + probe) : now_ + probe;
    const Time lost = std::max(probed, line.reads_done);
    const Time flight = queued ? whole - std::min(line.hold, whole / 2) : whole - asked - probe;
    const Time done = lost + flight + acks;
    // An owner finishes the locked instruction that it is in, and its next one if that is soon enough.
    line.hold = request.thread->random.below(static_cast<std::uint32_t>(2 * (machine_.op + machine_.rmw)) + 1);
    line.free_at = done + line.hold;
    line.entered = line.entered || machine_.group_of_core[line.last_core] != request.thread->group;
    line.last_core = request.thread->core;
    request.hop = hop;
    count(request, found, hop, done, copies);
    if (found != Found::memory) {
        push(lost, EventKind::lose, arg_of(request));
    }
    push(done, EventKind::complete, arg_of(request));
}

// A last-level cache into which a line has come serves those of its own cores that wait by then, and only after them
// the others: their requests need not leave it. Who comes later queues behind all.
void Engine::favour_near(Line& line) {
    line.entered = false;
    Request* near_first = nullptr;
    Request* near_last = nullptr;
    Request* far_first = nullptr;
    Request* far_last = nullptr;
    const std::uint16_t group = machine_.group_of_core[line.last_core];
    for (Request* request = line.first; request != nullptr; request = request->next) {
        const bool is_near = request->thread->group == group;
        Request*& first = is_near ? near_first : far_first;
        Request*& last = is_near ? near_last : far_last;
        (first == nullptr ? first : last->next) = request;
        last = request;
    }
    if (near_last != nullptr && far_last != nullptr) {
        near_last->next = far_first;
        far_last->next = nullptr;
        line.first = near_first;
        line.last = far_last;
    }
}

// The probe reaches those who hold the line.
void Engine::lose(Request& request) {
    Line& line = lines_[request.line];
    line.exclusive = 0;
    if (request.access == Access::read) {
        const bool stays_dirty = line.state == Found::modified && machine_.protocol == Protocol::moesi;
        line.state = stays_dirty ? Found::owned : Found::shared;
        line.owner = stays_dirty ? line.owner : std::uint16_t{0};
        return;
    }
    const std::uint16_t core = request.thread->core;
    const bool had = holds(request.line, core);
    std::fill_n(holders_ + std::size_t{request.line} * words_, words_, 0);
    if (had) {
        set_holder(request.line, core);  // its own clean copy stays readable until it may write
    }
    line.state = Found::modified;
    line.owner = static_cast<std::uint16_t>(core + 1U);  // where the next request will find it
    wake_waiters(line, now_, core);
}

Thread* Engine::completed(Request& request) {
    Line& line = lines_[request.line];
    Thread& thread = *request.thread;
    --line.pending;
    request.active = false;
    const auto mine = static_cast<std::uint16_t>(thread.core + 1U);
    if (request.access == Access::write) {
        std::fill_n(holders_ + std::size_t{request.line} * words_, words_, 0);
        line.exclusive = mine;
        line.owner = mine;
        line.state = Found::modified;
    } else if (others(request.line, thread.core).count == 0) {
        line.exclusive = mine;
        line.owner = mine;
        line.state = line.state == Found::modified ? Found::modified : Found::exclusive;
    }
    set_holder(request.line, thread.core);
    if (request.buffered) {
        retire(thread, now_);
        if (!thread.draining || thread.buffer.size() > thread.drain_to) {
            return nullptr;
        }
        thread.draining = false;
    } else if (request.poll) {
        thread.polling = false;
        return thread.state == ThreadState::running ? poll(thread) : nullptr;
    }
    thread.now = std::max(thread.now, now_);
    return &thread;
}

}  // namespace lockbench::sim
