// SPDX-License-Identifier: MIT
#include "bench/locksim_calibrate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <utility>

#include "bench/errors.hpp"
#include "bench/host_files.hpp"
#include "bench/host_setup.hpp"
#include "bench/locksim_erase.hpp"
#include "bench/locksim_trial.hpp"
#include "bench/statistics.hpp"
#include "bench/trial.hpp"

namespace lockbench {
namespace {

using nlohmann::json;
using sim::Hop;

constexpr double kUnmeasuredNs = 50;  // of a line's way, where there are no two cores to pass it
constexpr double kMostNs = 500'000;   // of any probe: a thread has waited for its CPU

struct ProbeRunner {
    WindowResult (*native)(const WindowRequest& request);
    SimWorkload simulated;
};

template <std::size_t... kIndices>
std::array<ProbeRunner, kProbeKinds> make_runners(std::index_sequence<kIndices...>) {
    return {ProbeRunner{&run_window<Probe<Native, static_cast<ProbeKind>(kIndices)>>,
                        erase_sim_workload<Probe<Sim, static_cast<ProbeKind>(kIndices)>>()}...};
}
const ProbeRunner& runner_of(ProbeKind kind) {
    static const auto runners = make_runners(std::make_index_sequence<kProbeKinds>{});
    return runners[static_cast<std::size_t>(kind)];
}

// From one window: what one operation took, whichever thread did it.
double ns_of_one(const WindowResult& result) {
    std::uint64_t operations = 0;
    double ns = 0;
    for (const ThreadResult& thread : result.threads) {
        operations += thread.stats.ops[0];
        ns += static_cast<double>(thread.end_ns - thread.start_ns) / static_cast<double>(result.threads.size());
    }
    return operations == 0 ? 0 : ns / static_cast<double>(operations);
}

WindowRequest request_for(const ProbeRow& row, const Topology& topology, Nanoseconds window_ns, std::uint64_t seed) {
    WindowRequest request;
    request.params = {1};
    request.cpus = row.cpus;
    for (const CpuId cpu : row.cpus) {
        request.qnode_nodes.push_back(topology.node_of(cpu));
    }
    request.window_ns = window_ns;
    request.warmup_ns = window_ns / 5;
    request.sample_every = 0;
    request.seed = seed;
    return request;
}

void measure(ProbeRow& row, const Topology& topology, const CalibrateOptions& options) {
    std::vector<double> times;
    for (std::uint32_t window = 0; window < options.windows; ++window) {
        const WindowResult result =
            runner_of(row.kind).native(request_for(row, topology, options.window_ns, window + 1));
        native::World::get().end_trial();
        const double ns = result.stuck ? 0 : ns_of_one(result);
        if (ns == 0) {
            throw HostError(fmt::format("{} ({}): nothing was done in {} ms; is this host that busy?",
                                        text_of(row.kind).name, row.place_text(), options.window_ns / 1'000'000));
        }
        times.push_back(ns);
    }
    std::sort(times.begin(), times.end());
    const std::vector<double> fastest(times.begin(),
                                      times.begin() + static_cast<std::ptrdiff_t>((times.size() + 2) / 3));
    row.here = {median(fastest), times.front(), times.back()};
    if (row.here.median > kMostNs) {
        throw HostError(fmt::format("{} ({}) took {:.0f} us: this host is too busy to be measured.",
                                    text_of(row.kind).name, row.place_text(), row.here.median / 1000));
    }
}

double simulate(const SimMachine& machine, const ProbeRow& row) {
    constexpr std::uint64_t kSeeds = 5;
    double sum = 0;
    // Long enough for a few hundred operations.
    const auto window = std::max<Nanoseconds>(50'000, static_cast<Nanoseconds>(row.here.median * 300));
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        const WindowRequest request = request_for(row, machine.topology, window, seed);
        const SimWindow done = run_sim_window(machine, runner_of(row.kind).simulated, request);
        sum += ns_of_one(done.result);
    }
    return sum / kSeeds;
}

json sourced(double value, const char* source, const std::string& note) {
    return {{"value", std::round(value * 1000) / 1000}, {"source", source}, {"note", note}};
}

// The machine in the making: its file, and the probes that it is held against.
class Fitter {
  public:
    Fitter(const Topology& topology, std::vector<ProbeRow>& rows) : topology_(topology), rows_(rows) {
        const SimMachine like = load_sim_machine("cascadelake-2s32c");
        file_ = *like.file;  // what cannot be measured here is assumed as there
        describe();
    }

