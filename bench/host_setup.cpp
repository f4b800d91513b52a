// SPDX-License-Identifier: MIT
#include "bench/host_setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bench/errors.hpp"
#include "bench/lock_home.hpp"
#include "bench/memory.hpp"
#include "bench/pin.hpp"
#include "bench/placement.hpp"
#include "platform/native_world.hpp"

namespace lockbench {
namespace {
std::unique_ptr<const Topology> loaded_topology;
}  // namespace

void install_host() {
    static_cast<void>(process_mask());  // remembered before anything is pinned
    loaded_topology = std::make_unique<Topology>(load_this_system());
    loaded_topology->require_this_system();
    native::World& world = native::World::get();
    world.set_memory({&memory::alloc, &memory::release});
    world.set_distances(loaded_topology->distance_table(), loaded_topology->table_side());
}

const Topology& host_topology() { return *loaded_topology; }

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
