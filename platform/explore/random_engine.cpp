// SPDX-License-Identifier: MIT
// Executions of engine R: what they are drawn from, who takes the next step, when they end.
#include "platform/explore/random_engine.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "platform/check.hpp"

namespace lockbench::explore {
namespace {

// Where neither executions nor seconds are limited.
constexpr std::uint64_t kExecutions = 10'000;
// Priorities: change points give one below all that threads begin with, demotions one below all.
constexpr std::int64_t kLowered = 1 << 20;

}  // namespace

Verdict explore_random(const Program& program, const Options& options) {
    return RandomEngine(program, options).explore();
}

RandomEngine::RandomEngine(const Program& program, Options options)
    : options_(std::move(options)),
      core_(*this, program, options_.bounds),
      memory_(core_, options_.model),
      budget_(options_, "executions",
              options_.max_executions == 0 && options_.max_seconds == 0 ? kExecutions : options_.max_executions, 16) {}

// Five kinds of schedule in turn, three rates of stale reads, two of choices: none suits every fault.
RandomEngine::Plan RandomEngine::plan_of(std::uint64_t execution) const {
    constexpr std::uint32_t kStale[] = {125, 30, 400};
    constexpr std::uint32_t kOdd[] = {100, 400};
    constexpr unsigned kDeepest = 5;
    const std::uint64_t turn = execution % kDeepest;
    Plan plan;
    plan.seed = options_.seed * 0x9e3779b97f4a7c15ULL + execution;
    plan.depth = options_.depth != 0 ? options_.depth : turn == 0 ? 0 : static_cast<unsigned>(turn + 1);
    plan.stale = kStale[execution / kDeepest % std::size(kStale)];
    plan.odd = kOdd[execution / kDeepest % std::size(kOdd)];
    plan.length = longest_;
    return plan;
}

Verdict RandomEngine::explore() {
    if (!options_.replay.empty()) {
        const auto absent = [this](const Segment& segment) { return segment.tid >= core_.thread_count(); };
        if (parse_script(options_.replay, script_) &&
            std::none_of(script_.segments.begin(), script_.segments.end(), absent)) {
            recording_ = scripted_ = true;
            run_to_the_end();
            best_ = script_;
            if (outcome_.failure != Failure::none) {
                compose();
            }
        } else {
            verdict_.failure = Failure::not_deterministic;
            verdict_.message = "the replay is not one of engine r and this client";
        }
    } else {
        for (std::uint64_t execution = 0; verdict_.passed() && !out_of_budget(); ++execution) {
            plan_ = plan_of(execution);
            run_to_the_end();
            Counts& counts = verdict_.counts;
            ++counts.runs;
            ++(outcome_.complete ? counts.complete : counts.blocked);
            counts.events += steps_;
            longest_ = std::max(longest_, std::min(steps_, kFairFrom));
            if (outcome_.failure != Failure::none) {
                shrink(outcome_.failure);
                compose();
            }
        }
    }
    verdict_.seconds = budget_.seconds();
    return std::move(verdict_);
}

bool RandomEngine::out_of_budget() { return budget_.spent(verdict_.counts.runs, verdict_.counts.runs, verdict_); }

void RandomEngine::run_to_the_end() {
    do {
        run_once();
    } while (memory_.grew());
}

void RandomEngine::run_once() {
    begin_run();
    run_threads();
    outcome_.complete = true;
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        outcome_.complete = outcome_.complete && core_.thread_done(tid);
    }
    if (outcome_.failure == Failure::none && outcome_.complete) {
        over_ = false;
        core_.verify();
    }
}

void RandomEngine::begin_run() {
    core_.restart();
    memory_.begin_run();
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        Run& run = runs_[tid];
        run.state = State::runs;
        run.asked = nullptr;
        run.timed = false;
        run.seen.clear();
        run.retry_begin = 0;
    }
    random_ = RandomStream(plan_.seed);
    stale_ = plan_.stale;
    odd_ = plan_.odd;
    ready_ = core_.thread_count() == kMaxFibers ? ~std::uint64_t{0} : bit(core_.thread_count()) - 1;
    steps_ = 0;
    look_again_ = true;
    lowest_ = -2 * kLowered;
    over_ = false;
    outcome_ = {};
    steps_of_run_.clear();
    segment_ = 0;
    left_ = scripted_ && !script_.segments.empty() ? script_.segments.front().steps : 0;
    draw_priorities();
}

