// SPDX-License-Identifier: MIT
#include "bench/placement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/glob.hpp"
#include "bench/nearest.hpp"
#include "bench/placement_order.hpp"

namespace lockbench {
namespace {

struct Described {
    Placement placement;
    std::string_view name;
    std::string_view text;
};

constexpr Described kDescribed[] = {
    {Placement::compact, "compact", "As near as possible: both threads of a core before the next core."},
    {Placement::spread, "spread", "As far as possible: turn by turn over packages, nodes, LLCs, cores; SMT last."},
    {Placement::smt_last, "smt_last", "As near as possible with a core each: second threads of cores come last."},
    {Placement::one_node, "one_node", "All on the first NUMA node, a core each first."},
    {Placement::one_per_llc, "one_per_llc", "Turn by turn over the last-level caches."},
    {Placement::one_per_node, "one_per_node", "Turn by turn over the NUMA nodes."},
    {Placement::readers_remote, "readers_remote",
     "Writers on the first NUMA node, readers on the one farthest from it."},
    {Placement::unpinned, "unpinned", "Left to the scheduler, within the process's own CPUs."},
};
static_assert(std::size(kDescribed) == kPlacementCount);

const Described& described(Placement placement) {
    return *std::find_if(std::begin(kDescribed), std::end(kDescribed),
                         [&](const Described& one) { return one.placement == placement; });
}

[[noreturn]] void unknown_placement(std::string_view name) {
    throw UsageError(fmt::format(
        "--placements: no placement matches '{}'; the nearest is '{}'. 'lockbench list placements' shows all.", name,
        nearest(name, placement_names())));
}

// The next CPU of a list, from the start again when it is used up.
class Dealer {
  public:
    explicit Dealer(std::vector<CpuId> cpus) : cpus_(std::move(cpus)) {}
    CpuId next() { return cpus_[dealt_++ % cpus_.size()]; }
    [[nodiscard]] bool used_up() const { return dealt_ > cpus_.size(); }
    [[nodiscard]] std::size_t size() const { return cpus_.size(); }

