// SPDX-License-Identifier: MIT
// Cells that a workload calls illegal (WorkloadInfo::refusal): which a plan leaves out, and what it says about them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "workloads/workload.hpp"

namespace lockbench {

class Refusals {
  public:
    explicit Refusals(bool allow) : allow_(allow) {}

    // True: the cell is illegal and illegal cells are not allowed; it is remembered once, for however many threads and
    // placements.
    bool refuse(const WorkloadInfo& workload, const LockInfo& lock, const ParamValues& params);
    // The end of planning. A note for each reason; UsageError if nothing but refused cells was asked for.
    void conclude(bool anything_left, std::vector<std::string>& notes) const;
    // lock, workload, params, why
    [[nodiscard]] const nlohmann::json& cells() const { return cells_; }

  private:
    bool allow_;
    nlohmann::json cells_ = nlohmann::json::array();
};

// Whether a cell that runs is one of those.
bool is_illegal(const WorkloadInfo& workload, const LockInfo& lock, const ParamValues& params);

// The table behind pageable_reclaim: client, policy, kind of lock, legal or why not.
nlohmann::json notifiers_list();
void print_notifiers(const nlohmann::json& list);

}  // namespace lockbench