void RandomEngine::draw_priorities() {
    uniform_ = plan_.depth == 0;
    changes_.clear();
    if (uniform_) {
        return;
    }
    std::array<ThreadId, kMaxFibers> order;
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        order[tid] = tid;
        std::swap(order[tid], order[random_.below(tid + 1)]);
    }
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        runs_[order[tid]].priority = tid;
    }
    for (unsigned i = 1; i < plan_.depth; ++i) {
        changes_.push_back(1 + random_.next() % plan_.length);
    }
    std::sort(changes_.begin(), changes_.end(), std::greater<>());
}

void RandomEngine::run_threads() {
    while (!over_) {
        current_ = next_thread(kNoThread);
        if (current_ == kNoThread) {
            bool all_done = true;
            for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
                all_done = all_done && core_.thread_done(tid);
            }
            if (all_done) {
                return;
            }
            if (!let_time_pass()) {
                outcome_.failure = Failure::liveness;
                outcome_.message = "nobody will do what is waited for";
                return;
            }
            continue;
        }
        core_.resume(core_.thread(current_));
        if (core_.thread_done(current_)) {
            ready_ &= ~bit(current_);
            look_again_ = true;
        }
    }
}

bool RandomEngine::waits_for_time(ThreadId tid) const {
    const Run& run = runs_[tid];
    return (run.state == State::waits && run.asked->may_end) ||
           (run.state == State::retries && core_.thread(tid).wants_time);
}

// Nobody can go on but by a time that comes. It comes for one of those who wait for it.
bool RandomEngine::let_time_pass() {
    ThreadId chosen = kNoThread;
    std::uint32_t count = 0;
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        if (core_.thread_done(tid) || !waits_for_time(tid)) {
            continue;
        }
        ++count;
        if (scripted_ ? segment_ < script_.segments.size() && script_.segments[segment_].tid == tid
                      : random_.below(count) == 0) {
            chosen = tid;
        }
        chosen = chosen == kNoThread ? tid : chosen;
    }
    if (chosen == kNoThread) {
        return false;
    }
    Thread& thread = core_.thread(chosen);
    ++thread.left.stops;
    ++thread.left.expiries;
    runs_[chosen].timed = true;
    ready_ |= bit(chosen);
    look_again_ = true;
    return true;
}

// Who takes the next step; `me`: who runs and can go on, or kNoThread.
ThreadId RandomEngine::next_thread(ThreadId me) {
    if (scripted_) {
        return scripted_thread(me);
    }
    if (ready_ == 0) {
        return kNoThread;
    }
    if (uniform_) {
        std::uint64_t rest = ready_;
        for (auto skip = random_.below(static_cast<std::uint32_t>(std::popcount(rest))); skip != 0; --skip) {
            rest &= rest - 1;
        }
        return static_cast<ThreadId>(std::countr_zero(rest));
    }
    if (me != kNoThread && !look_again_) {
        return me;
    }
    look_again_ = false;
    ThreadId best = kNoThread;
    for (std::uint64_t rest = ready_; rest != 0; rest &= rest - 1) {
        const auto tid = static_cast<ThreadId>(std::countr_zero(rest));
        if (best == kNoThread || runs_[tid].priority > runs_[best].priority) {
            best = tid;
        }
    }
    return best;
}

// A script may name who cannot go on, as one that was made shorter does: then the next one is looked at. At its end the
// threads go on one after another.
ThreadId RandomEngine::scripted_thread(ThreadId me) {
    while (segment_ < script_.segments.size()) {
        const ThreadId tid = script_.segments[segment_].tid;
        if (left_ != 0 && tid < core_.thread_count() && ready(tid)) {
            return tid;
        }
        // Time passes for whom the script names.
        if (left_ != 0 && ready_ == 0) {
            break;
        }
        ++segment_;
        left_ = segment_ < script_.segments.size() ? script_.segments[segment_].steps : 0;
    }
    if (me != kNoThread) {
        return me;
    }
    return ready_ == 0 ? kNoThread : static_cast<ThreadId>(std::countr_zero(ready_));
}

