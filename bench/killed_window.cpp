// SPDX-License-Identifier: MIT
#include "bench/killed_window.hpp"

#include "bench/record.hpp"
#include "bench/refusals.hpp"

namespace lockbench {

using nlohmann::json;

json killed_window(const RunPlan& plan, const PlannedWindow& window, const std::string& why) {
    const PlannedCell& cell = plan.cells[window.cell];
    json cpus = json::array();
    for (const CpuId cpu : cell.place.cpus) {
        cpus.push_back(cpu == kNoCpu ? json(nullptr) : json(cpu));
    }
    json flags = {"killed", "check_failed"};
    if (cell.place.oversubscribed) {
        flags.push_back("oversubscribed");
    }
    if (cell.untimed) {
        flags.push_back("untimed");
    }
    if (is_illegal(*cell.workload->info, cell.lock->info, cell.params)) {
        flags.push_back("illegal_allowed");
    }
    if (cell.lock->info.control) {
        flags.push_back("broken");
    }
    json out = {{"platform", "native"},
                {"machine", "this"},
                {"lock", cell.lock->info.name},
                {"build", build_name()},
                {"workload", cell.workload->info->name},
                {"params", params_to_json(*cell.workload->info, cell.params)},
                {"placement", cell.placement},
                {"lock_home", cell.lock_home},
                {"threads", cell.threads},
                {"cpus", cpus},
                {"repetition", window.repetition},
                {"block", window.block},
                {"order", window.order},
                {"seed", plan.seed},
                {"aa", cell.aa.empty() ? json(nullptr) : json(cell.aa)},
                {"checks", {{"passed", false}, {"failed", {why}}}},
                {"flags", flags}};
    for (const char* key : {"process",
                            "cpus_found",
                            "placement_reason",
                            "started_at",
                            "homes",
                            "window_s",
                            "overlap",
                            "start_skew_ns",
                            "ops",
                            "ops_per_s",
                            "acquisitions",
                            "sites",
                            "wait_ns",
                            "longest_starvation_ns",
                            "jain",
                            "handoff",
                            "counters",
                            "counters_reason",
                            "counters_share",
                            "usage",
                            "events",
                            "uncontended"}) {
        out[key] = nullptr;
    }
    return out;
}

}  // namespace lockbench
