// SPDX-License-Identifier: MIT
#include "bench/machine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/counters.hpp"
#include "bench/environment.hpp"
#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/machine_view.hpp"
#include "bench/other_machine.hpp"
#include "bench/own_cost.hpp"
#include "platform/native_wait.hpp"
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
    host["clock"] = {{"name", native::kTicksName},
                     {"ticks_per_ns", native::World::get().ticks_per_ns()},
                     {"cost_ns", cost.clock_ns}};
    host["own_cost_ns"] = cost.cost_ns;
    host["own_cost"] = {{"cost_ns", cost.cost_ns},           {"spread_ns", cost.spread_ns},
                        {"bare_ns", cost.bare_ns},           {"clock_ns", cost.clock_ns},
                        {"sample_every", cost.sample_every}, {"repetitions", cost.repetitions}};
}

int show_other_machine(const MachineOptions& options) {
    const Topology other = load_other_machine(options.topology, options.cpus);
    if (options.as_json) {
        fmt::print("{}\n", json{{"topology", to_json(other)}}.dump(1));
    } else {
        fmt::print("{}", draw(other));
    }
    return kExitDone;
}

}  // namespace

json describe_host(unsigned sample_every, bool multiplex) {
    json host = read_host();
    host["placement"] = placement_facts();
    if (sample_every != 0) {
        const LoadSnapshot before = watch_idle_host(host);
        record_load_before(host, before);
        add_own_cost(host, sample_every);
        host["counters"] = to_json(make_counter_provider({.multiplex = multiplex})->probe());
    }
    host["warnings"] = to_json(host_warnings(host));
    return host;
}

int machine_command(const MachineOptions& options) {
    if (!options.topology.empty()) {
        return show_other_machine(options);
    }
    install_host();
    constexpr unsigned kSampleEvery = 128;
    json host = describe_host(kSampleEvery);
    if (options.as_json) {
        host["topology"] = to_json(host_topology());
        fmt::print("{}\n", host.dump(1));
        return kExitDone;
    }
    const json& cost = host.at("own_cost");
    const std::string below = fmt::format("\n{}\n{}\n", environment_text(host, host_warnings(host)),
                                          counters_text(make_counter_provider({})->probe()));
    constexpr std::size_t kCostRows = 2;
    const auto rows = static_cast<std::size_t>(std::count(below.begin(), below.end(), '\n')) + kCostRows;
    fmt::print("{}{}", draw(host_topology(), kScreenRows - std::min(kScreenRows, rows)), below);
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
