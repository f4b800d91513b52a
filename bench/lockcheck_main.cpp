// SPDX-License-Identifier: MIT
// lockcheck: every lock of the registry under every interleaving of a small client.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/errors.hpp"
#include "bench/glob.hpp"
#include "bench/lockcheck_cells.hpp"
#include "bench/lockcheck_claims.hpp"
#include "bench/lockcheck_mutate.hpp"
#include "bench/nearest.hpp"
#include "platform/explore/engines.hpp"

namespace lockbench {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 nothing was found, 1 a lock is broken, 2 wrong usage, 130 interrupted. A verdict is\n"
    "'exhaustive: N executions' or 'bounded: N executions, stopped by X': only the first is a proof, of the client,\n"
    "model and bounds it names.\n"
    "What the model is and what it leaves out: docs/explore.md.";

struct Raw {
    std::vector<std::string> locks;
    std::string client = "2wx2";
    std::string engine = "g";
    std::string model;
    std::uint64_t seed = 1;
    unsigned depth = 0;
    unsigned bound = 1;
    std::uint64_t budget = 0;
    double seconds = 0;
    std::string script;
    bool json = false;
};

std::string models_of(const explore::EngineKind& engine) {
    std::string names;
    for (const explore::Model model : engine.models) {
        names += (names.empty() ? "" : ", ") + std::string(to_string(model));
    }
    return names;
}

const explore::EngineKind& engine_of(const Raw& raw) {
    std::string names;
    for (const explore::EngineKind& engine : explore::engine_kinds()) {
        if (engine.name == raw.engine) {
            return engine;
        }
        names += (names.empty() ? "" : ", ") + std::string(engine.name);
    }
    throw UsageError(fmt::format("--engine={}: there is {}.", raw.engine, names));
}

explore::Model model_of(const Raw& raw) {
    const explore::EngineKind& engine = engine_of(raw);
    for (const explore::Model model : engine.models) {
        if (raw.model.empty() || raw.model == to_string(model)) {
            return model;
        }
    }
    throw UsageError(fmt::format("--model={}: engine {} knows {}.", raw.model, engine.name, models_of(engine)));
}

void add_common(CLI::App& command, Raw& raw) {
    command.add_option(
        "--client", raw.client,
        "Threads by role and sections of each: <n><r|w|t|s|d|k|c|o|i|f>..[x<sections>], or what they do to the "
        "reverse map: rmap:<action>+<action>.. [2wx2]");
    std::string engines;
    for (const explore::EngineKind& engine : explore::engine_kinds()) {
        engines += fmt::format("{}{}: {} (models {})", engines.empty() ? "" : "; ", engine.name, engine.what,
                               models_of(engine));
    }
    command.add_option("--engine", raw.engine, engines + " [g]");
    command.add_option("--model", raw.model, "The memory model [the engine's first]");
    command.add_option("--seed", raw.seed, "Engine r draws executions from it [1]");
    command
        .add_option("--depth", raw.depth,
                    "Engine r: of PCT schedules; 0: 2 to 5 in turn, and uniform schedules between [0]")
        ->check(CLI::Range(0, 64));
    command.add_option("--bound", raw.bound,
                       "Spurious wakes, expiries and other stops that a thread meets at most, each [1]");
    command.add_flag("--json", raw.json, "An array of objects");
}

explore::Options options_of(const Raw& raw) {
    const explore::EngineKind& engine = engine_of(raw);
    explore::Options options;
    options.engine = engine.explore;
    options.model = model_of(raw);
    options.seed = raw.seed;
    options.depth = raw.depth;
    options.bounds = {raw.bound, raw.bound, raw.bound};
    options.max_executions = raw.budget;
    options.max_seconds = raw.seconds;
    options.replay = raw.script;
    if (!raw.json && isatty(STDERR_FILENO) != 0) {
        options.progress = [&engine](const explore::Counts& counts, double seconds) {
            fmt::print(stderr, "\r  {} {}, {:.0f} s ",
                       engine.endless ? counts.states : counts.complete + counts.blocked + counts.cut, engine.counts,
                       seconds);
        };
    }
    return options;
}

Client client_of(const Raw& raw) { return parse_client(raw.client, engine_of(raw)); }

std::vector<const LockChecker*> chosen(const std::vector<std::string>& patterns) {
    std::vector<const LockChecker*> result;
    std::vector<std::string_view> names;
    for (const LockChecker& checker : lock_checkers()) {
        names.push_back(checker.info.name);
    }
    for (const std::string& pattern : patterns) {
        bool any = false;
        for (const LockChecker& checker : lock_checkers()) {
            // Controls are asked for by name.
            const bool named = pattern == checker.info.name;
            any = any || named || glob_matches(pattern, checker.info.name);
        }
        if (!any) {
            throw UsageError(fmt::format("--locks: there is no lock {}{}.", pattern, hint(pattern, names)));
        }
    }
    for (const LockChecker& checker : lock_checkers()) {
        bool wanted = patterns.empty() && !checker.info.control;
        for (const std::string& pattern : patterns) {
            wanted = wanted || pattern == checker.info.name ||
                     (!checker.info.control && glob_matches(pattern, checker.info.name));
        }
        if (wanted) {
            result.push_back(&checker);
        }
    }
    return result;
}

// What "verified" means for this verdict.
std::string terms(const Raw& raw, const explore::Verdict& verdict) {
    return fmt::format("engine {}, model {}, client {}, bound {}{}", raw.engine, to_string(model_of(raw)), raw.client,
                       raw.bound,
                       verdict.loop_bound.empty() ? "" : ", loops cut at the bound of " + verdict.loop_bound);
}

// What was counted, and how far.
std::string extent(const Raw& raw, const explore::Verdict& verdict) {
    const explore::EngineKind& engine = engine_of(raw);
    const explore::Counts& counts = verdict.counts;
    if (engine.endless) {
        return fmt::format("{} {}, depth {}", counts.states, engine.counts, counts.depth);
    }
    const std::string steps = raw.engine == "r" ? fmt::format(", {} steps", counts.events) : "";
    return fmt::format("{} {}{}", verdict.passed() ? counts.complete : counts.complete + counts.blocked + counts.cut,
                       engine.counts, steps);
}

// The verdict in words, without the time that it took.
std::string headline(const Raw& raw, const explore::Verdict& verdict) {
    const std::string seen = extent(raw, verdict);
    if (!verdict.passed()) {
        return fmt::format("BROKEN: {}: {}, after {}", to_string(verdict.failure), verdict.message, seen);
    }
    // Executions that a loop's bound cut short were not followed to their end.
    if (verdict.exhaustive && verdict.counts.cut == 0) {
        return "exhaustive: " + seen;
    }
    return fmt::format("bounded: {}, stopped by {}", seen,
                       verdict.exhaustive
                           ? fmt::format("the loop bound of {} in {} more", verdict.loop_bound, verdict.counts.cut)
                           : verdict.stopped_by);
}

std::string times(std::uint64_t most) {
    return most == explore::Waits::kEndless ? "without end" : fmt::format("at most {} times", most);
}

// What the lock does to those who wait, which need not be a fault.
void print_waits(const explore::Verdict& verdict) {
    for (const explore::Waits& waits : verdict.waits) {
        fmt::print(
            "  starvation of a {}: {}\n", waits.mode == Mode::read ? "reader" : "writer",
            waits.may_starve ? fmt::format("possible, {}-step cycle, {}", waits.cycle, waits.replay) : "impossible");
        fmt::print("  passed while it polls, by any one reader: {}; by any one writer: {}\n",
                   times(waits.passed_by_readers), times(waits.passed_by_writers));
    }
}

nlohmann::ordered_json waits_json(const explore::Verdict& verdict) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    const auto bound = [](std::uint64_t most) {
        return most == explore::Waits::kEndless ? nlohmann::ordered_json() : nlohmann::ordered_json(most);
    };
    for (const explore::Waits& waits : verdict.waits) {
        all.push_back({{"mode", waits.mode == Mode::read ? "read" : "write"},
                       {"may_starve", waits.may_starve},
                       {"cycle", waits.cycle},
                       {"replay", waits.replay},
                       {"passed_by_readers", bound(waits.passed_by_readers)},
                       {"passed_by_writers", bound(waits.passed_by_writers)}});
    }
    return all;
}

