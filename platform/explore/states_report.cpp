// SPDX-License-Identifier: MIT
// What a failure says: the steps to it, who waits for whom, and the string that leads there again.
#include <algorithm>
#include <map>

#include "platform/explore/states_engine.hpp"
#include "platform/explore/words.hpp"

namespace lockbench::explore {

std::string StatesEngine::place_name(PlaceId place) const { return locals_.arena().name(locals_.place(place).offset); }

std::vector<StatesEngine::Move> StatesEngine::way_to(StateId state) const {
    std::vector<Move> moves;
    for (StateId at = state; parents_[at] != kNoState; at = parents_[at]) {
        moves.push_back(moves_[at]);
    }
    std::reverse(moves.begin(), moves.end());
    return moves;
}

void StatesEngine::compose(StateId state, const Move* last, Failure failure, std::string message) {
    if (!verdict_.passed()) {
        return;
    }
    if (replayed_) {
        verdict_.failure = failure;
        verdict_.message = std::move(message);
        return;
    }
    std::vector<Move> moves = way_to(state);
    if (last != nullptr) {
        moves.push_back(*last);
    }
    verdict_.trace = tell(moves, moves.size());  // while nothing is broken yet: steps end where something is
    verdict_.replay = script_of(moves, moves.size());
    verdict_.failure = failure;
    verdict_.message = std::move(message);
}

// Takes one step from now_; false where there is no such step.
bool StatesEngine::take(Move move) {
    const Row start = now_;
    telling_ = true;
    taken_ = false;
    wanted_ = move.leaf;
    lines_.clear();
    run(move.process);
    telling_ = false;
    now_ = taken_ ? taken_row_ : start;
    return taken_;
}

void StatesEngine::begin() {
    now_.assign(table_.width(), 0);
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        now_[tid] = locals_.beginning(tid);
    }
}

// The steps, from the first on. Behind cycle_begin they are told as a round that may be gone for ever.
std::string StatesEngine::tell(const std::vector<Move>& moves, std::size_t cycle_begin) {
    std::string text;
    std::size_t number = 0;
    std::map<PlaceId, std::string> writers;
    begin();
    for (std::size_t i = 0; i < moves.size(); ++i) {
        if (i == cycle_begin) {
            text += "  and from here on, again and again:\n";
        }
        if (!take(moves[i])) {
            break;
        }
        for (const Line& line : taken_lines_) {
            text += line_text(line, ++number, writers);
        }
    }
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        text += waiting(tid, writers);
    }
    return text;
}

std::string StatesEngine::line_text(const Line& line, std::size_t number,
                                    std::map<PlaceId, std::string>& writers) const {
    std::string text = "  #" + std::to_string(number) + " t" + std::to_string(line.tid) + " ";
    const auto value = [this](std::uint64_t bits) { return value_name(locals_.arena(), bits); };
    if (line.flush) {
        writers[line.place] = "#" + std::to_string(number);
        return text + "  its store to " + place_name(line.place) + " reaches memory, which is " + value(line.written) +
               "   " + short_name(line.site) + "\n";
    }
    const Local& at = locals_.at(line.local);
    text += kind_name(at.kind);
    const bool data = at.kind == Kind::get || at.kind == Kind::set;
    text += data || at.kind == Kind::choose || at.kind == Kind::release ? "" : " " + order_name(at.order);
    if (at.kind == Kind::release) {
        text += " " + locals_.arena().name(static_cast<std::uint32_t>(at.operand >> 32U));
    } else if (at.kind == Kind::choose) {
        text += " " + std::to_string(line.choice);
    } else if (at.kind != Kind::fence) {
        text += " " + place_name(line.place);
    }
    if (line.reads) {
        const auto writer = writers.find(line.place);
        text += " is " + value(line.read);
        text += line.own                  ? ", its own store, still in its buffer"
                : writer == writers.end() ? ", the first value"
                                          : ", of " + writer->second;
    }
    if (line.writes) {
        text += (line.reads ? ", and writes " : " = ") + value(line.written);
        text += line.buffered ? " into its buffer" : "";
        if (!line.buffered) {
            writers[line.place] = "#" + std::to_string(number);
        }
    }
    return text + "   " + short_name(at.site) + "\n";
}

