// SPDX-License-Identifier: MIT
#include "bench/locksim_run.hpp"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "bench/benchmark_json.hpp"
#include "bench/build_info.hpp"
#include "bench/errors.hpp"
#include "bench/lists.hpp"
#include "bench/locksim_calibrate.hpp"
#include "bench/locksim_report.hpp"
#include "bench/locksim_workers.hpp"
#include "bench/progress.hpp"
#include "bench/record.hpp"
#include "bench/run_files.hpp"
#include "bench/utc_time.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

// Puts the windows into the files in the plan's order, whichever process is done first.
class Recorder {
  public:
    Recorder(const SimPlan& plan, const RunFiles& files)
        : plan_(plan), writer_(files.windows_jsonl()), progress_(plan.windows(), 0.2) {
        if (plan.line_map) {
            maps_ = std::make_unique<WindowWriter>(files.dir() / "line_map.jsonl");
        }
    }

    void take(json entry) {
        const auto order = entry.at("order").get<std::size_t>();
        const SimCell& cell = plan_.cell_of(order);
        progress_.begin(static_cast<std::uint32_t>(order % plan_.jobs), plan_.jobs,
                        fmt::format("{} {} {} threads", cell.workload->info->name, cell.lock->info.name, cell.threads));
        progress_.done();
        host_s_ += entry.at("host_s").get<double>();
        waiting_.emplace(order, std::move(entry));
        while (!waiting_.empty() && waiting_.begin()->first == next_) {
            append(waiting_.begin()->second);
            waiting_.erase(waiting_.begin());
            ++next_;
        }
    }
    void finish() { progress_.finish(); }
    // Lines are numbered in the order of the plan: this is the first that is not there.
    [[nodiscard]] std::size_t next() const { return next_; }
    [[nodiscard]] bool arrived(std::size_t order) const { return order < next_ || waiting_.count(order) != 0; }
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
    [[nodiscard]] const std::vector<std::string>& maps() const { return map_texts_; }
    [[nodiscard]] double host_s() const { return host_s_; }
    [[nodiscard]] double accesses() const { return accesses_; }

  private:
    void append(const json& entry) {
        const json window = json::parse(entry.at("window").get<std::string>());
        writer_.append(window);
        accesses_ += window.at("sim").at("accesses").get<double>();
        for (const json& failure : window.at("checks").at("failed")) {
            failures_.push_back(fmt::format("{} {} {} threads, order {}: {}", window.at("workload").get<std::string>(),
                                            window.at("lock").get<std::string>(), window.at("threads").get<int>(),
                                            next_, failure.get<std::string>()));
        }
        if (!entry.at("map").is_null()) {
            maps_->append(entry.at("map"));
            map_texts_.push_back(line_map_text(entry.at("map")));
        }
    }

    const SimPlan& plan_;
    WindowWriter writer_;
    std::unique_ptr<WindowWriter> maps_;
    Progress progress_;
    std::map<std::size_t, json> waiting_;
    std::size_t next_ = 0;
    std::vector<std::string> failures_;
    std::vector<std::string> map_texts_;
    double host_s_ = 0;
    double accesses_ = 0;
};

json plan_json(const SimPlan& plan) {
    json cells = json::array();
    for (const SimCell& cell : plan.cells) {
        cells.push_back({{"id", cells.size()},
                         {"lock", cell.lock->info.name},
                         {"workload", cell.workload->info->name},
                         {"params", params_to_json(*cell.workload->info, cell.params)},
                         {"placement", plan.placement},
                         {"threads", cell.threads},
                         {"cpus", cell.place.cpus}});
    }
    json order = json::array();
    for (std::size_t window = 0; window < plan.windows(); ++window) {
        order.push_back({window / plan.seeds, window % plan.seeds, window % plan.seeds});
    }
    return {{"seed", plan.seed},
            {"window_ms", static_cast<double>(plan.window_ns) * 1e-6},
            {"warmup_ms", static_cast<double>(plan.warmup_ns) * 1e-6},
            {"repetitions", plan.seeds},
            {"blocks", plan.seeds},
            {"sample_every", 1},
            {"placement", plan.placement},
            {"lock_home", plan.lock_home},
            {"notes", plan.notes},
            {"refused", plan.refused},
            {"cells", cells},
            {"order", order}};
}

