// SPDX-License-Identifier: MIT
#include "bench/verified_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bench/memory.hpp"

namespace lockbench {

bool home_verified(NodeId asked, const NodePages& got) {
    const std::vector<NodeId>& all = memory::nodes();
    return asked == kAnyNode || std::all_of(got.begin(), got.end(), [&](const auto& entry) {
               return asked == kInterleaveNodes ? std::find(all.begin(), all.end(), entry.first) != all.end()
                                                : entry.first == asked;
           });
}

bool qnodes_verified(const std::vector<NodeId>& asked, const NodePages& got) {
    std::uint64_t pages = 0;
    for (const auto& [node, count] : got) {
        pages += count;
    }
    if (std::set<NodeId>(asked.begin(), asked.end()).size() <= 1) {
        return asked.empty() || home_verified(asked.front(), got);
    }
    NodePages wanted;
    for (const NodeId node : asked) {
        wanted[node] += pages / asked.size();
    }
    return wanted.contains(kAnyNode) || wanted == got;
}

bool all_placed(const std::vector<ThreadResult>& threads) {
    return std::all_of(threads.begin(), threads.end(), [](const ThreadResult& one) { return one.unplaced.empty(); });
}

std::vector<std::string> placement_reasons(const std::vector<ThreadResult>& threads) {
    std::vector<std::string> reasons;
    for (std::size_t tid = 0; tid < threads.size(); ++tid) {
        if (!threads[tid].unplaced.empty()) {
            reasons.push_back(fmt::format("thread {}: {}", tid, threads[tid].unplaced));
        }
    }
    return reasons;
}

}  // namespace lockbench
