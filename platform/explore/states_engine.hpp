// SPDX-License-Identifier: MIT
// Engine S: every state that the threads and the memory can be in, breadth first, under sequential consistency or TSO.
//
// States are few where executions are without number: threads may go on for ever, and what happens in the long run can
// be asked of the graph that the states form. A step is one operation of one thread, with the accesses to data and the
// choices that follow it; under TSO also the oldest store of a thread's buffer going to memory.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/explore/budget.hpp"
#include "platform/explore/states_locals.hpp"
#include "platform/explore/states_table.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

// A store on its way to memory.
struct Buffered {
    PlaceId place = 0;
    std::uint64_t part = 0;  // bits that it sets; 0: all
    std::uint64_t value = 0;
    bool plain = false;  // to data, or set-up: nobody may look
    Site site;

    bool operator==(const Buffered& other) const {
        return place == other.place && part == other.part && value == other.value && plain == other.plain;
    }
};

// Lists that states name by a number, each once; 0 is the empty one.
template <class T>
class Interned {
  public:
    Interned() : lists_(1) { ids_[""] = 0; }
    [[nodiscard]] const std::vector<T>& at(std::uint32_t id) const { return lists_[id]; }
    template <class Key>
    std::uint32_t id_of(std::vector<T> list, Key key_of) {
        std::string key;
        for (const T& each : list) {
            key += key_of(each);
        }
        const auto [at, fresh] = ids_.emplace(std::move(key), static_cast<std::uint32_t>(lists_.size()));
        if (fresh) {
            lists_.push_back(std::move(list));
        }
        return at->second;
    }

  private:
    std::vector<std::vector<T>> lists_;
    std::unordered_map<std::string, std::uint32_t> ids_;
};

class StatesEngine {
  public:
    StatesEngine(const Program& program, const Options& options);

    Verdict explore();

  private:
    using Row = std::vector<std::uint32_t>;

    // Who steps: a thread, or its store buffer.
    struct Move {
        std::uint8_t process = 0;  // tid, or threads + tid
        std::uint16_t leaf = 0;    // which of the ways that it may go
    };
    struct Edge {
        StateId to = 0;
        std::uint8_t process = 0;
    };
    struct Line {  // of a trace
        ThreadId tid = 0;
        bool flush = false;
        LocalId local = kNoLocal;
        std::size_t way = 0;
        PlaceId place = 0;
        std::uint64_t read = 0;
        bool reads = false;
        bool writes = false;
        std::uint64_t written = 0;
        std::uint64_t choice = 0;
        bool own = false;       // read from the thread's own buffer
        bool buffered = false;  // written there
        Site site;
    };

    // Search (states_engine.cpp).
    void search();
    void expand(StateId state);
    void judge_end(StateId state);
    void judge_stuck(StateId state);
    [[nodiscard]] bool out_of_budget(StateId next);
    void emit();
    void fault(Failure failure, std::string message);
    bool take(Move move);
    void run(std::uint8_t process);

    // Steps (states_steps.cpp).
    void step(ThreadId tid);
    void flush(ThreadId tid);
    void access(ThreadId tid);
    void settle(ThreadId tid);
    void follow(ThreadId tid, std::size_t way, ValueId value, bool own);
    bool read(ThreadId tid, PlaceId place, ValueId& value, bool& own);
    void write(ThreadId tid, const Local& local, PlaceId place, ValueId value);
    void poll(ThreadId tid, LocalId at);
    void release(ThreadId tid, LocalId at);
    bool check_access(ThreadId tid, const Local& local, PlaceId place, bool writes);
    bool check_alive(ThreadId tid, PlaceId place, bool writes, Site site);
    void set_value(PlaceId place, ValueId value);
    [[nodiscard]] ValueId value_of(PlaceId place) const {
        return first_place_ + place < now_.size() ? now_[first_place_ + place] : 0;
    }
    [[nodiscard]] std::uint32_t buffer_of(ThreadId tid) const { return tso_ ? now_[threads_ + tid] : 0; }
    [[nodiscard]] static bool goes_to_buffer(const Local& local);
    [[nodiscard]] bool waits_for_buffer(ThreadId tid, const Local& local);
    [[nodiscard]] bool needs_room(const Local& local, const std::vector<Buffered>& buffer);
    [[nodiscard]] bool too_full(const std::vector<Buffered>& buffer);
    [[nodiscard]] bool may_flush(std::uint32_t buffer) const;
    void set_buffer(ThreadId tid, std::vector<Buffered> list);
    [[nodiscard]] std::string access_name(ThreadId tid, PlaceId place, bool writes, Site site) const;

