// SPDX-License-Identifier: MIT
#include "platform/explore/states_engine.hpp"

#include <algorithm>
#include <utility>

#include "platform/check.hpp"

namespace lockbench::explore {

Verdict explore_states(const Program& program, const Options& options) {
    return StatesEngine(program, options).explore();
}

StatesEngine::StatesEngine(const Program& program, const Options& options)
    : options_(options),
      tso_(options.model == Model::tso),
      locals_(program, options),
      threads_(program.threads),
      ended_slot_(std::size_t{threads_} * (tso_ ? 2U : 1U)),
      first_place_(ended_slot_ + 1),
      table_(first_place_) {
    check(options.model != Model::rc11, "engine s knows sc and tso");
}

Verdict StatesEngine::explore() {
    bool begun = true;
    for (ThreadId tid = 0; tid < threads_ && begun; ++tid) {
        begun = locals_.first(tid) != kNoLocal;
    }
    if (!begun) {
        verdict_.failure = locals_.fault().failure;
        verdict_.message = locals_.fault().message;
    } else if (!options_.replay.empty()) {
        replay(options_.replay);
    } else {
        parents_.push_back(kNoState);
        moves_.push_back({});
        begin();
        table_.add(now_.data());
        search();
    }
    verdict_.counts.states = table_.size();
    verdict_.loop_bound = locals_.loop_bound();
    verdict_.seconds = budget_.seconds();
    return std::move(verdict_);
}

void StatesEngine::search() {
    StateId level_end = 1;
    for (StateId next = 0; next < table_.size() && verdict_.passed(); ++next) {
        if (next == level_end) {
            ++verdict_.counts.depth;
            level_end = static_cast<StateId>(table_.size());
        }
        if (out_of_budget(next)) {
            return;
        }
        expand(next);
    }
    edge_begin_.push_back(edges_.size());
    if (!verdict_.passed()) {
        return;
    }
    if (full_) {
        verdict_.stopped_by = "store buffers of " + std::to_string(kMostBuffered);
        return;
    }
    const bool cut = !locals_.loop_bound().empty();
    verdict_.counts.cut = cut ? std::max<std::uint64_t>(verdict_.counts.cut, 1) : 0;
    judge_progress();
    for (ThreadId tid = 0; tid < threads_ && verdict_.passed() && !cut; ++tid) {
        judge_waits(tid);
    }
    verdict_.exhaustive = verdict_.passed();
}

bool StatesEngine::out_of_budget(StateId next) {
    verdict_.counts.states = table_.size();
    constexpr std::size_t kMostStates = 40'000'000;  // about 4 GiB with their edges
    if (table_.size() >= kMostStates) {
        verdict_.stopped_by = "memory";
        return true;
    }
    return budget_.spent(table_.size(), next, verdict_);
}

void StatesEngine::expand(StateId state) {
    from_ = state;
    edge_begin_.push_back(edges_.size());
    bool goes_on = false;
    const auto processes = static_cast<std::uint8_t>(tso_ ? 2 * threads_ : threads_);
    for (std::uint8_t process = 0; process < processes && verdict_.passed(); ++process) {
        now_.assign(table_.row(state), table_.row(state) + table_.width());
        const bool need_not = process < threads_ && local(state, process).idle;
        run(process);
        goes_on = goes_on || (moved_ && !need_not);
    }
    if (!goes_on && verdict_.passed()) {
        judge_stuck(state);
    }
}

// All that one process can do in the state that now_ is.
void StatesEngine::run(std::uint8_t process) {
    process_ = process;
    leaf_ = 0;
    moved_ = false;
    if (process < threads_) {
        step(process);
    } else {
        flush(process - threads_);
    }
}

// now_ is where a step ends.
void StatesEngine::emit() {
    moved_ = true;
    if (telling_) {
        if (leaf_ == wanted_) {
            taken_ = true;
            taken_row_ = now_;
            taken_lines_ = lines_;
        }
        ++leaf_;
        return;
    }
    constexpr std::size_t kSpare = 4;  // places that are found one after another do not each cost a copy
    const std::size_t width = first_place_ + locals_.place_count();
    if (width > table_.width()) {
        table_.widen(width + kSpare);
    }
    now_.resize(table_.width(), 0);
    const auto [id, fresh] = table_.add(now_.data());
    edges_.push_back({id, process_});
    if (fresh) {
        parents_.push_back(from_);
        moves_.push_back({process_, leaf_});
        judge_end(id);
    }
    ++leaf_;
}

void StatesEngine::fault(Failure failure, std::string message) {
    moved_ = true;
    if (telling_) {
        if (leaf_ == wanted_) {
            taken_ = true;
            taken_row_ = now_;
            taken_lines_ = lines_;
            taken_failure_ = failure;
            taken_message_ = std::move(message);
        }
    } else if (verdict_.passed()) {
        const Move last{process_, leaf_};
        compose(from_, &last, failure, std::move(message));
    }
    ++leaf_;
}

// Where all have ended, or are between sections and may stay there, the program's verify() must hold.
void StatesEngine::judge_end(StateId state) {
    bool done = true;
    bool idle = true;
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        const Local& at = local(state, tid);
        done = done && at.end == Local::End::done;
        idle = idle && at.renewed;
        if (tso_ && may_flush(table_.row(state)[threads_ + tid])) {
            return;
        }
    }
    if (!done && !idle) {
        return;
    }
    verdict_.counts.complete += done ? 1 : 0;
    const std::uint32_t* const row = table_.row(state);
    locals_.final_values.assign(row + first_place_, row + table_.width());
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        if (tso_) {
            for (const Buffered& store : buffers_.at(row[threads_ + tid])) {
                locals_.final_values[store.place] = locals_.value_id(store.place, store.value);
            }
        }
    }
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        if (!locals_.run_to(table_.row(state)[tid])) {
            compose(state, nullptr, locals_.fault().failure, locals_.fault().message);
            return;
        }
    }
    if (const Locals::Fault* const found = locals_.verify(); found != nullptr) {
        const Locals::Fault copy = *found;
        compose(state, nullptr, copy.failure, copy.message);
    }
}

// Nobody who has to go on can.
void StatesEngine::judge_stuck(StateId state) {
    bool stuck = false;
    for (ThreadId tid = 0; tid < threads_; ++tid) {
        const Local& at = local(state, tid);
        if (at.end == Local::End::bound) {
            ++verdict_.counts.cut;
            return;
        }
        if (at.end == Local::End::none && !at.idle) {
            if (at.may_end) {
                ++verdict_.counts.blocked;
                return;
            }
            stuck = true;
        }
    }
    if (stuck) {
        compose(state, nullptr, Failure::liveness, "nobody will do what is waited for");
    }
}

}  // namespace lockbench::explore
