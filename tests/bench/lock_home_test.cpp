// SPDX-License-Identifier: MIT
#include "bench/lock_home.hpp"

#include <gtest/gtest.h>

#include "bench/errors.hpp"
#include "bench/memory.hpp"
#include "tests/bench/topology_text.hpp"

namespace lockbench {
namespace {

using Nodes = std::vector<NodeId>;
using Notes = std::vector<std::string>;
using test::from_text;
using test::with_bare_node;
using test::with_distances;

Topology four_nodes() {
    return from_text(with_distances(load_synthetic("pack:4 [numa(memory=8GB)] l3:1 core:2 pu:1").xml, {0, 1, 2, 3},
                                    {10, 16, 22, 16, 16, 10, 16, 22, 22, 16, 10, 16, 16, 22, 16, 10}));
}
Topology one_node() { return load_synthetic("pack:1 [numa(memory=8GB)] l3:1 core:2 pu:1"); }

ResolvedHomes resolve(const std::string& text, const Topology& topology, const std::vector<CpuId>& cpus) {
    return resolve_homes(parse_lock_home(text), topology, cpus);
}

template <typename Error>
std::string error_of(const std::string& text, const Topology& topology) {
    try {
        resolve(text, topology, {0, 1});
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(lock_home, one_place_is_for_lock_and_data_and_queue_nodes_stay_with_their_threads) {
    const ResolvedHomes homes = resolve("node:3", four_nodes(), {0, 2, 5});
    EXPECT_EQ(homes.homes.lock, 3);
    EXPECT_EQ(homes.homes.data, 3);
    EXPECT_EQ(homes.qnode_nodes, (Nodes{0, 1, 2}));
    EXPECT_TRUE(homes.notes.empty());
}

TEST(lock_home, local_and_remote_are_seen_from_the_first_thread) {
    const Topology machine = four_nodes();
    EXPECT_EQ(resolve("local", machine, {4, 0}).homes.lock, 2);
    EXPECT_EQ(resolve("remote", machine, {4, 0}).homes.lock, 0);
    EXPECT_EQ(resolve("remote", machine, {2, 0}).homes.lock, 3);
    EXPECT_EQ(resolve("first", machine, {4}).homes.lock, 0);
    EXPECT_EQ(resolve("last", machine, {4}).homes.data, 3);
    EXPECT_EQ(resolve("interleave", machine, {4}).homes.data, kInterleaveNodes);
    EXPECT_EQ(resolve("first_touch", machine, {4}).homes.lock, kAnyNode);
}

TEST(lock_home, a_part_is_placed_once) {
    EXPECT_EQ(error_of<UsageError>("lock=node:0+lock=node:1", four_nodes()),
              "--lock-home: 'lock=node:0+lock=node:1' says twice where lock is to lie.");
}

TEST(lock_home, parts_apart) {
    const Topology machine = four_nodes();
    const ResolvedHomes homes = resolve("lock=remote+qnodes=node:1+data=interleave", machine, {0, 2});
    EXPECT_EQ(homes.homes.lock, 2);
    EXPECT_EQ(homes.homes.data, kInterleaveNodes);
    EXPECT_EQ(homes.qnode_nodes, (Nodes{1, 1}));
    const ResolvedHomes lock_only = resolve("lock=node:3", machine, {0, 2});
    EXPECT_EQ(lock_only.homes.lock, 3);
    EXPECT_EQ(lock_only.homes.data, 0);
    EXPECT_EQ(lock_only.qnode_nodes, (Nodes{0, 1}));
    EXPECT_EQ(resolve("data=local+qnodes=own", machine, {0, 2}).qnode_nodes, (Nodes{0, 1}));
}

TEST(lock_home, threads_that_are_not_pinned) {
    const ResolvedHomes homes = resolve("local", four_nodes(), {kNoCpu, kNoCpu});
    EXPECT_EQ(homes.homes.lock, 0);
    EXPECT_EQ(homes.qnode_nodes, (Nodes{kAnyNode, kAnyNode}));
    EXPECT_EQ(homes.notes, (Notes{"threads are not pinned: node 0 counts as the first thread's"}));
}

TEST(lock_home, one_node_is_said_to_prove_nothing) {
    const ResolvedHomes homes = resolve("interleave", one_node(), {0, 1});
    EXPECT_EQ(homes.notes,
              (Notes{"one NUMA node with memory (0): every home is that node, and placement cannot be proved"}));
    EXPECT_EQ(resolve("local", one_node(), {0}).homes.lock, 0);
}

TEST(lock_home, what_the_machine_lacks_names_what_it_has) {
    EXPECT_EQ(error_of<HostError>("remote", one_node()),
              "--lock-home=remote needs a second NUMA node with memory; this machine has node 0 with memory.");
    EXPECT_EQ(error_of<HostError>("node:5", four_nodes()),
              "--lock-home=node:5: there is no such node; this machine has nodes 0-3 with memory.");
    EXPECT_EQ(error_of<HostError>("qnodes=node:7", one_node()),
              "--lock-home=node:7: there is no such node; this machine has node 0 with memory.");
    Topology machine = four_nodes();
    machine.nodes[1].memory_bytes = 0;
    machine.nodes[2].allowed = false;
    EXPECT_EQ(error_of<HostError>("node:1", machine),
              "--lock-home=node:1: that node has no memory that this process may use; this machine has nodes 0,3 with "
              "memory.");
    EXPECT_EQ(error_of<HostError>("data=node:2", machine),
              "--lock-home=node:2: that node has no memory that this process may use; this machine has nodes 0,3 with "
              "memory.");
    for (NumaNode& node : machine.nodes) {
        node.allowed = false;
    }
    EXPECT_EQ(error_of<HostError>("local", machine),
              "No NUMA node of this machine has memory that this process may use.");
}

TEST(lock_home, a_node_without_memory_is_served_by_its_nearest) {
    Topology machine = four_nodes();
    machine.nodes[2].memory_bytes = 0;
    const ResolvedHomes homes = resolve("local", machine, {4, 0});
    EXPECT_EQ(homes.homes.lock, 1);
    EXPECT_EQ(homes.qnode_nodes, (Nodes{1, 0}));
    EXPECT_EQ(homes.notes, (Notes{"node 2 has no memory that this process may use: node 1 stands for it"}));
}

TEST(lock_home, memory_without_cpus_is_remote_only_where_nothing_else_is) {
    const std::string two = load_synthetic("pack:2 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    const Topology expander =
        from_text(with_distances(with_bare_node(two, 2, 1U << 30U), {0, 1, 2}, {10, 20, 60, 20, 10, 60, 60, 60, 10}));
    EXPECT_EQ(resolve("remote", expander, {0}).homes.lock, 1);
    EXPECT_EQ(resolve("node:2", expander, {0}).homes.lock, 2);
    EXPECT_EQ(resolve("last", expander, {0}).homes.lock, 2);
    const std::string one = load_synthetic("pack:1 [numa(memory=8GB)] l3:1 core:2 pu:1").xml;
    const ResolvedHomes homes = resolve("remote", from_text(with_bare_node(one, 1, 1U << 30U)), {0});
    EXPECT_EQ(homes.homes.lock, 1);
    EXPECT_EQ(homes.notes, (Notes{"the only other memory is on nodes without CPUs: remote means such a node"}));
}

TEST(lock_home, sparse_nodes) {
    const Topology machine = load_synthetic("pack:2 [numa(memory=1GB indexes=4,1)] l3:1 core:2 pu:1");
    EXPECT_EQ(resolve("first", machine, {0}).homes.lock, 1);
    EXPECT_EQ(resolve("last", machine, {0}).homes.lock, 4);
    EXPECT_EQ(resolve("local", machine, {0}).homes.lock, 4);
    EXPECT_EQ(resolve("remote", machine, {0}).homes.lock, 1);
    EXPECT_NE(error_of<HostError>("node:0", machine).find("nodes 1,4"), std::string::npos);
}

TEST(lock_home, wrong_texts_name_what_is_allowed) {
    const Topology machine = four_nodes();
    EXPECT_EQ(
        error_of<UsageError>("remot", machine),
        "--lock-home: 'remot' is no place for memory; the nearest is 'remote'. Allowed: local, remote, first, last, "
        "node:N, interleave, first_touch, own.");
    EXPECT_EQ(error_of<UsageError>("loc=local", machine),
              "--lock-home: 'loc' in 'loc=local' is none of lock, qnodes, data; the nearest is 'lock'.");
    EXPECT_EQ(error_of<UsageError>("node:x", machine),
              "--lock-home: 'x' in 'node:x' is no node number; for example node:0.");
    EXPECT_EQ(error_of<UsageError>("data=node:", machine),
              "--lock-home: '' in 'data=node:' is no node number; for example node:0.");
    EXPECT_EQ(error_of<UsageError>("node:-1", machine),
              "--lock-home: '-1' in 'node:-1' is no node number; for example node:0.");
    EXPECT_EQ(error_of<UsageError>("own", machine),
              "--lock-home: 'own' in 'own' is for queue nodes only (qnodes=own).");
    EXPECT_NE(error_of<UsageError>("node:N", machine), "no error");
    EXPECT_NE(error_of<UsageError>("", machine), "no error");
    EXPECT_NE(error_of<UsageError>("lock=local+", machine), "no error");
    EXPECT_NE(error_of<UsageError>("lock=local+remote", machine), "no error");
}

}  // namespace
}  // namespace lockbench
