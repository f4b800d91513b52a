// SPDX-License-Identifier: MIT
// A small simulated machine for tests, with round numbers, and threads that run on it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/sim/sim.hpp"

namespace lockbench::test {

inline constexpr sim::Time kNs = sim::kPerNs;

// `packages` of `cores` each, one last-level cache and one node a package; the first two packages are one hop apart,
// any others two. A transfer takes 60, 120 and 240 ns, in three legs of a third.
inline sim::Machine small_machine(std::uint16_t packages, std::uint16_t cores) {
    sim::Machine machine;
    machine.name = "test";
    const std::size_t cpus = std::size_t{packages} * cores;
    for (std::uint16_t cpu = 0; cpu < cpus; ++cpu) {
        machine.core_of_cpu.push_back(cpu);
        machine.group_of_core.push_back(cpu / cores);
        machine.node_of_cpu.push_back(cpu / cores);
    }
    machine.hops.assign(packages, std::vector<std::uint8_t>(packages, 2));
    for (std::uint16_t package = 0; package < packages; ++package) {
        machine.package_of_group.push_back(package);
        machine.package_of_node.push_back(package);
        machine.hops[package][package] = 0;
    }
    if (packages > 1) {
        machine.hops[0][1] = machine.hops[1][0] = 1;
    }
    machine.distances.assign(cpus * cpus, static_cast<std::uint8_t>(Distance::unknown));
    for (auto& by_found : machine.latency) {
        for (sim::HopCosts& row : by_found) {
            row = {60 * kNs, 60 * kNs, 120 * kNs, 240 * kNs};
        }
    }
    machine.occupy_read = 6 * kNs;
    machine.ack = 1 * kNs;
    machine.op = machine.load = machine.store = kNs / 2;
    machine.rmw = 7 * kNs;
    machine.fence = machine.pause = 10 * kNs;
    machine.poll = 3 * kNs;
    machine.store_buffer = 8;
    machine.syscall = 200 * kNs;
    machine.context_switch = 1000 * kNs;
    machine.wake = 500 * kNs;
    machine.wake_latency = 2000 * kNs;
    machine.quantum = 1'000'000 * kNs;
    machine.ipi = 1000 * kNs;
    machine.allocate = 20 * kNs;
    return machine;
}

// A machine that runs: its engine, and one thread on each of the first CPUs unless told otherwise.
class Stage {
  public:
    Stage(sim::Machine machine, std::size_t threads, std::uint64_t seed = 1, std::size_t cpus = SIZE_MAX)
        : machine_(std::move(machine)), engine_(machine_, places(machine_, threads, cpus), seed) {}

    [[nodiscard]] sim::Engine& engine() { return engine_; }
    // An object on a line of its own, on node 0.
    template <class T, class... Args>
    T& make(Args&&... args) {
        return sim::make_local<T>(std::forward<Args>(args)...);
    }
    sim::RunEnd run(const std::function<void(ThreadId)>& body, sim::Time limit = 1'000'000'000 * kNs) {
        return engine_.run(body, 1, limit);
    }
    [[nodiscard]] std::uint64_t moves(sim::Access access) const { return engine_.traffic().total(access); }

  private:
    static std::vector<sim::ThreadPlace> places(const sim::Machine& machine, std::size_t threads, std::size_t cpus) {
        std::vector<sim::ThreadPlace> list;
        for (std::size_t i = 0; i < threads; ++i) {
            const std::size_t cpu = i % std::min(cpus, machine.cpus());
            list.push_back({static_cast<CpuId>(cpu), machine.node_of_cpu[cpu]});
        }
        return list;
    }

    sim::Machine machine_;
    sim::Engine engine_;
};

// A thread's context and its token for a lock, built by that thread.
template <class L>
class LockUser {
  public:
    explicit LockUser(ThreadId tid)
        : ctx_(tid, 1, 0, kept().emplace_back(), nullptr), token_(sim::make_local<typename L::Token>(ctx_)) {}
    [[nodiscard]] typename L::Token& token() { return token_; }

  private:
    // Not on a fiber's stack, which is abandoned where a run cannot end.
    static std::deque<ThreadStats>& kept() {
        static std::deque<ThreadStats> all;
        return all;
    }
    Ctx<Sim> ctx_;
    typename L::Token& token_;
};

}  // namespace lockbench::test
