// SPDX-License-Identifier: MIT
// Pinning, memory and a whole window on a machine with several NUMA nodes, by the words of this kernel. Where there is
// one node nothing of it can be seen; tests/guest runs it on two machines that have more.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <thread>

#include "bench/host_setup.hpp"
#include "bench/memory.hpp"
#include "bench/pin.hpp"
#include "bench/trial.hpp"
#include "locks/rwlock_classic.hpp"
#include "tests/bench/page_size.hpp"
#include "tests/bench/placed_memory.hpp"
#include "workloads/rw_mix.hpp"

namespace lockbench {
namespace {

using test::page;
using test::PlacedMemory;

NodePages pages_of(const void* base, std::size_t bytes) {
    NodePages pages;
    count_pages(pages, base, bytes);
    return pages;
}

class SeveralNodes : public ::testing::Test {
  protected:
    void SetUp() override {
        if (memory::nodes().size() < 2 || !memory::why_not_bound().empty()) {
            GTEST_SKIP() << "needs two NUMA nodes with memory; tests/guest has them";
        }
        install_host();
    }
    static NodeId other_than(NodeId node) {
        return memory::nodes().front() == node ? memory::nodes().back() : memory::nodes().front();
    }
    static bool has_memory(NodeId node) {
        const std::vector<NodeId>& nodes = memory::nodes();
        return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
    }
};

TEST_F(SeveralNodes, a_pinned_thread_is_on_the_node_that_the_topology_tells) {
    for (const Cpu& cpu : host_topology().usable()) {
        std::thread([&] {
            ASSERT_FALSE(pin_self(cpu.os_index).has_value());
            EXPECT_EQ(native::current_node(), cpu.node) << "CPU " << cpu.os_index;
        }).join();
    }
}

TEST_F(SeveralNodes, distances_are_those_of_the_kernel) {
    const Topology& machine = host_topology();
    ASSERT_FALSE(machine.node_distances.empty());
    for (const NodeId from : machine.node_numbers()) {
        std::ifstream row("/sys/devices/system/node/node" + std::to_string(from) + "/distance");
        for (const NodeId to : machine.node_numbers()) {
            std::uint64_t told = 0;
            ASSERT_TRUE(row >> told);
            EXPECT_EQ(machine.node_distance(from, to).value_or(0), told) << from << " to " << to;
        }
    }
}

TEST_F(SeveralNodes, what_is_not_bound_lies_where_it_is_first_touched) {
    for (const Cpu& cpu : host_topology().usable()) {
        if (!has_memory(cpu.node)) {
            continue;
        }
        void* const base = memory::alloc(2 * page(), kAnyNode);
        std::thread([&] {
            ASSERT_FALSE(pin_self(cpu.os_index).has_value());
            static_cast<volatile char*>(base)[0] = 1;
            static_cast<volatile char*>(base)[page()] = 1;
        }).join();
        EXPECT_EQ(pages_of(base, 2 * page()), (NodePages{{cpu.node, 2}}));
        memory::release(base, 2 * page());
    }
}

TEST_F(SeveralNodes, what_is_bound_lies_there_whoever_touches_it) {
    for (const NodeId node : memory::nodes()) {
        std::thread([node] {
            ASSERT_FALSE(pin_self(first_usable_cpu()).has_value());
            const PlacedMemory piece(3 * page(), node);
            EXPECT_EQ(piece.report().got, (NodePages{{node, 3}}));
        }).join();
    }
}

TEST_F(SeveralNodes, interleaved_pages_take_turns) {
    const std::size_t rounds = 8;
    const PlacedMemory piece(rounds * memory::nodes().size() * page(), kInterleaveNodes);
    NodePages even;
    for (const NodeId node : memory::nodes()) {
        even[node] = rounds;
    }
    EXPECT_EQ(piece.report().got, even);
    EXPECT_TRUE(piece.report().verified(memory::nodes()));
}

TEST_F(SeveralNodes, a_page_that_was_moved_is_found_out) {
    const NodeId home = memory::nodes().front();
    PlacedMemory piece(4 * page(), home);
    void* moved = piece.base();
    int target = other_than(home);
    int status = -1;
    constexpr int kMove = 2;  // MPOL_MF_MOVE: not stopped by a binding
    ASSERT_EQ(syscall(SYS_move_pages, 0, 1UL, &moved, &target, &status, kMove), 0);
    ASSERT_EQ(status, target);
    EXPECT_EQ(piece.report().got, (NodePages{{home, 3}, {target, 1}}));
    EXPECT_EQ(piece.report().misplaced(memory::nodes()), 1U);
    EXPECT_FALSE(piece.report().verified(memory::nodes()));
}

TEST_F(SeveralNodes, a_page_that_numa_balancing_has_marked_is_found) {
    // Memory that is not bound is looked through about once a second of a thread's running. Whether it was by then is
    // the kernel's affair; found it is either way.
    void* const base = memory::alloc(64 * page(), kAnyNode);
    std::vector<void*> at;
    for (std::size_t i = 0; i < 64; ++i) {
        at.push_back(static_cast<std::byte*>(base) + i * page());
        *static_cast<volatile char*>(at.back()) = 1;
    }
    std::vector<int> status(at.size());
    const std::uint64_t limit = native::monotonic_ns() + 2'500'000'000;
    do {
        native::busy_loop(1'000'000);
        ASSERT_EQ(syscall(SYS_move_pages, 0, at.size(), at.data(), nullptr, status.data(), 0), 0);
    } while (status.front() >= 0 && native::monotonic_ns() < limit);
    RecordProperty("marked", static_cast<int>(std::count(status.begin(), status.end(), -ENOENT)));
    HomeReport report;
    report.got = pages_of(base, 64 * page());
    EXPECT_EQ(report.pages(), 64U);
    EXPECT_EQ(report.unknown(), 0U);
    memory::release(base, 64 * page());
}

TEST_F(SeveralNodes, a_window_has_its_threads_and_its_memory_where_they_were_asked_for) {
    using Mix = RwMix<Native, RwlockClassic<Native>>;
    WindowRequest request;
    request.params = default_params(Mix::info());
    request.homes = {memory::nodes().front(), memory::nodes().back()};
    NodeId last = kAnyNode;
    for (const Cpu& cpu : host_topology().usable()) {
        if (cpu.node != last) {  // the first usable one of each node
            request.cpus.push_back(cpu.os_index);
            request.qnode_nodes.push_back(other_than(cpu.node));
            last = cpu.node;
        }
    }
    request.window_ns = request.warmup_ns = 1'000'000;
    const WindowResult result = run_window<Mix>(request);
    native::World::get().end_trial();
    ASSERT_FALSE(result.stuck);
    EXPECT_TRUE(HomeReport({request.homes.lock, result.lock_pages}).verified(memory::nodes()));
    EXPECT_TRUE(HomeReport({request.homes.data, result.data_pages}).verified(memory::nodes()));
    for (std::size_t tid = 0; tid < request.cpus.size(); ++tid) {
        EXPECT_EQ(result.threads[tid].cpu_at_start, request.cpus[tid]);
        EXPECT_EQ(result.threads[tid].cpu_at_end, request.cpus[tid]);
        EXPECT_EQ(result.threads[tid].node, host_topology().node_of(request.cpus[tid]));
        ASSERT_EQ(result.qnode_pages[tid].size(), 1U);
        EXPECT_EQ(result.qnode_pages[tid].begin()->first, request.qnode_nodes[tid]);
    }
}

}  // namespace
}  // namespace lockbench
