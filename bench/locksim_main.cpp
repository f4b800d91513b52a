// SPDX-License-Identifier: MIT
// locksim: the same locks and workloads on a simulated machine.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/errors.hpp"
#include "bench/lists.hpp"
#include "bench/locksim_calibrate.hpp"
#include "bench/locksim_fit.hpp"
#include "bench/locksim_run.hpp"
#include "bench/locksim_validate.hpp"
#include "bench/nearest.hpp"

namespace lockbench {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 a check or trial failed, 2 wrong usage, 3 the host lacks what was asked, 130 interrupted.\n"
    "Everything this tool prints and writes is simulated. What is modelled, and what is not: docs/simulate.md.";

std::string refuse_value(const std::string& value) {
    if (value.empty()) {
        return "the value is empty.";
    }
    return value.substr(0, 2) == "--" ? fmt::format("the value '{}' looks like an option; a value is missing.", value)
                                      : "";
}

void finish_command(CLI::App& command) {
    for (CLI::Option* option :
         command.get_options([](const CLI::Option* one) { return one->get_items_expected_max() > 0; })) {
        option->check(refuse_value, "", "");
    }
    command.footer(kFooter);
}

CLI::App* add_run(CLI::App& app, RawSimOptions& raw) {
    CLI::App* run = app.add_subcommand("run", "Simulate locks on workloads");
    run->add_option("--machine", raw.machine,
                    "A name of 'locksim list machines', a file like those, or 'this': this host, measured first")
        ->required();
    run->add_option("--locks", raw.locks, "Globs of lock names, comma-separated [all but controls and .yield builds]");
    run->add_option("--workloads", raw.workloads, "Globs of workload names [all]");
    run->add_option("--threads", raw.threads, "Thread counts [1, 2, 4 .. up to the machine's CPUs]");
    run->add_option("--placement", raw.placement, "Where threads go, as for lockbench [compact; smt_last with SMT]");
    run->add_option("--lock-home", raw.lock_home, "NUMA node of the lock, as for lockbench [local]");
    run->add_option("--param", raw.params, "workload.key=value[,value..]; may repeat; lists form a product");
    run->add_option("--seeds", raw.seeds, "Windows a cell, each with a seed of its own [5]");
    run->add_option("--seed", raw.seed, "The first seed [1]");
    run->add_option("--window-us", raw.window_us, "Length of a window, us of virtual time [2000]");
    run->add_option("--warmup-us", raw.warmup_us, "Simulated before each window, not counted, us [500]");
    run->add_option("--jobs", raw.jobs, "Processes that simulate at a time [the CPUs of this host]");
    run->add_option("--out", raw.out,
                    "Folder for the files of the run; must not exist or be empty [out/sim-<UTC time>]");
    run->add_flag("--line-map", raw.line_map,
                  "Print, for the first seed of each cell, which lines moved, how far and how often");
    run->add_flag("--allow-convoy", raw.allow_convoy, "Run FIFO spin locks with more threads than CPUs");
    run->add_flag("--allow-illegal", raw.allow_illegal, "Run combinations that a kernel must not, as for lockbench");
    finish_command(*run);
    return run;
}

struct RawCalibration {
    std::string out;
    std::uint32_t windows = CalibrateOptions{}.windows;
    bool as_json = false;
};

CLI::App* add_calibrate(CLI::App& app, RawCalibration& raw) {
    CLI::App* calibrate = app.add_subcommand("calibrate", "Measure this host and make a simulated machine of it");
    calibrate->add_option("--out", raw.out, "Folder for machine.json and topology.xml; must not exist or be empty")
        ->check(refuse_value, "", "");
    calibrate->add_option("--windows", raw.windows, "Windows of 20 ms a probe [11]")
        ->check(CLI::Range(1U, 1000U))
        ->option_text("UINT");
    calibrate->add_flag("--json", raw.as_json, "An object: what was measured and simulated, and the machine");
    calibrate->footer(kFooter);
    return calibrate;
}

int calibrate_command(const RawCalibration& raw) {
    std::unique_ptr<MachineFolder> folder;
    if (!raw.out.empty()) {
        folder = std::make_unique<MachineFolder>(raw.out);
    }
    CalibrateOptions options;
    options.windows = raw.windows;
    const Calibration calibration = calibrate(options);
    if (folder != nullptr) {
        folder->write(calibration.machine);
    }
    if (raw.as_json) {
        nlohmann::json json = calibration_json(calibration);
        json["machine"] = *calibration.machine.file;
        fmt::print("{}\n", json.dump(1));
    } else {
        fmt::print("{}", calibration_text(calibration));
        if (folder != nullptr) {
            fmt::print("machine: --machine={}\n", folder->file());
        }
    }
    return kExitDone;
}

CLI::App* add_validate(CLI::App& app, RawValidateOptions& raw) {
    CLI::App* validate = app.add_subcommand(
        "validate", "Hold the simulated machines against published tables; status 1 where a shape does not hold");
    validate->add_option("--table", raw.tables, "Names of 'locksim list tables', or files like those [all]");
    validate->add_option("--seeds", raw.seeds, "Windows a cell, each with a seed of its own [5]");
    validate->add_option("--seed", raw.seed, "The first seed [1]");
    validate->add_option("--jobs", raw.jobs, "Processes that simulate at a time [the CPUs of this host]");
    validate->add_option("--out", raw.out,
                         "Folder for validation.json; must not exist or be empty [out/validation-<UTC time>]");
    finish_command(*validate);
    return validate;
}

CLI::App* add_fit(CLI::App& app, RawFitOptions& raw) {
    CLI::App* fit = app.add_subcommand(
        "fit",
        "Latencies by distance from a matrix of core-to-core latencies; status 1 where the machine is beside it");
    fit->add_option("matrix", raw.matrix, "CSV, one row a CPU in Linux's order, ns below the diagonal")->required();
    fit->add_option("--machine", raw.machine,
                    "Whose distances: a name of 'locksim list machines', or a file like those")
        ->required();
    finish_command(*fit);
    return fit;
}

nlohmann::json machines_json() {
    nlohmann::json list = nlohmann::json::array();
    for (const ShippedMachine& shipped : shipped_machines()) {
        const SimMachine machine = load_sim_machine(std::string(shipped.name));
        list.push_back({{"name", shipped.name},
                        {"summary", machine.summary},
                        {"cpus", machine.topology.cpus.size()},
                        {"file", *machine.file}});
    }
    return list;
}

nlohmann::json tables_json() {
    nlohmann::json list = nlohmann::json::array();
    for (const ShippedTable& table : shipped_tables()) {
        list.push_back({{"name", table.name},
                        {"summary", load_published(std::string(table.name)).title},
                        {"file", nlohmann::json::parse(table.text)}});
    }
    return list;
}

int list_command(const std::string& what, bool as_json) {
    const std::vector<std::string> kinds = {"locks", "workloads", "machines", "tables"};
    nlohmann::json list = nlohmann::json::array();
    if (what == "machines") {
        list = machines_json();
    } else if (what == "tables") {
        list = tables_json();
    } else if (what == "locks") {
        for (const SimLock& lock : sim_locks()) {
            list.push_back(lock_to_json(lock.info));
        }
    } else if (what == "workloads") {
        for (const SimWorkload& workload : sim_locks().front().workloads) {
            list.push_back(workload_to_json(*workload.info));
        }
    } else {
        throw UsageError(fmt::format("list: '{}' is none of {}; the nearest is '{}'.", what, fmt::join(kinds, ", "),
                                     nearest(what, kinds)));
    }
    if (as_json) {
        fmt::print("{}\n", list.dump(1));
        return kExitDone;
    }
    for (const nlohmann::json& entry : list) {
        const char* detail = what == "locks" ? "family" : "summary";
        fmt::print("{:<42} {}\n", entry.at("name").get<std::string>(), entry.at(detail).get<std::string>());
    }
    return kExitDone;
}

int run_main(int argc, char** argv) {
    CLI::App app("locksim: the same locks on a simulated NUMA machine", "locksim");
    app.set_version_flag("--version", "locksim " LOCKBENCH_VERSION);
    app.require_subcommand(1);
    app.footer(kFooter);
    RawSimOptions raw;
    CLI::App* run = add_run(app, raw);
    RawValidateOptions raw_validate;
    CLI::App* validate = add_validate(app, raw_validate);
    RawFitOptions raw_fit;
    CLI::App* fit = add_fit(app, raw_fit);
    std::string what;
    bool as_json = false;
    CLI::App* list = app.add_subcommand("list", "What there is: locks, workloads, machines, published tables");
    list->add_option("what", what, "locks, workloads, machines or tables")->required();
    list->add_flag("--json", as_json, "An array of objects");
    RawCalibration calibration;
    CLI::App* calibrate = add_calibrate(app, calibration);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitDone : kExitUsage;
    }
    if (app.got_subcommand(calibrate)) {
        return calibrate_command(calibration);
    }
    if (app.got_subcommand(validate)) {
        return run_validation(raw_validate);
    }
    if (app.got_subcommand(fit)) {
        return run_fit(raw_fit);
    }
    return app.got_subcommand(run) ? run_simulation(raw, std::vector<std::string>(argv, argv + argc))
                                   : list_command(what, as_json);
}

}  // namespace
}  // namespace lockbench

int main(int argc, char** argv) {
    try {
        return lockbench::run_main(argc, argv);
    } catch (const lockbench::UsageError& error) {
        std::fprintf(stderr, "locksim: %s\n", error.what());
        return lockbench::kExitUsage;
    } catch (const lockbench::HostError& error) {
        std::fprintf(stderr, "locksim: %s\n", error.what());
        return lockbench::kExitHost;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "locksim: %s.\n", error.what());
        return lockbench::kExitHost;
    }
}
