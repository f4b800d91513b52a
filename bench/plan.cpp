// SPDX-License-Identifier: MIT
#include "bench/plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/errors.hpp"
#include "bench/record.hpp"
#include "bench/refusals.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

const WorkloadRunner* find_runner(const LockRunner& lock, std::string_view workload) {
    for (const WorkloadRunner& runner : lock.workloads) {
        if (runner.info->name == workload) {
            return &runner;
        }
    }
    return nullptr;
}

void refuse_convoys(const std::vector<PlannedCell>& cells, std::uint32_t cpus) {
    std::vector<std::string> names;
    std::uint32_t threads = 0;
    for (const PlannedCell& cell : cells) {
        if (cell.place.oversubscribed && cell.lock->info.convoys &&
            std::find(names.begin(), names.end(), cell.lock->info.name) == names.end()) {
            names.emplace_back(cell.lock->info.name);
            threads = std::max(threads, cell.threads);
        }
    }
    if (!names.empty()) {
        throw UsageError(fmt::format(
            "{} threads on {} CPU{}: {} spin in FIFO order (a sleeping lock in its wait_lock) and fall into a convoy "
            "of "
            "some hundred sections a second. Name others by --locks (the .yield builds are made for this), lower "
            "--threads, or pass --allow-convoy to measure it.",
            threads, cpus, cpus == 1 ? "" : "s", fmt::join(names, ", ")));
    }
}

// The lock whose cells are measured twice: the era in the middle of the debate if it runs, else the first of the run.
bool is_aa_lock(const LockRunner& lock, const std::vector<const LockRunner*>& locks) {
    const auto middle =
        std::find_if(locks.begin(), locks.end(), [](const LockRunner* l) { return l->info.name == "rwsem_3_10"; });
    return &lock == (middle == locks.end() ? locks.front() : *middle);
}

void add_point(RunPlan& plan, const RunOptions& options, const std::string& first_placement, const PlannedCell& cell) {
    plan.cells.push_back(cell);
    const bool pair = options.aa && !cell.place.oversubscribed && cell.placement == first_placement &&
                      cell.lock_home == options.lock_homes.front() && is_aa_lock(*cell.lock, options.locks);
    if (pair) {
        plan.cells.back().aa = "a";
        plan.cells.push_back(cell);
        plan.cells.back().aa = "b";
    }
    // Clock readings cost most where operations are shortest and nobody waits: one thread of the plain mix, or of the
    // first workload.
    const std::string_view shortest = std::any_of(options.workloads.begin(), options.workloads.end(),
                                                  [](const WorkloadInfo* info) { return info->name == "rw_mix"; })
                                          ? "rw_mix"
                                          : options.workloads.front()->name;
    if (options.untimed && cell.threads == 1 && cell.workload->info->name == shortest &&
        cell.placement == first_placement) {
        plan.cells.push_back(cell);
        plan.cells.back().untimed = true;
    }
}

void add_cells(RunPlan& plan, const RunOptions& options, const HostPlacer& host, const HostPlacer::Chosen& chosen,
               const WorkloadInfo& info, std::uint32_t threads, const std::string& placement,
               const std::string& lock_home, Refusals& refusals) {
    for (const ParamValues& params : sweep_params(info, options.params)) {
        const CellPlace place = host.place(placement, lock_home, reading_threads(info, params, threads));
        for (const std::string& note : place.notes) {
            if (std::find(plan.notes.begin(), plan.notes.end(), note) == plan.notes.end()) {
                plan.notes.push_back(note);
            }
        }
        for (const LockRunner* lock : options.locks) {
            if (refusals.refuse(info, lock->info, params)) {
                continue;
            }
            PlannedCell cell;
            cell.lock = lock;
            cell.workload = find_runner(*lock, info.name);
            cell.params = params;
            cell.placement = placement;
            cell.lock_home = lock_home;
            cell.threads = threads;
            cell.place = place;
            add_point(plan, options, chosen.placements.front(), cell);
        }
    }
}

void shuffle_windows(RunPlan& plan) {
    RandomStream random(plan.seed);
    std::uint64_t order = 0;
    for (std::uint32_t block = 0; block < plan.repetitions; ++block) {
        std::vector<std::size_t> cells;
        for (const PlannedCell& cell : plan.cells) {
            cells.push_back(cell.id);
        }
        for (std::size_t i = cells.size(); i > 1; --i) {
            std::swap(cells[i - 1], cells[random.below(static_cast<std::uint32_t>(i))]);
        }
        for (const std::size_t cell : cells) {
            plan.windows.push_back({order++, cell, block, block});
        }
    }
}

