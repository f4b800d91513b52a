// SPDX-License-Identifier: MIT
// What a trial of a workload counted and found, and how a test names its parameters.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/stats.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

struct TrialCounts {
    std::vector<std::unique_ptr<ThreadStats>> threads;
    Verdict verdict;

    [[nodiscard]] std::uint64_t op(std::size_t which) const {
        std::uint64_t sum = 0;
        for (const auto& stats : threads) {
            sum += stats->ops[which];
        }
        return sum;
    }
    // By the name under which the workload counts it.
    [[nodiscard]] std::uint64_t op(const WorkloadInfo& info, std::string_view name) const {
        for (std::size_t i = 0; i < info.ops.size(); ++i) {
            if (info.ops[i].name == name) {
                return op(i);
            }
        }
        check(false, "the test names an operation that the workload counts");
        return 0;
    }
    [[nodiscard]] std::uint64_t site(std::size_t which, Mode mode) const {
        std::uint64_t sum = 0;
        for (const auto& stats : threads) {
            sum += stats->sites[which][static_cast<std::size_t>(mode)];
        }
        return sum;
    }
    [[nodiscard]] std::string failures() const {
        std::string all;
        for (const std::string& failure : verdict.failures) {
            all += failure + "\n";
        }
        return all;
    }
};

// Parameters by name over the defaults.
template <class W>
ParamValues params_of(std::initializer_list<std::pair<std::string_view, std::int64_t>> changes) {
    ParamValues values = default_params(W::info());
    for (const auto& [key, value] : changes) {
        bool known = false;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (W::info().params[i].key == key) {
                values[i] = value;
                known = true;
            }
        }
        check(known, "the test names a parameter that the workload has");
    }
    return values;
}

inline std::vector<RoleId> roles_of(const WorkloadInfo& info, const ParamValues& params, std::uint32_t threads) {
    std::vector<std::int64_t> shares;
    for (const std::size_t param : info.share_param) {
        shares.push_back(params[param]);
    }
    return assign_roles(threads, shares);
}

}  // namespace lockbench
