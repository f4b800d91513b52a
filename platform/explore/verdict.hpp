// SPDX-License-Identifier: MIT
// What an exploration is asked, and what it answers.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "platform/explore/core.hpp"

namespace lockbench::explore {

enum class Model : std::uint8_t { sc, rc11, tso };

struct Counts {
    std::uint64_t complete = 0;  // graphs in which all threads ended
    std::uint64_t blocked = 0;   // some thread waits for what another graph brings
    std::uint64_t cut = 0;       // some thread reached the bound of an EffectLoop
    std::uint64_t dropped = 0;   // graphs put by that turned out to be impossible
    std::uint64_t runs = 0;
    std::uint64_t events = 0;  // added, over all runs
    std::uint64_t states = 0;  // engine s
    std::uint64_t depth = 0;   // of the search: steps of the longest shortest way to a state
};

// What engine s says of waits in one mode, that need not be a failure: locks differ in what they promise.
struct Waits {
    Mode mode = Mode::write;
    bool may_starve = false;
    std::uint64_t cycle = 0;  // steps of the one shown
    std::string trace;
    std::string replay;
    // Most acquisitions of one other thread in that mode while one thread waits, polling; kEndless: no bound.
    static constexpr std::uint64_t kEndless = ~std::uint64_t{0};
    std::uint64_t passed_by_readers = 0;
    std::uint64_t passed_by_writers = 0;
};

// Set by whoever wants all explorations to end soon, a signal handler for one: the verdict then is what there is.
inline volatile std::sig_atomic_t interrupted = 0;
inline constexpr const char* kStoppedBySignal = "SIGINT";

struct Verdict;
struct Options;
inline std::string waits_for_ever(Mode mode) {
    return std::string(mode == Mode::read ? "a reader" : "a writer") + " may wait for ever while others go on";
}

using Explorer = Verdict (*)(const Program& program, const Options& options);
// Engine G: all execution graphs (graph_engine.hpp).
Verdict explore_graphs(const Program& program, const Options& options);
// Engine S: all states that the threads and the memory can be in (states_engine.hpp).
Verdict explore_states(const Program& program, const Options& options);
// Engine R: executions drawn at random (random_engine.hpp).
Verdict explore_random(const Program& program, const Options& options);

struct Options {
    Explorer engine = &explore_graphs;
    Model model = Model::rc11;
    Bounds bounds;
    std::uint64_t max_executions = 0;                             // complete, blocked and cut ones together; 0: all
    double max_seconds = 0;                                       // 0: no limit
    std::string replay;                                           // the one execution that a verdict named
    std::uint64_t seed = 1;                                       // engine r
    unsigned depth = 0;                                           // engine r: of PCT schedules; 0: several in turn
    std::function<void(const Counts&, double seconds)> progress;  // about once a second
};

struct Verdict {
    Failure failure = Failure::none;
    std::string message;  // one line
    std::string trace;    // the execution, and who waits for whom
    std::string replay;
    Counts counts;
    bool exhaustive = false;
    std::string stopped_by;  // where not exhaustive
    std::string loop_bound;  // the loop whose bound was reached first; empty: none was
    double seconds = 0;
    std::vector<Waits> waits;  // engine s, where all states are known

    [[nodiscard]] bool passed() const { return failure == Failure::none; }
};

}  // namespace lockbench::explore