std::string StatesEngine::waiting(ThreadId tid, const std::map<PlaceId, std::string>& writers) const {
    const Local& at = locals_.at(now_[tid]);
    std::string text = "  " + thread_name(tid) + ": ";
    if (at.end != Local::End::none) {
        return text + (at.end == Local::End::done ? "done\n" : "at the bound of a loop\n");
    }
    if (at.kind != Kind::await) {
        return text + (at.idle ? "between sections, at " : "at ") + short_name(at.site) + "\n";
    }
    for (std::size_t way = 0; way < at.places.size(); ++way) {
        const PlaceId place = at.places[way];
        const auto writer = writers.find(place);
        text += (way == 0 ? "waits for " : ", or for ") + place_name(place);
        text += (way == 0 ? " at " + short_name(at.site) : "") + ", which is " +
                value_name(locals_.arena(), locals_.place(place).values[value_of(place)]);
        text += writer == writers.end() ? ", its first value" : ", written by " + writer->second;
    }
    return text + "\n";
}

// One letter a step: the thread that takes it, or in capitals the thread whose oldest store goes to memory; behind it a
// number where there are several ways to take it. A round that may be gone for ever stands in brackets.
std::string StatesEngine::script_of(const std::vector<Move>& moves, std::size_t cycle_begin) const {
    std::string text;
    for (std::size_t i = 0; i < moves.size(); ++i) {
        text += i == cycle_begin ? "(" : "";
        const Move& move = moves[i];
        text += static_cast<char>(move.process < threads_ ? 'a' + move.process : 'A' + move.process - threads_);
        text += move.leaf == 0 ? "" : std::to_string(move.leaf);
    }
    return text + (cycle_begin < moves.size() ? ")" : "");
}

// False where it is no script of this program.
bool StatesEngine::parse(const std::string& script, std::vector<Move>& moves, std::size_t& cycle_begin) const {
    cycle_begin = script.size();
    for (const char c : script) {
        const auto thread = static_cast<unsigned>(c - 'a');
        const auto buffer = static_cast<unsigned>(c - 'A');
        if (thread < threads_ || (tso_ && buffer < threads_)) {
            moves.push_back({static_cast<std::uint8_t>(thread < threads_ ? thread : threads_ + buffer), 0});
        } else if (c >= '0' && c <= '9' && !moves.empty()) {
            moves.back().leaf = static_cast<std::uint16_t>(moves.back().leaf * 10 + (c - '0'));
        } else if (c == '(') {
            cycle_begin = moves.size();
        } else if (c != ')') {
            return false;
        }
    }
    return true;
}

void StatesEngine::replay(const std::string& script) {
    std::vector<Move> moves;
    std::size_t cycle_begin = 0;
    bool possible = parse(script, moves, cycle_begin);
    Row cycle_row;
    begin();
    for (std::size_t i = 0; i < moves.size() && possible && taken_failure_ == Failure::none; ++i) {
        cycle_row = i == cycle_begin ? now_ : cycle_row;
        possible = take(moves[i]);
    }
    const Row end = now_;
    std::string message = taken_message_;
    Failure failure = taken_failure_;
    if (!possible) {
        failure = Failure::not_deterministic;
        message = "the replay names a step that this program cannot take";
    } else if (failure == Failure::none) {
        judge_replayed(end, cycle_row);
        failure = verdict_.failure;
        message = verdict_.message;
    }
    if (failure != Failure::none) {
        verdict_.failure = Failure::none;
        verdict_.trace = tell(moves, cycle_begin);
        verdict_.failure = failure;
        verdict_.message = message;
        verdict_.replay = script;
    }
}

// What is wrong with the last state of a replay, if not with the steps to it.
void StatesEngine::judge_replayed(Row end, Row cycle_row) {
    if (!cycle_row.empty()) {
        const std::size_t width = std::max(end.size(), cycle_row.size());
        end.resize(width, 0);
        cycle_row.resize(width, 0);
        for (ThreadId tid = 0; tid < threads_ && end == cycle_row; ++tid) {
            const Local& at = locals_.at(end[tid]);
            if (at.phase == Phase::waits && !at.idle) {
                verdict_.failure = Failure::claim;
                verdict_.message = waits_for_ever(at.mode);
                return;
            }
        }
        return;
    }
    parents_.push_back(kNoState);
    moves_.push_back({});
    table_.widen(end.size());
    table_.add(end.data());
    replayed_ = true;
    judge_end(0);
    if (verdict_.passed()) {
        expand(0);
    }
    verdict_.stopped_by = "its script";
}

}  // namespace lockbench::explore
