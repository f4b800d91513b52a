// SPDX-License-Identifier: MIT
// The edge: parses, dispatches, turns errors into sentences and exit codes.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <system_error>

#include "bench/child.hpp"
#include "bench/compare.hpp"
#include "bench/errors.hpp"
#include "bench/lists.hpp"
#include "bench/machine.hpp"
#include "bench/nearest.hpp"
#include "bench/options.hpp"
#include "bench/perf_c2c.hpp"
#include "bench/run.hpp"

namespace lockbench {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 a check or trial failed, 2 wrong usage, 3 the host lacks what was asked, 130 interrupted.\n"
    "Files of a run and what a figure means: results/README.md. Plots and report: plot.py DIR.";

// CLI11 takes the next word for the value of "--out=": `--out= --quick` would lose a flag and make a folder of its
// name.
void refuse_empty_values(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.substr(0, 2) == "--" && word.find('=') == word.size() - 1) {
            throw UsageError(fmt::format("{}: there is no value after the '='.", word.substr(0, word.size() - 1)));
        }
    }
}

// For every option with a value; CLI11 puts the option's name in front.
std::string refuse_value(const std::string& value) {
    if (value.empty()) {
        return "the value is empty.";
    }
    return value.substr(0, 2) == "--" ? fmt::format("the value '{}' looks like an option; a value is missing.", value)
                                      : "";
}

void add_run(CLI::App& app, RawRunOptions& raw) {
    CLI::App* run = app.add_subcommand("run", "Measure locks on workloads on this machine");
    run->add_option(
        "--locks", raw.locks,
        "Globs of lock names, comma-separated [all but controls and .yield builds; the debate's with --quick]");
    run->add_option("--workloads", raw.workloads, "Globs of workload names [all; three with --quick]");
    run->add_option("--threads", raw.threads, "Thread counts, or auto: 1, 2, 4 .. up to the usable CPUs [auto]");
    run->add_option("--placements", raw.placements,
                    "Where threads go, see 'lockbench list placements' [compact; smt_last where cores run several "
                    "threads]");
    run->add_option(
        "--lock-home", raw.lock_homes,
        "NUMA node of the lock: local, remote, first, last, node:N, interleave, first_touch; of each by itself: "
        "lock=PLACE+qnodes=PLACE+data=PLACE [local]");
    run->add_option("--param", raw.params, "workload.key=value[,value..]; may repeat; lists form a product");
    run->add_option("--counters", raw.counters,
                    "Globs of counter names, see 'lockbench list counters' [the best the host has]");
    run->add_flag("--multiplex", raw.multiplex,
                  "Let hardware events take turns where there are more than the CPU counts at once; values are scaled");
    run->add_flag("--perf-c2c", raw.perf_c2c,
                  "After measuring, one more window a cell under 'perf c2c record'; reports in DIR/c2c");
    run->add_option("--window-ms", raw.window_ms, "Length of a timed window, ms [100; 500 with --full]");
    run->add_option("--warmup-ms", raw.warmup_ms, "Run before each window, not measured, ms [20]");
    run->add_option("--repetitions", raw.repetitions, "Windows a cell, each in another process [10; 20 with --full]");
    run->add_option("--sample-every", raw.sample_every, "Time one acquisition in so many [128]");
    run->add_option("--seed", raw.seed, "Seed of the order and of all random streams [drawn and recorded]");
    run->add_option("--out", raw.out, "Folder for the files of the run; must not exist or be empty [out/<UTC time>]");
    run->add_option("--resume", raw.resume, "Go on with an interrupted run in this folder");
    run->add_flag(
        "--quick", raw.quick,
        "The short comparison: the debate's locks on three workloads, threads 1 and 2, ten windows of 100 ms; "
        "some three minutes");
    run->add_flag("--full", raw.full, "All placements that differ here, twenty windows of 500 ms");
    run->add_flag("--no-uncontended", raw.no_uncontended, "Leave the uncontended costs out");
    run->add_flag("--no-untimed", raw.no_untimed, "Leave the untimed pass out");
    run->add_flag("--no-aa", raw.no_aa, "Leave the A/A pairs out (no difference can then be told from noise)");
    run->add_flag("--allow-convoy", raw.allow_convoy, "Run FIFO spin locks with more threads than CPUs");
    run->add_flag(
        "--allow-illegal", raw.allow_illegal,
        "Run combinations that a kernel must not, see 'lockbench list notifiers'; what breaks fails the cell");
    const auto has_value = [](const CLI::Option* option) { return option->get_items_expected_max() > 0; };
    for (CLI::Option* option : run->get_options(has_value)) {
        option->check(refuse_value, "", "");
    }
    run->allow_extras();
    run->footer("--benchmark_* flags go to Google Benchmark, but for those that time or repeat.\n" +
                std::string(kFooter));
}