    void fit() {
        take_costs();
        for (ProbeRow& row : rows_) {
            switch (row.kind) {
                case ProbeKind::cas_exchange:
                    solve(row, "latency.*.modified." + std::string(sim::kHopNames[static_cast<std::size_t>(row.hop)]),
                          [&](double ns) { set_latency(row.hop, ns); });
                    break;
                case ProbeKind::store_exchange:
                    // Where one other core has a copy. What that takes of each further one is ack_ns.
                    solve(row, "latency.write.shared." + std::string(sim::kHopNames[static_cast<std::size_t>(row.hop)]),
                          [&](double ns) { set_upgrade(row.hop, ns); });
                    break;
                case ProbeKind::allocate:
                    solve(row, "scheduler.allocate_ns", [&](double ns) { set("scheduler", "allocate_ns", ns, row); });
                    break;
                case ProbeKind::unpark:
                    solve(row, "scheduler.syscall_ns", [&](double ns) {
                        set("scheduler", "syscall_ns", ns, row);
                        file_["scheduler"]["wake_ns"] = sourced(
                            ns, "assumed", "As a system call that wakes nobody; the rest is in what follows it.");
                    });
                    break;
                default:
                    break;
            }
        }
        // The switch first: waking another CPU's thread has one in it.
        for (const ProbePlace place : {ProbePlace::shared_cpu, ProbePlace::apart}) {
            for (ProbeRow& row : rows_) {
                // Of several distances the nearest: the machine has one latency.
                if (row.kind == ProbeKind::hand_over && row.place == place) {
                    const char* field = place == ProbePlace::apart ? "wake_latency_ns" : "context_switch_ns";
                    solve(row, std::string("scheduler.") + field, [&](double ns) { set("scheduler", field, ns, row); });
                    break;
                }
            }
        }
    }

    // Distances that the machine has and no pair of usable cores.
    [[nodiscard]] const std::vector<std::string>& unmeasured() const { return unmeasured_; }
    [[nodiscard]] SimMachine machine() const { return parse_sim_machine(file_.dump(), "this", &topology_); }