json nodes_to_json(const std::vector<NodeId>& nodes) { return json(nodes); }

}  // namespace

std::vector<ParamValues> sweep_params(const WorkloadInfo& info, const std::vector<ParamSweep>& sweeps) {
    std::vector<ParamValues> points = {default_params(info)};
    for (const ParamSweep& sweep : sweeps) {
        if (sweep.workload != &info) {
            continue;
        }
        std::vector<ParamValues> next;
        for (const ParamValues& point : points) {
            for (const std::int64_t value : sweep.values) {
                next.push_back(point);
                next.back()[sweep.param] = value;
            }
        }
        points = std::move(next);
    }
    return points;
}

std::vector<bool> reading_threads(const WorkloadInfo& info, const ParamValues& params, std::uint32_t threads) {
    std::vector<std::int64_t> shares;
    for (const std::size_t param : info.share_param) {
        shares.push_back(params[param]);
    }
    std::vector<bool> reads;
    for (const RoleId role : assign_roles(threads, shares)) {
        const std::string_view name = role == kEveryRole ? "" : info.roles[role];
        reads.push_back(name == "reader" || name == "reclaim" || name == "migrate");
    }
    return reads;
}

std::vector<const LockRunner*> RunPlan::locks() const {
    std::vector<const LockRunner*> found;
    for (const LockRunner& runner : lock_runners()) {
        if (std::any_of(cells.begin(), cells.end(), [&](const PlannedCell& cell) { return cell.lock == &runner; })) {
            found.push_back(&runner);
        }
    }
    return found;
}

RunPlan make_plan(const RunOptions& options, const HostPlacer& host) {
    RunPlan plan;
    plan.seed = options.seed;
    plan.window_ns = options.window_ns;
    plan.warmup_ns = options.warmup_ns;
    plan.repetitions = options.repetitions;
    plan.sample_every = options.sample_every;
    plan.uncontended = options.uncontended;
    plan.allow_convoy = options.allow_convoy;
    plan.counters = options.counters;
    plan.multiplex = options.multiplex;
    plan.perf_c2c = options.perf_c2c;
    plan.benchmark_flags = options.benchmark_flags;
    const std::vector<std::uint32_t>& threads = options.threads.empty() ? host.auto_threads : options.threads;
    const HostPlacer::Chosen chosen = host.choose(options.placements, threads);
    plan.notes = chosen.notes;
    Refusals refusals(options.allow_illegal);
    for (const WorkloadInfo* info : options.workloads) {
        for (const std::uint32_t count : threads) {
            for (const std::string& placement : chosen.placements) {
                for (const std::string& lock_home : options.lock_homes) {
                    add_cells(plan, options, host, chosen, *info, count, placement, lock_home, refusals);
                }
            }
        }
    }
    refusals.conclude(!plan.cells.empty(), plan.notes);
    plan.refused = refusals.cells();
    if (plan.cells.empty()) {
        throw HostError("no cell is left to measure: " + fmt::format("{}", fmt::join(plan.notes, " ")));
    }
    for (std::size_t id = 0; id < plan.cells.size(); ++id) {
        plan.cells[id].id = id;
    }
    if (!options.allow_convoy) {
        refuse_convoys(plan.cells, host.cpus);
    }
    shuffle_windows(plan);
    return plan;
}

json plan_to_json(const RunPlan& plan) {
    json cells = json::array();
    for (const PlannedCell& cell : plan.cells) {
        cells.push_back({{"id", cell.id},
                         {"platform", "native"},
                         {"machine", "this"},
                         {"lock", cell.lock->info.name},
                         {"workload", cell.workload->info->name},
                         {"params", params_to_json(*cell.workload->info, cell.params)},
                         {"param_values", cell.params},
                         {"placement", cell.placement},
                         {"lock_home", cell.lock_home},
                         {"threads", cell.threads},
                         {"cpus", cell.place.cpus},
                         {"qnode_nodes", nodes_to_json(cell.place.qnode_nodes)},
                         {"lock_node", cell.place.homes.lock},
                         {"data_node", cell.place.homes.data},
                         {"oversubscribed", cell.place.oversubscribed},
                         {"aa", cell.aa.empty() ? json(nullptr) : json(cell.aa)},
                         {"untimed", cell.untimed}});
    }
    json order = json::array();
    for (const PlannedWindow& window : plan.windows) {
        order.push_back({window.cell, window.repetition, window.block});
    }
    return {{"seed", plan.seed},
            {"window_ms", static_cast<double>(plan.window_ns) * 1e-6},
            {"warmup_ms", static_cast<double>(plan.warmup_ns) * 1e-6},
            {"repetitions", plan.repetitions},
            {"blocks", plan.blocks()},
            {"sample_every", plan.sample_every},
            {"uncontended", plan.uncontended},
            {"allow_convoy", plan.allow_convoy},
            {"counters", plan.counters},
            {"multiplex", plan.multiplex},
            {"perf_c2c", plan.perf_c2c},
            {"benchmark_flags", plan.benchmark_flags},
            {"notes", plan.notes},
            {"refused", plan.refused},
            {"cells", cells},
            {"order", order}};
}

