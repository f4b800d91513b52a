// SPDX-License-Identifier: MIT
// What a failure of engine R says, in the words of engine G: the execution as a list of steps, who waits for whom, and
// the string that leads to it again.
#include "platform/explore/graph.hpp"
#include "platform/explore/random_engine.hpp"
#include "platform/explore/words.hpp"

namespace lockbench::explore {
namespace {

// Lines of a trace, at most, and what is shown of a longer one.
constexpr std::size_t kMostLines = 20'000;
constexpr std::size_t kLastLines = 100;

}  // namespace

const RandomEngine::Step* RandomEngine::find(Moment moment) const {
    for (const Step& step : steps_of_run_) {
        if (step.tid == moment.tid && step.at == moment.at) {
            return &step;
        }
    }
    return nullptr;
}

// The last end of an object that covers the place.
const RandomEngine::Step* RandomEngine::last_end(std::uint32_t place) const {
    for (auto step = steps_of_run_.rbegin(); step != steps_of_run_.rend(); ++step) {
        if (step->kind == Kind::release && place - step->place < step->bytes && &*step != &steps_of_run_.back()) {
            return &*step;
        }
    }
    return nullptr;
}

// True when nothing came from `other` to the thread of `one` before that step, by any chain of reads: both threads are
// inside their sections.
bool RandomEngine::at_once(const Step& one, const Step& other) const {
    if (!one.inside || !other.inside) {
        return false;
    }
    std::vector<std::uint64_t> told(steps_of_run_.size(), 0);  // bit t: thread t knew of `other` then
    std::uint64_t knows = 0;
    for (std::size_t i = 0; i < steps_of_run_.size(); ++i) {
        const Step& step = steps_of_run_[i];
        if (step.tid == one.tid && step.at >= one.at) {
            break;
        }
        if (&step == &other || (step.reads && step.from != 0 && told[step.from - 1] != 0)) {
            knows |= bit(step.tid);
        }
        told[i] = knows & bit(step.tid);
    }
    return (knows & bit(one.tid)) == 0;
}

std::string RandomEngine::name(const Step& step) const {
    std::string text = thread_name(step.tid);
    text += step.kind == Kind::release ? " ends "
            : step.kind == Kind::reuse ? " uses again "
            : step.writes              ? " writes "
                                       : " reads ";
    return text + place_name(step.place) + " at " + short_name(step.site);
}

void RandomEngine::found(const Thread& me, const Request& request, const Fault& fault) {
    if (!recording_) {
        fail(fault.failure, "");
    }
    Step mine = step_of(me, request);
    mine.writes = request.kind == Kind::set || request.kind == Kind::store || request.kind == Kind::init;
    const Step* other = find(fault.with);
    Failure failure = fault.failure;
    std::string text = name(mine);
    if (failure == Failure::uninitialised) {
        text += ", which may never have been set by then";
    } else if (failure == Failure::race && (request.kind == Kind::get || request.kind == Kind::set)) {
        failure = other != nullptr && at_once(mine, *other) ? Failure::exclusion : failure;
        text += failure == Failure::exclusion ? " while, in a section of its own, " : ", not ordered after what ";
    } else if (failure == Failure::race) {
        text += ", not ordered after the set-up in which ";
    } else if (fault.with.tid == kNoThread) {
        other = last_end(request.place);
        text += " although ";
    } else if (other == nullptr) {
        text += " although " + thread_name(fault.with.tid) + " still polls it";
        if (runs_[fault.with.tid].asked != nullptr) {
            text += " at " + short_name(runs_[fault.with.tid].asked->site);
        }
    } else {
        text += request.kind == Kind::release ? " although, perhaps later, " : " although, used again, ";
    }
    fail(failure, text + (other == nullptr ? "" : name(*other)));
}

std::string RandomEngine::line(const Step& step, std::size_t number) const {
    std::string text = "  #" + std::to_string(number) + " t" + std::to_string(step.tid) + " " + kind_name(step.kind);
    const bool plain =
        step.kind == Kind::get || step.kind == Kind::set || step.kind == Kind::choose || step.kind == Kind::release;
    if (!plain) {
        text += " " + order_name(memory_.order_of(step.order));
    }
    if (step.kind == Kind::choose) {
        text += " " + std::to_string(step.value);
    } else if (step.kind != Kind::fence) {
        text += " " + place_name(step.place);
    }
    if (step.reads) {
        text += " is " + value_name(core_.arena(), step.value);
        text += step.from == 0 ? ", the first value" : ", of #" + std::to_string(step.from);
        if (step.from != step.newest) {
            text += " (stale: the newest is #" + std::to_string(step.newest) + ")";
        }
    }
    if (step.writes) {
        text += (step.reads ? ", and writes " : " = ") + value_name(core_.arena(), step.wrote);
    }
    return text + "   " + short_name(step.site) + "\n";
}

std::string RandomEngine::waiting(ThreadId tid) {
    const Run& run = runs_[tid];
    std::string text = "  " + thread_name(tid) + ": ";
    if (core_.thread_done(tid)) {
        return text + "done\n";
    }
    if (run.state == State::retries) {
        return text + "tries again and again, at " + short_name(run.stuck_at) + "\n";
    }
    if (run.state != State::waits || ready(tid)) {
        return text + "can go on\n";
    }
    for (const Request* place = run.asked; place != nullptr; place = place->also) {
        Location& location = memory_.at(place->place, place->bytes);
        const RandomMemory::Write& newest = memory_.write(location, location.newest);
        text += place == run.asked ? "waits for " : ", or for ";
        text += place_name(place->place) + " at " + short_name(place->site) + ", which is " +
                value_name(core_.arena(), newest.value);
        text += newest.step == 0 ? ", its first value" : ", written by " + thread_name(newest.by.tid);
    }
    return text + "\n";
}

std::string RandomEngine::trace() {
    // Of a run that does not end, its end.
    const std::size_t first = steps_of_run_.size() > kMostLines ? steps_of_run_.size() - kLastLines : 0;
    std::string text = first == 0 ? "" : "  (" + std::to_string(first) + " steps before)\n";
    for (std::size_t i = first; i < steps_of_run_.size(); ++i) {
        text += line(steps_of_run_[i], i + 1);
    }
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        text += waiting(tid);
    }
    return text;
}

Script RandomEngine::script_of_run() const {
    Script script;
    for (const Step& step : steps_of_run_) {
        script.add(step.tid, step.choice);
    }
    return script;
}

void RandomEngine::compose() {
    verdict_.failure = outcome_.failure;
    verdict_.message = outcome_.message;
    verdict_.trace = trace();
    // A run that does not end is found again by its seed.
    verdict_.replay = best_.steps() < kFairFrom ? best_.text() : "";
}

}  // namespace lockbench::explore
