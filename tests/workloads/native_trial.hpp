// SPDX-License-Identifier: MIT
// Runs a workload on real threads for a number of steps each and gives back what they counted and what was found.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "platform/native.hpp"
#include "tests/workloads/trial_counts.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

template <class W>
TrialCounts run_native(const ParamValues& params, std::uint32_t threads, std::uint32_t steps, std::uint64_t seed = 1) {
    native::World::get().begin_trial(std::vector<NodeId>(threads + 1, kAnyNode), seed);
    TrialCounts counts;
    {
        const native::ThreadScope host(threads);
        const auto workload = std::make_unique<W>(TrialSetup{params, threads, seed, {}});
        const std::vector<RoleId> roles = roles_of(W::info(), params, threads);
        std::vector<std::thread> team;
        std::atomic<std::uint32_t> built{0};
        for (ThreadId tid = 0; tid < threads; ++tid) {
            counts.threads.push_back(std::make_unique<ThreadStats>());
            team.emplace_back([&, tid, stats = counts.threads.back().get()] {
                const native::ThreadScope scope(tid);
                Ctx<Native> ctx(tid, seed, 7, *stats, nullptr);
                typename W::Thread thread(*workload, ctx, roles[tid]);
                built.fetch_add(1);
                while (built.load() != threads) {
                    std::this_thread::yield();
                }
                for (std::uint32_t i = 0; i < steps; ++i) {
                    workload->step(thread);
                }
                workload->finish(thread);
            });
        }
        for (std::thread& thread : team) {
            thread.join();
        }
        workload->verify(counts.verdict);
    }
    native::World::get().end_trial();
    return counts;
}

// The bytes that a workload of default parameters tells of each kind of home.
template <class W>
std::array<std::size_t, 2> homes_of() {
    std::array<std::size_t, 2> bytes{};
    native::World::get().begin_trial({kAnyNode, kAnyNode}, 1);
    {
        const native::ThreadScope host(1);
        W workload(TrialSetup{default_params(W::info()), 1, 1, {}});
        workload.for_each_home(
            [&bytes](HomeKind kind, const void*, std::size_t size) { bytes[static_cast<std::size_t>(kind)] += size; });
        Verdict verdict;
        workload.verify(verdict);
        EXPECT_TRUE(verdict.passed());
    }
    native::World::get().end_trial();
    return bytes;
}

}  // namespace lockbench
