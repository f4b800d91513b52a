// SPDX-License-Identifier: MIT
// One window counted by a provider, as JSON; and the questions that tests ask of it. After fake_kernel.hpp.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/counters.hpp"
#include "tests/bench/fake_kernel.hpp"
#include "tests/bench/fake_tree.hpp"

namespace lockbench::testing {

inline constexpr int kPages = 256;

// Touches fresh pages: as many page faults as pages.
inline void touch_pages(int pages) {
    const auto size = static_cast<std::size_t>(pages) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, size, MADV_NOHUGEPAGE);
    for (int i = 0; i < pages; ++i) {
        static_cast<volatile char*>(memory)[static_cast<long>(i) * sysconf(_SC_PAGESIZE)] = 1;
    }
    munmap(memory, size);
}

// The plan, and what one window over `pages` page faults and `naps` sleeps counted: {plan, counters, reasons}.
inline nlohmann::json count_window(const CounterRequest& request, int pages = kPages, int naps = 10) {
    const std::unique_ptr<CounterProvider> provider = make_counter_provider(request);
    const CounterPlan& plan = provider->probe();
    const auto set = provider->make_thread_set();
    set->open();
    set->start();
    touch_pages(pages);
    for (int i = 0; i < naps; ++i) {
        usleep(100);
    }
    const auto values = set->stop();
    const CounterTotals totals = total_counters(plan, {{values, set->reasons(), set->shares()}});
    set->close();
    return {{"plan", to_json(plan)},
            {"counters", totals.counters},
            {"reasons", totals.reasons},
            {"shares", totals.shares},
            {"calls", kernel.calls}};
}

inline nlohmann::json entry(const nlohmann::json& result, const std::string& name) {
    for (const auto& one : result["plan"]["counters"]) {
        if (one["name"] == name) {
            return one;
        }
    }
    return {};
}

// Every null has a reason, everything else has none.
inline void expect_whole(const nlohmann::json& result) {
    for (const auto& [name, value] : result["counters"].items()) {
        EXPECT_EQ(value.is_null(), result["reasons"].contains(name)) << name;
        EXPECT_EQ(entry(result, name)["available"] == true, !value.is_null()) << name;
    }
}

inline bool built_without_papi(const nlohmann::json& plan) {
    return plan["note"].is_string() &&
           plan["note"].get<std::string>().starts_with("this lockbench was built without PAPI");
}

// Puts a proc/cpuinfo of this CPU into the tree.
inline void put_cpu(const FakeTree& tree, const std::string& vendor, int family, int model, int stepping) {
    std::filesystem::create_directories(tree.root() / "proc");
    std::ofstream(tree.root() / "proc/cpuinfo")
        << "processor\t: 0\nvendor_id\t: " << vendor << "\ncpu family\t: " << family << "\nmodel\t\t: " << model
        << "\nmodel name\t: some CPU\nstepping\t: " << stepping << "\n";
}

}  // namespace lockbench::testing
