// SPDX-License-Identifier: MIT
#include "platform/explore/graph_engine.hpp"

#include <utility>

#include "platform/check.hpp"

namespace lockbench::explore {

Verdict explore_graphs(const Program& program, const Options& options) {
    return GraphEngine(program, options).explore();
}

GraphEngine::GraphEngine(const Program& program, Options options)
    : options_(std::move(options)),
      core_(*this, program, options_.bounds),
      loc_of_place_(Arena::bytes_for(program.threads), kInitial) {
    check(program.threads <= kMaxThreads, "engine g takes 1 to 8 threads");
}

Verdict GraphEngine::explore() {
    Graph* const empty = take_graph();
    empty->clear(core_.thread_count());
    put_by(empty, 0);
    if (!options_.replay.empty()) {
        parse_script(options_.replay);
        scripted_run_ = true;
    }
    while (!waiting_graphs_.empty() && verdict_.passed() && !out_of_budget()) {
        graph_ = waiting_graphs_.back();
        waiting_graphs_.pop_back();
        run_graph();
        free_graphs_.push_back(graph_);
        graph_ = nullptr;
    }
    verdict_.exhaustive = verdict_.passed() && verdict_.stopped_by.empty() && !scripted_run_;
    verdict_.seconds = budget_.seconds();
    return std::move(verdict_);
}

bool GraphEngine::out_of_budget() {
    const Counts& counts = verdict_.counts;
    return budget_.spent(counts.complete + counts.blocked + counts.cut, counts.runs, verdict_);
}

Graph* GraphEngine::take_graph() {
    if (free_graphs_.empty()) {
        all_graphs_.push_back(std::make_unique<Graph>());
        return all_graphs_.back().get();
    }
    Graph* const graph = free_graphs_.back();
    free_graphs_.pop_back();
    return graph;
}

void GraphEngine::put_by(Graph* graph, ThreadId first) {
    graph->first = first;
    waiting_graphs_.push_back(graph);
}

void GraphEngine::begin_run() {
    ++verdict_.counts.runs;
    core_.restart();
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        Run& run = runs_[tid];
        run.position = 0;
        run.hb = run.porf = run.pending = run.released = Clock();
        run.asked = nullptr;
        run.write_part = false;
        run.state = State::runs;
        run.retry_begin = 0;
    }
    dropped_ = false;
    turn_ = kNoThread;
}

// Each thread up to the first thing that the graph does not tell. False when the run is over.
bool GraphEngine::replay_threads() {
    for (ThreadId i = 0; i < core_.thread_count(); ++i) {
        const ThreadId tid = (graph_->first + i) % core_.thread_count();
        core_.resume(core_.thread(tid));
        if (dropped_ || !verdict_.passed()) {
            return false;
        }
        if (runs_[tid].position != graph_->size(tid)) {
            compose(Failure::not_deterministic,
                    "thread " + std::to_string(tid) + " ended, or stopped, before it had done all that it did before");
            return false;
        }
    }
    return true;
}

void GraphEngine::run_graph() {
    begin_run();
    if (replay_threads()) {
        if (scripted_run_) {
            follow_script();
        } else {
            for (ThreadId tid = choose_thread(); tid != kNoThread; tid = choose_thread()) {
                core_.resume(core_.thread(tid));
                if (dropped_ || !verdict_.passed()) {
                    break;
                }
            }
        }
    }
    if (dropped_) {
        ++verdict_.counts.dropped;
    } else if (verdict_.passed()) {
        finish();
    }
}

// A function of the graph alone: what is added next must not depend on how the search came to it.
ThreadId GraphEngine::choose_thread() {
    ThreadId chosen = kNoThread;
    ThreadId halves = 0;  // threads in the middle of a read-modify-write
    for (ThreadId tid = core_.thread_count(); tid-- > 0;) {
        const Run& run = runs_[tid];
        if (core_.thread(tid).done || run.state != State::runs) {
            continue;
        }
        if (run.write_part) {
            ++halves;
            chosen = tid;
        } else if (halves == 0 && enabled(run)) {
            chosen = tid;
        }
    }
    turn_ = chosen;
    one_step_ = halves > 1;
    return chosen;
}

bool GraphEngine::enabled(const Run& run) const {
    if (run.asked->kind != Kind::await) {
        return true;
    }
    const LocId loc = loc_of_place_[run.asked->place];
    const std::uint16_t bound = graph_->lower_bound(loc, run.hb);
    for (std::size_t mo = graph_->newest(loc) + 1U; mo-- > bound;) {
        if (run.asked->holds(run.asked->frame, value_at(loc, mo))) {
            return true;
        }
    }
    return false;
}

// Returns when it is this thread's turn to add `request` to the graph.
void GraphEngine::take_turn(Thread& me, const Request& request) {
    Run& run = runs_[me.tid];
    run.asked = &request;
    if (request.kind == Kind::await) {
        for_each_place(request, [this](const Request& place) { graph_->need_location(location_of(place)); });
    }
    if (run.position >= kMaxEvents) {
        fail(Failure::limit, "a thread of an exploration does at most " + std::to_string(kMaxEvents) + " operations");
    }
    while (turn_ != me.tid || (!run.write_part && !enabled(run))) {
        core_.leave(me);
    }
    turn_ = one_step_ ? kNoThread : turn_;
    ++verdict_.counts.events;
}

