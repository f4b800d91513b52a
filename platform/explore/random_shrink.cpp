// SPDX-License-Identifier: MIT
// Failures made shorter before they are told: fewer odd choices and stale reads, then fewer switches between threads,
// then fewer steps. A candidate is the script with something left out; it is taken when it fails in the same way and
// what it did is simpler (Zeller, Hildebrandt: Simplifying and isolating failure-inducing input, TSE 2002).
#include <algorithm>

#include "platform/explore/random_engine.hpp"

namespace lockbench::explore {
namespace {

// Steps that are taken to make one failure shorter, at most: a second or so.
constexpr std::uint64_t kMostSteps = 5'000'000;

}  // namespace

// Runs the script; true when it fails so.
bool RandomEngine::fails_by(const Script& script, Failure failure) {
    script_ = script;
    scripted_ = true;
    run_to_the_end();
    shrink_steps_ += steps_ + 1;
    return outcome_.failure == failure;
}

bool RandomEngine::try_shorter(const Script& candidate, Failure failure) {
    if (shrink_steps_ >= kMostSteps || !fails_by(candidate, failure)) {
        return false;
    }
    Script done = script_of_run();
    if (!done.simpler_than(best_)) {
        return false;
    }
    best_ = std::move(done);
    return true;
}

// Steps that do the usual thing.
bool RandomEngine::drop_choices(Failure failure) {
    Script plain = best_;
    for (Segment& segment : plain.segments) {
        segment.choice = 0;
    }
    if (best_.choices() > 1 && try_shorter(plain, failure)) {
        return true;
    }
    for (std::size_t i = best_.segments.size(); i-- > 0;) {
        if (i < best_.segments.size() && best_.segments[i].choice != 0) {
            Script candidate = best_;
            candidate.segments[i].choice = 0;
            if (try_shorter(candidate, failure)) {
                return true;
            }
        }
    }
    return false;
}

// `size` segments that do not come at all, or come when their thread does the next time.
bool RandomEngine::drop_segments(Failure failure, std::size_t size) {
    bool any = false;
    for (std::size_t end = best_.segments.size(); end >= size; end -= std::min(end, size)) {
        if (end > best_.segments.size()) {
            continue;
        }
        const auto first = static_cast<std::ptrdiff_t>(end - size);
        Script candidate = best_;
        candidate.segments.erase(candidate.segments.begin() + first,
                                 candidate.segments.begin() + static_cast<std::ptrdiff_t>(end));
        if (try_shorter(candidate, failure)) {
            any = true;
            continue;
        }
        if (size == 1) {
            // Right behind the last segment of the same thread, or before its next.
            const Segment moved = best_.segments[static_cast<std::size_t>(first)];
            const auto same = [&moved](const Segment& segment) { return segment.tid == moved.tid; };
            const auto before = std::find_if(candidate.segments.rend() - first, candidate.segments.rend(), same);
            Script earlier = candidate;
            earlier.segments.insert(earlier.segments.begin() + (candidate.segments.rend() - before), moved);
            const auto after = std::find_if(candidate.segments.begin() + first, candidate.segments.end(), same);
            Script later = candidate;
            later.segments.insert(later.segments.begin() + (after - candidate.segments.begin()), moved);
            any = try_shorter(earlier, failure) || try_shorter(later, failure) || any;
        }
        if (shrink_steps_ >= kMostSteps) {
            break;
        }
    }
    return any;
}

void RandomEngine::shrink(Failure) {
    recording_ = true;
    run_to_the_end();  // as it was drawn, with a record
    const Failure failure = outcome_.failure;
    best_ = script_of_run();
    if (steps_ >= kFairFrom) {
        return;
    }
    for (bool any = true; any && shrink_steps_ < kMostSteps;) {
        any = drop_choices(failure);
        for (std::size_t size = best_.segments.size() / 2; size != 0; size /= 2) {
            any = drop_segments(failure, size) || any;
        }
    }
    fails_by(best_, failure);
}

}  // namespace lockbench::explore
