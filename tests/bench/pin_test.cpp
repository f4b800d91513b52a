// SPDX-License-Identifier: MIT
#include "bench/pin.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

namespace {
int played_cpu = -1;
}

// Comes before the C library's: a kernel that has not moved the thread yet does not exist here, so it is played.
extern "C" int sched_getcpu() noexcept {
    unsigned cpu = 0;
    return played_cpu >= 0 ? played_cpu : syscall(SYS_getcpu, &cpu, nullptr, nullptr) == 0 ? static_cast<int>(cpu) : -1;
}

namespace lockbench {
namespace {

constexpr CpuId kAbsent = 16'000;  // no kernel for x86-64 or AArch64 is built for so many

TEST(pin, binds_to_each_cpu_of_the_process) {
    for (const CpuId cpu : process_mask()) {
        std::thread([cpu] {
            EXPECT_EQ(pin_self(cpu).value_or("done"), "done");
            EXPECT_EQ(sched_getcpu(), cpu);
            EXPECT_EQ(affinity_of_self(), std::vector<CpuId>{cpu});
            EXPECT_EQ(verify_pinned(cpu).value_or("done"), "done");
        }).join();
    }
}

TEST(pin, what_cannot_be_bound_is_told) {
    const std::string refused = pin_self(kAbsent).value_or("done");
    EXPECT_EQ(refused, "the kernel refused CPUs 16000: Invalid argument");
    EXPECT_EQ(pin_self(-3).value_or("done"), "CPU -3 is no CPU number");
    EXPECT_EQ(pin_self(70'000).value_or("done"), "CPU 70000 is no CPU number");
    EXPECT_TRUE(pin_measured_thread(kAbsent).has_value());
    EXPECT_EQ(affinity_of_self(), process_mask());
}

TEST(pin, a_mask_that_the_kernel_cut_down_is_no_success) {
    const CpuId first = process_mask().front();
    std::thread([first] {
        const std::string cut = unpin_self(std::vector<CpuId>{first, kAbsent}).value_or("done");
        EXPECT_EQ(cut, "asked for CPUs " + std::to_string(first) + ",16000, got " + std::to_string(first));
    }).join();
}

TEST(pin, losing_the_binding_is_noticed) {
    if (process_mask().size() < 2) {
        GTEST_SKIP() << "needs two CPUs";
    }
    std::thread([] {
        const CpuId first = process_mask()[0];
        const CpuId second = process_mask()[1];
        ASSERT_FALSE(pin_self(first).has_value());
        EXPECT_EQ(verify_pinned(second).value_or("done"),
                  "asked for CPUs " + std::to_string(second) + ", got " + std::to_string(first));
        ASSERT_FALSE(unpin_self(process_mask()).has_value());
        EXPECT_TRUE(verify_pinned(first).has_value());
    }).join();
}

TEST(pin, running_elsewhere_than_bound_is_noticed) {
    std::thread([] {
        const CpuId cpu = process_mask().front();
        played_cpu = cpu + 1;
        const std::string failure = pin_self(cpu).value_or("done");
        played_cpu = -1;
        EXPECT_EQ(failure, "bound to CPU " + std::to_string(cpu) + " but runs on CPU " + std::to_string(cpu + 1));
    }).join();
}

TEST(pin, unpinned_undoes_an_inherited_binding) {
    std::thread([] {
        ASSERT_FALSE(pin_measured_thread(process_mask().front()).has_value());
        EXPECT_FALSE(verify_measured_thread(process_mask().front()).has_value());
        std::thread([] {
            EXPECT_EQ(affinity_of_self().size(), 1U);  // inherited
            EXPECT_EQ(verify_measured_thread(kNoCpu).has_value(), process_mask().size() > 1);
            EXPECT_FALSE(pin_measured_thread(kNoCpu).has_value());
            EXPECT_FALSE(verify_measured_thread(kNoCpu).has_value());
            EXPECT_EQ(affinity_of_self(), process_mask());
        }).join();
    }).join();
}

}  // namespace
}  // namespace lockbench