namespace {

// Of what was written as milliseconds; a length that no plan can have would be measured as if it were one.
Nanoseconds length_from_json(const json& text, const char* field, double least_ms) {
    const double ms = text.at(field);
    if (!(ms >= least_ms && ms <= static_cast<double>(kMaxWindowMs))) {
        throw UsageError(fmt::format("run.json is damaged: its plan has {} as {}.", text.at(field).dump(), field));
    }
    return static_cast<Nanoseconds>(ms * 1e6);
}

void require_sound(const PlannedCell& cell) {
    if (cell.threads == 0 || cell.place.cpus.size() != cell.threads || cell.place.qnode_nodes.size() != cell.threads) {
        throw UsageError(fmt::format("run.json is damaged: cell {} of its plan has {} threads on {} CPUs.", cell.id,
                                     cell.threads, cell.place.cpus.size()));
    }
}

}  // namespace

RunPlan plan_from_json(const json& text) {
    RunPlan plan;
    try {
        plan.seed = text.at("seed");
        plan.window_ns = length_from_json(text, "window_ms", 1);
        plan.warmup_ns = length_from_json(text, "warmup_ms", 0);
        plan.repetitions = text.at("repetitions");
        plan.sample_every = text.at("sample_every");
        plan.uncontended = text.at("uncontended");
        plan.allow_convoy = text.at("allow_convoy");
        plan.counters = text.at("counters");
        plan.multiplex = text.value("multiplex", false);
        plan.perf_c2c = text.value("perf_c2c", false);
        plan.benchmark_flags = text.at("benchmark_flags");
        plan.notes = text.at("notes");
        plan.refused = text.value("refused", json::array());
        for (const json& entry : text.at("cells")) {
            PlannedCell cell;
            cell.id = entry.at("id");
            cell.lock = find_lock(entry.at("lock").get<std::string>());
            if (cell.lock == nullptr) {
                throw UsageError("run.json names the lock " + entry.at("lock").get<std::string>() +
                                 ", which this binary does not have.");
            }
            cell.workload = find_runner(*cell.lock, entry.at("workload").get<std::string>());
            cell.params = entry.at("param_values").get<ParamValues>();
            if (cell.workload == nullptr || cell.params.size() != cell.workload->info->params.size()) {
                throw UsageError("run.json names a workload or parameters that this binary does not have.");
            }
            cell.placement = entry.at("placement");
            cell.lock_home = entry.at("lock_home");
            cell.threads = entry.at("threads");
            cell.place.cpus = entry.at("cpus").get<std::vector<CpuId>>();
            cell.place.qnode_nodes = entry.at("qnode_nodes").get<std::vector<NodeId>>();
            cell.place.homes = {entry.at("lock_node"), entry.at("data_node")};
            cell.place.oversubscribed = entry.at("oversubscribed");
            cell.aa = entry.at("aa").is_null() ? "" : entry.at("aa").get<std::string>();
            cell.untimed = entry.at("untimed");
            require_sound(cell);
            plan.cells.push_back(cell);
        }
        for (const json& entry : text.at("order")) {
            plan.windows.push_back({plan.windows.size(), entry.at(0), entry.at(1), entry.at(2)});
            if (plan.windows.back().cell >= plan.cells.size()) {
                throw UsageError("run.json is damaged: its order names a cell that is not there.");
            }
        }
    } catch (const json::exception&) {
        throw UsageError("run.json is damaged: a field of its plan is missing or of another type.");
    }
    return plan;
}

}  // namespace lockbench