json run_json(const SimPlan& plan, const SimMachine& machine, const std::vector<std::string>& command) {
    json locks = json::array();
    json workloads = json::array();
    std::vector<std::string_view> seen;
    const auto fresh = [&](std::string_view name) {
        const bool is_new = std::find(seen.begin(), seen.end(), name) == seen.end();
        seen.push_back(name);
        return is_new;
    };
    for (const SimCell& cell : plan.cells) {
        if (fresh(cell.lock->info.name)) {
            locks.push_back(lock_to_json(cell.lock->info));
        }
        if (fresh(cell.workload->info->name)) {
            workloads.push_back(workload_to_json(*cell.workload->info));
        }
    }
    // The host is the simulated one; what simulated it stands apart.
    json host = build_facts();
    host["simulated"] = true;
    host["cpu"] = {{"model", "simulated " + machine.numbers.name}, {"cpus", machine.topology.cpus.size()}};
    host["warnings"] = json::array();
    return {{"schema_version", 1},     {"tool", "locksim"},   {"tool_version", LOCKBENCH_VERSION},
            {"command", command},      {"status", "running"}, {"started_at", utc_now("%Y-%m-%dT%H:%M:%SZ")},
            {"finished_at", nullptr},  {"host", host},        {"machine", *machine.file},
            {"plan", plan_json(plan)}, {"locks", locks},      {"workloads", workloads}};
}

SimMachine this_machine() {
    const Calibration calibration = calibrate({});
    fmt::print("{}", calibration_text(calibration));
    return calibration.machine;
}

}  // namespace

int run_simulation(const RawSimOptions& raw, const std::vector<std::string>& command) {
    const SimMachine machine = raw.machine == kThisMachine ? this_machine() : load_sim_machine(raw.machine);
    const SimPlan plan = make_sim_plan(raw, machine);
    const RunFiles files(plan.out.empty() ? "out/sim-" + utc_now("%Y%m%dT%H%M%SZ") : plan.out);
    static_cast<void>(files.create());
    const auto lock = files.lock();
    files.require_new();
    json run = run_json(plan, machine, command);
    files.write_run(run);
    machine.topology.export_xml(files.topology_xml().string());
    fmt::print("locksim: SIMULATED machine {}: {} cells, {} windows of {} us of virtual time; into {}\n",
               machine.numbers.name, plan.cells.size(), plan.windows(), plan.window_ns / 1000, files.dir().string());
    for (const std::string& note : plan.notes) {
        fmt::print("note: {}\n", note);
    }
    watch_interrupts();
    Recorder recorder(plan, files);
    const bool alive = simulate(plan, machine, [&](json entry) { recorder.take(std::move(entry)); });
    recorder.finish();
    const bool interrupted = is_interrupted();
    const bool whole = alive && recorder.next() == plan.windows();
    run["status"] = interrupted ? "interrupted" : whole ? "done" : "failed";
    run["finished_at"] = interrupted ? json(nullptr) : json(utc_now("%Y-%m-%dT%H:%M:%SZ"));
    run["simulating"] = {{"seconds", recorder.host_s()}, {"accesses", recorder.accesses()}};
    files.write_run(run);
    files.write_benchmark(benchmark_json(run, files.read_windows()));
    for (const std::string& text : recorder.maps()) {
        fmt::print("{}", text);
    }
    for (const std::string& failure : recorder.failures()) {
        fmt::print("FAILED: {}\n", failure);
    }
    if (!alive) {
        for (std::size_t order = 0; order < plan.windows(); ++order) {
            if (!recorder.arrived(order)) {
                const SimCell& cell = plan.cell_of(order);
                fmt::print("FAILED: the process died in order {}: {} {} {} threads; its last words are above.\n", order,
                           cell.workload->info->name, cell.lock->info.name, cell.threads);
                break;
            }
        }
    }
    fmt::print("{}: {} of {} windows in {}; {:.1f} M accesses a second of host time\n",
               interrupted ? "interrupted; what is simulated stays" : "simulated", recorder.next(), plan.windows(),
               files.windows_jsonl().string(), recorder.accesses() / std::max(recorder.host_s(), 1e-9) * 1e-6);
    return interrupted ? kExitInterrupted : whole && recorder.failures().empty() ? kExitDone : kExitFailed;
}

}  // namespace lockbench
