// SPDX-License-Identifier: MIT
// Counting through PAPI 7, with its traps: a successful initialisation and a resolved name say nothing about counters,
// so every event is added and the whole set started once before it is promised; options of a single set fail without a
// PMU, so the domain is set globally before any set exists; one component allows one running set a thread, so hardware
// and software events share it. This is the only file that knows whether PAPI is built in.
#include "bench/counters.hpp"
#include "bench/counters_absence.hpp"
#include "bench/counters_candidates.hpp"
#include "platform/check.hpp"

#if LOCKBENCH_HAVE_PAPI
#include <papi.h>
#include <unistd.h>
#endif

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace lockbench {

#if LOCKBENCH_HAVE_PAPI

namespace {

unsigned long thread_number() { return static_cast<unsigned long>(gettid()); }

std::string papi_words(int code) {
    const char* words = PAPI_strerror(code);
    return fmt::format("{} {}", words == nullptr ? "PAPI error" : words, code);
}

Refusal refusal_of(int code) {
    switch (code) {
        case PAPI_ENOEVNT:
            return Refusal::no_event;
        case PAPI_EPERM:
            return Refusal::permission;
        case PAPI_ESYS:
            return Refusal::no_syscall;
        case PAPI_EINVAL:
        case PAPI_ECOUNT:
            return Refusal::invalid;
        case PAPI_ECNFLCT:
            return Refusal::conflict;
        default:
            return Refusal::other;
    }
}

// One PAPI event set of the calling thread.
class EventSet {
  public:
    EventSet() = default;
    EventSet(const EventSet&) = delete;
    EventSet& operator=(const EventSet&) = delete;
    ~EventSet() { destroy(); }

    // PAPI_OK or PAPI's error.
    int create(int component) {
        PAPI_register_thread();  // an error shows in the calls that follow
        const int created = PAPI_create_eventset(&set_);
        return created == PAPI_OK ? PAPI_assign_eventset_component(set_, component) : created;
    }
    int add(const std::string& event) { return PAPI_add_named_event(set_, event.c_str()); }
    int start() { return PAPI_start(set_); }
    int stop(std::vector<long long>& values) { return PAPI_stop(set_, values.data()); }
    void destroy() {
        if (set_ == PAPI_NULL) {
            return;
        }
        PAPI_cleanup_eventset(set_);
        PAPI_destroy_eventset(&set_);
        set_ = PAPI_NULL;
        PAPI_unregister_thread();
    }

  private:
    int set_ = PAPI_NULL;
};

class PapiThreadCounters final : public ThreadCounters {
  public:
    PapiThreadCounters(const CounterPlan& plan, const CounterHost& host, int component)
        : plan_(plan), host_(host), component_(component), papi_count_(plan.counted.size() - rusage_specs().size()) {}

    void open() override {
        slots_.assign(papi_count_, kNoSlot);
        reasons_.assign(plan_.counted.size(), "");
        if (papi_count_ == 0) {
            return;
        }
        const int created = set_.create(component_);
        std::size_t added = 0;
        for (std::size_t i = 0; i < papi_count_; ++i) {
            const CounterSpec& spec = plan_.counted[i];
            const int result = created == PAPI_OK ? set_.add(spec.event) : created;
            if (result == PAPI_OK) {
                slots_[i] = added++;
            } else {
                reasons_[i] =
                    refusal_text({refusal_of(result), spec.level < kLevelSoftware, added, papi_words(result)}, host_);
            }
        }
        values_.assign(added, 0);
    }

    void start() override {
        usage_.start();
        started_ = values_.empty() ? PAPI_ENOTRUN : set_.start();
    }

    std::vector<std::optional<std::int64_t>> stop() override {
        const int stopped = started_ == PAPI_OK ? set_.stop(values_) : started_;
        const std::vector<std::optional<std::int64_t>> used = usage_.stop();
        std::vector<std::optional<std::int64_t>> all(papi_count_);
        for (std::size_t i = 0; i < papi_count_; ++i) {
            if (slots_[i] == kNoSlot) {
                continue;
            }
            if (stopped == PAPI_OK) {
                all[i] = values_[slots_[i]];
                reasons_[i].clear();
            } else {
                reasons_[i] = refusal_text({Refusal::start, true, 0, papi_words(stopped)}, host_);
            }
        }
        all.insert(all.end(), used.begin(), used.end());
        return all;
    }

    void close() override { set_.destroy(); }
    [[nodiscard]] std::vector<std::string> reasons() const override { return reasons_; }

  private:
    static constexpr std::size_t kNoSlot = static_cast<std::size_t>(-1);

    const CounterPlan& plan_;
    const CounterHost& host_;
    int component_;
    std::size_t papi_count_;  // the getrusage counters follow these
    EventSet set_;
    RusageThreadCounters usage_;
    std::vector<std::size_t> slots_;
    std::vector<long long> values_;
    std::vector<std::string> reasons_;
    int started_ = PAPI_ENOTRUN;
};

class PapiProvider final : public CounterProvider {
  public:
    explicit PapiProvider(CounterRequest request) : request_(std::move(request)) {}

    const CounterPlan& probe() override {
        if (!probed_) {
            probed_ = true;
            host_ = probe_counter_host(request_.root);
            probe_component();
            const std::vector<CounterSpec> always = rusage_specs();
            plan_.counted.insert(plan_.counted.end(), always.begin(), always.end());
            set_level(plan_);
        }
        return plan_;
    }

    [[nodiscard]] std::unique_ptr<ThreadCounters> make_thread_set() override {
        probe();
        return std::make_unique<PapiThreadCounters>(plan_, host_, component_);
    }

  private:
    void refuse(const Candidate& candidate, std::string reason) {
        plan_.unavailable.push_back({candidate.spec, std::move(reason)});
    }

    void refuse_all(const std::string& reason) {
        for (const Candidate& candidate : selected_candidates(candidates_for(plan_.pmu), request_.select)) {
            refuse(candidate, reason);
        }
    }

    void probe_component() {
        const int version = PAPI_library_init(PAPI_VER_CURRENT);
        if (version != PAPI_VER_CURRENT) {
            refuse_all(fmt::format("PAPI does not start ({})", version > 0 ? "another version" : papi_words(version)));
            return;
        }
        PAPI_thread_init(thread_number);
        component_ = PAPI_get_component_index("perf_event");
        const PAPI_component_info_t* info = component_ < 0 ? nullptr : PAPI_get_component_info(component_);
        if (info == nullptr) {
            refuse_all("this PAPI is built without its perf_event component");
            return;
        }
        std::vector<std::string> pmus;
        for (const char* pmu : info->pmu_names) {
            if (pmu != nullptr) {
                pmus.emplace_back(pmu);
            }
        }
        plan_.pmu = choose_pmu(pmus);
        if (info->disabled != PAPI_OK) {
            refuse_all(refusal_text({Refusal::component, true, 0, info->disabled_reason}, host_));
            return;
        }
        // Kernel mode counts the futex paths of sleeping locks too; without permission only user mode is left.
        const bool kernel_too = host_.kernel_errno != EACCES && host_.kernel_errno != EPERM;
        PAPI_set_domain(kernel_too ? PAPI_DOM_ALL : PAPI_DOM_USER);
        choose_events();
        if (std::any_of(plan_.counted.begin(), plan_.counted.end(),
                        [](const CounterSpec& spec) { return spec.level < kLevelSoftware; })) {
            plan_.domain = kernel_too ? "user+kernel" : "user";
        }
    }

    void choose_events() {
        EventSet set;
        const int created = set.create(component_);
        if (created != PAPI_OK) {
            refuse_all(fmt::format("PAPI cannot make an event set ({})", papi_words(created)));
            return;
        }
        bool transfers = false;
        std::size_t hardware = 0;
        for (const Candidate& candidate : selected_candidates(candidates_for(plan_.pmu), request_.select)) {
            if (!candidate.absent.empty()) {
                refuse(candidate, candidate.absent);
                continue;
            }
            if (candidate.fallback && transfers) {
                refuse(candidate, "not tried: transfer events count here; ask for it by name");
                continue;
            }
            int code = 0;
            const bool known = PAPI_event_name_to_code(candidate.spec.event.c_str(), &code) == PAPI_OK;
            const int result = known ? set.add(candidate.spec.event) : PAPI_ENOEVNT;
            if (result == PAPI_OK) {
                plan_.counted.push_back(candidate.spec);
                hardware += candidate.hardware ? 1 : 0;
                transfers = transfers || candidate.spec.level <= kLevelSnoopHit;
            } else {
                refuse(candidate, refusal_text({known ? refusal_of(result) : Refusal::name, candidate.hardware,
                                                hardware, papi_words(result)},
                                               host_));
            }
        }
        set.destroy();
        drop_what_does_not_start();
    }

    // PAPI opens the set as one pinned group: if the kernel cannot schedule it, nothing counts. So the last hardware
    // event goes until the rest starts.
    void drop_what_does_not_start() {
        while (!plan_.counted.empty()) {
            const int result = dry_run();
            if (result == PAPI_OK) {
                return;
            }
            auto last = std::find_if(plan_.counted.rbegin(), plan_.counted.rend(),
                                     [](const CounterSpec& spec) { return spec.level < kLevelSoftware; });
            if (last == plan_.counted.rend()) {
                last = plan_.counted.rbegin();
            }
            plan_.unavailable.push_back({*last, refusal_text({Refusal::start, true, 0, papi_words(result)}, host_)});
            plan_.counted.erase(std::next(last).base());
        }
    }

    int dry_run() {
        EventSet set;
        int result = set.create(component_);
        for (std::size_t i = 0; i < plan_.counted.size() && result == PAPI_OK; ++i) {
            result = set.add(plan_.counted[i].event);
        }
        if (result != PAPI_OK) {
            return result;
        }
        std::vector<long long> values(plan_.counted.size());
        result = set.start();
        return result == PAPI_OK ? set.stop(values) : result;
    }

    CounterRequest request_;
    CounterHost host_;
    CounterPlan plan_;
    int component_ = 0;
    bool probed_ = false;
};

}  // namespace

std::unique_ptr<CounterProvider> make_counter_provider(const CounterRequest& request) {
    if (!request.use_papi) {
        return make_rusage_provider(request, "PAPI was not asked for");
    }
    return std::make_unique<PapiProvider>(request);
}

#else

std::unique_ptr<CounterProvider> make_counter_provider(const CounterRequest& request) {
    return make_rusage_provider(request, "this lockbench was built without PAPI: install libpapi-dev and build again");
}

#endif

}  // namespace lockbench
