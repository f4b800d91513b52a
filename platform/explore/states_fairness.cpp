// SPDX-License-Identifier: MIT
// What the graph of all states says of the long run: whether all may come to a standstill without any of them being
// blocked, who may wait for ever although every thread is given its turns, and how often a waiting thread is passed.
#include <algorithm>
#include <utility>

#include "platform/explore/states_engine.hpp"

namespace lockbench::explore {
namespace {

// Adds where kEndless stays what it is.
std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    return a == Waits::kEndless || b == Waits::kEndless ? Waits::kEndless : a + b;
}

}  // namespace

// Strongly connected components (Tarjan), without recursion. Those that others lead to come first.
template <class Inside, class Follows>
StatesEngine::Components StatesEngine::components(Inside inside, Follows follows) const {
    const auto count = static_cast<StateId>(table_.size());
    Components found;
    found.of.assign(count, kNoState);
    std::vector<std::uint32_t> low(count, 0);  // 0: not visited
    std::vector<StateId> open;                 // of components that are not complete
    std::vector<std::pair<StateId, std::uint64_t>> path;
    std::uint32_t next = 0;
    std::vector<std::uint32_t> number(count, 0);
    for (StateId root = 0; root < count; ++root) {
        if (number[root] != 0 || !inside(root)) {
            continue;
        }
        path.emplace_back(root, edge_begin_[root]);
        number[root] = low[root] = ++next;
        open.push_back(root);
        while (!path.empty()) {
            auto& [state, edge] = path.back();
            if (edge == edge_begin_[state + 1U]) {
                const StateId done = state;
                path.pop_back();
                if (!path.empty()) {
                    low[path.back().first] = std::min(low[path.back().first], low[done]);
                }
                if (low[done] == number[done]) {
                    const auto component = static_cast<StateId>(found.begin.size());
                    found.begin.push_back(static_cast<StateId>(found.order.size()));
                    StateId member = kNoState;
                    while (member != done) {
                        member = open.back();
                        open.pop_back();
                        found.of[member] = component;
                        found.order.push_back(member);
                    }
                }
                continue;
            }
            const Edge& taken = edges_[edge++];
            const StateId from = state;
            if (!follows(from, taken) || !inside(taken.to)) {
                continue;
            }
            if (number[taken.to] == 0) {
                number[taken.to] = low[taken.to] = ++next;
                open.push_back(taken.to);
                path.emplace_back(taken.to, edge_begin_[taken.to]);
            } else if (found.of[taken.to] == kNoState) {
                low[from] = std::min(low[from], number[taken.to]);
            }
        }
    }
    found.begin.push_back(static_cast<StateId>(found.order.size()));
    return found;
}

// From every state in which somebody has to go on, some way leads on without the help of those who need not.
void StatesEngine::judge_progress() {
    const auto needed = [this](StateId state, const Edge& edge) {
        return edge.process >= threads_ || !idle(state, edge.process);
    };
    const Components found = components([](StateId) { return true; }, needed);
    std::vector<bool> good(found.begin.size() - 1);
    StateId worst = kNoState;
    for (std::size_t component = 0; component < good.size(); ++component) {
        bool fine = false;
        StateId first = kNoState;
        for (StateId i = found.begin[component]; i < found.begin[component + 1] && !fine; ++i) {
            const StateId state = found.order[i];
            first = std::min(first, state);
            bool somebody = false;
            for (ThreadId tid = 0; tid < threads_; ++tid) {
                const Local& at = local(state, tid);
                fine = fine || at.may_end || at.end == Local::End::bound;
                somebody = somebody || (at.end == Local::End::none && !at.idle);
            }
            fine = fine || !somebody;
            for (std::uint64_t edge = edge_begin_[state]; edge < edge_begin_[state + 1U] && !fine; ++edge) {
                const Edge& taken = edges_[edge];
                if (!needed(state, taken)) {
                    continue;
                }
                fine = good_at(found, good, component, taken.to);
                if (taken.process < threads_) {
                    const Local& before = local(state, taken.process);
                    const Local& after = local(taken.to, taken.process);
                    fine = fine || before.phase != after.phase || after.idle || after.end == Local::End::done;
                }
            }
        }
        good[component] = fine;
        worst = fine ? worst : std::min(worst, first);
    }
    if (worst != kNoState) {
        compose(worst, nullptr, Failure::liveness, "from here on nobody gets anywhere, whatever is done");
    }
}

