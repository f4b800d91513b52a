// SPDX-License-Identifier: MIT
// Engine G: every execution graph that the memory model allows, each once.
//
// A run replays a graph (threads are answered from it), then adds events one by one until no thread can go on. Where a
// read could take another value, or a write another place, the alternatives are put by as graphs of their own; a new
// write is also offered to the reads that came before it (backward revisits). The memory needed is that of the graphs
// put by, never of those done.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "platform/explore/budget.hpp"
#include "platform/explore/core.hpp"
#include "platform/explore/graph.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

class GraphEngine final : public Engine {
  public:
    GraphEngine(const Program& program, Options options);

    Verdict explore();

    std::uint64_t perform(Thread& me, const Request& request) override;
    std::size_t retry_head(Thread& me) override { return runs_[me.tid].position; }
    [[noreturn]] void retry_failed(Thread& me, std::size_t begin, Site site) override;
    [[noreturn]] void bound_reached(Thread& me, Site site) override;
    [[noreturn]] void fail(Failure failure, std::string message) override;
    [[nodiscard]] std::uint64_t final_value(std::uint32_t place, std::uint8_t bytes) override;

  private:
    enum class State : std::uint8_t { runs, waits, retries, bound, pruned };

    // What a thread is at, in this run.
    struct Run {
        std::size_t position = 0;  // events of the graph that it has done
        Clock hb;
        Clock porf;
        Clock pending;   // what relaxed reads saw: an acquire fence takes it in
        Clock released;  // hb at the last release fence
        const Request* asked = nullptr;
        bool write_part = false;  // of an rmw comes next
        State state = State::runs;
        std::size_t retry_begin = 0;
        Site stuck_at;
        std::vector<Site> sites;  // of its events
    };
    struct Place {
        std::uint32_t offset = 0;
        bool initialised = false;
        std::uint64_t initial = 0;
    };
    struct Step {  // of a replay
        ThreadId tid;
        std::uint64_t choice;
    };

    // Runs (graph_engine.cpp).
    void run_graph();
    void begin_run();
    bool replay_threads();
    [[nodiscard]] ThreadId choose_thread();
    [[nodiscard]] bool enabled(const Run& run) const;
    void finish();
    [[nodiscard]] std::uint64_t net_change(ThreadId tid, std::size_t begin, LocId loc) const;
    [[nodiscard]] bool stuck_for_good(ThreadId tid) const;
    [[nodiscard]] bool out_of_budget();
    void take_turn(Thread& me, const Request& request);
    [[noreturn]] void stop(Thread& me, State state, Site site);
    [[noreturn]] void drop(Thread& me);
    void follow_script();
    Graph* take_graph();
    void put_by(Graph* graph, ThreadId first);

    // Events (graph_extend.cpp).
    LocId location_of(const Request& request);
    [[nodiscard]] std::uint64_t value_at(LocId loc, std::size_t mo) const;
    [[nodiscard]] Order order_of(Order order) const { return options_.model == Model::sc ? Order::seq_cst : order; }
    Event begin_event(const Thread& me, const Request& request);
    void apply_read(Event& event, const Graph& graph, EventId rf) const;
    const Event& recorded(Thread& me, const Request& request);
    void done_with(Thread& me, const Event& event);
    std::uint64_t read(Thread& me, const Request& request);
    std::uint64_t replay_read(Thread& me, const Request& request);
    [[noreturn]] void wait(Thread& me, const Request& request);
    std::uint64_t extend_read(Thread& me, const Request& request);
    void pick_values(const Thread& me, const Request& request, LocId loc, std::vector<std::uint16_t>& options);
    Event read_event(const Thread& me, const Request& request, const Graph& graph, std::uint16_t mo);
    void branch_read(const Thread& me, const Request& request, std::uint16_t mo);
    std::uint64_t read_modify_write(Thread& me, const Request& request);
    void write_part(Thread& me, const Request& request, std::uint64_t value);
    void write(Thread& me, const Request& request);
    std::uint64_t choose(Thread& me, const Request& request);
    void simple(Thread& me, const Request& request);
    Event write_event(const Thread& me, const Request& request, std::uint64_t value);
    [[nodiscard]] std::uint16_t scripted(std::uint16_t newest) const;

    // Revisits (graph_revisit.cpp).
    using Prefix = std::array<std::uint16_t, kMaxThreads>;
    void revisit(EventId by);
    void revisit_read(EventId read, EventId by);
    [[nodiscard]] Prefix whole() const;
    [[nodiscard]] Prefix kept_by(EventId read, const Clock& porf) const;
    [[nodiscard]] bool may_revisit(EventId read, EventId by, const Clock& porf) const;
    [[nodiscard]] bool may_take_over(const Thread& me, LocId loc, std::uint16_t mo) const;
    void wake_waiters(const Thread& me, LocId loc, std::uint64_t value);

    // Faults that an event makes (graph_faults.cpp).
    void check_lifetime(Thread& me, const Request& request, EventId id);
    void check_plain(Thread& me, EventId id);
    void check_init(Thread& me, LocId loc, std::size_t mo, const Clock& hb);
    void check_end(Thread& me, EventId id, const Request& request);
    [[nodiscard]] bool reused_since(EventId end, const Clock& hb) const;
    [[noreturn]] void fail_pair(Failure failure, EventId one, EventId other, const char* what);

    // Words (graph_report.cpp).
    void compose(Failure failure, std::string message);
    [[nodiscard]] std::string trace() const;
    [[nodiscard]] std::string line(EventId id, const std::vector<std::size_t>& number) const;
    [[nodiscard]] std::string waiting(ThreadId tid) const;
    [[nodiscard]] std::string name(EventId id) const;
    [[nodiscard]] std::string place_name(LocId loc) const;
    [[nodiscard]] std::string offset_name(std::uint32_t offset) const;
    [[nodiscard]] std::string value_name(std::uint64_t value) const;
    [[nodiscard]] std::string script() const;
    void parse_script(const std::string& text);

    Options options_;
    Core core_;
    Graph* graph_ = nullptr;
    std::vector<std::unique_ptr<Graph>> all_graphs_;
    std::vector<Graph*> free_graphs_;
    std::vector<Graph*> waiting_graphs_;
    std::array<Run, kMaxThreads> runs_;
    std::vector<LocId> loc_of_place_;
    std::vector<Place> places_;
    std::vector<std::uint16_t> values_;  // of extend_read
    std::vector<Step> script_;
    const Step* step_ = nullptr;  // of the script, that is taken now
    bool scripted_run_ = false;
    ThreadId turn_ = kNoThread;  // who may add events
    bool one_step_ = false;      // one, and then another may be next
    bool dropped_ = false;
    Verdict verdict_;
    Budget budget_{options_, "executions", options_.max_executions, 256};
};

}  // namespace lockbench::explore
