// SPDX-License-Identifier: MIT
#include "bench/lock_home.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "bench/cpu_list.hpp"
#include "bench/errors.hpp"
#include "bench/memory.hpp"
#include "bench/nearest.hpp"

namespace lockbench {
namespace {

struct NamedPlace {
    std::string_view name;
    HomePlace place;
};
constexpr NamedPlace kPlaces[] = {
    {"local", HomePlace::local},
    {"remote", HomePlace::remote},
    {"first", HomePlace::first},
    {"last", HomePlace::last},
    {"node:N", HomePlace::node},
    {"interleave", HomePlace::interleave},
    {"first_touch", HomePlace::first_touch},
    {"own", HomePlace::own},
};
constexpr std::string_view kNodePrefix = "node:";

std::vector<std::string> place_names() {
    std::vector<std::string> names;
    for (const NamedPlace& one : kPlaces) {
        names.emplace_back(one.name);
    }
    return names;
}

NodeId parse_node(std::string_view text, const std::string& whole) {
    NodeId node = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node);
    if (error != std::errc{} || end != text.data() + text.size() || node < 0) {
        throw UsageError(fmt::format("--lock-home: '{}' in '{}' is no node number; for example node:0.", text, whole));
    }
    return node;
}

HomeWish parse_place(std::string_view text, const std::string& whole, bool qnodes) {
    if (text.substr(0, kNodePrefix.size()) == kNodePrefix) {
        return {HomePlace::node, parse_node(text.substr(kNodePrefix.size()), whole)};
    }
    for (const NamedPlace& one : kPlaces) {
        if (one.name != text || one.place == HomePlace::node) {
            continue;
        }
        if (one.place == HomePlace::own && !qnodes) {
            throw UsageError(fmt::format("--lock-home: 'own' in '{}' is for queue nodes only (qnodes=own).", whole));
        }
        return {one.place};
    }
    throw UsageError(fmt::format("--lock-home: '{}' is no place for memory; the nearest is '{}'. Allowed: {}.", text,
                                 nearest(text, place_names()), fmt::join(place_names(), ", ")));
}

void parse_part(std::string_view part, const std::string& whole, LockHome& home, std::set<std::string_view>& met) {
    const std::size_t equals = part.find('=');
    const std::string_view key = part.substr(0, equals);
    const std::string_view value = part.substr(equals + 1);
    const std::vector<std::string> keys = {"lock", "qnodes", "data"};
    const std::vector<HomeWish*> wishes = {&home.lock, &home.qnodes, &home.data};
    const auto found = std::find(keys.begin(), keys.end(), key);
    if (found == keys.end()) {
        throw UsageError(fmt::format("--lock-home: '{}' in '{}' is none of lock, qnodes, data; the nearest is '{}'.",
                                     key, whole, nearest(key, keys)));
    }
    if (!met.insert(key).second) {
        throw UsageError(fmt::format("--lock-home: '{}' says twice where {} is to lie.", whole, key));
    }
    *wishes[static_cast<std::size_t>(found - keys.begin())] = parse_place(value, whole, key == "qnodes");
}

// Everything that a wish is resolved against.
struct Scene {
    const Topology& topology;
    std::vector<NodeId> with_memory;
    NodeId local;  // of the first thread
    std::vector<std::string> notes;

    void note(const std::string& text) {
        if (std::find(notes.begin(), notes.end(), text) == notes.end()) {
            notes.push_back(text);
        }
    }

    [[nodiscard]] bool can_give(NodeId node) const {
        return std::find(with_memory.begin(), with_memory.end(), node) != with_memory.end();
    }

    // The node itself, or where it has no memory the nearest that does.
    NodeId near(NodeId node) {
        if (can_give(node)) {
            return node;
        }
        const auto nearer = [&](NodeId a, NodeId b) {
            const auto far = [&](NodeId to) { return topology.node_distance(node, to).value_or(0); };
            return far(a) < far(b);
        };
        const NodeId other = *std::min_element(with_memory.begin(), with_memory.end(), nearer);
        note(fmt::format("node {} has no memory that this process may use: node {} stands for it", node, other));
        return other;
    }

