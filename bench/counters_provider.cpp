// SPDX-License-Identifier: MIT
// What this host can count, found out by doing it: each candidate, best first, is added to those before it and all are
// run once. PAPI counts what it can say, the kernel the rest; one dry run over both settles what fits beside what.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "bench/counters.hpp"
#include "bench/counters_candidates.hpp"
#include "bench/counters_engines.hpp"

namespace lockbench {

namespace {

bool is_hardware(const CounterSpec& spec) { return spec.level < kLevelSoftware; }

// The events of one thread, whoever counts them, in the order of the specs.
class ThreadEvents {
  public:
    explicit ThreadEvents(const EngineOptions& options) : options_(options) {}

    void open(const std::vector<CounterSpec>& specs) {
        engines_ = {};
        slots_.assign(specs.size(), {});
        std::size_t hardware = 0;
        for (std::size_t i = 0; i < specs.size(); ++i) {
            Slot& slot = slots_[i];
            slot.engine = specs[i].source == CounterSource::papi ? kPapi : kKernel;
            slot.hardware = is_hardware(specs[i]);
            slot.before = hardware;
            Engine& engine = engines_[slot.engine];
            if (engine.set == nullptr) {
                engine.set = slot.engine == kPapi ? make_papi_set(options_) : make_kernel_set(options_);
            }
            slot.not_added = engine.set->add(specs[i]);
            if (!slot.not_added) {
                slot.index = engine.added++;
                hardware += slot.hardware ? 1 : 0;
            }
        }
        hardware_ = hardware;
    }

    void start() {
        for (Engine& engine : engines_) {
            engine.error = engine.added == 0 ? std::nullopt : engine.set->start();
        }
    }

    // The one started last stops first, so that neither counts the other's start and stop.
    void stop() {
        for (auto engine = engines_.rbegin(); engine != engines_.rend(); ++engine) {
            if (engine->added != 0 && !engine->error) {
                engine->error = engine->set->stop(engine->counts);
            }
        }
    }

    void close() { engines_ = {}; }

    // Of the last window.
    [[nodiscard]] std::optional<EventCount> count(std::size_t i) const {
        const Engine& engine = engines_[slots_[i].engine];
        return slots_[i].not_added || engine.error ? std::nullopt : std::optional(engine.counts[slots_[i].index]);
    }
    // Why it did not count at all; nothing where it did.
    [[nodiscard]] std::optional<RefusalContext> refusal(std::size_t i) const {
        const Slot& slot = slots_[i];
        const std::optional<EventError>& error = slot.not_added ? slot.not_added : engines_[slot.engine].error;
        if (!error) {
            return std::nullopt;
        }
        const std::size_t others = slot.not_added ? slot.before : hardware_ - (slot.hardware ? 1 : 0);
        return RefusalContext{error->refusal, slot.hardware, others, error->detail};
    }

  private:
    static constexpr std::size_t kPapi = 0;
    static constexpr std::size_t kKernel = 1;
    struct Engine {
        std::unique_ptr<EventSet> set;
        std::size_t added = 0;
        std::optional<EventError> error;
        std::vector<EventCount> counts;
    };
    struct Slot {
        std::size_t engine = kKernel;
        std::size_t index = 0;
        bool hardware = true;
        std::size_t before = 0;  // hardware events added before it
        std::optional<EventError> not_added;
    };

    EngineOptions options_;
    std::array<Engine, 2> engines_;
    std::vector<Slot> slots_;
    std::size_t hardware_ = 0;
};

class HostThreadCounters final : public ThreadCounters {
  public:
    HostThreadCounters(const CounterPlan& plan, const CounterHost& host, const EngineOptions& options)
        : plan_(plan), host_(host), events_(options), specs_(plan.counted) {
        specs_.resize(specs_.size() - rusage_specs().size());  // they follow the others
    }

    void open() override {
        events_.open(specs_);
        reasons_.assign(plan_.counted.size(), "");
        shares_.assign(plan_.counted.size(), 1);
    }
    void start() override {
        usage_ = thread_usage_now();
        events_.start();
    }
    std::vector<std::optional<std::int64_t>> stop() override {
        events_.stop();
        const ThreadUsage used = thread_usage_now() - usage_;
        std::vector<std::optional<std::int64_t>> all(specs_.size());
        for (std::size_t i = 0; i < specs_.size(); ++i) {
            const std::optional<EventCount> count = events_.count(i);
            std::optional<RefusalContext> refusal = events_.refusal(i);
            if (count && count->share == 0) {
                refusal = RefusalContext{Refusal::no_turn, true, 0, {}};
            }
            all[i] = refusal ? std::nullopt : std::optional(count->value);
            reasons_[i] = refusal ? refusal_text(*refusal, host_) : "";
            shares_[i] = refusal ? 1 : count->share;
        }
        all.insert(all.end(), {used.voluntary_switches, used.involuntary_switches, used.minor_faults});
        return all;
    }
    void close() override { events_.close(); }
    [[nodiscard]] std::vector<std::string> reasons() const override { return reasons_; }
    [[nodiscard]] std::vector<double> shares() const override { return shares_; }

