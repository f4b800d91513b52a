// SPDX-License-Identifier: MIT
// Memory on this machine's own kernel. Kernels that refuse are in memory_filter_test.cpp, machines with several nodes
// in memory_nodes_test.cpp.
#include "bench/memory.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/bench/page_size.hpp"

namespace lockbench {
namespace {

using test::page;

// The kernel's line about a mapping: its policy and pages.
std::string policy_of(const void* base) {
    std::ifstream maps("/proc/self/numa_maps");
    std::ostringstream wanted;
    wanted << std::hex << reinterpret_cast<std::uintptr_t>(base) << ' ';
    for (std::string line; std::getline(maps, line);) {
        if (line.rfind(wanted.str(), 0) == 0) {
            return line.substr(wanted.str().size());
        }
    }
    return "";
}

TEST(memory, lies_on_the_node_asked_for) {
    ASSERT_FALSE(memory::nodes().empty());
    for (const NodeId node : memory::nodes()) {
        const std::size_t bytes = 5 * page();
        auto* const base = static_cast<unsigned char*>(memory::alloc(bytes, node));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(base) % page(), 0U);
        EXPECT_EQ(base[0] + base[bytes - 1], 0);
        NodePages pages;
        count_pages(pages, base, bytes);
        if (memory::why_not_bound().empty()) {
            EXPECT_EQ(pages, (NodePages{{node, 5}}));
            EXPECT_TRUE(memory::problems().empty()) << memory::problems().front();
        }
        memory::release(base, bytes);
    }
}

TEST(memory, is_bound_and_not_only_preferred) {
    const NodeId node = memory::nodes().front();
    void* const base = memory::alloc(page(), node);
    const std::string policy = policy_of(base);
    memory::release(base, page());
    if (policy.empty() || !memory::why_not_bound().empty()) {
        GTEST_SKIP() << "this kernel has no numa_maps";
    }
    EXPECT_EQ(policy.rfind("bind:" + std::to_string(node), 0), 0U) << policy;
}

TEST(memory, sizes_are_rounded_up_and_release_gives_all_of_it_back) {
    auto* const base = static_cast<std::byte*>(memory::alloc(page() + 1, memory::nodes().front()));
    NodePages pages;
    count_pages(pages, base, page() + 1);
    HomeReport report;
    report.got = pages;
    EXPECT_EQ(report.pages() + report.unknown(), 2U);
    memory::release(base, page() + 1);
    // msync fails with ENOMEM on what is not mapped; nobody else maps between the two calls.
    EXPECT_EQ(msync(base, page(), MS_ASYNC), -1);
    EXPECT_EQ(msync(base + page(), page(), MS_ASYNC), -1);
}

TEST(memory, first_touch_leaves_the_pages_alone) {
    void* const base = memory::alloc(3 * page(), kAnyNode);
    HomeReport before;
    count_pages(before.got, base, 3 * page());
    EXPECT_EQ(before.pages(), 0U);
    EXPECT_EQ(before.unknown(), 3U);
    static_cast<volatile char*>(base)[page()] = 1;
    HomeReport after;
    count_pages(after.got, base, 3 * page());
    EXPECT_EQ(after.unknown(), memory::why_not_bound().empty() ? 2U : 3U);
    memory::release(base, 3 * page());
}

TEST(memory, pages_are_counted_from_any_address_in_batches) {
    constexpr std::size_t kPages = 2500;  // more than two batches
    auto* const base = static_cast<std::byte*>(memory::alloc(kPages * page(), memory::nodes().front()));
    HomeReport all;
    count_pages(all.got, base, kPages * page());
    EXPECT_EQ(all.pages() + all.unknown(), kPages);
    HomeReport across;
    count_pages(across.got, base + page() - 8, 16);
    EXPECT_EQ(across.pages() + across.unknown(), 2U);
    HomeReport nothing;
    count_pages(nothing.got, base, 0);
    EXPECT_TRUE(nothing.got.empty());
    memory::release(base, kPages * page());
}

TEST(memory, an_absent_node_ends_the_process_with_what_there_is) {
    EXPECT_EXIT(memory::alloc(64, 777), ::testing::ExitedWithCode(3),
                "lockbench: memory on node 777 was asked for; this process may take it from nodes .* only.");
    EXPECT_EXIT(memory::alloc(64, -7), ::testing::ExitedWithCode(3), "memory on node -7 was asked for");
}

TEST(memory, no_memory_left_ends_the_process) {
    EXPECT_EXIT(memory::alloc(std::size_t{1} << 60, kAnyNode), ::testing::ExitedWithCode(3),
                "lockbench: out of memory: 1152921504606846976 bytes: Cannot allocate memory");
}

TEST(memory, threads_may_allocate_at_once) {
    std::vector<std::thread> team;
    team.reserve(4);
    for (int i = 0; i < 4; ++i) {
        team.emplace_back([] {
            for (int round = 0; round < 50; ++round) {
                memory::release(memory::alloc(page(), memory::nodes().front()), page());
            }
        });
    }
    for (std::thread& thread : team) {
        thread.join();
    }
    EXPECT_EQ(memory::problems().size(), memory::why_not_bound().empty() ? 0U : 1U);
}

TEST(home_report, counts_misplaced_pages) {
    const std::vector<NodeId> nodes = {0, 1, 4};
    HomeReport report;
    report.got = {{-2, 5}, {0, 3}, {1, 3}, {4, 4}};
    EXPECT_EQ(report.pages(), 10U);
    EXPECT_EQ(report.unknown(), 5U);
    report.asked = kAnyNode;
    EXPECT_EQ(report.misplaced(nodes), 0U);
    report.asked = 1;
    EXPECT_EQ(report.misplaced(nodes), 7U);
    report.asked = kInterleaveNodes;
    EXPECT_EQ(report.misplaced(nodes), 0U);  // a share is 4
    report.got = {{0, 7}, {1, 1}, {2, 1}};
    EXPECT_EQ(report.misplaced(nodes), 5U);  // 4 beyond the share of 3, 1 on a node that is not ours
}

TEST(home_report, says_whether_all_is_where_it_was_asked_for) {
    const std::vector<NodeId> nodes = {0, 1, 4};
    const auto verified = [&](NodeId asked, const NodePages& got) {
        HomeReport report;
        report.asked = asked;
        report.got = got;
        return report.verified(nodes);
    };
    EXPECT_TRUE(verified(1, {{1, 64}}));
    EXPECT_FALSE(verified(1, {{1, 64}, {4, 1}}));
    EXPECT_FALSE(verified(1, {{-EFAULT, 1}, {1, 64}}));
    EXPECT_TRUE(verified(kAnyNode, {{-EFAULT, 64}}));
    EXPECT_TRUE(verified(kInterleaveNodes, {{0, 1}}));
    EXPECT_TRUE(verified(kInterleaveNodes, {{0, 44}, {1, 42}, {4, 42}})) << "two chunks of 64 pages";
    EXPECT_FALSE(verified(kInterleaveNodes, {{0, 64}})) << "not bound at all";
    EXPECT_FALSE(verified(kInterleaveNodes, {{0, 32}, {4, 32}})) << "a node was left out";
    EXPECT_FALSE(verified(kInterleaveNodes, {{0, 21}, {1, 21}, {2, 1}, {4, 21}})) << "a node that is not ours";
    EXPECT_FALSE(verified(kInterleaveNodes, {{-EFAULT, 1}, {0, 21}, {1, 21}, {4, 21}}));
}

}  // namespace
}  // namespace lockbench
