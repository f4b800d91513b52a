// SPDX-License-Identifier: MIT
#include "bench/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "bench/counters.hpp"
#include "bench/errors.hpp"
#include "bench/glob.hpp"
#include "bench/lock_home.hpp"
#include "bench/nearest.hpp"
#include "bench/placement.hpp"

namespace lockbench {
namespace {

constexpr std::int64_t kMaxRepetitions = 10'000;

// Flags of the runner that would undo what makes a window a window, and what to say instead.
struct RefusedFlag {
    std::string_view prefix;
    std::string_view instead;
};
constexpr RefusedFlag kRefusedFlags[] = {
    {"--benchmark_repetitions", "--repetitions"},
    {"--benchmark_min_time", "--window-ms"},
    {"--benchmark_out", "--out (benchmark.json is written there)"},
    {"--benchmark_perf_counters", "--counters"},
    {"--benchmark_min_warmup_time", "--warmup-ms"},
    {"--benchmark_enable_random_interleaving", "--seed (the order is always shuffled)"},
    {"--benchmark_filter", "--locks and --workloads"},
    {"--benchmark_list_tests", "'lockbench list locks' and 'lockbench list workloads'"},
};

std::vector<std::string> lock_names() {
    std::vector<std::string> names;
    for (const LockRunner& runner : lock_runners()) {
        names.emplace_back(runner.info.name);
    }
    return names;
}

std::vector<std::string> workload_names() {
    std::vector<std::string> names;
    for (const WorkloadInfo* info : workload_infos()) {
        names.emplace_back(info->name);
    }
    return names;
}

bool matches_any(const std::vector<std::string>& globs, std::string_view name) {
    return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return glob_matches(glob, name); });
}

// Every glob must match something, or a typing error would quietly shrink a comparison.
void check_globs(const std::string& option, const std::vector<std::string>& globs,
                 const std::vector<std::string>& names, std::string_view what) {
    for (const std::string& glob : globs) {
        if (std::none_of(names.begin(), names.end(),
                         [&](const std::string& name) { return glob_matches(glob, name); })) {
            throw UsageError(fmt::format("{}: no {} matches '{}'; the nearest is '{}'. 'lockbench list {}s' shows all.",
                                         option, what, glob, nearest(glob, names), what));
        }
    }
}

std::vector<std::uint32_t> parse_threads(const std::vector<std::string>& list) {
    std::vector<std::uint32_t> threads;
    if (list.size() == 1 && list.front() == "auto") {
        return threads;
    }
    for (const std::string& text : list) {
        threads.push_back(static_cast<std::uint32_t>(parse_number("--threads", text, 1, kMaxThreads - 1, "threads")));
    }
    std::sort(threads.begin(), threads.end());
    threads.erase(std::unique(threads.begin(), threads.end()), threads.end());
    return threads;
}

void check_benchmark_flags(const std::vector<std::string>& flags) {
    for (const std::string& flag : flags) {
        for (const RefusedFlag& refused : kRefusedFlags) {
            if (flag.rfind(refused.prefix, 0) == 0) {
                throw UsageError(fmt::format("{}: refused, as windows are timed by lockbench itself; use {}.", flag,
                                             refused.instead));
            }
        }
    }
}

std::uint64_t fresh_seed() {
    std::random_device device;
    return (static_cast<std::uint64_t>(device()) << 32U | device()) >>
           12U;  // 52 bits: exact in JSON readers that use doubles
}

}  // namespace

std::vector<std::string> split_list(const std::string& option, const std::vector<std::string>& values) {
    std::vector<std::string> list;
    for (const std::string& value : values) {
        std::size_t begin = 0;
        for (;;) {
            const std::size_t comma = value.find(',', begin);
            const std::string element = value.substr(begin, comma == std::string::npos ? comma : comma - begin);
            if (element.empty()) {
                throw UsageError(fmt::format("{}: an element of the list '{}' is empty.", option, value));
            }
            list.push_back(element);
            if (comma == std::string::npos) {
                break;
            }
            begin = comma + 1;
        }
    }
    return list;
}

std::int64_t parse_number(const std::string& option, const std::string& text, std::int64_t min, std::int64_t max,
                          const std::string& unit) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max) {
        throw UsageError(
            fmt::format("{}: '{}' is not a whole number of {} from {} to {}.", option, text, unit, min, max));
    }
    return value;
}

ParamSweep parse_param(const std::string& text, const std::vector<const WorkloadInfo*>& workloads) {
    const std::size_t equals = text.find('=');
    const std::size_t dot = text.find('.');
    if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
        throw UsageError(fmt::format("--param: '{}' is not of the form workload.key=value[,value..].", text));
    }
    const std::string workload = text.substr(0, dot);
    const std::string key = text.substr(dot + 1, equals - dot - 1);
    std::vector<std::string_view> names;
    const WorkloadInfo* info = nullptr;
    for (const WorkloadInfo* one : workloads) {
        names.push_back(one->name);
        info = one->name == workload ? one : info;
    }
    if (info == nullptr) {
        throw UsageError(fmt::format(
            "--param: there is no workload '{}'; the nearest is '{}'. 'lockbench list workloads' shows all.", workload,
            nearest(workload, names)));
    }
    std::vector<std::string> keys;
    for (const ParamInfo& param : info->params) {
        keys.emplace_back(param.key);
    }
    const auto found = std::find(keys.begin(), keys.end(), key);
    if (found == keys.end()) {
        throw UsageError(
            fmt::format("--param: {} has no parameter '{}'; the nearest is '{}'. 'lockbench list params' shows all.",
                        workload, key, nearest(key, keys)));
    }
    ParamSweep sweep{info, static_cast<std::size_t>(found - keys.begin()), {}};
    const ParamInfo& param = info->params[sweep.param];
    const std::string flag = fmt::format("--param {}.{}", workload, key);
    for (const std::string& value : split_list(flag, {text.substr(equals + 1)})) {
        const auto name = std::find(param.names.begin(), param.names.end(), value);
        if (name != param.names.end()) {
            sweep.values.push_back(name - param.names.begin());
        } else if (!param.names.empty()) {
            const std::vector<std::string> values(param.names.begin(), param.names.end());
            throw UsageError(fmt::format("{}: '{}' is none of {}; the nearest is '{}'.", flag, value,
                                         fmt::join(values, ", "), nearest(value, values)));
        } else {
            sweep.values.push_back(parse_number(flag, value, param.min, param.max, std::string(param.unit)));
        }
    }
    return sweep;
}

