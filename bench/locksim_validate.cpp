// SPDX-License-Identifier: MIT
#include "bench/locksim_validate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "bench/errors.hpp"
#include "bench/locksim_probe.hpp"
#include "bench/locksim_workers.hpp"
#include "bench/nearest.hpp"
#include "bench/progress.hpp"
#include "bench/run_files.hpp"
#include "bench/utc_time.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

constexpr std::size_t kLeastSeeds = 5;  // a spread of fewer says little

bool is_probe(const PublishedSeries& series) {
    return series.measure == Measure::ping_pong || series.measure == Measure::hand_over;
}

std::int64_t think_ns(const SimCell& cell) {
    const auto params = cell.workload->info->params;
    const auto found =
        std::find_if(params.begin(), params.end(), [](const ParamInfo& param) { return param.key == "think_ns"; });
    if (found == params.end()) {
        throw UsageError(
            fmt::format("{} has no think_ns: 'speed_up' cannot be told of it.", cell.workload->info->name));
    }
    return cell.params[static_cast<std::size_t>(found - params.begin())];
}

void check_ops(const PublishedSeries& series, const WorkloadInfo& info) {
    std::vector<std::string_view> names;
    for (const OpInfo& op : info.ops) {
        names.push_back(op.name);
    }
    for (const std::string& op : series.ops) {
        if (std::find(names.begin(), names.end(), op) == names.end()) {
            throw UsageError(fmt::format("{} does no '{}'; the nearest is '{}'.", info.name, op, nearest(op, names)));
        }
    }
}

// A window's value, in the unit of the series.
double value_of(const PublishedTable& table, const PublishedSeries& series, const SimCell& cell, const json& window) {
    double rate = 0;
    for (const auto& [op, per_s] : window.at("ops_per_s").items()) {
        if (series.ops.empty() || std::find(series.ops.begin(), series.ops.end(), op) != series.ops.end()) {
            rate += per_s.get<double>();
        }
    }
    switch (series.measure) {
        case Measure::kops_per_s:
            return rate * 1e-3;
        case Measure::ns_per_op:
            return rate == 0 ? kNotGiven : cell.threads * 1e9 / rate;
        case Measure::ms_for:
            return rate == 0 ? kNotGiven : table.operations * cell.threads * 1e3 / rate;
        default:
            return rate * 1e-9 * static_cast<double>(think_ns(cell));
    }
}

// One series with what is to be simulated for it.
struct Job {
    const PublishedTable* table;
    const PublishedSeries* series;
    SimMachine machine;
    SimPlan plan;  // of a probe only seed and seeds
};

Job make_job(const RawValidateOptions& raw, const PublishedTable& table, const PublishedSeries& series) {
    RawSimOptions options;
    options.machine = series.machine;
    options.seed = raw.seed;
    options.seeds = raw.seeds;
    options.jobs = raw.jobs;
    const bool probes = is_probe(series);
    options.locks = {probes ? "ticket" : series.lock};
    options.workloads = {probes ? "lock_loop" : series.workload};
    for (const auto& [threads, value] : series.published) {
        options.threads.push_back(probes ? "1" : std::to_string(threads));
    }
    options.params = series.params;
    options.window_us = table.window_us == 0 ? "" : std::to_string(table.window_us);
    options.warmup_us = table.window_us == 0 ? "" : std::to_string(table.warmup_us);
    Job job{&table, &series, load_sim_machine(series.machine), {}};
    job.plan = make_sim_plan(options, job.machine);
    if (!probes && job.plan.cells.size() != series.published.size()) {
        throw UsageError("the series is not one lock on one workload with one set of parameters.");
    }
    if (probes) {
        check_probe(series, job.machine.numbers);
    } else {
        check_ops(series, *job.plan.cells.front().workload->info);
    }
    return job;
}

// What is wrong with a series is told with its place: the user has named only its table.
std::vector<Job> make_jobs(const RawValidateOptions& raw, const std::vector<PublishedTable>& tables) {
    std::vector<Job> jobs;
    for (const PublishedTable& table : tables) {
        for (const PublishedSeries& series : table.series) {
            try {
                jobs.push_back(make_job(raw, table, series));
            } catch (const UsageError& error) {
                throw UsageError(fmt::format("table {}, series '{}': {}", table.name, series.name, error.what()));
            }
        }
    }
    return jobs;
}

class Validation {
  public:
    explicit Validation(const std::vector<Job>& jobs) : jobs_(jobs), progress_(steps(jobs), 0.5) {}

    // False where it was interrupted or a process died.
    bool run() {
        for (const Job& job : jobs_) {
            if (!(is_probe(*job.series) ? run_probe(job) : run_windows(job))) {
                return false;
            }
        }
        progress_.finish();
        return true;
    }
    [[nodiscard]] const std::map<std::string, Simulated>& of(const PublishedTable& table) { return found_[&table]; }
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

