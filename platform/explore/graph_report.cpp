// SPDX-License-Identifier: MIT
// What a failure says: the execution as a list of steps, who waits for whom, and the string that leads to it again.
#include "platform/explore/graph_engine.hpp"
#include "platform/explore/linearise.hpp"
#include "platform/explore/words.hpp"

namespace lockbench::explore {
void GraphEngine::compose(Failure failure, std::string message) {
    if (!verdict_.passed()) {
        return;
    }
    verdict_.failure = failure;
    verdict_.message = std::move(message);
    verdict_.trace = trace();
    verdict_.replay = script();
}

std::string GraphEngine::offset_name(std::uint32_t offset) const { return core_.arena().name(offset); }
std::string GraphEngine::place_name(LocId loc) const { return offset_name(places_[loc].offset); }

std::string GraphEngine::value_name(std::uint64_t value) const { return explore::value_name(core_.arena(), value); }

std::string GraphEngine::name(EventId id) const {
    const Event& event = graph_->at(id);
    std::string text = thread_name(owner_of(id));
    if (tells_life(event.kind)) {
        text += event.kind == Kind::release ? " ends " : " uses again ";
        text += offset_name(static_cast<std::uint32_t>(event.value >> 32U));
    } else {
        text += event.is(Event::kWrite) ? " writes " : " reads ";
        text += place_name(event.loc);
    }
    return text + " at " + short_name(runs_[owner_of(id)].sites[index_of(id)]);
}

std::string GraphEngine::line(EventId id, const std::vector<std::size_t>& number) const {
    const Event& event = graph_->at(id);
    const std::string who = "t" + std::to_string(owner_of(id));
    std::string text = "  #" + std::to_string(number[id]) + " " + who + " ";
    const bool write_part = event.kind == Kind::rmw && event.is(Event::kWrite);
    text += write_part ? "  and writes" : kind_name(event.kind);
    if (!event.is(Event::kPlain) && event.kind != Kind::choose && !tells_life(event.kind) && !write_part) {
        text += " " + order_name(event.order);
    }
    if (tells_life(event.kind)) {
        text += " " + offset_name(static_cast<std::uint32_t>(event.value >> 32U));
    } else if (event.kind == Kind::choose) {
        text += " " + std::to_string(event.value);
    } else if (event.kind != Kind::fence) {
        text += " " + place_name(event.loc);
        text +=
            event.is(Event::kWaiting) ? " waits" : (event.is(Event::kWrite) ? " = " : " is ") + value_name(event.value);
    }
    if (event.is(Event::kRead) && !event.is(Event::kWaiting)) {
        const std::uint16_t newest = graph_->newest(event.loc);
        text += event.rf == kInitial ? ", the first value" : ", of #" + std::to_string(number[event.rf]);
        if (graph_->mo(event.rf) != newest && number[graph_->write_at(event.loc, newest)] < number[id]) {
            text += " (stale: the newest is #" + std::to_string(number[graph_->write_at(event.loc, newest)]) + ")";
        }
    }
    return text + "   " + short_name(runs_[owner_of(id)].sites[index_of(id)]) + "\n";
}

std::string GraphEngine::trace() const {
    if (graph_ == nullptr) {
        return "";
    }
    const Linear linear = linearise(*graph_);
    std::vector<std::size_t> number(std::size_t{1} << 16U, 0);
    for (std::size_t i = 0; i < linear.order.size(); ++i) {
        number[linear.order[i]] = i + 1;
    }
    std::string text;
    if (linear.stale != 0) {
        text += "  (no single order of these steps explains what was read: stale reads are marked)\n";
    }
    for (const EventId id : linear.order) {
        text += line(id, number);
    }
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        text += waiting(tid);
    }
    return text;
}

std::string GraphEngine::waiting(ThreadId tid) const {
    const Run& run = runs_[tid];
    std::string text = "  " + thread_name(tid) + ": ";
    if (core_.thread_done(tid)) {
        return text + "done\n";
    }
    if (run.state == State::retries) {
        return text + "tries again and again, at " + short_name(run.stuck_at) + "\n";
    }
    if (run.asked == nullptr || run.asked->kind != Kind::await) {
        return text + "can go on\n";
    }
    for_each_place(*run.asked, [&](const Request& place) {
        const LocId loc = loc_of_place_[place.place];
        const std::uint16_t newest = graph_->newest(loc);
        text += &place == run.asked ? "waits for " : ", or for ";
        text += place_name(loc) + " at " + short_name(place.site) + ", which is " + value_name(value_at(loc, newest));
        text +=
            newest == 0 ? ", its first value" : ", written by " + thread_name(owner_of(graph_->write_at(loc, newest)));
    });
    return text + "\n";
}

// One letter a step, the thread that takes it; behind it a number where the step is not the usual one: how many newer
// writes a read does not see or a write comes before, or what was chosen.
std::string GraphEngine::script() const {
    std::string text;
    Clock done;
    for (const EventId id : linearise(*graph_).order) {
        const Event& event = graph_->at(id);
        if (done.covers(id) || event.is(Event::kWaiting)) {
            continue;
        }
        std::uint64_t choice = 0;
        if (event.kind == Kind::choose) {
            choice = event.value;
        } else if (event.is(Event::kRead) || event.is(Event::kWrite)) {
            const std::size_t place = event.is(Event::kRead) ? graph_->mo(event.rf) : event.mo;
            for (const EventId write : graph_->location(event.loc).writes) {
                choice += done.covers(write) && graph_->mo(write) > place ? 1U : 0U;
            }
        }
        text += static_cast<char>('a' + owner_of(id));
        text += choice == 0 ? "" : std::to_string(choice);
        // The writing part of a read-modify-write follows at once.
        const bool two = event.kind == Kind::rmw && event.is(Event::kRmw);
        done.at[owner_of(id)] = static_cast<std::uint16_t>(index_of(id) + (two ? 2U : 1U));
    }
    return text;
}

void GraphEngine::parse_script(const std::string& text) {
    for (const char c : text) {
        if (c >= 'a' && c < static_cast<char>('a' + kMaxThreads)) {
            script_.push_back({static_cast<ThreadId>(c - 'a'), 0});
        } else if (c >= '0' && c <= '9' && !script_.empty()) {
            script_.back().choice = script_.back().choice * 10 + static_cast<unsigned>(c - '0');
        } else {
            script_.push_back({kNoThread, 0});
        }
    }
}

}  // namespace lockbench::explore