  private:
    const CounterPlan& plan_;
    const CounterHost& host_;
    ThreadEvents events_;
    std::vector<CounterSpec> specs_;
    ThreadUsage usage_;
    std::vector<std::string> reasons_;
    std::vector<double> shares_;
};

class HostProvider final : public CounterProvider {
  public:
    explicit HostProvider(CounterRequest request) : request_(std::move(request)) {}

    const CounterPlan& probe() override {
        if (!probed_) {
            probed_ = true;
            host_ = probe_counter_host(request_.root);
            find_engines();
            choose_events();
            const std::vector<CounterSpec> always = rusage_specs();
            plan_.counted.insert(plan_.counted.end(), always.begin(), always.end());
            set_level(plan_);
        }
        return plan_;
    }

    [[nodiscard]] std::unique_ptr<ThreadCounters> make_thread_set() override {
        probe();
        return std::make_unique<HostThreadCounters>(plan_, host_, options_);
    }

  private:
    void find_engines() {
        // Kernel mode counts the futex paths of sleeping locks too; without permission only user mode is left.
        options_.kernel_too = host_.kernel_errno != EACCES && host_.kernel_errno != EPERM;
        options_.multiplex = request_.multiplex;
        plan_.multiplexed = request_.multiplex;
        PapiState papi;
        papi.off = "PAPI was not asked for";
        if (request_.use_papi) {
            papi = start_papi(host_, options_.kernel_too);
        }
        use_papi_ = papi.off.empty() && !request_.multiplex;
        options_.papi_component = papi.component;
        plan_.note = papi.off;
        plan_.pmu = choose_pmu(papi.pmus);
        if (plan_.pmu.empty()) {
            plan_.pmu = pmu_of_cpu(request_.root);
        }
    }

    void choose_events() {
        bool transfers = false;
        for (const Candidate& candidate : selected_candidates(candidates_for(plan_.pmu), request_.select)) {
            if (!candidate.absent.empty()) {
                plan_.unavailable.push_back({candidate.spec, candidate.absent});
                continue;
            }
            if (candidate.fallback && transfers) {
                plan_.unavailable.push_back(
                    {candidate.spec, "not tried: better events count here; ask for it by name"});
                continue;
            }
            CounterSpec spec = candidate.spec;
            if (candidate.papi_event.empty() || !use_papi_ || !papi_knows(candidate.papi_event)) {
                spec.source = CounterSource::kernel;
                spec.event = perf_syntax(spec.code);
            }
            if (const auto refusal = refusal_beside_others(spec)) {
                plan_.unavailable.push_back({spec, refusal_text(*refusal, host_)});
                continue;
            }
            plan_.counted.push_back(spec);
            transfers = transfers || spec.level <= kLevelSnoopHit;
            if (is_hardware(spec)) {
                plan_.domain = options_.kernel_too ? "user+kernel" : "user";
            }
        }
    }

    // Runs all that was chosen so far with one more. Pinned groups count whole or not at all, so that a newcomer that
    // takes the counter of another one shows as that one's failure.
    std::optional<RefusalContext> refusal_beside_others(const CounterSpec& spec) {
        std::vector<CounterSpec> specs = plan_.counted;
        specs.push_back(spec);
        ThreadEvents events(options_);
        events.open(specs);
        if (auto refusal = events.refusal(specs.size() - 1)) {
            return refusal;
        }
        events.start();
        events.stop();
        for (std::size_t i = specs.size(); i-- > 0;) {
            if (auto refusal = events.refusal(i)) {
                refusal->hardware = is_hardware(spec);
                return refusal;
            }
        }
        return std::nullopt;
    }

    CounterRequest request_;
    CounterHost host_;
    CounterPlan plan_;
    EngineOptions options_;
    bool use_papi_ = false;
    bool probed_ = false;
};

}  // namespace

std::unique_ptr<CounterProvider> make_counter_provider(const CounterRequest& request) {
    return std::make_unique<HostProvider>(request);
}

}  // namespace lockbench
