// SPDX-License-Identifier: MIT
#include "bench/child.hpp"

#include <benchmark/benchmark.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <set>

#include "bench/counters.hpp"
#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/pin.hpp"
#include "bench/plan.hpp"
#include "bench/record.hpp"
#include "bench/refusals.hpp"
#include "bench/run_files.hpp"
#include "bench/uncontended.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

std::atomic<bool> interrupted{false};
void on_interrupt(int) { interrupted.store(true, std::memory_order_relaxed); }

// A failed check leaves the line "check <text>" for the parent, then dies: the state that it found cannot be trusted
// any further.
void on_check_failed(const char* what, const char* file, int line) {
    std::printf("check %s (%s:%d)\n", what, file, line);
    std::fflush(stdout);
    std::_Exit(kExitFailed);
}

void tell(const char* word, std::uint64_t order) {
    std::printf("%s %llu\n", word, static_cast<unsigned long long>(order));
    std::fflush(stdout);
}

class Block {
  public:
    Block(const RunFiles& files, std::uint32_t block)
        : plan_(plan_from_json(files.read_run().at("plan"))), block_(block), writer_(files.windows_jsonl()) {
        counters_ = make_counter_provider({.select = plan_.counters, .multiplex = plan_.multiplex});
        for (const nlohmann::json& window : files.read_windows()) {
            if (window.at("workload") == "uncontended") {
                uncontended_done_ |= window.at("block") == block_;
            } else {
                done_.insert(window.at("order").get<std::uint64_t>());
            }
        }
    }

    int run() {
        if (plan_.uncontended && !uncontended_done_) {
            run_uncontended();
        }
        for (const PlannedWindow& window : plan_.windows) {
            if (window.block == block_ && done_.count(window.order) == 0) {
                add_window(window);
            }
        }
        NullReporter reporter;
        if (!interrupted) {
            benchmark::RunSpecifiedBenchmarks(&reporter);
        }
        if (!error_.empty()) {
            throw HostError(error_);
        }
        return interrupted ? kExitInterrupted : kExitDone;
    }

  private:
    class NullReporter : public benchmark::BenchmarkReporter {
      public:
        bool ReportContext(const Context&) override { return true; }
        void ReportRuns(const std::vector<Run>&) override {}
    };

    // All costs of a block are appended together at its end: a kill in the middle measures them anew.
    void run_uncontended() {
        std::printf("uncontended\n");
        std::fflush(stdout);
        const CpuId cpu = first_usable_cpu();
        const PinnedScope pinned(cpu);
        native::World::get().begin_trial({kAnyNode}, plan_.seed);
        std::vector<nlohmann::json> costs;
        {
            const native::ThreadScope scope(0, cpu);
            measure_uncontended(plan_, block_, cpu, [&](const nlohmann::json& cost) { costs.push_back(cost); });
            if (const Failure moved = verify_pinned(cpu)) {
                for (nlohmann::json& cost : costs) {
                    cost["cpus"] = {nullptr};
                    cost["placement_reason"] = {"changed under the run: " + *moved};
                    cost["flags"].push_back("placement_unverified");
                }
            }
        }
        native::World::get().end_trial();
        for (const nlohmann::json& cost : costs) {
            writer_.append(cost);
        }
    }

    void add_window(const PlannedWindow& window) {
        const PlannedCell& cell = plan_.cells[window.cell];
        const std::string name = std::string(cell.workload->info->name) + "/" + std::string(cell.lock->info.name) +
                                 "/" + std::to_string(cell.threads) + "/" + std::to_string(window.order);
        // The window is one iteration with manual time: the team inside it is ours, the runner only runs and times it.
        benchmark::RegisterBenchmark(name.c_str(), [this, window](benchmark::State& state) { measure(state, window); })
            ->Iterations(1)
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
    }

    void measure(benchmark::State& state, const PlannedWindow& window) {
        for (auto _ : state) {
            const double seconds = interrupted || !error_.empty() ? 0 : measure_and_append(window);
            state.SetIterationTime(seconds);
        }
    }

    double measure_and_append(const PlannedWindow& window) {
        const PlannedCell& cell = plan_.cells[window.cell];
        tell("begin", window.order);
        WindowRequest request = window_request(plan_, cell, plan_.seed + window.order);
        request.counters = counters_.get();
        request.interrupted = &interrupted;
        WindowResult result;
        try {
            result = cell.workload->run(request);
        } catch (const HostError& error) {
            error_ = error.what();  // an exception is not to cross Google Benchmark
            return 0;
        }
        if (result.interrupted) {
            return 0;
        }
        WindowLabel label;
        label.lock = cell.lock->info;
        label.workload = cell.workload->info;
        label.placement = cell.placement;
        label.lock_home = cell.lock_home;
        label.repetition = window.repetition;
        label.block = window.block;
        label.order = window.order;
        label.run_seed = plan_.seed;
        label.aa = cell.aa;
        label.untimed = cell.untimed;
        label.oversubscribed = cell.place.oversubscribed;
        label.allow_convoy = plan_.allow_convoy;
        label.illegal = is_illegal(*label.workload, label.lock, cell.params);
        const nlohmann::json record = window_to_json(label, request, result, counters_->probe());
        try {
            writer_.append(record);
        } catch (const HostError& error) {
            error_ = error.what();
            return 0;
        }
        tell("done", window.order);
        if (result.stuck) {
            // Threads still run in this trial's memory: nothing after it would be a measurement.
            std::_Exit(kExitFailed);
        }
        return record.at("window_s");
    }

    RunPlan plan_;
    std::uint32_t block_;
    WindowWriter writer_;
    std::unique_ptr<CounterProvider> counters_;
    std::set<std::uint64_t> done_;
    bool uncontended_done_ = false;
    std::string error_;
};

void initialize_runner(const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"lockbench"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> argv;
    argv.reserve(words.size());
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    int argc = static_cast<int>(argv.size());
    benchmark::Initialize(&argc, argv.data());
    if (benchmark::ReportUnrecognizedArguments(argc, argv.data())) {
        throw UsageError("Google Benchmark does not know one of the --benchmark_* flags.");
    }
}

}  // namespace

WindowRequest window_request(const RunPlan& plan, const PlannedCell& cell, std::uint64_t seed) {
    WindowRequest request;
    request.params = cell.params;
    request.cpus = cell.place.cpus;
    request.qnode_nodes = cell.place.qnode_nodes;
    request.homes = cell.place.homes;
    request.window_ns = plan.window_ns;
    request.warmup_ns = plan.warmup_ns;
    request.sample_every = cell.untimed ? 0 : plan.sample_every;
    request.seed = seed;
    return request;
}

int run_child(const std::filesystem::path& dir, std::uint32_t block) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action {};
    action.sa_handler = &on_interrupt;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    set_check_handler(&on_check_failed);
    const RunFiles files(dir);
    files.require();
    install_host();
    initialize_runner(files.read_run().at("plan").at("benchmark_flags").get<std::vector<std::string>>());
    return Block(files, block).run();
}

}  // namespace lockbench
