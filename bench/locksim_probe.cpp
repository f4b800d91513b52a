// SPDX-License-Identifier: MIT
#include "bench/locksim_probe.hpp"

#include <fmt/format.h>

#include <functional>
#include <vector>

#include "bench/errors.hpp"
#include "bench/locksim_hand_over.hpp"
#include "locks/mcs.hpp"
#include "locks/qspinlock.hpp"
#include "locks/ticket.hpp"
#include "platform/check.hpp"

namespace lockbench {
namespace {

using Probed = sim::HandOvers (*)(const sim::Machine&, const std::vector<sim::ThreadPlace>&, std::uint64_t,
                                  Nanoseconds);
struct ProbedLock {
    std::string_view name;
    Probed run;
};
constexpr ProbedLock kProbed[] = {
    {"ticket", &sim::hand_overs<TicketLock<Sim>>},
    {"mcs", &sim::hand_overs<McsLock<Sim>>},
    {"qspinlock", &sim::hand_overs<QSpinLock<Sim, SubWord::mixed>>},
};

// A CPU of each of the first cores.
std::vector<sim::ThreadPlace> one_a_core(const sim::Machine& machine, std::uint32_t threads) {
    std::vector<sim::ThreadPlace> places;
    std::vector<bool> taken(machine.cores(), false);
    for (std::size_t cpu = 0; cpu < machine.cpus() && places.size() < threads; ++cpu) {
        if (!taken[machine.core_of_cpu[cpu]]) {
            taken[machine.core_of_cpu[cpu]] = true;
            places.push_back({static_cast<CpuId>(cpu), machine.node_of_cpu[cpu]});
        }
    }
    if (places.size() < threads) {
        throw UsageError(fmt::format("{} has no {} cores to queue up on.", machine.name, threads));
    }
    return places;
}

const ProbedLock& probed_lock(const std::string& name) {
    std::vector<std::string_view> names;
    for (const ProbedLock& lock : kProbed) {
        names.push_back(lock.name);
        if (lock.name == name) {
            return lock;
        }
    }
    throw UsageError(fmt::format("transfers are counted of {}, not of '{}'.", fmt::join(names, ", "), name));
}

double hand_over(const PublishedSeries& series, const sim::Machine& machine, std::uint32_t threads,
                 std::uint64_t seed) {
    const sim::HandOvers found = probed_lock(series.lock).run(machine, one_a_core(machine, threads), seed, 0);
    check(found.end == sim::RunEnd::done && found.broken.empty(), "a queue did not go through its lock");
    const std::uint64_t count = series.count == "reads"    ? found.reads
                                : series.count == "writes" ? found.writes
                                                           : found.invalidated;
    return static_cast<double>(count);
}

}  // namespace

double ping_pong_ns(const sim::Machine& machine, CpuId a, CpuId b, NodeId home, std::uint64_t seed) {
    constexpr std::uint32_t kTurns = 1000;
    sim::Engine stage(
        machine,
        {{a, machine.node_of_cpu[static_cast<std::size_t>(a)]}, {b, machine.node_of_cpu[static_cast<std::size_t>(b)]}},
        seed);
    using Word = Sim::Atomic<std::uint32_t>;
    const std::uint32_t kind = stage.add_kind("ping-pong", sizeof(Word));
    auto& word = *new (stage.allocate(sizeof(Word), home, kind)) Word(0U);
    sim::Time end = 0;
    const std::function<void(ThreadId)> body = [&](ThreadId tid) {
        for (std::uint32_t turn = tid; turn < kTurns; turn += 2) {
            // The measuring tool has no pause in its loop either.
            while (!word.try_cas(turn, turn + 1, acq_rel)) {
            }
        }
        end = std::max(end, sim::self_thread->now);
    };
    check(stage.run(body, 1, 1'000'000'000 * sim::kPerNs) == sim::RunEnd::done, "a ping-pong did not end");
    return static_cast<double>(end) / (kTurns * sim::kPerNs);
}

void check_probe(const PublishedSeries& series, const sim::Machine& machine) {
    if (series.measure == Measure::hand_over) {
        static_cast<void>(probed_lock(series.lock));
        static_cast<void>(one_a_core(machine, series.published.rbegin()->first));
        return;
    }
    for (const CpuId cpu : series.cpus) {
        if (static_cast<std::size_t>(cpu) >= machine.cpus()) {
            throw UsageError(fmt::format("{} has no CPU {}.", machine.name, cpu));
        }
    }
    if (static_cast<std::size_t>(series.home) >= machine.nodes()) {
        throw UsageError(fmt::format("{} has no node {}.", machine.name, series.home));
    }
}

double probe(const PublishedSeries& series, const sim::Machine& machine, std::uint32_t threads, std::uint64_t seed) {
    return series.measure == Measure::ping_pong
               ? ping_pong_ns(machine, series.cpus[0], series.cpus[1], series.home, seed)
               : hand_over(series, machine, threads, seed);
}

}  // namespace lockbench