  private:
    void describe() {
        file_["name"] = "this";
        file_["summary"] = "This host, by its own measurements.";
        file_["topology"] = {{"value", "topology.xml"}, {"source", "measured"}, {"note", "As hwloc found it."}};
        const std::size_t packages = topology_.count_packages();
        std::vector<std::vector<int>> hops(packages, std::vector<int>(packages, 1));
        for (std::size_t i = 0; i < packages; ++i) {
            hops[i][i] = 0;
        }
        file_["package_hops"] = {{"value", hops}, {"source", "assumed"}, {"note", "All packages one hop apart."}};
        const std::string cpu = HostFiles("/").text("proc/cpuinfo").value_or("");
        const bool amd = cpu.find("AuthenticAMD") != std::string::npos;
        const bool intel = cpu.find("GenuineIntel") != std::string::npos;
        file_["protocol"] = {{"value", amd     ? "moesi"
                                       : intel ? "mesif"
                                               : "mesi"},
                             {"source", "assumed"},
                             {"note", "By the vendor: Intel's is MESIF, AMD's MOESI, others' taken for MESI."}};
        for (const char* access : {"read", "write"}) {
            json rows = json::object();
            for (const std::string_view found : sim::kFoundNames) {
                if (found != "owned" || amd) {
                    rows[std::string(found)] = {{"unit", "ns"}, {"source", "assumed"}, {"note", note_of(found)}};
                }
            }
            file_["latency"][access] = rows;
        }
        // A distance that the machine has, but not between cores that this process may use, is taken for the last.
        double nearer = kUnmeasuredNs;
        for (const Hop hop : {Hop::same_llc, Hop::same_package, Hop::one_hop}) {
            const auto measured = std::find_if(rows_.begin(), rows_.end(), [hop](const ProbeRow& row) {
                return row.kind == ProbeKind::cas_exchange && row.hop == hop;
            });
            nearer = measured != rows_.end() ? measured->here.median : nearer;
            if (has(hop)) {
                set_latency(hop, nearer);
                if (measured == rows_.end()) {
                    unmeasured_.push_back(std::string(sim::kHopNames[static_cast<std::size_t>(hop)]));
                }
            }
        }
        if (unmeasured_.empty()) {
            return;
        }
        for (const char* access : {"read", "write"}) {
            json& row = file_["latency"][access]["modified"];
            row["source"] = "assumed";
            row["note"] = fmt::format("{} No two cores of distance {} may be used here: taken for the last, or {} ns.",
                                      note_of("modified"), fmt::join(unmeasured_, ", "), kUnmeasuredNs);
        }
    }
    [[nodiscard]] bool has(Hop hop) const {
        return std::any_of(topology_.cpus.begin(), topology_.cpus.end(),
                           [&](const Cpu& cpu) { return hop_between(topology_.cpus.front(), cpu) == hop; });
    }

    static const char* note_of(std::string_view found) {
        return found == "modified" ? "Fitted to the compare-exchange ping-pong of one pair of cores a distance."
               : found == "memory" ? "Not measured: twice a transfer between near cores."
                                   : "Not measured by itself: as modified.";
    }

    [[nodiscard]] double here(ProbeKind kind) const {
        for (const ProbeRow& row : rows_) {
            if (row.kind == kind) {
                return row.here.median;
            }
        }
        return 0;
    }
    void say(ProbeKind kind, const std::string& field) {
        for (ProbeRow& row : rows_) {
            row.sets = row.kind == kind ? field : row.sets;
        }
    }

    void take_costs() {
        const double load = here(ProbeKind::load);
        const double store = here(ProbeKind::store);
        const double rmw = here(ProbeKind::rmw);
        // What seven operations take beyond themselves.
        const double op = std::max(0.1, (here(ProbeKind::path) - rmw - 3 * load - 3 * store) / 7);
        json& costs = file_["costs"];
        const auto within = [op](double whole) { return std::max(0.0, whole - op); };
        costs["op_ns"] = sourced(op, "fitted", "To an uncontended ticket lock's seven operations.");
        costs["load_ns"] = sourced(within(load), "measured", "A row of loads, without op_ns.");
        costs["store_ns"] = sourced(within(store), "measured", "A row of stores, without op_ns.");
        costs["rmw_ns"] = sourced(within(rmw), "measured", "A row of locked instructions, without op_ns.");
        costs["fence_ns"] = sourced(here(ProbeKind::fence), "measured", "A row of full fences.");
        costs["pause_ns"] = sourced(here(ProbeKind::pause), "measured", "A row of pauses.");
        costs["poll_ns"] = sourced(here(ProbeKind::pause) + load, "measured", "A pause and a load.");
        say(ProbeKind::load, "costs.load_ns");
        say(ProbeKind::store, "costs.store_ns");
        say(ProbeKind::rmw, "costs.rmw_ns");
        say(ProbeKind::fence, "costs.fence_ns");
        say(ProbeKind::pause, "costs.pause_ns");
        say(ProbeKind::path, "costs.op_ns");
    }

