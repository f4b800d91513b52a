// SPDX-License-Identifier: MIT
// One native thread runs a workload of the reverse map on a small process, so that every section can be counted.
#pragma once

#include <gtest/gtest.h>

#include "tests/workloads/native_trial.hpp"
#include "workloads/registry.hpp"

namespace lockbench {

inline constexpr std::uint64_t kVmas = 5;   // M
inline constexpr std::uint64_t kFresh = 4;  // in two pairs
inline constexpr std::uint32_t kForks = 50;

struct Counts {
    explicit Counts(const TrialCounts& trial) : trial_(trial) {}
    std::uint64_t op(RmapOp which) const { return trial_.op(static_cast<std::size_t>(which)); }
    std::uint64_t writes(RmapSite site) const { return trial_.site(static_cast<std::size_t>(site), Mode::write); }
    std::uint64_t reads(RmapSite site) const { return trial_.site(static_cast<std::size_t>(site), Mode::read); }

  private:
    const TrialCounts& trial_;
};

template <class W>
TrialCounts run_one(std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
    ParamValues params = params_of<W>({{"anon_vmas", kVmas}, {"fresh_vmas", kFresh}, {"generations", 1}});
    for (const auto& [key, value] : changes) {
        for (std::size_t i = 0; i < params.size(); ++i) {
            params[i] = W::info().params[i].key == key ? value : params[i];
        }
    }
    TrialCounts counts = run_native<W>(params, 1, kForks);
    EXPECT_TRUE(counts.verdict.passed()) << counts.failures();
    return counts;
}

}  // namespace lockbench
