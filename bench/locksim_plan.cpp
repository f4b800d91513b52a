// SPDX-License-Identifier: MIT
#include "bench/locksim_plan.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "bench/errors.hpp"
#include "bench/glob.hpp"
#include "bench/host_setup.hpp"
#include "bench/nearest.hpp"
#include "bench/placement.hpp"
#include "bench/refusals.hpp"

namespace lockbench {
namespace {

constexpr std::int64_t kMostSeeds = 1000;
constexpr std::int64_t kMostWindowUs = 10'000'000;

bool matches(const std::vector<std::string>& globs, std::string_view name) {
    return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return glob_matches(glob, name); });
}

void check_names(const char* option, const std::vector<std::string>& globs,
                 const std::vector<std::string_view>& names) {
    for (const std::string& glob : globs) {
        if (std::none_of(names.begin(), names.end(), [&](std::string_view name) { return glob_matches(glob, name); })) {
            throw UsageError(fmt::format("{}: nothing matches '{}'; the nearest is '{}'. 'locksim list' shows all.",
                                         option, glob, nearest(glob, names)));
        }
    }
}

// Without globs: all but the controls and the builds for more threads than CPUs. A control is to be named in full.
std::vector<const SimLock*> chosen_locks(const std::vector<std::string>& globs) {
    std::vector<std::string_view> names;
    std::vector<const SimLock*> chosen;
    for (const SimLock& lock : sim_locks()) {
        names.push_back(lock.info.name);
        const bool named = std::find(globs.begin(), globs.end(), lock.info.name) != globs.end();
        if (globs.empty() ? !lock.info.control && !lock.info.name.ends_with(".yield")
                          : named || (!lock.info.control && matches(globs, lock.info.name))) {
            chosen.push_back(&lock);
        }
    }
    check_names("--locks", globs, names);
    return chosen;
}

std::vector<const WorkloadInfo*> chosen_workloads(const std::vector<std::string>& globs) {
    std::vector<std::string_view> names;
    std::vector<const WorkloadInfo*> chosen;
    for (const SimWorkload& workload : sim_locks().front().workloads) {
        names.push_back(workload.info->name);
        if (globs.empty() || matches(globs, workload.info->name)) {
            chosen.push_back(workload.info);
        }
    }
    check_names("--workloads", globs, names);
    return chosen;
}

std::vector<std::uint32_t> chosen_threads(const std::vector<std::string>& texts, const HostPlacer& placer) {
    if (texts.empty()) {
        return placer.auto_threads;
    }
    std::vector<std::uint32_t> threads;
    threads.reserve(texts.size());
    for (const std::string& text : texts) {
        threads.push_back(static_cast<std::uint32_t>(parse_number("--threads", text, 1, kMaxThreads - 1, "threads")));
    }
    std::sort(threads.begin(), threads.end());
    threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
    return threads;
}

const SimWorkload& workload_of(const SimLock& lock, const WorkloadInfo& info) {
    return *std::find_if(lock.workloads.begin(), lock.workloads.end(),
                         [&](const SimWorkload& workload) { return workload.info->name == info.name; });
}

void refuse_convoys(const SimPlan& plan, const SimMachine& machine) {
    for (const SimCell& cell : plan.cells) {
        if (cell.place.oversubscribed && cell.lock->info.convoys) {
            throw UsageError(fmt::format(
                "{} threads on the {} CPUs of {}: {} spins in FIFO order and falls into a convoy of preempted waiters. "
                "Name other locks (the .yield builds are made for this), lower --threads, or pass --allow-convoy.",
                cell.threads, machine.topology.cpus.size(), machine.numbers.name, cell.lock->info.name));
        }
    }
}

void take_numbers(SimPlan& plan, const RawSimOptions& raw) {
    const auto number = [](const char* option, const std::string& text, std::int64_t otherwise, std::int64_t least,
                           std::int64_t most, const char* unit) {
        return text.empty() ? otherwise : parse_number(option, text, least, most, unit);
    };
    plan.seed = static_cast<std::uint64_t>(number("--seed", raw.seed, 1, 0, (std::int64_t{1} << 52) - 1, "seed"));
    plan.seeds = static_cast<std::uint32_t>(number("--seeds", raw.seeds, 5, 1, kMostSeeds, "seeds"));
    plan.window_ns =
        static_cast<Nanoseconds>(number("--window-us", raw.window_us, 2000, 1, kMostWindowUs, "us")) * 1000;
    plan.warmup_ns = static_cast<Nanoseconds>(number("--warmup-us", raw.warmup_us, 500, 0, kMostWindowUs, "us")) * 1000;
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    plan.jobs = static_cast<std::uint32_t>(number("--jobs", raw.jobs, std::clamp(cpus, 1L, 64L), 1, 256, "processes"));
}

}  // namespace

SimPlan make_sim_plan(const RawSimOptions& raw, const SimMachine& machine) {
    SimPlan plan;
    take_numbers(plan, raw);
    plan.out = raw.out;
    plan.line_map = raw.line_map;
    const HostPlacer placer = make_placer(machine.topology);
    const auto threads = chosen_threads(split_list("--threads", raw.threads), placer);
    std::vector<std::string> wish;
    if (!raw.placement.empty()) {
        wish.emplace_back(to_string(parse_placement(raw.placement)));
    }
    const HostPlacer::Chosen placements = placer.choose(wish, threads);
    plan.placement = placements.placements.front();
    if (plan.placement == to_string(Placement::unpinned)) {
        throw UsageError("--placement=unpinned: simulated threads are bound to their CPUs; name another placement.");
    }
    plan.notes = placements.notes;
    plan.lock_home = raw.lock_home;
    std::vector<const WorkloadInfo*> known;
    for (const SimWorkload& workload : sim_locks().front().workloads) {
        known.push_back(workload.info);
    }
    std::vector<ParamSweep> sweeps;
    for (const std::string& text : raw.params) {
        sweeps.push_back(parse_param(text, known));
    }
    Refusals refusals(raw.allow_illegal);
    const auto locks = chosen_locks(split_list("--locks", raw.locks));
    for (const WorkloadInfo* info : chosen_workloads(split_list("--workloads", raw.workloads))) {
        for (const std::uint32_t count : threads) {
            for (const ParamValues& params : sweep_params(*info, sweeps)) {
                const CellPlace place =
                    placer.place(plan.placement, raw.lock_home, reading_threads(*info, params, count));
                for (const SimLock* lock : locks) {
                    if (refusals.refuse(*info, lock->info, params)) {
                        continue;
                    }
                    plan.cells.push_back({lock, &workload_of(*lock, *info), params, count, place});
                }
            }
        }
    }
    refusals.conclude(!plan.cells.empty(), plan.notes);
    plan.refused = refusals.cells();
    if (!raw.allow_convoy) {
        refuse_convoys(plan, machine);
    }
    return plan;
}

WindowRequest request_of(const SimPlan& plan, std::size_t window) {
    const SimCell& cell = plan.cell_of(window);
    WindowRequest request;
    request.params = cell.params;
    request.cpus = cell.place.cpus;
    request.qnode_nodes = cell.place.qnode_nodes;
    request.homes = cell.place.homes;
    request.window_ns = plan.window_ns;
    request.warmup_ns = plan.warmup_ns;
    request.sample_every = 1;  // looking at the virtual clock costs nothing
    request.seed = plan.seed + window % plan.seeds;
    return request;
}

}  // namespace lockbench