nlohmann::ordered_json to_json(const Raw& raw, const LockInfo& info, const explore::Verdict& verdict) {
    const bool proof = verdict.exhaustive && verdict.counts.cut == 0;
    return {{"lock", info.name},
            {"client", raw.client},
            {"engine", raw.engine},
            {"model", to_string(model_of(raw))},
            {"bound", raw.bound},
            {"verdict", !verdict.passed() ? "broken"
                        : proof           ? "exhaustive"
                                          : "bounded"},
            {"says", headline(raw, verdict)},
            {"failure", to_string(verdict.failure)},
            {"message", verdict.message},
            {"executions", verdict.counts.complete},
            {"states", verdict.counts.states},
            {"depth", verdict.counts.depth},
            {"waits", waits_json(verdict)},
            {"blocked", verdict.counts.blocked},
            {"steps", verdict.counts.events},
            {"cut", verdict.counts.cut},
            {"stopped_by", verdict.stopped_by},
            {"loop_bound", verdict.loop_bound},
            {"replay", verdict.replay},
            {"seconds", verdict.seconds}};
}

void print_failure(const Raw& raw, const LockInfo& info, const explore::Verdict& verdict) {
    fmt::print("{}", verdict.trace);
    fmt::print("  replay: lockcheck replay --locks={} --engine={} --client={} --model={} --bound={} {}\n", info.name,
               raw.engine, raw.client, to_string(model_of(raw)), raw.bound,
               verdict.replay.empty() ? "-" : verdict.replay);
}

