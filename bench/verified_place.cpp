// SPDX-License-Identifier: MIT
#include "bench/verified_place.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/memory.hpp"

namespace lockbench {

bool home_verified(NodeId asked, const NodePages& got) {
    HomeReport report;
    report.asked = asked;
    report.got = got;
    return report.verified(memory::nodes());
}

bool qnodes_verified(const std::vector<NodeId>& asked, const std::vector<NodePages>& got) {
    return std::equal(asked.begin(), asked.end(), got.begin(), got.end(), home_verified);
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