void add_machine(CLI::App& app, MachineOptions& options) {
    CLI::App* machine =
        app.add_subcommand("machine", "This machine: topology, counters, own cost, what would spoil a measurement");
    machine->add_flag("--json", options.as_json, "One object");
    CLI::Option* topology = machine->add_option(
        "--topology", options.topology,
        "Draw another machine, measure nothing: an XML file of hwloc (lstopo's, or a run's topology.xml; - reads it "
        "from the standard input) or a description such as 'pack:2 [numa] l3:4 core:8 pu:2'");
    CLI::Option* cpus = machine->add_option("--cpus", options.cpus,
                                            "CPUs of that machine that a process may use, for example 0-3,8 [all]");
    topology->check([](const std::string& value) { return value == "-" ? "" : refuse_value(value); }, "", "");
    cpus->check(refuse_value, "", "")->needs(topology);
    machine->footer(kFooter);
}

// What CLI11 left over on `run` may only be flags for Google Benchmark.
void take_extras(CLI::App& app, RawRunOptions& raw) {
    CLI::App* run = app.get_subcommand("run");
    std::vector<std::string> known;
    for (const CLI::Option* option : run->get_options()) {
        known.push_back(option->get_name());
    }
    for (const std::string& extra : run->remaining()) {
        if (extra.rfind("--benchmark_", 0) != 0) {
            const std::string name = extra.substr(0, extra.find('='));
            throw UsageError(
                fmt::format("run: there is no option {}{}. See 'lockbench run --help'.", name, hint(name, known)));
        }
        raw.benchmark_flags.push_back(extra);
    }
}

void refuse_unknown_command(const CLI::App& app, const std::string& word) {
    std::vector<std::string> known;
    for (const CLI::App* command : app.get_subcommands({})) {
        known.push_back(command->get_name());
    }
    if (word.substr(0, 1) != "-" && std::find(known.begin(), known.end(), word) == known.end()) {
        throw UsageError(fmt::format("there is no command {}{}. See 'lockbench --help'.", word, hint(word, known)));
    }
}

// The plan of an interrupted run is settled; whatever else the user asks for would be ignored.
void refuse_beside_resume(CLI::App& app, const RawRunOptions& raw) {
    std::vector<std::string> others = raw.benchmark_flags;
    for (const CLI::Option* option : app.get_subcommand("run")->get_options()) {
        if (option->count() != 0 && option->get_name() != "--resume") {
            others.push_back(option->get_name());
        }
    }
    if (!raw.resume.empty() && !others.empty()) {
        throw UsageError(
            fmt::format("--resume goes on with the plan of the run in {}, which nothing changes; leave out {}.",
                        raw.resume, fmt::join(others, ", ")));
    }
}

