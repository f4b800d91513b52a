// SPDX-License-Identifier: MIT
// The rmap workloads on real threads: every lock keeps the map whole, memory comes back, a lock that does not exclude
// is refused.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/effort.hpp"
#include "tests/support/native_locks.hpp"
#include "tests/workloads/native_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {
namespace {

template <class L>
class RmapNative : public testing::Test {};
TYPED_TEST_SUITE(RmapNative, test::NativeLocks);

constexpr std::uint32_t kSteps = 40;

TYPED_TEST(RmapNative, ForksAndExitsKeepTheMapWhole) {
    using W = ForkServer<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 2U}) {
        const TrialCounts counts = run_native<W>(params_of<W>({{"children", 4}, {"grow_pages", 2}}), threads, kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        EXPECT_GE(counts.op(static_cast<std::size_t>(RmapOp::fork)), kSteps * threads);
    }
}

TYPED_TEST(RmapNative, ReclaimBesideForksKeepsTheMapWhole) {
    using W = ReclaimScan<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 2U}) {
        const ParamValues params =
            params_of<W>({{"children", 4}, {"swap_ns", 0}, {"ipi_ns", 0}, {"generations", threads}});
        const TrialCounts counts = run_native<W>(params, threads, kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        // One thread plays all roles.
        EXPECT_GT(counts.op(static_cast<std::size_t>(RmapOp::fork)), 0U);
        EXPECT_GT(counts.op(static_cast<std::size_t>(RmapOp::page_reclaimed)), 0U);
    }
}

TYPED_TEST(RmapNative, GrowthAndBuffersKeepTheMapWhole) {
    using W = Aim7<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 3U}) {
        const TrialCounts counts =
            run_native<W>(params_of<W>({{"children", 4}, {"touch_permille", 200}}), threads, kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        EXPECT_EQ(counts.op(W::info(), "brk"), 2 * kSteps * threads);
        EXPECT_EQ(counts.op(W::info(), "unmap"), 2 * kSteps * threads);
    }
}

TYPED_TEST(RmapNative, StormsOfExitsKeepTheMapWhole) {
    using W = ExitStorm<Native, TypeParam>;
    for (const std::uint32_t threads : {1U, 3U}) {
        const TrialCounts counts = run_native<W>(params_of<W>({{"children", 4}}), threads, 4 * kSteps);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
        // Several threads may use up their steps waiting for one that comes late.
        EXPECT_TRUE(threads > 1 || counts.op(W::info(), "storm") > 0);
        EXPECT_EQ(counts.op(W::info(), "exit"), counts.op(W::info(), "fork"));
    }
}

TYPED_TEST(RmapNative, MigrationKeepsTheMapWhole) {
    using W = NumaMigration<Native, TypeParam>;
    for (const std::int64_t writers : {0, 100}) {
        for (const std::uint32_t threads : {1U, 3U}) {
            const ParamValues params = params_of<W>({{"pages_per_vma", 40},
                                                     {"children", writers == 0 ? 0 : 2},
                                                     {"fork_permille", writers},
                                                     {"compact_permille", writers},
                                                     {"ipi_ns", 0}});
            const TrialCounts counts = run_native<W>(params, threads, 4 * kSteps);
            EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
            EXPECT_GT(counts.op(W::info(), "page_migrated"), 0U);
            EXPECT_EQ(counts.op(W::info(), "fork") > 0, writers != 0);
            if (writers == 0) {
                EXPECT_EQ(counts.op(W::info(), "entry_restored"), counts.op(W::info(), "entry_migrated"));
            }
        }
    }
}

// Where allocation fails, forks unwind and walkers go on.
TEST(RmapNativePaths, FailedAllocationsLeaveNothing) {
    using W = ReclaimScan<Native, Rwsem310<Native>>;
    const ParamValues params =
        params_of<W>({{"nowait_fail_permille", 300}, {"alloc_fail_permille", 30}, {"swap_ns", 0}});
    const TrialCounts counts = run_native<W>(params, 2, 300);
    EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
    EXPECT_GT(counts.op(static_cast<std::size_t>(RmapOp::fork_failed)), 0U);
    EXPECT_GT(counts.op(static_cast<std::size_t>(RmapOp::avc_retry)), 0U);
    EXPECT_GT(counts.op(static_cast<std::size_t>(RmapOp::swap_failed)), 0U);
}

