// SPDX-License-Identifier: MIT
// Engine R: executions drawn at random, one after another, for programs too large for all of them.
//
// An execution is one order of its steps. Who takes the next one is drawn: in a PCT schedule (Burckhardt, Kothari,
// Musuvathi, Nagarakatti: A randomized scheduler with probabilistic guarantees of finding bugs, ASPLOS 2010) the
// thread of the highest priority, which is lowered at depth - 1 steps drawn beforehand; in a uniform one any thread
// that can go on. What a read sees is drawn too, from the writes that its thread may still see (random_memory.hpp).
// Everything follows from the seed and the number of the execution. A failure is run again with a record kept, and the
// record made shorter as long as it fails the same way (random_shrink.cpp).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/explore/budget.hpp"
#include "platform/explore/core.hpp"
#include "platform/explore/random_memory.hpp"
#include "platform/explore/random_script.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::explore {

class RandomEngine final : public Engine {
  public:
    RandomEngine(const Program& program, Options options);

    Verdict explore();

    std::uint64_t perform(Thread& me, const Request& request) override;
    [[nodiscard]] bool waits_anywhere() const override { return true; }
    std::size_t wait_anywhere(Thread& me, const Request& request) override;
    std::size_t retry_head(Thread& me) override;
    void retry_failed(Thread& me, std::size_t begin, Site site) override;
    void bound_reached(Thread& me, Site site) override;
    [[noreturn]] void fail(Failure failure, std::string message) override;
    [[nodiscard]] std::uint64_t final_value(std::uint32_t place, std::uint8_t bytes) override;

  private:
    // From here on an execution is scheduled fairly, without stale reads and odd choices; a program that does not end
    // by then is not going to.
    static constexpr std::uint64_t kFairFrom = 100'000;
    static constexpr std::uint64_t kLivelock = 1'000'000;

    // A thread is ready when it can take a step, as far as others can tell.
    enum class State : std::uint8_t { runs, waits, retries };
    struct Seen {  // by a thread, at a location
        std::uint32_t location;
        std::uint32_t number;  // of the write
        std::uint64_t change;  // by a write of its own
        bool wrote;
    };
    struct Run {
        State state = State::runs;
        const Request* asked = nullptr;
        bool timed = false;  // nobody else can go on: time passes for it
        std::int64_t priority = 0;
        std::vector<Seen> seen;
        std::size_t retry_begin = 0;
        Site stuck_at;
    };
    // What an execution is drawn from.
    struct Plan {
        std::uint64_t seed = 0;
        unsigned depth = 0;        // of a PCT schedule; 0: a uniform one
        std::uint32_t stale = 0;   // permille of reads that do not see the newest write where they need not
        std::uint32_t odd = 0;     // permille of choices for what is out of the ordinary
        std::uint64_t length = 1;  // steps that the change points are drawn from
    };
    struct Outcome {
        Failure failure = Failure::none;
        std::string message;
        bool complete = false;  // all threads ended
    };

    // Executions (random_engine.cpp).
    [[nodiscard]] Plan plan_of(std::uint64_t execution) const;
    void run_once();
    void run_to_the_end();
    void begin_run();
    void draw_priorities();
    void run_threads();
    [[nodiscard]] bool out_of_budget();
    [[nodiscard]] ThreadId next_thread(ThreadId me);
    [[nodiscard]] ThreadId scripted_thread(ThreadId me);
    [[nodiscard]] bool let_time_pass();
    [[nodiscard]] bool waits_for_time(ThreadId tid) const;
    void take_turn(Thread& me);
    void leave_blocked(Thread& me);
    void demote(ThreadId tid);
    [[nodiscard]] std::uint64_t scripted_choice() const {
        return left_ == 1 && segment_ < script_.segments.size() ? script_.segments[segment_].choice : 0;
    }
    [[nodiscard]] bool ready(ThreadId tid) const { return (ready_ >> tid & 1U) != 0; }
    [[nodiscard]] static std::uint64_t bit(ThreadId tid) { return std::uint64_t{1} << tid; }

