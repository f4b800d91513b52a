// SPDX-License-Identifier: MIT
// Counting through PAPI 7, with its traps: a successful initialisation and a resolved name say nothing about counters,
// so every event is added and the whole set started once before it is promised; options of a single set fail without a
// PMU, so the domain is set globally before any set exists; one component allows one running set a thread, so hardware
// and software events share it; a multiplexed set gives scaled values and does not tell, so what takes turns is left to
// bench/counters_kernel.cpp. This is the only file that knows whether PAPI is built in.
#include "bench/counters_engines.hpp"

#if LOCKBENCH_HAVE_PAPI
#include <papi.h>
#include <unistd.h>
#endif

#include <fmt/format.h>

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

class PapiSet final : public EventSet {
  public:
    explicit PapiSet(int component) : component_(component) {}
    ~PapiSet() override {
        if (set_ != PAPI_NULL) {
            PAPI_cleanup_eventset(set_);
            PAPI_destroy_eventset(&set_);
            PAPI_unregister_thread();
        }
    }

    std::optional<EventError> add(const CounterSpec& spec) override {
        int result = set_ == PAPI_NULL ? create() : PAPI_OK;
        if (result == PAPI_OK) {
            result = PAPI_add_named_event(set_, spec.event.c_str());
        }
        if (result == PAPI_OK) {
            values_.push_back(0);
        }
        return result == PAPI_OK ? std::nullopt : std::optional(EventError{refusal_of(result), papi_words(result)});
    }

    std::optional<EventError> start() override { return started(PAPI_start(set_)); }

    std::optional<EventError> stop(std::vector<EventCount>& counts) override {
        const int result = PAPI_stop(set_, values_.data());
        counts.clear();
        for (const long long value : values_) {
            counts.push_back({value, 1});
        }
        return started(result);
    }

  private:
    int create() {
        PAPI_register_thread();  // an error shows in the calls that follow
        const int created = PAPI_create_eventset(&set_);
        return created == PAPI_OK ? PAPI_assign_eventset_component(set_, component_) : created;
    }
    static std::optional<EventError> started(int result) {
        return result == PAPI_OK ? std::nullopt : std::optional(EventError{Refusal::start, papi_words(result)});
    }

    int component_;
    int set_ = PAPI_NULL;
    std::vector<long long> values_;
};

}  // namespace

PapiState start_papi(const CounterHost& host, bool kernel_too) {
    PapiState state;
    const int version = PAPI_library_init(PAPI_VER_CURRENT);
    if (version != PAPI_VER_CURRENT) {
        state.off = fmt::format("PAPI does not start ({})", version > 0 ? "another version" : papi_words(version));
        return state;
    }
    PAPI_thread_init(thread_number);
    state.component = PAPI_get_component_index("perf_event");
    const PAPI_component_info_t* info = state.component < 0 ? nullptr : PAPI_get_component_info(state.component);
    if (info == nullptr) {
        state.off = "this PAPI is built without its perf_event component";
        return state;
    }
    for (const char* pmu : info->pmu_names) {
        if (pmu != nullptr) {
            state.pmus.emplace_back(pmu);
        }
    }
    if (info->disabled != PAPI_OK) {
        state.off = papi_off_text(info->disabled_reason, host);
        return state;
    }
    PAPI_set_domain(kernel_too ? PAPI_DOM_ALL : PAPI_DOM_USER);
    return state;
}

bool papi_knows(const std::string& event) {
    PAPI_register_thread();  // PAPI 7.0 looks a name up in the thread's record, and crashes after the last set is gone
    int code = 0;
    return PAPI_event_name_to_code(event.c_str(), &code) == PAPI_OK;
}

std::unique_ptr<EventSet> make_papi_set(const EngineOptions& options) {
    return std::make_unique<PapiSet>(options.papi_component);
}

#else

PapiState start_papi(const CounterHost&, bool) {
    PapiState state;
    state.off = "this lockbench was built without PAPI: install libpapi-dev and build again";
    return state;
}
bool papi_knows(const std::string&) { return false; }
// Never asked for: no event is known.
std::unique_ptr<EventSet> make_papi_set(const EngineOptions& options) { return make_kernel_set(options); }

#endif

}  // namespace lockbench
