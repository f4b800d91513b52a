// SPDX-License-Identifier: MIT
// Memory where a container's filter forbids the kernel's NUMA calls. Each case is a process of its own, as what the
// kernel can do is asked once a process; for the same reason nothing here may ask in the parent.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <numaif.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>

#include "bench/memory.hpp"
#include "platform/native.hpp"
#include "tests/bench/in_child.hpp"
#include "tests/bench/page_size.hpp"

namespace lockbench {
namespace {

using test::page;

using nlohmann::json;
using testing::in_child;

// From here on `number` fails with EPERM in this process, as under a container's filter.
void forbid(unsigned number) {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {static_cast<unsigned short>(std::size(code)), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(9);
    }
}

TEST(memory_filter, a_filter_on_all_numa_calls_is_recorded_and_memory_is_had) {
    const json got = in_child([] {
        forbid(SYS_get_mempolicy);
        forbid(SYS_mbind);
        forbid(SYS_move_pages);
        void* const base = memory::alloc(2 * page(), 0);
        NodePages pages;
        count_pages(pages, base, 2 * page());
        return json{{"problems", memory::problems()},
                    {"nodes", memory::nodes()},
                    {"why", memory::why_not_bound()},
                    {"eperm", pages[-EPERM]}};
    });
    const char* const why = "the kernel refuses NUMA calls (Operation not permitted), so memory is not bound";
    EXPECT_EQ(got["problems"],
              json::array({why, "the kernel does not tell where pages lie (move_pages: Operation not permitted)"}));
    EXPECT_EQ(got["why"], why);
    EXPECT_EQ(got["nodes"], json::array({0}));
    EXPECT_EQ(got["eperm"], 2);
}

TEST(memory_filter, a_refused_binding_is_recorded_once) {
    const json got = in_child([] {
        forbid(SYS_mbind);
        const NodeId node = memory::nodes().front();
        memory::release(memory::alloc(page(), node), page());
        memory::release(memory::alloc(page(), node), page());
        return json{{"problems", memory::problems()}, {"why", memory::why_not_bound()}, {"node", node}};
    });
    if (!got["why"].get<std::string>().empty()) {
        GTEST_SKIP() << got["why"];
    }
    EXPECT_EQ(got["problems"], json::array({"mbind to nodes " + std::to_string(got["node"].get<NodeId>()) +
                                            " failed: Operation not permitted; memory is not bound"}));
}

TEST(memory_filter, a_policy_of_the_caller_is_told_and_dropped) {
    const json got = in_child([] {
        unsigned long nodes = 1UL << static_cast<unsigned>(memory::nodes().front());
        if (set_mempolicy(MPOL_INTERLEAVE, &nodes, 8 * sizeof nodes) != 0) {
            return json{{"refused", true}};
        }
        const memory::CallersPolicy first = memory::drop_callers_policy();
        const memory::CallersPolicy second = memory::drop_callers_policy();
        return json{{"first", first.was}, {"why", first.still_why}, {"second", second.was}};
    });
    if (got.contains("refused")) {
        GTEST_SKIP() << "this kernel has no memory policies";
    }
    EXPECT_TRUE(got["first"].get<std::string>().starts_with("interleave over nodes ")) << got;
    EXPECT_EQ(got["why"], "");
    EXPECT_EQ(got["second"], "") << "it is gone";
}

TEST(memory_filter, a_refused_membarrier_ends_the_process) {
    EXPECT_EXIT(
        {
            forbid(SYS_membarrier);
            Native::fence_heavy();
        },
        ::testing::ExitedWithCode(3), "the kernel refuses membarrier, which this lock needs: Operation not permitted");
}

}  // namespace
}  // namespace lockbench
