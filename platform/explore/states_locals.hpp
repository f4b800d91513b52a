// SPDX-License-Identifier: MIT
// What each thread of a program can be at: its local states, learned by letting it run alone.
//
// A thread is deterministic but for what its operations answer. So where it stands is known by what it was told since
// the last point at which it forgets (its start, a checkpoint, the head of a Retry loop), and its next step by the next
// answer. Each local state is made once: its fiber is led there by the answers that led there first, told one more, and
// followed to its next operation. After that the search goes through tables and runs no code of the program.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "platform/explore/core.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

using LocalId = std::uint32_t;
using PlaceId = std::uint32_t;
using ValueId = std::uint32_t;
inline constexpr LocalId kNoLocal = ~LocalId{0};
inline constexpr ThreadId kStateThreads = 8;

// A location, and all values that it was seen to have: states name a value by its place here. The first value is 0.
struct StatePlace {
    std::uint32_t offset = 0;
    bool initialised = false;
    std::vector<std::uint64_t> values;
    std::unordered_map<std::uint64_t, ValueId> ids;
};

// Access to data, or to memory that is set up: it happens with the step before it, and may still happen until the next.
struct Access {
    PlaceId place = 0;
    bool writes = false;
    bool init = false;
    bool inside = false;  // a marked section
    Site site;

    bool operator==(const Access& other) const {
        return place == other.place && writes == other.writes && init == other.init && inside == other.inside;
    }
};

// What follows from one answer.
struct Outcome {
    enum class Kind : std::uint8_t { unknown, goes_on, waits, fails };

    Kind kind = Kind::unknown;
    bool writes = false;
    ValueId write = 0;
    LocalId next = kNoLocal;  // fails: the place in the list of failures
};

struct Local {
    enum class End : std::uint8_t { none, done, bound };

    Kind kind = Kind::load;
    Order order = Order::relaxed;
    End end = End::none;
    Phase phase = Phase::idle;
    Mode mode = Mode::write;
    ThreadId tid = 0;
    bool micro = false;    // it happens with the step before it
    bool idle = false;     // between sections: it need not go on
    bool renewed = false;  // and nothing is left of earlier ones
    bool inside = false;   // a marked section
    bool polling = false;  // in its acquisition it has come to a wait
    bool may_end = false;
    bool polled = false;  // a wait at several places that has seen the first without what it waits for
    PlaceId place = 0;
    std::uint8_t bytes = 0;
    std::uint32_t depth = 0;  // operations before it, by the way that led here first
    LocalId parent = kNoLocal;
    LocalId twin = kNoLocal;                                  // not polled: the same, polled
    std::uint64_t fed = 0;                                    // the answer that led here from the parent
    std::uint64_t operand = 0;                                // of a choice the number, of a store the value's id
    std::uint64_t part = 0;                                   // as Request::part
    std::vector<PlaceId> places;                              // of a wait, the first included
    std::vector<Access> accesses;                             // since the last step
    std::vector<std::vector<Outcome>> outcomes;               // by place of the wait and value; choices in the first
    std::vector<std::pair<std::uint64_t, LocalId>> children;  // by what the thread saw
    Site site;
};

class Locals final : public Engine {
  public:
    Locals(const Program& program, const Options& options);

    [[nodiscard]] const Local& at(LocalId id) const { return locals_[id]; }
    [[nodiscard]] std::size_t size() const { return locals_.size(); }
    [[nodiscard]] Core& core() { return core_; }
    [[nodiscard]] const Arena& arena() const { return core_.arena(); }
    [[nodiscard]] LocalId beginning(ThreadId tid) const { return firsts_[tid]; }
    // Where a thread begins.
    LocalId first(ThreadId tid);
    // What follows if the place of this number in a wait, or the only one, has this value; or this is chosen.
    const Outcome& outcome(LocalId id, std::size_t way, ValueId value) {
        Local& local = locals_[id];
        if (way < local.outcomes.size() && value < local.outcomes[way].size() &&
            local.outcomes[way][value].kind != Outcome::Kind::unknown) [[likely]] {
            return local.outcomes[way][value];
        }
        return learn(id, way, value);
    }
    LocalId polled_twin(LocalId id);
    // Runs a thread to where it is, for what its code leaves with the host.
    bool run_to(LocalId id) { return lead_to(id); }

    struct Fault {
        Failure failure;
        std::string message;
    };
    [[nodiscard]] const Fault& fault(LocalId id) const { return faults_[id]; }
    [[nodiscard]] const Fault& fault() const { return fault_; }
    [[nodiscard]] const std::string& loop_bound() const { return loop_bound_; }

    PlaceId place_of(std::uint32_t offset, std::uint8_t bytes);
    ValueId value_id(PlaceId place, std::uint64_t value);
    [[nodiscard]] const StatePlace& place(PlaceId place) const { return places_[place]; }
    [[nodiscard]] std::size_t place_count() const { return places_.size(); }

    // Answers for verify().
    std::vector<ValueId> final_values;
    const Fault* verify();

    std::uint64_t perform(Thread& me, const Request& request) override;
    std::size_t wait_anywhere(Thread& me, const Request& request) override;
    [[nodiscard]] bool waits_anywhere() const override { return true; }
    std::size_t retry_head(Thread& me) override;
    void retry_failed(Thread& me, std::size_t begin, Site site) override;
    [[noreturn]] void bound_reached(Thread& me, Site site) override;
    void checkpoint(Thread& me, Point point, std::uint64_t tag) override;
    [[noreturn]] void fail(Failure failure, std::string message) override;
    [[nodiscard]] std::uint64_t final_value(std::uint32_t place, std::uint8_t bytes) override;

  private:
    enum class Event : std::uint8_t { none, asked, merged, bound, failed };
    using Facts = std::vector<std::uint64_t>;

    const Outcome& learn(LocalId id, std::size_t way, ValueId value);
    bool lead_to(LocalId id);
    Outcome ask(LocalId id, std::size_t way, ValueId value);
    void follow(LocalId id, std::uint64_t told, std::uint64_t seen, Outcome& outcome);
    LocalId go_on(ThreadId tid, LocalId from, std::uint64_t answer);
    LocalId add(ThreadId tid, LocalId from, std::uint64_t answer);
    void describe(Local& local, const Request& request);
    [[nodiscard]] bool is_micro(const Local& local) const;
    [[nodiscard]] std::vector<Access> accesses_behind(LocalId from) const;
    [[nodiscard]] Facts facts(const Thread& me) const;
    std::uint64_t answer(Thread& me, const Request& request);

    bool tso_;
    Core core_;
    std::vector<LocalId> firsts_;
    std::deque<Local> locals_;
    std::vector<Facts> facts_;  // of the threads at each local state
    std::vector<Fault> faults_;
    std::vector<StatePlace> places_;
    std::vector<PlaceId> place_of_offset_;
    std::map<Facts, LocalId> checkpoints_;

    // The run that is under way.
    std::vector<LocalId> chain_;  // its local states up to where it is led
    std::size_t cursor_ = 0;      // operations that it has done
    bool leading_ = false;
    LocalId stands_at_ = kNoLocal;  // where a fiber waits for its answer
    const Request* asked_ = nullptr;
    std::uint64_t answer_ = 0;
    Event event_ = Event::none;
    LocalId merged_with_ = kNoLocal;
    LocalId comes_from_ = kNoLocal;
    std::vector<Facts> new_points_;  // checkpoints since its last operation
    bool idle_ = false;              // the last of them lies between sections
    bool renewed_ = false;
    Fault fault_{};
    std::string loop_bound_;
};

}  // namespace lockbench::explore