void on_interrupt(int) { explore::interrupted = 1; }

int run_command(const Raw& raw) {
    std::signal(SIGINT, &on_interrupt);
    const Client client = client_of(raw);
    const explore::Options options = options_of(raw);
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    bool broken = false;
    for (const LockChecker* checker : chosen(raw.locks)) {
        if (const std::string why = unfit(client, checker->info); !why.empty()) {
            if (!raw.json) {
                fmt::print("{}: left out, {}\n", checker->info.name, why);
            }
            continue;
        }
        explore::Verdict verdict = checker->check(client, options);
        judge_claims(checker->info, verdict);
        judge_end(checker->info, client, verdict);
        broken = broken || !verdict.passed();
        all.push_back(to_json(raw, checker->info, verdict));
        if (!raw.json) {
            fmt::print("{}: {}, {:.2f} s ({})\n", checker->info.name, headline(raw, verdict), verdict.seconds,
                       terms(raw, verdict));
            print_waits(verdict);
            if (!verdict.passed()) {
                print_failure(raw, checker->info, verdict);
            }
            std::fflush(stdout);
        }
        if (explore::interrupted != 0) {
            break;  // what was found so far is told
        }
    }
    if (raw.json) {
        fmt::print("{}\n", all.dump(2));
    }
    return explore::interrupted != 0 ? kExitInterrupted : broken ? kExitFailed : kExitDone;
}

int replay_command(const Raw& raw) {
    const auto locks = chosen(raw.locks);
    if (locks.size() != 1) {
        throw UsageError("replay: --locks names the one lock of the verdict.");
    }
    const Client client = client_of(raw);
    const explore::Verdict verdict = locks.front()->check(client, options_of(raw));
    if (verdict.passed()) {
        fmt::print("{}: nothing is broken in this execution\n", locks.front()->info.name);
        return kExitDone;
    }
    fmt::print("{}: {}: {}\n", locks.front()->info.name, to_string(verdict.failure), verdict.message);
    print_failure(raw, locks.front()->info, verdict);
    return kExitFailed;
}