    // In the long run (states_fairness.cpp).
    struct Components {
        std::vector<StateId> of;     // the component of each state; kNoState: outside
        std::vector<StateId> order;  // states, the last components first
        std::vector<StateId> begin;  // of each component in order, and the end
    };
    template <class Inside, class Follows>
    Components components(Inside inside, Follows follows) const;
    void judge_progress();
    void judge_waits(ThreadId tid);
    [[nodiscard]] bool fair(const Components& found, std::size_t component) const;
    [[nodiscard]] bool excused(StateId state, std::size_t process) const;
    [[nodiscard]] bool idle(StateId state, ThreadId tid) const { return local(state, tid).idle; }
    void show_cycle(const Components& found, std::size_t component, Waits& waits);
    [[nodiscard]] std::vector<std::uint64_t> path_within(const Components& found, StateId from, StateId to,
                                                         std::size_t process) const;
    [[nodiscard]] std::vector<std::uint64_t> to_turn_of(const Components& found, StateId from,
                                                        std::size_t process) const;
    [[nodiscard]] Move move_of(StateId from, std::uint64_t edge) const;
    [[nodiscard]] static bool good_at(const Components& found, const std::vector<bool>& good, std::size_t component,
                                      StateId state);
    [[nodiscard]] std::pair<Mode, std::uint64_t> passed(const Components& found, ThreadId waiter, ThreadId by) const;
    [[nodiscard]] const Local& local(StateId state, ThreadId tid) const { return locals_.at(table_.row(state)[tid]); }

    // Words (states_report.cpp).
    void compose(StateId state, const Move* last, Failure failure, std::string message);
    [[nodiscard]] std::vector<Move> way_to(StateId state) const;
    std::string tell(const std::vector<Move>& moves, std::size_t cycle_begin);
    [[nodiscard]] std::string line_text(const Line& line, std::size_t number,
                                        std::map<PlaceId, std::string>& writers) const;
    [[nodiscard]] std::string waiting(ThreadId tid, const std::map<PlaceId, std::string>& writers) const;
    [[nodiscard]] std::string place_name(PlaceId place) const;
    [[nodiscard]] std::string script_of(const std::vector<Move>& moves, std::size_t cycle_begin) const;
    [[nodiscard]] bool parse(const std::string& script, std::vector<Move>& moves, std::size_t& cycle_begin) const;
    void begin();
    void replay(const std::string& script);
    void judge_replayed(Row end, Row cycle_row);

    Options options_;
    bool tso_;
    Locals locals_;
    ThreadId threads_;
    std::size_t ended_slot_;
    std::size_t first_place_;
    StateTable table_;
    Interned<Buffered> buffers_;
    Interned<std::uint64_t> ended_;  // ranges: offset << 32 | bytes
    std::vector<StateId> parents_;
    std::vector<Move> moves_;  // from the parent
    std::vector<Edge> edges_;
    std::vector<std::uint64_t> edge_begin_;

    // The step under way.
    Row now_;
    StateId from_ = 0;
    std::uint8_t process_ = 0;
    std::uint16_t leaf_ = 0;
    bool moved_ = false;  // the process could
    bool telling_ = false;
    std::uint16_t wanted_ = 0;
    bool taken_ = false;
    bool replayed_ = false;  // the table holds a replay's last state and no way to it
    Row taken_row_;
    std::vector<Line> lines_;
    std::vector<Line> taken_lines_;
    Failure taken_failure_ = Failure::none;
    std::string taken_message_;

    static constexpr std::size_t kMostBuffered = 8;  // stores of one thread
    bool full_ = false;                              // and some thread waited for room
    Verdict verdict_;
    Budget budget_{options_, "states", options_.max_executions, 1024};
};

}  // namespace lockbench::explore
