// SPDX-License-Identifier: MIT
// Memory on a machine with several nodes, which few test hosts have: the calls of libnuma that bench/memory.cpp makes
// are defined here, in the executable, and so come before the library's. The played kernel keeps each binding and
// answers by it; a page exists once the real kernel says that it was touched.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "bench/memory.hpp"
#include "tests/bench/page_size.hpp"
#include "tests/bench/placed_memory.hpp"

namespace lockbench {
namespace {

using test::page;

constexpr int kBind = 2;  // MPOL_BIND and MPOL_INTERLEAVE of mbind(2)
constexpr int kInterleave = 3;
constexpr int kSparse[] = {0, 1, 4};  // nodes with memory; 2 has none, 3 does not exist
constexpr NodeId kStray = 1;          // where memory without a binding lands

struct Binding {
    std::uintptr_t begin;
    std::size_t bytes;
    int mode;
    unsigned long mask;
    bool was_touched;
};
std::vector<Binding> bindings;

bool touched(void* at) {
    unsigned char resident = 0;
    return mincore(at, page(), &resident) == 0 && (resident & 1U) != 0;
}

int node_of(std::uintptr_t address) {
    for (auto binding = bindings.rbegin(); binding != bindings.rend(); ++binding) {
        if (address >= binding->begin && address < binding->begin + binding->bytes) {
            std::vector<int> nodes;
            for (int node = 0; node < 64; ++node) {
                if ((binding->mask >> static_cast<unsigned>(node) & 1U) != 0) {
                    nodes.push_back(node);
                }
            }
            return nodes[(address - binding->begin) / page() % nodes.size()];
        }
    }
    return kStray;
}

}  // namespace
}  // namespace lockbench

// The name and the layout are libnuma's (numa.h).
struct bitmask {  // NOLINT(readability-identifier-naming)
    unsigned long size;
    unsigned long* maskp;
};

namespace lockbench {
static bitmask mems_allowed;
}  // namespace lockbench

extern "C" {
int numa_available() { return 0; }
// The library's own start goes to the real kernel; only the question whether there is NUMA at all is answered here.
long get_mempolicy(int* mode, unsigned long* mask, unsigned long most, void* at, unsigned flags) {
    const bool asks_nothing = mode == nullptr && mask == nullptr;
    return asks_nothing ? 0 : syscall(SYS_get_mempolicy, mode, mask, most, at, flags);
}
int numa_max_node() { return 4; }
bitmask* numa_get_mems_allowed() {
    static unsigned long word = 0b10111;
    lockbench::mems_allowed = {64, &word};
    return &lockbench::mems_allowed;
}
// The library's own masks pass here too while it starts.
void numa_bitmask_free(bitmask* mask) {
    if (mask != nullptr && mask != &lockbench::mems_allowed) {
        std::free(mask->maskp);
        std::free(mask);
    }
}
int numa_bitmask_isbitset(const bitmask* mask, unsigned bit) { return static_cast<int>(mask->maskp[0] >> bit & 1U); }
long long numa_node_size64(int node, long long*) { return node == 2 ? 0 : node == 3 ? -1 : 1 << 30; }

long mbind(void* base, unsigned long bytes, int mode, const unsigned long* mask, unsigned long most, unsigned) {
    if (reinterpret_cast<std::uintptr_t>(base) % lockbench::page() != 0 || most < 64) {
        errno = EINVAL;
        return -1;
    }
    bool any = false;
    for (std::size_t offset = 0; offset < bytes; offset += lockbench::page()) {
        any = any || lockbench::touched(static_cast<char*>(base) + offset);
    }
    lockbench::bindings.push_back({reinterpret_cast<std::uintptr_t>(base), bytes, mode, mask[0], any});
    return 0;
}

long move_pages(int, unsigned long count, void** pages, const int*, int* status, int) {
    for (unsigned long i = 0; i < count; ++i) {
        status[i] =
            lockbench::touched(pages[i]) ? lockbench::node_of(reinterpret_cast<std::uintptr_t>(pages[i])) : -ENOENT;
    }
    return 0;
}
}

namespace lockbench {
namespace {

TEST(memory_nodes, those_that_have_memory_are_known) {
    EXPECT_EQ(memory::nodes(), std::vector<NodeId>(std::begin(kSparse), std::end(kSparse)));
    EXPECT_EQ(memory::why_not_bound(), "");
}

TEST(memory_nodes, memory_is_bound_before_it_is_touched) {
    for (const NodeId node : memory::nodes()) {
        bindings.clear();
        void* const base = memory::alloc(3 * page(), node);
        ASSERT_EQ(bindings.size(), 1U);
        EXPECT_EQ(bindings[0].mode, kBind);
        EXPECT_EQ(bindings[0].mask, 1UL << static_cast<unsigned>(node));
        EXPECT_EQ(bindings[0].bytes, 3 * page());
        EXPECT_FALSE(bindings[0].was_touched);
        NodePages pages;
        count_pages(pages, base, 3 * page());
        EXPECT_EQ(pages, (NodePages{{node, 3}}));
        memory::release(base, 3 * page());
    }
}

TEST(memory_nodes, interleaved_pages_take_turns) {
    bindings.clear();
    const test::PlacedMemory piece(7 * page(), kInterleaveNodes);
    ASSERT_EQ(bindings.size(), 1U);
    EXPECT_EQ(bindings[0].mode, kInterleave);
    EXPECT_EQ(bindings[0].mask, 0b10011UL);
    const HomeReport report = piece.report();
    EXPECT_EQ(report.got, (NodePages{{0, 3}, {1, 2}, {4, 2}}));
    EXPECT_EQ(report.misplaced(memory::nodes()), 0U);
}

TEST(memory_nodes, a_page_elsewhere_is_found_out) {
    const test::PlacedMemory piece(4 * page(), 4);
    bindings.back().mask = 1;  // the kernel moved all of it to node 0
    const HomeReport report = piece.report();
    EXPECT_EQ(report.asked, 4);
    EXPECT_EQ(report.got, (NodePages{{0, 4}}));
    EXPECT_EQ(report.misplaced(memory::nodes()), 4U);
}

TEST(memory_nodes, first_touch_binds_nothing) {
    bindings.clear();
    test::PlacedMemory piece(2 * page(), kAnyNode);
    EXPECT_TRUE(bindings.empty());
    EXPECT_EQ(piece.report().got, (NodePages{{-ENOENT, 2}}));
    *static_cast<volatile char*>(piece.base()) = 1;
    EXPECT_EQ(piece.report().got, (NodePages{{-ENOENT, 1}, {kStray, 1}}));
    EXPECT_EQ(piece.report().misplaced(memory::nodes()), 0U);
}

TEST(memory_nodes, nodes_without_memory_and_absent_ones_are_refused) {
    const char* const what = "this process may take it from nodes 0,1,4 only";
    EXPECT_EXIT(memory::alloc(64, 2), ::testing::ExitedWithCode(3), what);
    EXPECT_EXIT(memory::alloc(64, 3), ::testing::ExitedWithCode(3), what);
    EXPECT_EXIT(memory::alloc(64, 5), ::testing::ExitedWithCode(3), what);
}

}  // namespace
}  // namespace lockbench