  private:
    std::vector<CpuId> cpus_;
    std::size_t dealt_ = 0;
};

void deal(Plan& plan, std::vector<CpuId> order, std::size_t threads, std::string_view pool) {
    Dealer dealer(std::move(order));
    for (std::size_t thread = 0; thread < threads; ++thread) {
        plan.cpus.push_back(dealer.next());
    }
    if (dealer.used_up()) {
        plan.wrapped = true;
        plan.oversubscribed = true;
        plan.note = fmt::format("{} threads share the {} CPUs of {}.", threads, dealer.size(), pool);
    }
}

void deal_by_group(Plan& plan, std::vector<CpuId> order, std::size_t threads, std::size_t groups,
                   std::string_view group) {
    deal(plan, std::move(order), threads, "this machine");
    if (threads > groups && !plan.oversubscribed) {
        plan.wrapped = true;
        plan.note = fmt::format("{} threads on {} {}: some have several.", threads, groups, group);
    }
}

NodeId readers_node(const Topology& topology) {
    const std::vector<NodeId> nodes = topology.nodes_with_cpus();
    return topology.farthest_node(nodes.front(), nodes);
}

void deal_by_side(Plan& plan, const Topology& topology, std::size_t threads, std::span<const Side> sides) {
    const std::vector<PlacedCpu> cpus = placed_cpus(topology);
    const NodeId near = topology.nodes_with_cpus().front();
    const NodeId far = readers_node(topology);
    Dealer writers(node_order(cpus, near));
    Dealer readers(node_order(cpus, far));
    Dealer& far_dealer = near == far ? writers : readers;
    for (std::size_t thread = 0; thread < threads; ++thread) {
        const bool reads = sides.empty() ? thread >= (threads + 1) / 2 : sides[thread] == Side::reader;
        plan.cpus.push_back(reads ? far_dealer.next() : writers.next());
    }
    if (writers.used_up() || readers.used_up()) {
        plan.wrapped = true;
        plan.oversubscribed = true;
        plan.note = fmt::format("{} threads share CPUs: node {} (writers) has {}, node {} (readers) has {}.", threads,
                                near, writers.size(), far, readers.size());
    }
    // A workload whose threads all do the same has one side only: the name then promises more than there is.
    const auto reads = std::count(sides.begin(), sides.end(), Side::reader);
    const auto all = static_cast<std::ptrdiff_t>(sides.size());
    if (all > 1 && (reads == 0 || reads == all)) {
        plan.note += fmt::format("{}readers_remote: none of the {} threads is a {}, so all run on node {}.",
                                 plan.note.empty() ? "" : " ", threads, reads == 0 ? "reader" : "writer",
                                 reads == 0 ? near : far);
    }
}

}  // namespace

std::string_view to_string(Placement placement) { return described(placement).name; }

std::string_view placement_text(Placement placement) { return described(placement).text; }

std::vector<Placement> all_placements() {
    std::vector<Placement> all;
    for (const Described& one : kDescribed) {
        all.push_back(one.placement);
    }
    return all;
}

std::vector<std::string> placement_names() {
    std::vector<std::string> names;
    for (const Described& one : kDescribed) {
        names.emplace_back(one.name);
    }
    return names;
}

Placement parse_placement(std::string_view name) {
    for (const Described& one : kDescribed) {
        if (one.name == name) {
            return one.placement;
        }
    }
    unknown_placement(name);
}

void check_placement_names(const std::vector<std::string>& globs) {
    for (const std::string& glob : globs) {
        if (std::none_of(std::begin(kDescribed), std::end(kDescribed),
                         [&](const Described& one) { return glob_matches(glob, one.name); })) {
            unknown_placement(glob);
        }
    }
}

Plan plan(const Topology& topology, Placement placement, std::size_t threads, std::span<const Side> sides) {
    Plan plan;
    plan.placement = placement;
    const std::vector<PlacedCpu> cpus = placed_cpus(topology);
    switch (placement) {
        case Placement::compact:
            deal(plan, compact_order(cpus), threads, "this machine");
            break;
        case Placement::smt_last:
            deal(plan, smt_last_order(cpus), threads, "this machine");
            break;
        case Placement::spread:
            deal(plan, spread_order(cpus), threads, "this machine");
            break;
        case Placement::one_node: {
            const NodeId node = topology.nodes_with_cpus().front();
            deal(plan, node_order(cpus, node), threads, fmt::format("node {}", node));
            break;
        }
        case Placement::one_per_llc: {
            std::set<int> llcs;
            std::for_each(cpus.begin(), cpus.end(), [&](const PlacedCpu& cpu) { llcs.insert(cpu.llc); });
            deal_by_group(plan, one_per_llc_order(cpus), threads, llcs.size(), "last-level caches");
            break;
        }
        case Placement::one_per_node:
            deal_by_group(plan, one_per_node_order(cpus), threads, topology.nodes_with_cpus().size(), "nodes");
            break;
        case Placement::readers_remote:
            deal_by_side(plan, topology, threads, sides);
            break;
        case Placement::unpinned:
            plan.cpus.assign(threads, kNoCpu);
            plan.oversubscribed = threads > cpus.size();
            if (plan.oversubscribed) {
                plan.note = fmt::format("{} threads, left to the scheduler, share {} CPUs.", threads, cpus.size());
            }
            break;
    }
    return plan;
}

std::optional<Placement> same_as(const Topology& topology, Placement placement, std::span<const Placement> among,
                                 std::span<const std::size_t> thread_counts) {
    // Which threads read is the workload's affair: half of them, or one in two, may be told apart where the other is
    // not.
    const auto in_turn = [](std::size_t threads) {
        std::vector<Side> sides(threads, Side::writer);
        for (std::size_t thread = 1; thread < threads; thread += 2) {
            sides[thread] = Side::reader;
        }
        return sides;
    };
    for (const Placement other : among) {
        const bool same = std::all_of(thread_counts.begin(), thread_counts.end(), [&](std::size_t threads) {
            const std::vector<Side> sides = in_turn(threads);
            return plan(topology, placement, threads).cpus == plan(topology, other, threads).cpus &&
                   plan(topology, placement, threads, sides).cpus == plan(topology, other, threads, sides).cpus;
        });
        if (other != placement && same) {
            return other;
        }
    }
    return std::nullopt;
}

Placement default_placement(const Topology& topology) {
    const std::vector<PlacedCpu> cpus = placed_cpus(topology);
    return smt_last_order(cpus) == compact_order(cpus) ? Placement::compact : Placement::smt_last;
}

namespace {

// Of equals the first one names them all, which should be the default if it is one of them.
std::vector<Placement> default_first(const Topology& topology) {
    std::vector<Placement> order = all_placements();
    const Placement first = default_placement(topology);
    std::stable_partition(order.begin(), order.end(), [&](Placement one) { return one == first; });
    return order;
}

}  // namespace

std::optional<Lack> lack_of(const Topology& topology, Placement placement) {
    std::set<int> llcs;
    for (const Cpu& cpu : topology.usable()) {
        llcs.insert(cpu.llc);
    }
    const std::vector<NodeId> nodes = topology.nodes_with_cpus();
    Lack lack;
    if (placement == Placement::one_per_llc && llcs.size() < 2) {
        lack = {"two last-level caches", "the usable CPUs of this machine share one", {}};
    } else if ((placement == Placement::one_per_node || placement == Placement::readers_remote) && nodes.size() < 2) {
        lack = {"two NUMA nodes with usable CPUs", fmt::format("this machine has one (node {})", nodes.front()), {}};
    } else {
        return std::nullopt;
    }
    const std::vector<Placement> others = default_first(topology);
    std::vector<std::size_t> counts;
    for (const ThreadCount& count : auto_threads(topology)) {
        counts.push_back(count.threads);
    }
    lack.instead = same_as(topology, placement, others, counts);
    return lack;
}

std::optional<std::string> lacks(const Topology& topology, Placement placement) {
    const std::optional<Lack> lack = lack_of(topology, placement);
    if (!lack) {
        return std::nullopt;
    }
    const std::string instead =
        lack->instead ? fmt::format(", so it would be {}", to_string(*lack->instead)) : std::string();
    return fmt::format("{} needs {}; {}{}.", to_string(placement), lack->needs, lack->has, instead);
}

namespace {

ChosenPlacements choose_default(const Topology& topology) {
    ChosenPlacements chosen;
    chosen.run = {default_placement(topology)};
    if (chosen.run.front() != Placement::compact) {
        chosen.notes.emplace_back(
            "No --placements: smt_last, a core for each thread while there are cores, because cores of this machine "
            "run several threads; compact fills each core first.");
    }
    return chosen;
}

bool is_name(const std::string& text) {
    return std::any_of(std::begin(kDescribed), std::end(kDescribed),
                       [&](const Described& one) { return one.name == text; });
}

}  // namespace

ChosenPlacements choose_placements(const Topology& topology, const std::vector<std::string>& globs,
                                   std::span<const std::size_t> thread_counts) {
    check_placement_names(globs);
    if (globs.empty()) {
        return choose_default(topology);
    }
    ChosenPlacements chosen;
    const bool named = std::any_of(globs.begin(), globs.end(), is_name);
    const std::vector<Placement> order = named ? all_placements() : default_first(topology);
    for (const std::string& glob : globs) {
        for (const Placement one : order) {
            if (!glob_matches(glob, to_string(one)) ||
                std::find(chosen.run.begin(), chosen.run.end(), one) != chosen.run.end()) {
                continue;
            }
            std::string note;
            if (const auto missing = lacks(topology, one)) {
                if (glob == to_string(one)) {
                    throw HostError("--placements: " + *missing);
                }
                note = *missing;
            } else if (const auto other = same_as(topology, one, chosen.run, thread_counts)) {
                note = fmt::format("{} puts every thread where {} does on this machine: it does not run twice.",
                                   to_string(one), to_string(*other));
            } else {
                chosen.run.push_back(one);
                continue;
            }
            if (std::find(chosen.notes.begin(), chosen.notes.end(), note) == chosen.notes.end()) {
                chosen.notes.push_back(note);
            }
        }
    }
    if (!named) {
        const Placement first = default_placement(topology);
        std::stable_partition(chosen.run.begin(), chosen.run.end(), [&](Placement one) { return one == first; });
    }
    // Whoever names another placement alone must learn that it measures the plainest one.
    const std::vector<Placement> plainest = {Placement::compact};
    const bool compact_asked = std::any_of(globs.begin(), globs.end(), [](const std::string& glob) {
        return glob_matches(glob, to_string(Placement::compact));
    });
    for (const Placement placement : chosen.run) {
        if (!compact_asked && same_as(topology, placement, plainest, thread_counts)) {
            chosen.notes.push_back(
                fmt::format("{} puts every thread where compact does on this machine: nothing tells the two apart.",
                            to_string(placement)));
        }
    }
    return chosen;
}

std::vector<ThreadCount> auto_threads(const Topology& topology, bool beyond) {
    const std::vector<PlacedCpu> cpus = placed_cpus(topology);
    const auto cores = static_cast<std::size_t>(
        std::count_if(cpus.begin(), cpus.end(), [](const PlacedCpu& cpu) { return cpu.smt_rank == 0; }));
    std::set<std::size_t> counts = {cores, cpus.size()};
    for (std::size_t power = 1; power < cpus.size(); power *= 2) {
        counts.insert(power);
    }
    if (beyond) {
        counts.insert((5 * cpus.size() + 3) / 4);
        counts.insert(2 * cpus.size());
    }
    std::vector<ThreadCount> list;
    list.reserve(counts.size());
    for (const std::size_t threads : counts) {
        list.push_back({threads, threads > cpus.size()});
    }
    return list;
}

}  // namespace lockbench