void GraphEngine::stop(Thread& me, State state, Site site) {
    runs_[me.tid].state = state;
    runs_[me.tid].stuck_at = site;
    core_.leave_for_good(me);
}

void GraphEngine::drop(Thread& me) {
    dropped_ = true;
    core_.leave_for_good(me);
}

// What a thread's events from `begin` on have added to the location of one of them.
std::uint64_t GraphEngine::net_change(ThreadId tid, std::size_t begin, LocId loc) const {
    std::uint64_t sum = 0;
    for (std::size_t i = begin; i < runs_[tid].position; ++i) {
        const Event& event = graph_->at(event_id(tid, i));
        if (event.is(Event::kWrite) && event.loc == loc) {
            sum += event.value - value_at(loc, event.mo - 1U);
        }
    }
    return sum;
}

void GraphEngine::retry_failed(Thread& me, std::size_t begin, Site site) {
    Run& run = runs_[me.tid];
    bool showed = false;
    for (std::size_t i = begin; i < run.position; ++i) {
        const Event& event = graph_->at(event_id(me.tid, i));
        if (!event.is(Event::kWrite) || event.value == value_at(event.loc, event.mo - 1U)) {
            continue;
        }
        if (net_change(me.tid, begin, event.loc) != 0) {
            fail(Failure::retry_effect, "an iteration of a Retry loop that ends at " + short_name(site) +
                                            " has written: only one without net effect may be retried");
        }
        showed = true;
    }
    if (showed) {
        // It took back what it did, but others may have seen it meanwhile: the iterations to come count.
        bound_reached(me, site);
    }
    run.retry_begin = begin;
    stop(me, State::retries, site);
}

void GraphEngine::bound_reached(Thread& me, Site site) {
    if (verdict_.loop_bound.empty()) {
        verdict_.loop_bound = short_name(site);
    }
    stop(me, State::bound, site);
}

// No thread can go on.
void GraphEngine::finish() {
    bool complete = true;
    bool cut = false;
    bool for_good = true;
    for (ThreadId tid = 0; tid < core_.thread_count(); ++tid) {
        if (!core_.thread(tid).done) {
            complete = false;
            cut = cut || runs_[tid].state == State::bound;
            for_good = for_good && stuck_for_good(tid);
        }
    }
    Counts& counts = verdict_.counts;
    ++(complete ? counts.complete : cut ? counts.cut : counts.blocked);
    if (complete) {
        core_.verify();
    } else if (for_good) {
        compose(Failure::liveness, "nobody will do what is waited for");
    }
}

// The thread would wait for ever: it has seen the newest of what it looks at, and may rely on nothing else.
bool GraphEngine::stuck_for_good(ThreadId tid) const {
    const Run& run = runs_[tid];
    if (run.state == State::retries) {
        for (std::size_t i = run.retry_begin; i < run.position; ++i) {
            const Event& event = graph_->at(event_id(tid, i));
            const bool own = event.is(Event::kRmw);  // what it wrote itself is no news
            if (event.is(Event::kRead) && !own && graph_->mo(event.rf) != graph_->newest(event.loc)) {
                return false;
            }
            if (event.is(Event::kSure)) {
                return false;  // it will choose otherwise in the end
            }
        }
        return true;
    }
    if (run.state == State::bound || run.state == State::pruned || run.asked->may_end) {
        return false;
    }
    bool can_go_on = false;
    for_each_place(*run.asked, [&](const Request& place) {
        const LocId loc = loc_of_place_[place.place];
        can_go_on = can_go_on || place.holds(place.frame, value_at(loc, graph_->newest(loc)));
    });
    return !can_go_on;
}

std::uint64_t GraphEngine::final_value(std::uint32_t place, std::uint8_t bytes) {
    Request request;
    request.place = place;
    request.bytes = bytes;
    const LocId loc = location_of(request);
    graph_->need_location(loc);
    return value_at(loc, graph_->newest(loc));
}

void GraphEngine::fail(Failure failure, std::string message) {
    compose(failure, std::move(message));
    core_.leave_for_good(*self_thread);
}

void GraphEngine::follow_script() {
    one_step_ = true;
    for (const Step& step : script_) {
        Run& run = runs_[step.tid < core_.thread_count() ? step.tid : 0];
        step_ = &step;
        do {
            if (step.tid >= core_.thread_count() || core_.thread(step.tid).done || run.state != State::runs) {
                compose(Failure::not_deterministic, "the replay names a step that this program cannot take");
                return;
            }
            turn_ = step.tid;
            core_.resume(core_.thread(step.tid));
            if (dropped_ || !verdict_.passed()) {
                return;
            }
        } while (run.write_part);
    }
}

}  // namespace lockbench::explore