int list_command(bool json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const LockChecker& checker : lock_checkers()) {
        std::string roles = "rwts";
        roles += checker.info.downgrade ? "d" : "";
        roles += checker.info.killable ? "k" : "";
        roles += checker.info.killable && checker.info.shared ? "c" : "";
        roles += checker.info.is_locked ? "o" : "";
        roles += checker.info.irq_readers ? "i" : "";
        roles += checker.info.free_after_unlock ? "f" : "";
        all.push_back({{"name", checker.info.name},
                       {"family", checker.info.family},
                       {"kind", to_string(checker.info.kind)},
                       {"shared", checker.info.shared},
                       {"fairness", to_string(checker.info.fairness)},
                       {"roles", roles},
                       {"rmap", !checker.info.control}});
        if (!json) {
            fmt::print("{:<32} {:<6} {}\n", checker.info.name, to_string(checker.info.kind), roles);
        }
    }
    if (json) {
        fmt::print("{}\n", all.dump(2));
    } else {
        fmt::print("\nActions of rmap:<action>+<action>.., for all but controls: {}\n", fmt::join(kRmapActions, " "));
    }
    return kExitDone;
}

int run_main(int argc, char** argv) {
    CLI::App app("lockcheck: the registered locks under every interleaving of a small client", "lockcheck");
    app.set_version_flag("--version", "lockcheck " LOCKBENCH_VERSION);
    app.require_subcommand(1);
    app.footer(kFooter);
    Raw raw;
    CLI::App* run = app.add_subcommand("run", "Explore locks");
    run->add_option("--locks", raw.locks, "Globs of lock names, comma-separated [all but controls]")->delimiter(',');
    add_common(*run, raw);
    run->add_option("--budget", raw.budget, "Stop after so many executions; 0: none [0]");
    run->add_option("--seconds", raw.seconds, "Stop each lock after so many seconds; 0: never [0]")
        ->check([](const std::string& text) {
            double seconds = 0;
            const bool number = CLI::detail::lexical_cast(text, seconds);
            return number && std::isfinite(seconds) && seconds >= 0 ? "" : "it is a number of seconds from 0 on";
        });
    CLI::App* replay = app.add_subcommand("replay", "The one execution that a verdict names");
    replay->add_option("--locks", raw.locks, "The lock")->required();
    add_common(*replay, raw);
    replay->add_option("script", raw.script, "As printed behind 'replay'")->required();
    CLI::App* mutate = app.add_subcommand("mutate", "Explore locks with one fault at one place, each in turn");
    MutateRequest mutations;
    mutate->add_option("--locks", raw.locks, "Globs of lock names, comma-separated [all but controls]")->delimiter(',');
    mutate->add_option("--client", mutations.clients, "Clients, comma-separated, small ones first [what fits the lock]")
        ->delimiter(',');
    mutate->add_option("--model", raw.model, "sc or rc11 [rc11]");
    mutate->add_option("--budget", raw.budget, "Executions of each client for each mutation; 0: all [0]");
    mutate->add_flag("--json", raw.json, "An array of objects");
    CLI::App* list = app.add_subcommand("list", "The locks, and the roles that a client may give their threads");
    list->add_flag("--json", raw.json, "An array of objects");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitDone : kExitUsage;
    }
    if (app.got_subcommand("mutate")) {
        mutations.locks = chosen(raw.locks);
        mutations.options = options_of(raw);
        mutations.json = raw.json;
        return mutate_command(mutations);
    }
    return app.got_subcommand("list")     ? list_command(raw.json)
           : app.got_subcommand("replay") ? replay_command(raw)
                                          : run_command(raw);
}

}  // namespace
}  // namespace lockbench

int main(int argc, char** argv) {
    try {
        return lockbench::run_main(argc, argv);
    } catch (const lockbench::UsageError& error) {
        std::fprintf(stderr, "lockcheck: %s\n", error.what());
        return lockbench::kExitUsage;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lockcheck: %s.\n", error.what());
        return lockbench::kExitHost;
    }
}
