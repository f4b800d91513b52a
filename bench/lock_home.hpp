// SPDX-License-Identifier: MIT
// --lock-home: on which NUMA nodes a cell's lock, queue nodes and data lie. Pure functions of a Topology and a plan.
//
//   PLACE                               for lock and data; queue nodes stay with their threads, as the kernel keeps
//                                       them per CPU
//   lock=PLACE+qnodes=PLACE+data=PLACE  each apart; what is left out is `local`, for queue nodes `own`
//
//   local        the node of the first thread          remote       the node farthest from it
//   first, last  the first or last node with memory    node:N       node N (all by the operating system's number)
//   interleave   pages in turn over all nodes          first_touch  where the first thread to write happens to run
//   own          queue nodes only: each on its own thread's node
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/topology.hpp"
#include "platform/units.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

enum class HomePlace : unsigned char { local, remote, first, last, node, interleave, first_touch, own };

struct HomeWish {
    HomePlace place = HomePlace::local;
    NodeId node = kAnyNode;  // for HomePlace::node
    friend bool operator==(const HomeWish&, const HomeWish&) = default;
};

struct LockHome {
    HomeWish lock;
    HomeWish qnodes{HomePlace::own};
    HomeWish data;
};

// Throws UsageError with what is allowed and the nearest match.
LockHome parse_lock_home(const std::string& text);

struct ResolvedHomes {
    Homes homes;                      // lock and data: a node, kAnyNode for first_touch, or kInterleaveNodes
    std::vector<NodeId> qnode_nodes;  // one a thread
    std::vector<std::string> notes;   // where the machine makes a wish mean less than it says
};
// `cpus`: one a thread, kNoCpu where it is not pinned. Throws HostError that says what the machine has.
ResolvedHomes resolve_homes(const LockHome& home, const Topology& topology, std::span<const CpuId> cpus);

}  // namespace lockbench
