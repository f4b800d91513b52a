// SPDX-License-Identifier: MIT
// A queue of threads goes through a lock once, and nobody comes back: what that moves is known from the algorithm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "locks/lock.hpp"
#include "platform/ctx.hpp"
#include "platform/sim/sim.hpp"

namespace lockbench::sim {

struct HandOvers {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t invalidated = 0;
    Time took = 0;  // from the first hand-over until the last thread has left
    RunEnd end = RunEnd::done;
    std::string broken;  // the directory's breach, if any
};

// The first of the threads holds the lock until all others wait for it, one after the other; what moves from then on is
// counted. Each holds it for `hold_ns`.
template <class L>
HandOvers hand_overs(const Machine& machine, const std::vector<ThreadPlace>& threads, std::uint64_t seed,
                     Nanoseconds hold_ns) {
    constexpr Nanoseconds kApart = 10'000;  // longer than any queue takes to take one thread in
    Engine stage(machine, threads, seed);
    L& lock = make_local<L>();
    const Nanoseconds all_wait = 2 * kApart * threads.size();
    stage.count_between(all_wait * kPerNs, UINT64_MAX);
    // Not on the fibers' stacks, which are abandoned where a run cannot end.
    std::vector<ThreadStats> stats(threads.size());
    std::vector<std::unique_ptr<Ctx<Sim>>> contexts;
    HandOvers found;
    Time last = 0;
    const std::function<void(ThreadId)> body = [&](ThreadId tid) {
        Ctx<Sim>& ctx = *contexts.emplace_back(std::make_unique<Ctx<Sim>>(tid, seed, 0, stats[tid], nullptr));
        auto& token = make_local<typename L::Token>(ctx);
        Sim::compute(Nanoseconds{tid} * kApart);
        lock.lock(token);
        Sim::compute(tid == 0 ? all_wait : hold_ns);
        lock.unlock(token);
        last = std::max(last, self_thread->now);
    };
    found.end = stage.run(body, 1, 1'000'000'000 * kPerNs);
    found.broken = stage.broken_invariant();
    found.reads = stage.traffic().total(Access::read);
    found.writes = stage.traffic().total(Access::write);
    found.invalidated = stage.traffic().invalidated;
    found.took = last - all_wait * kPerNs;
    return found;
}

}  // namespace lockbench::sim
