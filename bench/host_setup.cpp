// SPDX-License-Identifier: MIT
#include "bench/host_setup.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/host_files.hpp"
#include "bench/lock_home.hpp"
#include "bench/memory.hpp"
#include "bench/pin.hpp"
#include "bench/placement.hpp"
#include "platform/native_world.hpp"

namespace lockbench {
namespace {
std::unique_ptr<const Topology> loaded_topology;
memory::CallersPolicy callers_policy;

// A file that cannot be opened is a fact that the host does not tell, so with too few of them everything would be null.
void require_open_files() {
    constexpr rlim_t kNeeded = 32;  // with libraries, hwloc and pipes some ten are open at once
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kNeeded) {
        throw HostError(fmt::format("Too many open files: this process may open {}, and needs {} (ulimit -n).",
                                    files.rlim_cur, kNeeded));
    }
}

// Without sysfs hwloc makes up one node; the kernel still tells each CPU's.
void require_one_node(const Topology& topology) {
    for (const Cpu& cpu : topology.usable()) {
        const PinnedScope pinned(cpu.os_index);
        if (const NodeId node = native::current_node(); node != cpu.node) {
            throw HostError(
                fmt::format("The topology ({}) does not tell NUMA nodes, and the kernel has CPU {} on node {}: mount "
                            "sysfs on /sys.",
                            topology.source, cpu.os_index, node));
        }
    }
}

// Every label of a window comes from the topology, so it has to be that of the machine under it.
void require_true(const Topology& topology) {
    const std::vector<std::string> replacing = replacing_variables();
    if (!replacing.empty()) {
        if (const auto why = difference(topology, load_own_system())) {
            throw HostError(fmt::format("The topology ({}) claims to be this system's and is not: {}. Unset {}.",
                                        topology.source, *why, fmt::join(replacing, ", ")));
        }
    }
    for (const CpuId cpu : affinity_of_self()) {
        if (topology.find(cpu) == nullptr) {
            throw HostError(fmt::format("The kernel lets this process run on CPU {}, which the topology ({}) has not.",
                                        cpu, topology.source));
        }
    }
    if (!topology.nodes_told) {
        require_one_node(topology);
    }
}

}  // namespace

void install_host() {
    static_cast<void>(process_mask());  // remembered before anything is pinned
    require_open_files();
    callers_policy = memory::drop_callers_policy();
    loaded_topology = std::make_unique<Topology>(load_this_system());
    loaded_topology->require_this_system();
    require_true(*loaded_topology);
    native::World& world = native::World::get();
    world.set_memory({&memory::alloc, &memory::release});
    world.set_distances(loaded_topology->distance_table(), loaded_topology->table_side());
}

const Topology& host_topology() { return *loaded_topology; }

nlohmann::json placement_facts() {
    using nlohmann::json;
    std::vector<CpuId> hidden;
    for (const Cpu& cpu : loaded_topology->cpus) {
        if (!cpu.allowed) {
            hidden.push_back(cpu.os_index);
        }
    }
    std::sort(hidden.begin(), hidden.end());
    // A filter may let policies be read and not be set: one page tells.
    std::string unbound = memory::why_not_bound();
    if (unbound.empty()) {
        memory::release(memory::alloc(1, memory::nodes().front()), 1);
        const std::vector<std::string> problems = memory::problems();
        unbound = problems.empty() ? "" : problems.front();
    }
    const auto text_or_null = [](const std::string& text) { return text.empty() ? json() : json(text); };
    return {{"hidden_cpus", hidden.empty() ? json() : json(format_numbers(hidden))},
            {"stand_ins", loaded_topology->stand_ins},
            {"sysfs", HostFiles("/").exists("sys/devices/system/cpu")},
            {"memory_policy", text_or_null(callers_policy.was)},
            {"memory_policy_kept", text_or_null(callers_policy.still_why)},
            {"memory_unbound", text_or_null(unbound)}};
}

CpuId first_usable_cpu() { return loaded_topology->usable().front().os_index; }

HostPlacer make_placer(const Topology& topology) {
    HostPlacer placer;
    placer.cpus = static_cast<std::uint32_t>(topology.usable().size());
    for (const ThreadCount& count : auto_threads(topology)) {
        placer.auto_threads.push_back(static_cast<std::uint32_t>(count.threads));
    }
    placer.choose = [&topology](const std::vector<std::string>& globs, const std::vector<std::uint32_t>& threads) {
        const std::vector<std::size_t> counts(threads.begin(), threads.end());
        const ChosenPlacements chosen = choose_placements(topology, globs, counts);
        HostPlacer::Chosen out;
        out.notes = chosen.notes;
        for (const Placement placement : chosen.run) {
            out.placements.emplace_back(to_string(placement));
        }
        return out;
    };
    placer.place = [&topology](const std::string& placement, const std::string& lock_home,
                               const std::vector<bool>& reads) {
        std::vector<Side> sides;
        sides.reserve(reads.size());
        for (const bool reader : reads) {
            sides.push_back(reader ? Side::reader : Side::writer);
        }
        const Plan threads = plan(topology, parse_placement(placement), reads.size(), sides);
        const ResolvedHomes homes = resolve_homes(parse_lock_home(lock_home), topology, threads.cpus);
        CellPlace place{threads.cpus, homes.qnode_nodes, homes.homes, threads.oversubscribed, homes.notes};
        if (!threads.note.empty()) {
            place.notes.push_back(threads.note);
        }
        return place;
    };
    return placer;
}

PinnedScope::PinnedScope(CpuId cpu) : before_(process_mask()) {
    if (const Failure failure = pin_self(cpu)) {
        throw HostError(fmt::format("cannot pin to CPU {}: {}", cpu, *failure));
    }
}

PinnedScope::~PinnedScope() {
    // A mask that cannot be set back shows in the next window as an unverified placement.
    static_cast<void>(unpin_self(before_));
}

}  // namespace lockbench