  private:
    static std::size_t steps(const std::vector<Job>& jobs) {
        std::size_t sum = 0;
        for (const Job& job : jobs) {
            sum += job.series->published.size() * job.plan.seeds;
        }
        return sum;
    }

    bool run_probe(const Job& job) {
        for (const auto& [threads, published] : job.series->published) {
            std::vector<double>& values = found_[job.table][job.series->name][threads];
            for (std::uint32_t seed = 0; seed < job.plan.seeds; ++seed) {
                values.push_back(probe(*job.series, job.machine.numbers, threads, job.plan.seed + seed));
                progress_.done();
            }
        }
        return !is_interrupted();
    }

    bool run_windows(const Job& job) {
        Simulated& simulated = found_[job.table][job.series->name];
        for (const SimCell& cell : job.plan.cells) {
            simulated[cell.threads].resize(job.plan.seeds, kNotGiven);
        }
        std::size_t arrived = 0;
        const bool alive = simulate(job.plan, job.machine, [&](const json& entry) {
            const auto order = entry.at("order").get<std::size_t>();
            const json window = json::parse(entry.at("window").get<std::string>());
            const SimCell& cell = job.plan.cell_of(order);
            simulated[cell.threads][order % job.plan.seeds] = value_of(*job.table, *job.series, cell, window);
            for (const json& failure : window.at("checks").at("failed")) {
                failures_.push_back(fmt::format("table {}, {}, {} threads: {}", job.table->name, job.series->name,
                                                cell.threads, failure.get<std::string>()));
            }
            ++arrived;
            progress_.begin(static_cast<std::uint32_t>(order % job.plan.jobs), job.plan.jobs,
                            fmt::format("{} {} {} threads", job.table->name, job.series->name, cell.threads));
            progress_.done();
        });
        if (!alive) {
            failures_.push_back(fmt::format("table {}, {}: a simulating process died; its last words are above",
                                            job.table->name, job.series->name));
        }
        return alive && arrived == job.plan.windows();
    }

    const std::vector<Job>& jobs_;
    Progress progress_;
    std::map<const PublishedTable*, std::map<std::string, Simulated>> found_;
    std::vector<std::string> failures_;
};

std::vector<PublishedTable> chosen_tables(const std::vector<std::string>& texts) {
    std::vector<PublishedTable> tables;
    std::vector<std::string> names = split_list("--table", texts);
    if (names.empty()) {
        for (const ShippedTable& table : shipped_tables()) {
            names.emplace_back(table.name);
        }
    }
    tables.reserve(names.size());
    for (const std::string& name : names) {
        tables.push_back(load_published(name));
    }
    return tables;
}

// The file of results: nothing in it tells when or where it was simulated.
void write_json(const RunFiles& files, const json& tables, const SimPlan& plan) {
    const json whole = {{"schema_version", 1}, {"tool", "locksim"}, {"tool_version", LOCKBENCH_VERSION},
                        {"simulated", true},   {"seed", plan.seed}, {"seeds", plan.seeds},
                        {"tables", tables}};
    const std::filesystem::path path = files.dir() / "validation.json";
    std::ofstream out(path, std::ios::binary);
    out << whole.dump(1) << "\n";
    out.close();
    if (!out) {
        throw HostError(fmt::format("cannot write {}.", path.string()));
    }
    fmt::print("written: {}\n", path.string());
}

}  // namespace

int run_validation(const RawValidateOptions& raw) {
    const std::vector<PublishedTable> tables = chosen_tables(raw.tables);
    const std::vector<Job> jobs = make_jobs(raw, tables);
    const SimPlan& plan = jobs.front().plan;
    const RunFiles files(raw.out.empty() ? "out/validation-" + utc_now("%Y%m%dT%H%M%SZ") : raw.out);
    static_cast<void>(files.create());
    if (plan.seeds < kLeastSeeds) {
        fmt::print("note: {} seeds a cell; fewer than {} give no spread to speak of\n", plan.seeds, kLeastSeeds);
    }
    watch_interrupts();
    Validation validation(jobs);
    const bool whole = validation.run();
    if (is_interrupted()) {
        fmt::print("interrupted; nothing is written\n");
        return kExitInterrupted;
    }
    json out = json::array();
    std::size_t failed = 0;
    for (const PublishedTable& table : tables) {
        if (!whole) {
            break;
        }
        out.push_back(validation_to_json(table, validation.of(table)));
        fmt::print("{}\n", validation_text(out.back()));
        for (const json& shape : out.back().at("shapes")) {
            failed += shape.at("holds").get<bool>() ? 0 : 1;
        }
    }
    for (const std::string& failure : validation.failures()) {
        fmt::print("FAILED: {}\n", failure);
    }
    if (whole) {
        write_json(files, out, plan);
        fmt::print("{}\n", failed == 0 ? "every shape holds" : fmt::format("{} shapes do not hold", failed));
    }
    return whole && failed == 0 && validation.failures().empty() ? kExitDone : kExitFailed;
}

}  // namespace lockbench