    // Memory without CPUs (an expander, persistent memory) is no other socket: it is taken only where nothing else is
    // remote.
    NodeId farthest() {
        std::vector<NodeId> others;
        std::copy_if(with_memory.begin(), with_memory.end(), std::back_inserter(others),
                     [&](NodeId node) { return node != local; });
        if (others.empty()) {
            throw HostError(fmt::format("--lock-home=remote needs a second NUMA node with memory; this machine has {}.",
                                        describe()));
        }
        std::vector<NodeId> with_cpus;
        std::copy_if(others.begin(), others.end(), std::back_inserter(with_cpus),
                     [&](NodeId node) { return !topology.find_node(node)->cpus.empty(); });
        if (with_cpus.empty()) {
            note("the only other memory is on nodes without CPUs: remote means such a node");
        }
        return topology.farthest_node(local, with_cpus.empty() ? others : with_cpus);
    }

    [[nodiscard]] std::string describe() const {
        return fmt::format("{} {} with memory", with_memory.size() == 1 ? "node" : "nodes",
                           format_numbers(with_memory));
    }

    NodeId resolve(const HomeWish& wish) {
        switch (wish.place) {
            case HomePlace::local:
                return near(local);
            case HomePlace::remote:
                return farthest();
            case HomePlace::first:
                return with_memory.front();
            case HomePlace::last:
                return with_memory.back();
            case HomePlace::interleave:
                return kInterleaveNodes;
            case HomePlace::node:
                if (!can_give(wish.node)) {
                    const bool there = topology.find_node(wish.node) != nullptr;
                    throw HostError(fmt::format(
                        "--lock-home=node:{}: {}; this machine has {}.", wish.node,
                        there ? "that node has no memory that this process may use" : "there is no such node",
                        describe()));
                }
                return wish.node;
            case HomePlace::first_touch:
            case HomePlace::own:
                break;
        }
        return kAnyNode;
    }
};

}  // namespace

LockHome parse_lock_home(const std::string& text) {
    LockHome home;
    if (text.find('=') == std::string::npos) {
        home.lock = parse_place(text, text, false);
        home.data = home.lock;
        return home;
    }
    std::set<std::string_view> met;
    std::string_view rest = text;
    while (true) {
        const std::size_t plus = rest.find('+');
        parse_part(rest.substr(0, plus), text, home, met);
        if (plus == std::string_view::npos) {
            return home;
        }
        rest = rest.substr(plus + 1);
    }
}

ResolvedHomes resolve_homes(const LockHome& home, const Topology& topology, std::span<const CpuId> cpus) {
    std::vector<NodeId> with_memory = topology.nodes_with_memory();
    std::sort(with_memory.begin(), with_memory.end());
    if (with_memory.empty()) {
        throw HostError("No NUMA node of this machine has memory that this process may use.");
    }
    const NodeId first_thread = cpus.empty() ? kAnyNode : topology.node_of(cpus.front());
    Scene scene{
        topology, with_memory, first_thread == kAnyNode ? topology.nodes_with_cpus().front() : first_thread, {}};
    if (first_thread == kAnyNode) {
        scene.note(fmt::format("threads are not pinned: node {} counts as the first thread's", scene.local));
    }
    ResolvedHomes resolved;
    resolved.homes.lock = scene.resolve(home.lock);
    resolved.homes.data = scene.resolve(home.data);
    const bool own = home.qnodes.place == HomePlace::own;
    const NodeId shared = own ? kAnyNode : scene.resolve(home.qnodes);
    for (const CpuId cpu : cpus) {
        const NodeId node = topology.node_of(cpu);
        resolved.qnode_nodes.push_back(own && node != kAnyNode ? scene.near(node) : shared);
    }
    if (with_memory.size() == 1) {
        scene.note(
            fmt::format("one NUMA node with memory ({}): every home is that node, and placement cannot be proved",
                        with_memory.front()));
    }
    resolved.notes = std::move(scene.notes);
    return resolved;
}

}  // namespace lockbench
