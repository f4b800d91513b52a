// SPDX-License-Identifier: MIT
#include "bench/own_cost.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "bench/trial.hpp"
#include "locks/controls.hpp"
#include "locks/guard.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

enum class Site { section };
constexpr std::uint64_t kIterations = 400'000;
constexpr unsigned kRepetitions = 15;

// Both loops do the same to the same data; only the second is counted, sampled and watched.
struct PrivateState {
    NullLock<Native> lock;
    LastWriter<Native> last;
    Native::Plain<std::uint64_t> data{0};
    TrialGate gate{1};
};

[[gnu::noinline]] double bare_loop_ns(PrivateState& state, NullLock<Native>::Token& token) {
    const std::uint64_t begin = native::monotonic_ns();
    for (std::uint64_t i = 0; i < kIterations; ++i) {
        state.lock.lock(token);
        state.data.set(state.data.get() + 1);
        state.lock.unlock(token);
        native::keep_loop(state.data.get());
    }
    return static_cast<double>(native::monotonic_ns() - begin) / static_cast<double>(kIterations);
}

[[gnu::noinline]] double counted_loop_ns(PrivateState& state, NullLock<Native>::Token& token, Ctx<Native>& ctx) {
    const std::uint64_t begin = native::monotonic_ns();
    WindowClock clock(3'600'000'000'000);  // never over here
    for (std::uint64_t i = 0; i < kIterations && !clock.over(state.gate); ++i) {
        acquire_lock<Site::section, Mode::write>(ctx, state.lock, token, state.last);
        state.data.set(state.data.get() + 1);
        release_lock<Mode::write, Native>(state.lock, token);
        ctx.count_op(0);
        native::keep_loop(state.data.get());
    }
    return static_cast<double>(native::monotonic_ns() - begin) / static_cast<double>(kIterations);
}

double clock_cost_ns() {
    constexpr int kReads = 20'000;
    const std::uint64_t begin = native::monotonic_ns();
    for (int i = 0; i < kReads; ++i) {
        native::keep_loop(native::Stopwatch::stamp());
    }
    return static_cast<double>(native::monotonic_ns() - begin) / kReads;
}

double quantile(std::vector<double> values, double at) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(at * static_cast<double>(values.size() - 1))];
}

}  // namespace

OwnCost measure_own_cost(unsigned sample_every) {
    native::World::get().begin_trial({kAnyNode}, 1);
    OwnCost cost;
    cost.sample_every = sample_every;
    cost.repetitions = kRepetitions;
    {
        const native::ThreadScope scope(0);
        const auto stats = std::make_unique<ThreadStats>();
        const std::vector<std::uint8_t> distances(3, 0);
        Ctx<Native> ctx(0, 1, sample_every, *stats, distances.data());
        const auto state = std::make_unique<PrivateState>();
        state->gate.set_phase(TrialGate::kMeasure);
        NullLock<Native>::Token token(ctx);
        std::vector<double> added;
        std::vector<double> bare;
        for (unsigned run = 0; run < kRepetitions; ++run) {
            // Neighbours in time share the state of the machine, so differences are taken pair by pair.
            bare.push_back(bare_loop_ns(*state, token));
            added.push_back(counted_loop_ns(*state, token, ctx) - bare.back());
        }
        cost.cost_ns = quantile(added, 0.5);
        cost.spread_ns = (quantile(added, 0.75) - quantile(added, 0.25)) / 2;
        cost.bare_ns = quantile(bare, 0.5);
        cost.clock_ns = clock_cost_ns();
    }
    native::World::get().end_trial();
    return cost;
}

}  // namespace lockbench
