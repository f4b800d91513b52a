// SPDX-License-Identifier: MIT
// What the seed decides besides the next step: the strategy, its rare turns, the events that nobody may rely on.
#include <algorithm>
#include <utility>

#include "platform/coop_engine.hpp"

namespace lockbench::coop {
namespace {

// Mean gap between two attempts to inject something when all rates together are 1000 permille: one step.
constexpr std::uint64_t kPermille = 1000;

}  // namespace

void Engine::choose_strategy(const CoopOptions& options) {
    constexpr CoopStrategy kDrawn[] = {CoopStrategy::uniform, CoopStrategy::sticky, CoopStrategy::pct};
    const CoopStrategy drawn = kDrawn[random_.below(3)];
    strategy_ = options.strategy == CoopStrategy::from_seed ? drawn : options.strategy;
    began_as_ = strategy_;
    const std::uint32_t depth = options.pct_depth != 0 ? options.pct_depth : 2 + random_.below(4);
    const std::uint64_t horizon =
        options.pct_horizon != 0 ? options.pct_horizon : std::uint64_t{64} << random_.below(7);
    // Priorities starve whoever has none: after some time everybody gets a turn, or an honest polling loop would be
    // called a livelock.
    pct_end_ = 4 * horizon + 1000;
    pct_changes_.clear();
    for (std::uint32_t i = 1; i < depth; ++i) {
        pct_changes_.push_back(1 + random_below(horizon));
    }
    std::sort(pct_changes_.rbegin(), pct_changes_.rend());
    lowest_priority_ = 0;
    for (ThreadId tid = 0; tid < thread_count_; ++tid) {
        threads_[tid].priority = tid + 1;
    }
    for (ThreadId tid = thread_count_; tid > 1; --tid) {
        std::swap(threads_[tid - 1].priority, threads_[random_.below(tid)].priority);
    }
}

void Engine::choose_injections(const CoopOptions& options) {
    const CoopInjection wanted[kInjectCount] = {options.spurious_wakes, options.expiries,     options.not_running,
                                                options.should_yield,   options.budget_stops, options.cancels};
    constexpr std::uint32_t kScalePercent[] = {0, 25, 100, 400};
    const std::uint32_t scale = kScalePercent[random_.below(4)];
    injection_total_ = 0;
    for (std::size_t kind = 0; kind < kInjectCount; ++kind) {
        injections_[kind] = {std::min(1000U, (wanted[kind].permille * scale + 99) / 100), wanted[kind].budget};
        injection_total_ += injections_[kind].permille;
    }
}

bool Engine::chance(Inject kind) {
    CoopInjection& left = injections_[static_cast<std::size_t>(kind)];
    if (left.budget == 0 || !random_.chance(left.permille)) {
        return false;
    }
    --left.budget;
    return true;
}

bool Engine::forced_or_chance(Thread& me, Inject kind) {
    if ((me.forced & bit_of(kind)) != 0) {
        me.forced = static_cast<std::uint8_t>(me.forced & ~bit_of(kind));
        return true;
    }
    return chance(kind);
}

// The end of the run, a change of priorities, an injection.
void Engine::rare_step(Thread& me) {
    if (steps_ >= options_.max_steps) {
        message_ = "still running after " + std::to_string(steps_) + " steps";
        fail(CoopFailure::livelock);
    }
    if (strategy_ == CoopStrategy::pct) {
        if (!pct_changes_.empty() && steps_ >= pct_changes_.back()) {
            pct_changes_.pop_back();
            me.priority = --lowest_priority_;
        }
        if (steps_ >= pct_end_) {
            strategy_ = CoopStrategy::uniform;
        }
    }
    if (steps_ >= next_injection_) {
        inject();
        schedule_injection();
    }
    next_stop_ = std::min(options_.max_steps, next_injection_);
    if (strategy_ == CoopStrategy::pct) {
        next_stop_ = std::min(next_stop_, pct_changes_.empty() ? pct_end_ : pct_changes_.back());
    }
}

void Engine::schedule_injection() {
    next_injection_ =
        injection_total_ == 0 ? UINT64_MAX : steps_ + 1 + random_below(2 * kPermille / injection_total_ + 1);
}

// Makes one thing happen that nobody may rely on, to a thread to which it can happen.
void Engine::inject() {
    std::uint32_t draw = random_.below(injection_total_);
    std::size_t kind = 0;
    while (draw >= injections_[kind].permille) {
        draw -= injections_[kind].permille;
        ++kind;
    }
    if (injections_[kind].budget == 0) {
        return;
    }
    const std::uint32_t first = random_.below(thread_count_);
    for (ThreadId i = 0; i < thread_count_; ++i) {
        if (inject_into(static_cast<Inject>(kind), threads_[(first + i) % thread_count_])) {
            --injections_[kind].budget;
            return;
        }
    }
}

bool Engine::inject_into(Inject kind, Thread& thread) {
    if (thread.done) {
        return false;
    }
    if (kind == Inject::cancel) {
        if ((options_.cancellable >> thread.tid & 1U) == 0 || thread.cancelled) {
            return false;
        }
        note(Op::cancel, kNone, {}, thread.tid, 1);
        cancel(thread);
        return true;
    }
    if (kind == Inject::expiry) {
        if (thread.block.deadline <= now_) {
            return false;
        }
        note(Op::inject, kNone, {}, thread.tid, 1);
        advance_to(thread.block.deadline);
        return true;
    }
    if (thread.injected != 0 || (thread.block.may & bit_of(kind)) == 0) {
        return false;
    }
    note(Op::inject, kNone, {}, thread.tid, 1);
    thread.injected = bit_of(kind);
    recheck(1U << thread.tid);
    return true;
}

}  // namespace lockbench::coop