bool StatesEngine::good_at(const Components& found, const std::vector<bool>& good, std::size_t component,
                           StateId state) {
    return found.of[state] != component && good[found.of[state]];
}

// The process need not be given a turn on a way through this state: it has none to take, or may stay away.
bool StatesEngine::excused(StateId state, std::size_t process) const {
    if (process < threads_) {
        const Local& at = local(state, static_cast<ThreadId>(process));
        if (at.idle || at.end != Local::End::none) {
            return true;
        }
        if (at.may_end) {
            return false;  // it would not wait on
        }
    }
    for (std::uint64_t edge = edge_begin_[state]; edge < edge_begin_[state + 1U]; ++edge) {
        if (edges_[edge].process == process) {
            return false;
        }
    }
    return true;
}

// One can go round in this component for ever so that every process either takes turns or is excused again and again.
bool StatesEngine::fair(const Components& found, std::size_t component) const {
    const std::size_t processes = tso_ ? 2 * threads_ : threads_;
    const std::uint32_t all = (1U << processes) - 1;
    std::uint32_t met = 0;
    bool cycle = false;
    for (StateId i = found.begin[component]; i < found.begin[component + 1] && !(cycle && met == all); ++i) {
        const StateId state = found.order[i];
        for (std::uint64_t edge = edge_begin_[state]; edge < edge_begin_[state + 1U]; ++edge) {
            if (found.of[edges_[edge].to] == component) {
                met |= 1U << edges_[edge].process;
                cycle = true;
            }
        }
        for (std::size_t process = 0; process < processes; ++process) {
            met |= (met >> process & 1U) == 0 && excused(state, process) ? 1U << process : 0;
        }
    }
    return cycle && met == all;
}

void StatesEngine::judge_waits(ThreadId tid) {
    const auto waits = [&](StateId state) {
        const Local& at = local(state, tid);
        return at.phase == Phase::waits && !at.idle && at.end == Local::End::none;
    };
    const auto any = [](StateId, const Edge&) { return true; };
    const Components waiting = components(waits, any);
    if (waiting.order.empty()) {
        return;
    }
    const Mode mode = local(waiting.order.front(), tid).mode;
    auto entry = std::find_if(verdict_.waits.begin(), verdict_.waits.end(),
                              [mode](const Waits& each) { return each.mode == mode; });
    if (entry == verdict_.waits.end()) {
        verdict_.waits.push_back({});
        entry = verdict_.waits.end() - 1;
        entry->mode = mode;
    }
    std::size_t chosen = waiting.begin.size();
    StateId earliest = kNoState;
    for (std::size_t component = 0; component + 1 < waiting.begin.size() && !entry->may_starve; ++component) {
        const auto begin = waiting.order.begin() + waiting.begin[component];
        const auto end = waiting.order.begin() + waiting.begin[component + 1];
        const StateId first = *std::min_element(begin, end);
        if (first < earliest && fair(waiting, component)) {
            earliest = first;
            chosen = component;
        }
    }
    if (chosen != waiting.begin.size()) {
        show_cycle(waiting, chosen, *entry);
    }
    const Components polling =
        components([&](StateId state) { return waits(state) && local(state, tid).polling; }, any);
    for (ThreadId other = 0; other < threads_; ++other) {
        if (other != tid) {
            const auto [by, times] = passed(polling, tid, other);
            std::uint64_t& most = by == Mode::read ? entry->passed_by_readers : entry->passed_by_writers;
            most = std::max(most, times);
        }
    }
}

// How often one thread acquires at most while another polls.
std::pair<Mode, std::uint64_t> StatesEngine::passed(const Components& found, ThreadId, ThreadId by) const {
    Mode mode = Mode::write;
    std::vector<std::uint64_t> most(found.begin.size() - 1, 0);
    std::uint64_t all = 0;
    for (std::size_t component = 0; component < most.size(); ++component) {
        for (StateId i = found.begin[component]; i < found.begin[component + 1]; ++i) {
            const StateId state = found.order[i];
            for (std::uint64_t edge = edge_begin_[state]; edge < edge_begin_[state + 1U]; ++edge) {
                const Edge& taken = edges_[edge];
                const StateId to = found.of[taken.to];
                bool acquires = false;
                if (taken.process == by) {
                    const Local& before = local(state, by);
                    const Local& after = local(taken.to, by);
                    acquires = before.phase == Phase::waits && !after.idle &&
                               (after.phase == Phase::holds || after.phase == Phase::leaves);
                    mode = acquires ? before.mode : mode;
                }
                if (to == kNoState) {
                    most[component] = std::max<std::uint64_t>(most[component], acquires ? 1 : 0);
                } else if (to == component) {
                    most[component] = acquires ? Waits::kEndless : most[component];
                } else {
                    most[component] = std::max(most[component], plus(most[to], acquires ? 1 : 0));
                }
            }
        }
        all = std::max(all, most[component]);
    }
    return {mode, all};
}