std::vector<const LockRunner*> select_locks(const std::vector<std::string>& globs, bool quick) {
    check_globs("--locks", globs, lock_names(), "lock");
    std::vector<const LockRunner*> selected;
    for (const LockRunner& runner : lock_runners()) {
        const std::string_view name = runner.info.name;
        const bool is_default = !runner.info.control && !name.ends_with(".yield") && (!quick || runner.info.quick);
        // A control must be named as such: '*' does not bring a broken lock into a comparison.
        const bool by_name = std::find(globs.begin(), globs.end(), name) != globs.end();
        if (globs.empty() ? is_default : by_name || (!runner.info.control && matches_any(globs, name))) {
            selected.push_back(&runner);
        }
    }
    if (selected.empty()) {
        throw UsageError("--locks: only negative controls match; name them in full to run them.");
    }
    return selected;
}

std::vector<const WorkloadInfo*> select_workloads(const std::vector<std::string>& globs, bool quick) {
    check_globs("--workloads", globs, workload_names(), "workload");
    std::vector<const WorkloadInfo*> selected;
    for (const WorkloadInfo* info : workload_infos()) {
        if (globs.empty() ? !quick || info->quick : matches_any(globs, info->name)) {
            selected.push_back(info);
        }
    }
    return selected;
}

RunOptions check_run_options(const RawRunOptions& raw) {
    if (raw.quick && raw.full) {
        throw UsageError("--quick and --full exclude each other.");
    }
    RunOptions options;
    options.locks = select_locks(split_list("--locks", raw.locks), raw.quick);
    options.workloads = select_workloads(split_list("--workloads", raw.workloads), raw.quick);
    options.threads = parse_threads(split_list("--threads", raw.threads));
    if (raw.quick && raw.threads.empty()) {
        options.threads = {1, 2};
    }
    options.placements = split_list("--placements", raw.placements);
    if (options.placements.empty() && raw.full) {
        options.placements = {"*"};
    }
    check_placement_names(options.placements);
    options.lock_homes = split_list("--lock-home", raw.lock_homes);
    if (options.lock_homes.empty()) {
        options.lock_homes = {"local"};
    }
    for (const std::string& home : options.lock_homes) {
        static_cast<void>(parse_lock_home(home));
    }
    for (const std::string& text : raw.params) {
        options.params.push_back(parse_param(text));
        const WorkloadInfo* workload = options.params.back().workload;
        if (std::find(options.workloads.begin(), options.workloads.end(), workload) == options.workloads.end()) {
            throw UsageError(
                fmt::format("--param {}: workload {} is not part of this run (--workloads).", text, workload->name));
        }
    }
    const auto number = [](const char* option, const std::string& text, std::int64_t otherwise, std::int64_t min,
                           std::int64_t max, const char* unit) {
        return text.empty() ? otherwise : parse_number(option, text, min, max, unit);
    };
    options.window_ns =
        static_cast<Nanoseconds>(number("--window-ms", raw.window_ms, raw.full ? 500 : 100, 1, kMaxWindowMs, "ms")) *
        1'000'000;
    options.warmup_ns =
        static_cast<Nanoseconds>(number("--warmup-ms", raw.warmup_ms, 20, 0, kMaxWindowMs, "ms")) * 1'000'000;
    options.repetitions = static_cast<std::uint32_t>(
        number("--repetitions", raw.repetitions, raw.full ? 20 : 10, 1, kMaxRepetitions, "repetitions"));
    options.sample_every = static_cast<std::uint32_t>(
        number("--sample-every", raw.sample_every, options.sample_every, 1, 1'000'000'000, "acquisitions"));
    options.seed_given = !raw.seed.empty();
    options.seed =
        raw.seed.empty()
            ? fresh_seed()
            : static_cast<std::uint64_t>(parse_number("--seed", raw.seed, 0, (std::int64_t{1} << 52) - 1, "seed"));
    options.counters = split_list("--counters", raw.counters);
    check_globs("--counters", options.counters, counter_names(), "counter");
    check_benchmark_flags(raw.benchmark_flags);
    options.benchmark_flags = raw.benchmark_flags;
    options.uncontended = !raw.no_uncontended;
    options.untimed = !raw.no_untimed;
    options.aa = !raw.no_aa;
    options.allow_convoy = raw.allow_convoy;
    options.allow_illegal = raw.allow_illegal;
    options.multiplex = raw.multiplex;
    options.perf_c2c = raw.perf_c2c;
    options.out = raw.out;
    options.resume = raw.resume;
    return options;
}

}  // namespace lockbench
