// SPDX-License-Identifier: MIT
#include "bench/locksim_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "bench/errors.hpp"
#include "bench/locksim_machine_file.hpp"
#include "bench/nearest.hpp"
#include "bench/topology_guard.hpp"

namespace lockbench {
namespace {

using sim::Access;
using sim::Found;
using sim::Hop;

constexpr std::size_t kMaxPackages = 64;
constexpr std::size_t kMaxCpus = 4096;

// Dense numbers for packages, last-level caches and cores, in the topology's order.
void take_places(const MachineNode& node, const Topology& topology, sim::Machine& machine) {
    const std::size_t side = topology.table_side();
    if (side > kMaxCpus || topology.count_packages() > kMaxPackages) {
        node.fail(fmt::format("has more than {} CPUs or {} packages", kMaxCpus, kMaxPackages));
    }
    machine.core_of_cpu.assign(side, 0);
    machine.node_of_cpu.assign(side, 0);
    machine.distances = topology.distance_table();
    NodeId last_node = 0;
    for (const NumaNode& numa : topology.nodes) {
        last_node = std::max(last_node, numa.os_index);
    }
    machine.package_of_node.assign(static_cast<std::size_t>(last_node) + 1, 0);
    for (const Cpu& cpu : topology.cpus) {
        const auto number = static_cast<std::size_t>(cpu.os_index);
        const auto core = static_cast<std::size_t>(cpu.core);
        const auto group = static_cast<std::size_t>(cpu.llc);
        machine.core_of_cpu[number] = static_cast<std::uint16_t>(core);
        machine.node_of_cpu[number] = cpu.node;
        machine.package_of_node[static_cast<std::size_t>(cpu.node)] = static_cast<std::uint16_t>(cpu.package);
        machine.group_of_core.resize(std::max(machine.group_of_core.size(), core + 1));
        machine.group_of_core[core] = static_cast<std::uint16_t>(group);
        machine.package_of_group.resize(std::max(machine.package_of_group.size(), group + 1));
        machine.package_of_group[group] = static_cast<std::uint16_t>(cpu.package);
    }
}

void take_hops(const MachineNode& node, sim::Machine& machine) {
    node.require_source({"value"});
    const MachineNode matrix = node.at("value");
    const std::size_t packages =
        std::size_t{1} + *std::max_element(machine.package_of_group.begin(), machine.package_of_group.end());
    const auto is_hop = [](const nlohmann::json& value) { return value.is_number_unsigned() && value <= 2U; };
    const auto is_row = [&](const nlohmann::json& row) {
        return row.is_array() && row.size() == packages && std::all_of(row.begin(), row.end(), is_hop);
    };
    if (!matrix.json().is_array() || matrix.json().size() != packages ||
        !std::all_of(matrix.json().begin(), matrix.json().end(), is_row)) {
        matrix.fail(
            fmt::format("is not a square of hops (0, 1 or 2) between the {} packages of the topology", packages));
    }
    matrix.json().get_to(machine.hops);
    for (std::size_t a = 0; a < packages; ++a) {
        for (std::size_t b = 0; b < packages; ++b) {
            if (machine.hops[a][b] != machine.hops[b][a] || (machine.hops[a][b] == 0) != (a == b)) {
                matrix.fail(fmt::format("contradicts itself between packages {} and {}", a, b));
            }
        }
    }
}

// The distances that two cores of the machine, or a core and memory, can have.
struct Distances {
    std::vector<Hop> cores;
    std::vector<Hop> memory;
};

Distances distances_of(const sim::Machine& machine) {
    std::array<bool, sim::kHopCount> cores{};
    std::array<bool, sim::kHopCount> memory{};
    for (std::size_t a = 0; a < machine.groups(); ++a) {
        for (std::size_t b = 0; b < machine.groups(); ++b) {
            cores[static_cast<std::size_t>(machine.hop_of_groups(a, b))] = true;
        }
        for (std::size_t node = 0; node < machine.nodes(); ++node) {
            memory[static_cast<std::size_t>(machine.hop_to_node(a, node))] = true;
        }
    }
    Distances found;
    for (std::size_t i = 0; i < sim::kHopCount; ++i) {
        if (cores[i]) {
            found.cores.push_back(static_cast<Hop>(i));
        }
        if (memory[i]) {
            found.memory.push_back(static_cast<Hop>(i));
        }
    }
    return found;
}

void take_latency(const MachineNode& node, double clock_ghz, sim::Machine& machine) {
    node.require({"read", "write"});
    const Distances distances = distances_of(machine);
    const bool has_owned = machine.protocol == sim::Protocol::moesi;
    for (std::size_t access = 0; access < sim::kAccessCount; ++access) {
        const MachineNode rows = node.at(sim::kAccessNames[access]);
        if (has_owned) {
            rows.require({"memory", "shared", "exclusive", "modified", "owned"});
        } else {
            rows.require({"memory", "shared", "exclusive", "modified"});
        }
        for (std::size_t found = 0; found < sim::kFoundCount; ++found) {
            if (static_cast<Found>(found) != Found::owned || has_owned) {
                const auto& hops = static_cast<Found>(found) == Found::memory ? distances.memory : distances.cores;
                machine.latency[access][found] = rows.at(sim::kFoundNames[found]).costs(clock_ghz, hops);
            }
        }
    }
}

void take_legs(const MachineNode& node, sim::Machine& machine) {
    node.require({"request_permille", "probe_permille"});
    machine.request_permille = node.at("request_permille").count(1, 999);
    machine.probe_permille = node.at("probe_permille").count(1, 999);
    if (machine.request_permille + machine.probe_permille >= 1000) {
        node.fail("leaves no time for the data: request_permille and probe_permille are 1000 or more together");
    }
}

void take_costs(const MachineNode& node, sim::Machine& machine) {
    const std::pair<std::string_view, sim::Time sim::Machine::*> costs[] = {
        {"occupy_read_ns", &sim::Machine::occupy_read},
        {"ack_ns", &sim::Machine::ack},
        {"op_ns", &sim::Machine::op},
        {"load_ns", &sim::Machine::load},
        {"store_ns", &sim::Machine::store},
        {"rmw_ns", &sim::Machine::rmw},
        {"fence_ns", &sim::Machine::fence},
        {"pause_ns", &sim::Machine::pause},
        {"poll_ns", &sim::Machine::poll},
    };
    node.require({"occupy_read_ns", "ack_ns", "op_ns", "load_ns", "store_ns", "rmw_ns", "fence_ns", "pause_ns",
                  "poll_ns", "store_buffer", "jitter_permille"});
    for (const auto& [name, member] : costs) {
        machine.*member = node.at(name).time(1e5);
    }
    // A loop whose turns take no time would never end.
    for (const char* name : {"op_ns", "pause_ns", "poll_ns"}) {
        if (node.at(name).number("value", 0, 1e5) == 0) {
            node.at(name).fail("is 0");
        }
    }
    machine.store_buffer = node.at("store_buffer").count(1, 256);
    machine.jitter_permille = node.at("jitter_permille").count(0, 200);
}

void take_scheduler(const MachineNode& node, sim::Machine& machine) {
    const std::pair<std::string_view, sim::Time sim::Machine::*> costs[] = {
        {"syscall_ns", &sim::Machine::syscall},   {"context_switch_ns", &sim::Machine::context_switch},
        {"wake_ns", &sim::Machine::wake},         {"wake_latency_ns", &sim::Machine::wake_latency},
        {"quantum_ns", &sim::Machine::quantum},   {"ipi_ns", &sim::Machine::ipi},
        {"allocate_ns", &sim::Machine::allocate},
    };
    node.require(
        {"syscall_ns", "context_switch_ns", "wake_ns", "wake_latency_ns", "quantum_ns", "ipi_ns", "allocate_ns"});
    for (const auto& [name, member] : costs) {
        machine.*member = node.at(name).time(1e9);
    }
    if (machine.quantum <= machine.context_switch) {
        node.at("quantum_ns").fail("is not longer than a context switch");
    }
}

Topology load_topology(const MachineNode& node, const std::string& file) {
    const std::string value = node.word({});
    try {
        if (std::filesystem::path(value).extension() != ".xml") {
            return load_synthetic(value);
        }
        const std::string path = (std::filesystem::path(file).parent_path() / value).string();
        return load_xml_text(read_xml_file(path), path);
    } catch (const HostError& error) {
        node.fail(fmt::format("is no topology: {}", error.what()));
    }
}

}  // namespace

SimMachine parse_sim_machine(const std::string& text, const std::string& file, const Topology* topology) {
    SimMachine result;
    try {
        result.file = std::make_shared<const nlohmann::json>(nlohmann::json::parse(text));
    } catch (const nlohmann::json::parse_error& error) {
        throw UsageError(fmt::format("{}: it is not JSON, at byte {}.", file, error.byte));
    }
    const MachineNode root(*result.file, file, "");
    root.require({"schema_version", "name", "summary", "topology", "package_hops", "protocol", "through_home",
                  "clock_ghz", "latency", "legs", "costs", "scheduler"});
    static_cast<void>(root.number("schema_version", 1, 1));
    sim::Machine& machine = result.numbers;
    machine.name = root.at("name").text();
    result.summary = root.at("summary").text();
    result.topology = topology == nullptr ? load_topology(root.at("topology"), file) : *topology;
    take_places(root.at("topology"), result.topology, machine);
    take_hops(root.at("package_hops"), machine);
    const std::string protocol = root.at("protocol").word({"mesi", "mesif", "moesi"});
    machine.protocol = protocol == "mesi"    ? sim::Protocol::mesi
                       : protocol == "mesif" ? sim::Protocol::mesif
                                             : sim::Protocol::moesi;
    machine.through_home = root.at("through_home").flag();
    root.at("clock_ghz").require_source({"value"});
    take_latency(root.at("latency"), root.at("clock_ghz").number("value", 0.1, 10), machine);
    take_legs(root.at("legs"), machine);
    take_costs(root.at("costs"), machine);
    take_scheduler(root.at("scheduler"), machine);
    return result;
}

SimMachine load_sim_machine(const std::string& name) {
    std::vector<std::string_view> names;
    for (const ShippedMachine& machine : shipped_machines()) {
        if (machine.name == name) {
            return parse_sim_machine(std::string(machine.text), std::string(machine.name) + ".json");
        }
        names.push_back(machine.name);
    }
    std::ifstream in(name, std::ios::binary);
    if (!in || std::filesystem::is_directory(name)) {
        throw UsageError(
            fmt::format("--machine={}: there is no such machine or file{}. 'locksim list machines' shows all.", name,
                        hint(name, names)));
    }
    return parse_sim_machine(std::string(std::istreambuf_iterator<char>(in), {}), name);
}

}  // namespace lockbench