int run_main(int argc, char** argv) {
    // The hidden commands of the children, kept out of the help.
    if (argc == 4 && std::string(argv[1]) == "c2c-window") {
        return run_c2c_window(argv[2], std::stoul(argv[3]));
    }
    if (argc == 4 && std::string(argv[1]) == "child") {
        return run_child(argv[2], static_cast<std::uint32_t>(std::stoul(argv[3])));
    }
    CLI::App app("lockbench: kernel and library locks on anon_vma workloads, measured on this machine", "lockbench");
    app.set_version_flag("--version", "lockbench " LOCKBENCH_VERSION);
    app.require_subcommand(1);
    app.footer(kFooter);
    RawRunOptions raw;
    add_run(app, raw);
    CLI::App* list =
        app.add_subcommand("list", "What there is: locks, workloads, placements, counters, events, params, notifiers");
    std::string what;
    bool as_json = false;
    list->add_option("what", what, "locks | workloads | placements | counters | events | params | notifiers")
        ->required();
    list->add_flag("--json", as_json, "An array of objects");
    MachineOptions machine;
    add_machine(app, machine);
    CLI::App* compare = app.add_subcommand("compare", "The same cells of two runs: ratio, interval, verdict");
    std::string dir_a;
    std::string dir_b;
    bool other_machines = false;
    compare->add_option("DIR_A", dir_a, "Folder of the first run")->required();
    compare->add_option("DIR_B", dir_b, "Folder of the second run")->required();
    compare->add_flag("--other-machines", other_machines, "Compare though the machines differ");
    compare->add_flag("--json", as_json, "An array of objects");
    if (argc > 1) {
        refuse_unknown_command(app, argv[1]);
    }
    refuse_empty_values(argc, argv);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitDone : kExitUsage;
    }
    if (app.got_subcommand("run")) {
        take_extras(app, raw);
        refuse_beside_resume(app, raw);
        return run_command(check_run_options(raw), {argv, argv + argc});
    }
    if (app.got_subcommand("list")) {
        list_command(what, as_json);
        return kExitDone;
    }
    return app.got_subcommand("machine") ? machine_command(machine)
                                         : compare_command(dir_a, dir_b, other_machines, as_json);
}

constexpr const char* kOutputLost = "cannot write to the standard output";

// Runs the tool and turns what it throws into a sentence and an exit code.
int run_told(int argc, char** argv) {
    try {
        return run_main(argc, argv);
    } catch (const UsageError& error) {
        std::fprintf(stderr, "lockbench: %s\n", error.what());
        return kExitUsage;
    } catch (const HostError& error) {
        std::fprintf(stderr, "lockbench: %s\n", error.what());
        return kExitHost;
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "lockbench: out of memory; raise the limit on it (ulimit -v, the control group's).\n");
        return kExitHost;
    } catch (const std::system_error& error) {
        // fmt::print throws it when its file takes no more.
        const bool lost = std::ferror(stdout) != 0;
        std::fprintf(stderr, "lockbench: %s.\n",
                     lost ? fmt::format("{}: {}", kOutputLost, error.code().message()).c_str() : error.what());
        return lost ? kExitHost : kExitFailed;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lockbench: %s\n", error.what());
        return kExitFailed;
    }
}

// The next file opened would get the number of a closed standard stream, and what is printed would end up in it. A
// descriptor that can only be read keeps the number and still refuses to be written to.
void hold_standard_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            static_cast<void>(open("/dev/null", O_RDONLY));  // takes the lowest free number, which is this one
        }
    }
}

}  // namespace
}  // namespace lockbench

int main(int argc, char** argv) {
    // A write beyond a limit on file sizes then fails like one on a full disk, with a sentence, and kills nobody.
    signal(SIGXFSZ, SIG_IGN);
    lockbench::hold_standard_streams();
    const int code = lockbench::run_told(argc, argv);
    // Text that a buffer took and no file did must not end in success.
    errno = 0;
    const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
    if (!lost || code != lockbench::kExitDone) {
        return code;
    }
    std::fprintf(stderr, "lockbench: %s%s%s.\n", lockbench::kOutputLost, errno == 0 ? "" : ": ",
                 errno == 0 ? "" : std::strerror(errno));
    return lockbench::kExitHost;
}
