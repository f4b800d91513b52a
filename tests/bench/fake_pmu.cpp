// SPDX-License-Identifier: MIT
// The fake kernel as a library to preload, for tests of the whole tool: LD_PRELOAD=libfake_pmu.so lockbench ...
//   FAKE_PMU_PER_GROUP, FAKE_PMU_PER_THREAD  counters (default: plenty)
//   FAKE_PMU_REFUSE, FAKE_PMU_REFUSE_KERNEL  an errno for every call, for calls that count the kernel
//   FAKE_PMU_LOG                             a file that gets a line a hardware event: type config config1
// With LIBPFM_FORCE_PMU it is the PMU of any CPU that libpfm4 knows.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/bench/fake_kernel.hpp"

namespace {

void take(const char* name, int& value) {
    const char* set = std::getenv(name);
    if (set == nullptr) return;
    const std::string_view text = set;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        std::fprintf(stderr, "%s=%s is no number\n", name, set);
        std::abort();
    }
}

bool switch_on() {
    lockbench::testing::FakeKernel& kernel = lockbench::testing::kernel;
    take("FAKE_PMU_PER_GROUP", kernel.hardware_per_group);
    take("FAKE_PMU_PER_THREAD", kernel.hardware_per_thread);
    take("FAKE_PMU_REFUSE", kernel.refuse_with);
    take("FAKE_PMU_REFUSE_KERNEL", kernel.refuse_kernel_mode);
    const char* log = std::getenv("FAKE_PMU_LOG");
    kernel.log = log == nullptr ? "" : log;
    kernel.active = true;
    return true;
}

// Defined after the kernel, so made after it.
const bool kSwitchedOn = switch_on();

}  // namespace