// Heap and stack are one VMA with as many pages as it may have.
TEST(RmapNativePaths, HeapAndStackInOneVma) {
    using W = Aim7<Native, QrwLock<Native, SubWord::mixed>>;
    const TrialCounts counts = run_native<W>(
        params_of<W>({{"anon_vmas", 1}, {"pages_per_vma", kMaxPagesOfHeap}, {"grow_pages", 64}, {"brk_pages", 64}}), 2,
        12);
    EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
}

// Shapes at the edge of what the parameters allow.
TEST(RmapNativePaths, ExtremeShapesWork) {
    using W = ReclaimScan<Native, QrwLock<Native, SubWord::mixed>>;
    for (const auto& changes : {
             std::initializer_list<std::pair<std::string_view, std::int64_t>>{{"anon_vmas", 1}, {"pages_per_vma", 1}},
             {{"children", 0}, {"file_vmas", 0}, {"fresh_vmas", 0}},
             {{"pages_per_vma", 448}, {"grow_pages", 64}, {"anon_vmas", 2}},
             {{"generations", 12}, {"layout", 1}, {"fresh_vmas", 7}},
             {{"batch", 1}, {"tlb", 2}, {"running_permille", 1000}, {"retouch_permille", 1000}},
             {{"write_hold_ns", 100}, {"read_hold_ns", 100}, {"copy_ns", 1000}, {"process_ns", 1000}, {"tlb", 0}},
         }) {
        const TrialCounts counts = run_native<W>(params_of<W>(changes), 2, 12);
        EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
    }
}

TEST(RmapNativePaths, HomesAreTold) {
    using W = ForkServer<Native, TicketLock<Native>>;
    const auto bytes = homes_of<W>();
    EXPECT_GT(bytes[static_cast<std::size_t>(HomeKind::lock)], 0U);
    EXPECT_GT(bytes[static_cast<std::size_t>(HomeKind::data)], bytes[static_cast<std::size_t>(HomeKind::lock)]);
}

template <class W>
std::size_t memory_of(const W& workload) {
    std::size_t bytes = 0;
    workload.for_each_home([&bytes](HomeKind, const void*, std::size_t size) { bytes += size; });
    return bytes;
}

// A million forks: the slabs do not grow after the first few. TSan and an emulator would take minutes for as many.
TEST(RmapNativePaths, MemoryDoesNotGrow) {
    const int forks = native::kTsan || test::emulated() ? 50'000 : 1'000'000;
    using W = ForkServer<Native, Rwsem310<Native>>;
    native::World::get().begin_trial({kAnyNode, kAnyNode}, 1);
    {
        const native::ThreadScope host(1);
        W workload(TrialSetup{params_of<W>({{"grow_pages", 1}}), 1, 1, {}});
        std::thread worker([&workload, forks] {
            const native::ThreadScope scope(0);
            ThreadStats stats;
            Ctx<Native> ctx(0, 1, 0, stats, nullptr);
            W::Thread thread(workload, ctx, 0);
            for (int i = 0; i < 200; ++i) {
                workload.step(thread);
            }
            const std::size_t before = memory_of(workload);
            for (int i = 0; i < forks; ++i) {
                workload.step(thread);
            }
            EXPECT_EQ(memory_of(workload), before);
            workload.finish(thread);
        });
        worker.join();
        Verdict verdict;
        workload.verify(verdict);
        EXPECT_TRUE(verdict.passed()) << (verdict.failures.empty() ? "" : verdict.failures.front());
    }
    native::World::get().end_trial();
}

// In a process of its own, as such a lock ruins memory: it must crash, hang or be told by the verdict.
template <class L>
bool refused_in_child(std::uint64_t rounds) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(240);
        close(STDERR_FILENO);
        using W = ForkServer<Native, L>;
        for (std::uint64_t round = 1; round <= rounds; ++round) {
            const ParamValues params =
                params_of<W>({{"anon_vmas", 1}, {"fresh_vmas", 0}, {"file_vmas", 0}, {"pages_per_vma", 1}});
            if (!run_native<W>(params, 2, 2000, round).verdict.passed()) {
                _exit(1);
            }
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

// The first bad round ends it; on busy CPUs the two threads seldom meet, so there may have to be many. The broken
// lock's window is a few instructions: rmap_coop_test finds that one.
constexpr std::uint64_t kRounds = 5000;

TEST(RmapNativePaths, NullLockIsRefused) {
    if (native::kTsan) {
        return;  // it reports the race itself
    }
    EXPECT_TRUE(refused_in_child<NullLock<Native>>(kRounds));
    EXPECT_FALSE(refused_in_child<Rwsem310<Native>>(2));  // the same way, with a lock
}

}  // namespace
}  // namespace lockbench
