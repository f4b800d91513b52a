// SPDX-License-Identifier: MIT
#include "bench/machine.hpp"

#include <fmt/format.h>

#include "bench/counters.hpp"
#include "bench/environment.hpp"
#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/machine_view.hpp"
#include "bench/own_cost.hpp"
#include "platform/native_world.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

void add_own_cost(json& host, unsigned sample_every) {
    OwnCost cost;
    {
        const PinnedScope pinned(first_usable_cpu());
        cost = measure_own_cost(sample_every);
    }
    host["clock"] = {{"name", "time-stamp counter"},
                     {"ticks_per_ns", native::World::get().ticks_per_ns()},
                     {"cost_ns", cost.clock_ns}};
    host["own_cost_ns"] = cost.cost_ns;
    host["own_cost"] = {{"cost_ns", cost.cost_ns},           {"spread_ns", cost.spread_ns},
                        {"bare_ns", cost.bare_ns},           {"clock_ns", cost.clock_ns},
                        {"sample_every", cost.sample_every}, {"repetitions", cost.repetitions}};
}

}  // namespace

json describe_host(unsigned sample_every) {
    json host = read_host();
    host["placement"] = placement_facts();
    if (sample_every != 0) {
        const LoadSnapshot before = watch_idle_host(host);
        record_load_before(host, before);
        add_own_cost(host, sample_every);
        host["counters"] = to_json(make_counter_provider({})->probe());
    }
    host["warnings"] = to_json(host_warnings(host));
    return host;
}

int machine_command(bool as_json) {
    install_host();
    constexpr unsigned kSampleEvery = 128;
    json host = describe_host(kSampleEvery);
    if (as_json) {
        host["topology"] = to_json(host_topology());
        fmt::print("{}\n", host.dump(1));
        return kExitDone;
    }
    const json& cost = host.at("own_cost");
    fmt::print("{}\n{}\n{}\n", draw(host_topology()), environment_text(host, host_warnings(host)),
               counters_text(make_counter_provider({})->probe()));
    fmt::print(
        "own cost   {:.2f} ns an operation (+- {:.2f}, {} repetitions; one pinned thread, null lock, one acquisition "
        "in {} timed,\n"
        "           over the same loop without bookkeeping, {:.2f} ns); one reading of the clock {:.1f} ns, {:.4f} "
        "ticks/ns\n",
        cost["cost_ns"].get<double>(), cost["spread_ns"].get<double>(), cost["repetitions"].get<int>(),
        cost["sample_every"].get<int>(), cost["bare_ns"].get<double>(), cost["clock_ns"].get<double>(),
        host["clock"]["ticks_per_ns"].get<double>());
    return kExitDone;
}

}  // namespace lockbench
