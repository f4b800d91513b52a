// SPDX-License-Identifier: MIT
// Litmus programs on engine G: threads that leave what they read, and the outcomes that were shown. Engine R runs each
// program too, and may show nothing that engine G does not.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <vector>

#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::test::litmus {

using explore::Model;
using P = Explore;

// Where threads leave what they read; the last two are the final x and y.
using Outcome = std::array<int, 6>;
inline constexpr std::size_t kFinalX = 4;
inline constexpr std::size_t kFinalY = 5;

struct Vars {
    P::Atomic<int> x{0};
    P::Atomic<int> y{0};
    P::Atomic<int> z{0};
};
using Body = std::function<void(Vars&, Outcome&)>;

struct Shown {
    std::set<Outcome> outcomes;
    std::uint64_t count = 0;
    explore::Failure failure = explore::Failure::none;
    bool exhaustive = false;

    // Some execution has these values at these places; -1: any.
    [[nodiscard]] bool has(const std::vector<int>& values, int x = -1, int y = -1) const {
        for (const Outcome& outcome : outcomes) {
            bool same = (x < 0 || outcome[kFinalX] == x) && (y < 0 || outcome[kFinalY] == y);
            for (std::size_t i = 0; i < values.size(); ++i) {
                same = same && (values[i] < 0 || outcome[i] == values[i]);
            }
            if (same) {
                return true;
            }
        }
        return false;
    }
};

using Engine = explore::Verdict (*)(const explore::Program&, const explore::Options&);
inline Shown run_by(Engine engine, const std::vector<Body>& threads, Model model, std::uint64_t executions = 0) {
    Vars* vars = nullptr;
    Outcome now{};
    Shown shown;
    explore::Program program;
    program.threads = static_cast<ThreadId>(threads.size());
    program.setup = [&](explore::Arena& arena) { vars = &arena.make<Vars>(); };
    program.body = [&](ThreadId tid) { threads[tid](*vars, now); };
    program.verify = [&] {
        now[kFinalX] = vars->x.peek();
        now[kFinalY] = vars->y.peek();
        shown.outcomes.insert(now);
    };
    explore::Options options;
    options.model = model;
    options.max_executions = executions;
    const explore::Verdict verdict = engine(program, options);
    shown.count = verdict.counts.complete;
    shown.failure = verdict.failure;
    shown.exhaustive = verdict.exhaustive;
    return shown;
}

inline Shown run(const std::vector<Body>& threads, Model model = Model::rc11) {
    constexpr std::uint64_t kDrawn = 2000;
    Shown shown = run_by(&explore::explore_graphs, threads, model);
    EXPECT_TRUE(shown.exhaustive || shown.failure != explore::Failure::none);
    const Shown drawn = run_by(&explore::explore_random, threads, model, kDrawn);
    EXPECT_EQ(drawn.failure, shown.failure);
    EXPECT_FALSE(drawn.exhaustive);
    if (shown.exhaustive) {
        EXPECT_TRUE(
            std::includes(shown.outcomes.begin(), shown.outcomes.end(), drawn.outcomes.begin(), drawn.outcomes.end()));
    }
    return shown;
}

inline constexpr int kFull = static_cast<int>(seq_cst);

}  // namespace lockbench::test::litmus