    void set(const char* group, const char* field, double ns, const ProbeRow& row) {
        file_[group][field] = sourced(ns, "fitted", fmt::format("To {}.", text_of(row.kind).what));
    }
    void set_latency(Hop hop, double ns) {
        const std::string name(sim::kHopNames[static_cast<std::size_t>(hop)]);
        for (const char* access : {"read", "write"}) {
            for (auto& [found, row] : file_["latency"][access].items()) {
                // Memory is the package's or another's: what lies between two caches of one package is nobody's.
                if (found != "memory") {
                    row[name] = std::round(ns * 1000) / 1000;
                } else if (hop != Hop::same_package) {
                    row[name] = std::round(ns * 2000) / 1000;
                }
                if (found == "modified" && unmeasured_.empty()) {
                    row["source"] = "fitted";
                }
            }
        }
    }

    void set_upgrade(Hop hop, double ns) {
        json& row = file_["latency"]["write"]["shared"];
        row[std::string(sim::kHopNames[static_cast<std::size_t>(hop)])] = std::round(ns * 1000) / 1000;
        row["source"] = "fitted";
        row["note"] = "To the load and store ping-pong of one pair of cores a distance, beside the reads above.";
    }

    // The field's value at which the simulated probe takes as long as the real one, by secants: one operation may hold
    // the field's time several times.
    template <class Set>
    void solve(ProbeRow& row, const std::string& field, Set set) {
        row.sets = field;
        const double most = 2 * row.here.median;
        double value = row.here.median;
        double slope = 1;
        double before_value = 0;
        double before_time = 0;
        double best = value;
        double best_error = std::numeric_limits<double>::infinity();
        for (int turn = 0; turn < 12; ++turn) {
            set(value);
            const double time = simulate(machine(), row);
            if (turn > 0 && std::abs(value - before_value) > 1e-3) {
                slope = std::clamp((time - before_time) / (value - before_value), 0.2, 5.0);
            }
            if (std::abs(time - row.here.median) < best_error) {
                best = value;
                best_error = std::abs(time - row.here.median);
            }
            before_value = value;
            before_time = time;
            value = std::clamp(value + (row.here.median - time) / slope, 0.01, most);
        }
        set(best);
    }

    const Topology& topology_;
    std::vector<ProbeRow>& rows_;
    json file_;
    std::vector<std::string> unmeasured_;
};

}  // namespace

Calibration calibrate(const CalibrateOptions& options) {
    install_host();
    const Topology& topology = host_topology();
    Calibration result;
    result.rows = probe_rows(topology);
    for (ProbeRow& row : result.rows) {
        fmt::print(stderr, "measuring {} ({})\n", text_of(row.kind).name, row.place_text());
        measure(row, topology, options);
    }
    Fitter fitter(topology, result.rows);
    fitter.fit();
    result.machine = fitter.machine();
    for (ProbeRow& row : result.rows) {
        row.simulated = simulate(result.machine, row);
    }
    if (!fitter.unmeasured().empty()) {
        result.notes.push_back(fmt::format("no two usable cores of distance {}: their latency is assumed",
                                           fmt::join(fitter.unmeasured(), ", ")));
    }
    if (topology.count_cores() < 3) {
        result.notes.emplace_back("fewer than three cores: occupy_read_ns and ack_ns are assumed");
    }
    result.notes.emplace_back("the quantum, interrupts, memory and the legs of a transfer are assumed");
    return result;
}

MachineFolder::MachineFolder(const std::filesystem::path& folder) : folder_(folder) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error) {
        throw HostError(fmt::format("Cannot make the folder {}: {}.", folder_.string(), error.message()));
    }
    if (!std::filesystem::is_empty(folder_)) {
        throw UsageError(fmt::format("--out={}: the folder is not empty.", folder_.string()));
    }
}

void MachineFolder::write(const SimMachine& machine) const {
    machine.topology.export_xml((folder_ / "topology.xml").string());
    std::ofstream out(file());
    out << machine.file->dump(1) << "\n" << std::flush;
    if (!out) {
        throw HostError(fmt::format("Cannot write {}.", file()));
    }
}

}  // namespace lockbench
