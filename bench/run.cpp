// SPDX-License-Identifier: MIT
#include "bench/run.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>

#include "bench/benchmark_json.hpp"
#include "bench/block_process.hpp"
#include "bench/cpu_list.hpp"
#include "bench/environment.hpp"
#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/killed_window.hpp"
#include "bench/lists.hpp"
#include "bench/machine.hpp"
#include "bench/perf_c2c.hpp"
#include "bench/plan.hpp"
#include "bench/progress.hpp"
#include "bench/run_files.hpp"
#include "bench/utc_time.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

std::atomic<bool> interrupted{false};
void on_interrupt(int) { interrupted.store(true); }

json new_run(const RunPlan& plan, const std::vector<std::string>& command) {
    json locks = json::array();
    for (const LockRunner* lock : plan.locks()) {
        locks.push_back(lock_to_json(lock->info));
    }
    json workloads = json::array();
    std::set<std::string_view> seen;
    for (const PlannedCell& cell : plan.cells) {
        if (seen.insert(cell.workload->info->name).second) {
            workloads.push_back(workload_to_json(*cell.workload->info));
        }
    }
    return {{"schema_version", 1},
            {"tool", "lockbench"},
            {"tool_version", LOCKBENCH_VERSION},
            {"command", command},
            {"status", "running"},
            {"started_at", utc_now("%Y-%m-%dT%H:%M:%SZ")},
            {"finished_at", nullptr},
            {"host", describe_host(plan.sample_every, plan.multiplex)},
            {"plan", plan_to_json(plan)},
            {"locks", locks},
            {"workloads", workloads}};
}

std::set<std::uint64_t> orders_done(const RunFiles& files) {
    std::set<std::uint64_t> done;
    for (const json& window : files.read_windows()) {
        if (window.at("workload") != "uncontended") {
            done.insert(window.at("order").get<std::uint64_t>());
        }
    }
    return done;
}

// Measures everything of the plan that is not there yet. Returns an exit code.
class Runner {
  public:
    Runner(const RunFiles& files, const RunPlan& plan)
        : files_(files), plan_(plan), progress_(plan.windows.size(), window_cost_s(plan)) {
        for (const std::uint64_t order : orders_done(files)) {
            done_.insert(order);
            progress_.skip();
        }
    }

    int run() {
        for (std::uint32_t block = 0; block < plan_.blocks() && !interrupted; ++block) {
            const int code = run_block(block);
            if (code != kExitDone && code != kExitInterrupted) {
                progress_.finish();
                return code;
            }
        }
        progress_.finish();
        return interrupted ? kExitInterrupted : kExitDone;
    }

    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

  private:
    static double window_cost_s(const RunPlan& plan) {
        constexpr double kSetUp =
            0.012;  // building, verifying and dropping the state of a window on the machine of results/
        return static_cast<double>(plan.window_ns + plan.warmup_ns) * 1e-9 + kSetUp;
    }

    [[nodiscard]] bool block_done(std::uint32_t block) const {
        for (const PlannedWindow& window : plan_.windows) {
            if (window.block == block && done_.count(window.order) == 0) {
                return false;
            }
        }
        return true;
    }

    // A child that dies takes the window in flight with it, which is recorded as killed; the block goes on in a new
    // child. Two in a row that measured nothing end the run.
    int run_block(std::uint32_t block) {
        bool fruitless = false;
        while (!block_done(block) && !interrupted) {
            BlockProcess child(files_.dir(), block);
            std::optional<std::uint64_t> in_flight;
            std::string check;
            const auto limit = std::chrono::nanoseconds(plan_.window_ns + plan_.warmup_ns) + std::chrono::seconds(90);
            while (const auto line = child.read_line(limit, interrupted)) {
                in_flight = take_line(*line, block, in_flight, check);
            }
            const ChildEnd end = child.wait(interrupted);
            if (interrupted || end.exit_code == kExitInterrupted) {
                interrupted = true;
                return kExitInterrupted;
            }
            if (end.exit_code == kExitDone && block_done(block)) {
                break;
            }
            if (end.exit_code == kExitHost || end.exit_code == kExitUsage) {
                return end.exit_code;  // the child said why on stderr
            }
            if (in_flight.has_value()) {
                record_killed(*in_flight, check.empty() ? end.text : check);
            } else if (end.exit_code != kExitFailed) {
                failures_.push_back(fmt::format("block {}: the process {} between two windows", block, end.text));
            }
            const bool nothing = !in_flight.has_value() && !progressed_;
            if (nothing && fruitless) {
                fmt::print(stderr, "lockbench: block {}'s process {} before it measured anything.\n", block, end.text);
                return kExitFailed;
            }
            fruitless = nothing;
            progressed_ = false;
        }
        return kExitDone;
    }