// The shortest way inside the component to a state (`to`), or over a step of a process (`to` is kNoState).
std::vector<std::uint64_t> StatesEngine::path_within(const Components& found, StateId from, StateId to,
                                                     std::size_t process) const {
    const StateId component = found.of[from];
    std::unordered_map<StateId, std::pair<StateId, std::uint64_t>> reached{{from, {kNoState, 0}}};
    std::vector<StateId> queue{from};
    std::vector<std::uint64_t> path;
    for (std::size_t next = 0; next < queue.size(); ++next) {
        const StateId state = queue[next];
        for (std::uint64_t edge = edge_begin_[state]; edge < edge_begin_[state + 1U]; ++edge) {
            const Edge& taken = edges_[edge];
            if (found.of[taken.to] != component) {
                continue;
            }
            if (taken.to == to || (to == kNoState && taken.process == process)) {
                path.push_back(edge);
                for (StateId at = state; at != from; at = reached.at(at).first) {
                    path.push_back(reached.at(at).second);
                }
                std::reverse(path.begin(), path.end());
                return path;
            }
            if (reached.emplace(taken.to, std::pair{state, edge}).second) {
                queue.push_back(taken.to);
            }
        }
    }
    return path;
}

// A round through the component that gives every process its turn, told.
void StatesEngine::show_cycle(const Components& found, std::size_t component, Waits& waits) {
    const auto begin = found.order.begin() + found.begin[component];
    const StateId start = *std::min_element(begin, found.order.begin() + found.begin[component + 1]);
    std::vector<Move> moves = way_to(start);
    const std::size_t stem = moves.size();
    StateId at = start;
    std::uint32_t met = 0;
    const std::size_t processes = tso_ ? 2 * threads_ : threads_;
    const auto visit = [&] {
        for (std::size_t process = 0; process < processes; ++process) {
            met |= excused(at, process) ? 1U << process : 0;
        }
    };
    const auto walk = [&](const std::vector<std::uint64_t>& path) {
        for (const std::uint64_t edge : path) {
            moves.push_back(move_of(at, edge));
            met |= 1U << edges_[edge].process;
            at = edges_[edge].to;
            visit();
        }
    };
    visit();
    for (std::size_t process = 0; process < processes; ++process) {
        if ((met >> process & 1U) == 0) {
            walk(to_turn_of(found, at, process));
        }
    }
    if (at != start || moves.size() == stem) {
        walk(path_within(found, at, start, 0));
    }
    waits.may_starve = true;
    waits.cycle = moves.size() - stem;
    waits.replay = script_of(moves, stem);
    waits.trace = tell(moves, stem);
}

// To the nearest step of a process; where it takes none here, to where it is excused.
std::vector<std::uint64_t> StatesEngine::to_turn_of(const Components& found, StateId from, std::size_t process) const {
    std::vector<std::uint64_t> path = path_within(found, from, kNoState, process);
    const StateId component = found.of[from];
    for (StateId i = found.begin[component]; i < found.begin[component + 1U] && path.empty(); ++i) {
        if (excused(found.order[i], process)) {
            path = path_within(found, from, found.order[i], process);
        }
    }
    return path;
}

// Which of the ways of its process an edge is.
StatesEngine::Move StatesEngine::move_of(StateId from, std::uint64_t edge) const {
    Move move{edges_[edge].process, 0};
    for (std::uint64_t other = edge_begin_[from]; other < edge; ++other) {
        move.leaf = static_cast<std::uint16_t>(move.leaf + (edges_[other].process == move.process ? 1U : 0U));
    }
    return move;
}

}  // namespace lockbench::explore