    // Steps (random_steps.cpp).
    static constexpr std::uint32_t kNothing = 0xffff'ffff;
    using Location = RandomMemory::Location;
    Location& step_at(Thread& me, const Request& request);
    [[nodiscard]] std::uint32_t pick(Location& location, const Request& request, ThreadId tid);
    [[nodiscard]] bool would_do(const Request& request, std::uint64_t value) const;
    std::uint64_t finish_read(Thread& me, const Request& request, Location& location, std::uint32_t number);
    std::uint64_t load(Thread& me, const Request& request);
    std::uint64_t get(Thread& me, const Request& request);
    void store(Thread& me, const Request& request);
    std::uint64_t read_modify_write(Thread& me, const Request& request);
    std::uint64_t choose(Thread& me, const Request& request);
    void tell_life(Thread& me, const Request& request);
    bool look_at_places(Thread& me, const Request& request, std::size_t count);
    void wait_at(Thread& me, const Request& request);
    void stop_waiting(const Thread& me, const Request& request);
    void tell_waiters(const Thread& me, const Location& location, std::uint64_t value);
    void note_write(Thread& me, Location& location, std::uint64_t before, std::uint64_t after);
    void judge(const Thread& me, const Request& request, const Fault& fault) {
        if (fault.failure != Failure::none) [[unlikely]] {
            found(me, request, fault);
        }
    }
    [[noreturn]] void found(const Thread& me, const Request& request, const Fault& fault);
    [[nodiscard]] bool blocks_again(const Run& run, std::size_t begin);

    // The record (random_report.cpp).
    struct Step {
        Kind kind = Kind::load;
        Order order = Order::relaxed;
        std::uint32_t place = 0;
        std::uint32_t bytes = 0;  // of an object that ends
        Site site;
        ThreadId tid = 0;
        Ticks at = 0;
        std::uint64_t value = 0;  // read or chosen
        std::uint64_t wrote = 0;
        std::uint32_t from = 0;    // the step whose write was read; 0: the first value
        std::uint32_t newest = 0;  // the step whose write was the newest then
        std::uint64_t choice = 0;  // what the script says of it
        bool reads = false;
        bool writes = false;
        bool inside = false;  // a marked section
    };
    [[nodiscard]] Step step_of(const Thread& me, const Request& request) const;
    void begin_step(const Thread& me, const Request& request);
    [[nodiscard]] std::uint32_t step_number() const { return static_cast<std::uint32_t>(steps_of_run_.size()); }
    [[nodiscard]] const Step* find(Moment moment) const;
    [[nodiscard]] bool at_once(const Step& one, const Step& other) const;
    [[nodiscard]] std::string name(const Step& step) const;
    [[nodiscard]] std::string line(const Step& step, std::size_t number) const;
    [[nodiscard]] std::string waiting(ThreadId tid);
    [[nodiscard]] std::string trace();
    [[nodiscard]] std::string place_name(std::uint32_t place) const { return core_.arena().name(place); }
    [[nodiscard]] const Step* last_end(std::uint32_t place) const;
    [[nodiscard]] Script script_of_run() const;

    // Making failures shorter (random_shrink.cpp).
    bool fails_by(const Script& script, Failure failure);
    void shrink(Failure failure);
    bool drop_choices(Failure failure);
    bool drop_segments(Failure failure, std::size_t size);
    bool try_shorter(const Script& candidate, Failure failure);
    void compose();

    Options options_;
    Core core_;
    RandomMemory memory_;
    std::array<Run, kMaxFibers> runs_;
    Verdict verdict_;
    Budget budget_;

    // The execution that runs now.
    Plan plan_;
    RandomStream random_{0};
    std::uint64_t ready_ = 0;
    ThreadId current_ = 0;
    std::uint64_t steps_ = 0;
    bool uniform_ = false;
    bool look_again_ = false;             // somebody may have a higher priority than who runs
    std::vector<std::uint64_t> changes_;  // steps at which a priority falls, last first
    std::int64_t lowest_ = 0;
    bool over_ = false;
    Outcome outcome_;
    std::uint64_t longest_ = 1;
    std::uint32_t stale_ = 0;
    std::uint32_t odd_ = 0;
    std::uint64_t run_value_ = 0;   // what a wait has read
    std::size_t run_ended_by_ = 0;  // at which of its places

    // Scripts and records.
    bool recording_ = false;
    bool scripted_ = false;
    Script script_;
    std::size_t segment_ = 0;
    std::uint64_t left_ = 0;    // steps of the segment
    std::uint64_t choice_ = 0;  // what the script says of this step
    std::vector<Step> steps_of_run_;
    Script best_;
    std::uint64_t shrink_steps_ = 0;  // taken for that, so far
};

}  // namespace lockbench::explore