    std::optional<std::uint64_t> take_line(const std::string& line, std::uint32_t block,
                                           std::optional<std::uint64_t> in_flight, std::string& check) {
        if (line.rfind("begin ", 0) == 0) {
            in_flight = std::stoull(line.substr(6));
            const PlannedCell& cell = plan_.cells[plan_.windows[*in_flight].cell];
            progress_.begin(block, plan_.blocks(),
                            fmt::format("{} {} {} thread{}", cell.workload->info->name, cell.lock->info.name,
                                        cell.threads, cell.threads == 1 ? "" : "s"));
        } else if (line.rfind("done ", 0) == 0) {
            done_.insert(std::stoull(line.substr(5)));
            progress_.done();
            progressed_ = true;
            in_flight.reset();
        } else if (line.rfind("check ", 0) == 0) {
            check = line.substr(6);
        } else if (line == "uncontended") {
            progress_.begin(block, plan_.blocks(), "uncontended costs");
        }
        return in_flight;
    }

    void record_killed(std::uint64_t order, const std::string& why) {
        done_.insert(order);
        progress_.done();
        files_.mend_windows();  // it may have died in the middle of its line
        const PlannedWindow& window = plan_.windows[order];
        const PlannedCell& cell = plan_.cells[window.cell];
        const std::string text = fmt::format("the process {}", why);
        failures_.push_back(
            fmt::format("{} {} {} threads: {}", cell.workload->info->name, cell.lock->info.name, cell.threads, text));
        if (orders_done(files_).count(order) != 0) {
            return;  // it died before it told so
        }
        WindowWriter(files_.windows_jsonl()).append(killed_window(plan_, window, text));
    }

    const RunFiles& files_;
    const RunPlan& plan_;
    Progress progress_;
    std::set<std::uint64_t> done_;
    std::vector<std::string> failures_;
    bool progressed_ = false;
};

RunPlan read_plan(const RunFiles& files, const json& run) {
    if (run.at("tool") != "lockbench") {
        throw UsageError(fmt::format("--resume: {} is not a run of lockbench.", files.run_json().string()));
    }
    try {
        return plan_from_json(run.at("plan"));
    } catch (const UsageError& error) {
        throw UsageError(fmt::format("--resume: {}/{}", files.dir().string(), error.what()));
    }
}

// Windows of two machines or of two binaries must not be mixed in one run.
void require_same_identity(const RunFiles& files, const json& was, const json& now) {
    const auto require_equal = [](const char* what, const json& left, const json& right) {
        if (left != right) {
            throw HostError(
                fmt::format("--resume: the run was begun with another {} ({}, now {}); its windows must not be mixed.",
                            what, left.dump(), right.dump()));
        }
    };
    const json binary = was.value("binary_id", json());
    if (!binary.is_string()) {
        throw UsageError(
            fmt::format("--resume: {} does not tell which binary measured its windows (binary_id is {}), and those of "
                        "two binaries must not be mixed; begin a new run.",
                        files.run_json().string(), binary.dump()));
    }
    require_equal("host", host_id(was), host_id(now));
    require_equal("binary", binary, now.value("binary_id", json()));
}

// A plan is made for the CPUs that its process might use; on others its windows could only be flagged.
void require_planned_cpus(const RunPlan& plan) {
    std::set<CpuId> missing;
    for (const PlannedCell& cell : plan.cells) {
        for (const CpuId cpu : cell.place.cpus) {
            const Cpu* found = host_topology().find(cpu);
            if (cpu != kNoCpu && (found == nullptr || !found->allowed)) {
                missing.insert(cpu);
            }
        }
    }
    if (!missing.empty()) {
        throw HostError(fmt::format(
            "--resume: the run was begun on CPUs that this process may not use ({}); start it as it was begun.",
            format_numbers(std::vector<CpuId>(missing.begin(), missing.end()))));
    }
}

RunPlan start_or_resume(const RunOptions& options, const RunFiles& files, const std::vector<std::string>& command,
                        json& run, std::unique_ptr<RunLock>& lock) {
    if (options.perf_c2c) {
        require_perf_c2c();
    }
    if (options.resume.empty()) {
        RunPlan plan = make_plan(options, make_placer(host_topology()));
        run = new_run(plan, command);
        const bool made = files.create();
        lock = files.lock();
        files.require_new();
        try {
            files.write_run(run);  // first: with it the folder is a run, which --resume goes on with
            host_topology().export_xml(files.topology_xml().string());
        } catch (const HostError&) {
            files.remove_begun(made);
            throw;
        }
        return plan;
    }
    files.require();
    if (files.is_recorded()) {
        throw UsageError(fmt::format("--resume: {} is compressed, as a recorded run is; nothing is added to one.",
                                     files.windows_gz().string()));
    }
    lock = files.lock();
    run = files.read_run();
    RunPlan plan = read_plan(files, run);
    require_same_identity(files, run.at("host"), describe_host(0));
    files.mend_windows();
    // Damage is told before anything is changed.
    if (orders_done(files).size() == plan.windows.size() && run.at("status") == "done") {
        return plan;
    }
    require_planned_cpus(plan);
    run["status"] = "running";
    run["resumed"] = run.value("resumed", json::array());
    run["resumed"].push_back(utc_now("%Y-%m-%dT%H:%M:%SZ"));
    files.write_run(run);
    return plan;
}