// Returns when it is this thread's turn to take a step.
void RandomEngine::take_turn(Thread& me) {
    if (!changes_.empty() && steps_ >= changes_.back()) {
        while (!changes_.empty() && steps_ >= changes_.back()) {
            changes_.pop_back();
        }
        runs_[me.tid].priority = -1 - static_cast<std::int64_t>(random_.below(kLowered));
        look_again_ = true;
    }
    const ThreadId next = next_thread(me.tid);
    if (next != me.tid) {
        current_ = next;
        core_.pass(me, core_.thread(next));
    }
}

// The thread cannot go on; returns when it may be able to.
void RandomEngine::leave_blocked(Thread& me) {
    ready_ &= ~bit(me.tid);
    look_again_ = true;
    const ThreadId next = next_thread(kNoThread);
    if (next == kNoThread) {
        core_.leave(me);
    } else {
        current_ = next;
        core_.pass(me, core_.thread(next));
    }
}

void RandomEngine::demote(ThreadId tid) {
    runs_[tid].priority = --lowest_;
    look_again_ = true;
}

std::size_t RandomEngine::retry_head(Thread& me) {
    me.wants_time = false;
    return runs_[me.tid].seen.size();
}

// True when what the iteration has seen is still so: it would fail again.
bool RandomEngine::blocks_again(const Run& run, std::size_t begin) {
    for (std::size_t i = begin; i < run.seen.size(); ++i) {
        const Seen& seen = run.seen[i];
        std::uint32_t newest = seen.number;  // and then what it wrote itself
        for (std::size_t j = i + 1; j < run.seen.size(); ++j) {
            newest += run.seen[j].wrote && run.seen[j].location == seen.location ? 1 : 0;
        }
        const Location& location = memory_.known(seen.location);
        if (location.newest > newest) {
            // It will not see that again: writes are seen in the end.
            memory_.forget_older(location, current_, seen.number + 1);
            return false;
        }
    }
    return true;
}

void RandomEngine::retry_failed(Thread& me, std::size_t begin, Site site) {
    Run& run = runs_[me.tid];
    bool showed = false;
    for (std::size_t i = begin; i < run.seen.size(); ++i) {
        if (!run.seen[i].wrote || run.seen[i].change == 0) {
            continue;
        }
        std::uint64_t sum = 0;
        for (std::size_t j = begin; j < run.seen.size(); ++j) {
            sum += run.seen[j].location == run.seen[i].location ? run.seen[j].change : 0;
        }
        if (sum != 0) {
            fail(Failure::retry_effect, "an iteration of a Retry loop that ends at " + short_name(site) +
                                            " has written: only one without net effect may be retried");
        }
        showed = true;
    }
    run.timed = false;
    if (showed) {
        demote(me.tid);
    } else if (blocks_again(run, begin)) {
        run.state = State::retries;
        run.stuck_at = site;
        run.retry_begin = begin;
        for (std::size_t i = begin; i < run.seen.size(); ++i) {
            memory_.known(run.seen[i].location).waiters |= bit(me.tid);
        }
        leave_blocked(me);
        for (std::size_t i = begin; i < run.seen.size(); ++i) {
            memory_.known(run.seen[i].location).waiters &= ~bit(me.tid);
        }
        run.state = State::runs;
    }
    run.seen.resize(begin);
}

// The loop is followed all the same, but others go first.
void RandomEngine::bound_reached(Thread& me, Site) {
    if (!uniform_) {
        demote(me.tid);
    }
}

void RandomEngine::fail(Failure failure, std::string message) {
    if (outcome_.failure == Failure::none) {
        outcome_.failure = failure;
        outcome_.message = std::move(message);
    }
    over_ = true;
    core_.leave_for_good(*self_thread);
}

std::uint64_t RandomEngine::final_value(std::uint32_t place, std::uint8_t bytes) {
    return memory_.newest_value(memory_.at(place, bytes));
}

}  // namespace lockbench::explore
