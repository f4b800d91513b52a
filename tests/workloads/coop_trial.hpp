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

}  // namespace lockbench