void print_plan(const RunFiles& files, const RunPlan& plan, const json& run) {
    fmt::print("lockbench: {} cells, {} windows of {:g} ms in {} processes, seed {}; into {}\n", plan.cells.size(),
               plan.windows.size(), static_cast<double>(plan.window_ns) * 1e-6, plan.blocks(), plan.seed,
               files.dir().string());
    for (const std::string& note : plan.notes) {
        fmt::print("note: {}\n", note);
    }
    for (const json& warning : run.at("host").value("warnings", json::array())) {
        fmt::print("warning [{}]: {}\n", warning.value("code", ""), warning.value("text", ""));
    }
    std::fflush(stdout);
}

// Failed checks of windows that were measured; those of killed ones the runner knows.
std::vector<std::string> failed_checks(const std::vector<json>& windows) {
    std::vector<std::string> failures;
    for (const json& window : windows) {
        for (const json& failure : window.at("checks").at("failed")) {
            failures.push_back(fmt::format("{} {} {} threads, order {}: {}", window.at("workload").get<std::string>(),
                                           window.at("lock").get<std::string>(), window.at("threads").get<int>(),
                                           window.at("order").dump(), failure.get<std::string>()));
        }
    }
    return failures;
}

// Windows whose labels of place are not proved, by flag, with the first reason: they stay in the run, so it is said.
void print_unverified(const std::vector<json>& windows) {
    const auto tell = [&](const char* flag, const char* what, const auto& reasons_of) {
        std::size_t count = 0;
        std::string reason;
        for (const json& window : windows) {
            const json& flags = window.at("flags");
            if (std::find(flags.begin(), flags.end(), flag) != flags.end()) {
                ++count;
                const json reasons = reasons_of(window);
                if (reason.empty() && reasons.is_array() && !reasons.empty() && reasons[0].is_string()) {
                    reason = " (" + reasons[0].get<std::string>() + ")";
                }
            }
        }
        if (count != 0) {
            fmt::print("warning [{}]: {} of {} windows: {}{}\n", flag, count, windows.size(), what, reason);
        }
    };
    tell("placement_unverified", "a thread was not where it was bound",
         [](const json& window) { return window.value("placement_reason", json()); });
    tell("home_unverified", "memory is not proved to lie where it was asked to", [](const json& window) {
        const json homes = window.value("homes", json());
        return homes.is_object() ? homes.value("reason", json()) : json();
    });
}

}  // namespace

int run_command(const RunOptions& options, const std::vector<std::string>& command) {
    install_host();
    const std::string default_out = "out/" + utc_now("%Y%m%dT%H%M%SZ");
    const RunFiles files(!options.resume.empty() ? options.resume : options.out.empty() ? default_out : options.out);
    json run;
    std::unique_ptr<RunLock> lock;
    const RunPlan plan = start_or_resume(options, files, command, run, lock);
    if (run.at("status") == "done") {  // nothing was begun
        fmt::print("nothing is left to measure: all {} windows are in {}\n", plan.windows.size(),
                   files.windows_jsonl().string());
        return failed_checks(files.read_windows()).empty() ? kExitDone : kExitFailed;
    }
    print_plan(files, plan, run);
    struct sigaction action {};
    action.sa_handler = &on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);

    const LoadSnapshot load_before = read_load();
    int code = Runner(files, plan).run();
    if (plan.perf_c2c && code == kExitDone) {
        code = sample_cells(files, plan, interrupted);
    }
    const std::vector<json> windows = files.read_windows();
    const std::vector<std::string> failures = failed_checks(windows);
    record_load_after(run["host"], load_before, read_load());
    run["host"]["warnings"] = to_json(host_warnings(run["host"]));
    run["status"] = code == kExitDone ? "done" : code == kExitInterrupted ? "interrupted" : "failed";
    run["finished_at"] = code == kExitInterrupted ? json(nullptr) : json(utc_now("%Y-%m-%dT%H:%M:%SZ"));
    files.write_run(run);
    files.write_benchmark(benchmark_json(run, windows));
    print_unverified(windows);
    for (const std::string& failure : failures) {
        fmt::print("FAILED: {}\n", failure);
    }
    if (code == kExitDone && !failures.empty()) {
        code = kExitFailed;
    }
    fmt::print("{}: {} of {} windows in {}\n",
               code == kExitInterrupted ? "interrupted; what is measured stays"
               : code == kExitHost      ? "ended early; what is measured stays"
                                        : "measured",
               orders_done(files).size(), plan.windows.size(), files.windows_jsonl().string());
    if (code == kExitInterrupted) {
        fmt::print("go on with: lockbench run --resume={}\n", files.dir().string());
    }
    return code;
}

}  // namespace lockbench
