// SPDX-License-Identifier: MIT
// Runs a workload on the cooperative platform: some steps a thread, then verification, then the end of the world.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "platform/coop.hpp"
#include "tests/workloads/trial_counts.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

struct CoopTrial {
    CoopVerdict coop;
    TrialCounts counts;
    std::uint64_t slow_writes = 0;

    [[nodiscard]] bool passed() const { return coop.passed && counts.verdict.passed(); }
    // What was found; empty when all is well.
    [[nodiscard]] std::string failures() const { return coop.text + counts.failures(); }
};

// For the reverse map, whose trials take many steps.
inline CoopOptions rmap_options(std::uint64_t seed, unsigned threads) {
    return {.seed = seed, .threads = threads, .max_steps = 4'000'000};
}

// Draws parameters by a schedule's seed: below `among`, one for each salt.
class Pick {
  public:
    explicit Pick(std::uint64_t seed) : seed_(seed) {}
    std::int64_t operator()(std::uint64_t salt, std::int64_t among) const {
        return static_cast<std::int64_t>(RandomStream(seed_ * 16 + salt).below(static_cast<std::uint32_t>(among)));
    }

  private:
    std::uint64_t seed_;
};

template <class W>
CoopTrial run_coop_trial(const CoopOptions& options, const ParamValues& params, std::uint32_t steps) {
    CoopTrial trial;
    std::deque<Ctx<Coop>> contexts;
    CoopWorld world(options);
    W& workload = world.make<W>(TrialSetup{params, options.threads, options.seed, {}});
    const std::vector<RoleId> roles = roles_of(W::info(), params, options.threads);
    std::vector<std::optional<typename W::Thread>*> threads;
    for (ThreadId tid = 0; tid < options.threads; ++tid) {
        trial.counts.threads.push_back(std::make_unique<ThreadStats>());
        contexts.emplace_back(tid, options.seed, 0, *trial.counts.threads.back(), nullptr);
        threads.push_back(&world.make<std::optional<typename W::Thread>>());
    }
    world.run([&](ThreadId tid) {
        typename W::Thread& thread = threads[tid]->emplace(workload, contexts[tid], roles[tid]);
        for (std::uint32_t i = 0; i < steps; ++i) {
            workload.step(thread);
        }
        workload.finish(thread);
    });
    trial.slow_writes = world.events(Event::slow_write);
    if (world.verdict().passed) {
        workload.verify(trial.counts.verdict);
    }
    trial.coop = world.close();
    return trial;
}

// Runs a scene of the reverse map: body(scene, thread, tid) on each thread, with what its walks need; and where nothing
// was found, verify(scene, verdict). The scene tells its configuration.
template <class Scene, class Thread, class Body, class Verify>
CoopTrial run_scene(const CoopOptions& options, Body body, Verify verify) {
    CoopTrial trial;
    std::deque<Ctx<Coop>> contexts;
    CoopWorld world(options);
    auto& scene = world.make<Scene>();
    std::vector<Thread*> each;
    for (ThreadId tid = 0; tid < options.threads; ++tid) {
        trial.counts.threads.push_back(std::make_unique<ThreadStats>());
        contexts.emplace_back(tid, options.seed, 0, *trial.counts.threads.back(), nullptr);
        each.push_back(&world.make<Thread>(contexts.back(), scene.config()));
    }
    world.run([&](ThreadId tid) { body(scene, *each[tid], tid); });
    if (world.verdict().passed) {
        verify(scene, trial.counts.verdict);
    }
    trial.coop = world.close();
    return trial;
}

}  // namespace lockbench
