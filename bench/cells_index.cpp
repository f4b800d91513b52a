// SPDX-License-Identifier: MIT
// The slices put together, and looked up by name.
#include <algorithm>

#include "bench/cells_registry.hpp"

namespace lockbench {
namespace {

template <std::size_t... kSlices>
std::vector<LockRunner> collect(std::index_sequence<kSlices...>) {
    std::vector<std::pair<std::size_t, LockRunner>> found;
    (add_slice<kSlices>(found), ...);
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<LockRunner> runners;
    runners.reserve(found.size());
    for (auto& [place, runner] : found) {
        runners.push_back(std::move(runner));
    }
    return runners;
}

}  // namespace

const std::vector<LockRunner>& lock_runners() {
    static const std::vector<LockRunner> runners = collect(std::make_index_sequence<LOCKBENCH_SLICES>{});
    return runners;
}

const std::vector<const WorkloadInfo*>& workload_infos() {
    static const std::vector<const WorkloadInfo*> infos = [] {
        std::vector<const WorkloadInfo*> list;
        for (const WorkloadRunner& workload : lock_runners().front().workloads) {
            list.push_back(workload.info);
        }
        return list;
    }();
    return infos;
}

const LockRunner* find_lock(std::string_view name) {
    for (const LockRunner& runner : lock_runners()) {
        if (runner.info.name == name) {
            return &runner;
        }
    }
    return nullptr;
}

const WorkloadInfo* find_workload(std::string_view name) {
    for (const WorkloadInfo* info : workload_infos()) {
        if (info->name == name) {
            return info;
        }
    }
    return nullptr;
}

}  // namespace lockbench
