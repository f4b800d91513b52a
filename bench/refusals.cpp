// SPDX-License-Identifier: MIT
#include "bench/refusals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench/errors.hpp"
#include "bench/record.hpp"
#include "workloads/second_mmu.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

constexpr const char* kOverride = "Pass --allow-illegal to run it all the same and see what breaks.";

// The parameters that decide, as on a command line.
std::string set_params(const WorkloadInfo& info, const json& params) {
    std::vector<std::string> texts;
    for (const ParamInfo& param : info.params) {
        if (param.key == "client" || param.key == "policy") {
            texts.push_back(fmt::format("{}={}", param.key, params.at(std::string(param.key)).get<std::string>()));
        }
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

bool is_illegal(const WorkloadInfo& workload, const LockInfo& lock, const ParamValues& params) {
    return workload.refusal != nullptr && !workload.refusal(lock, params).empty();
}

bool Refusals::refuse(const WorkloadInfo& workload, const LockInfo& lock, const ParamValues& params) {
    if (allow_ || !is_illegal(workload, lock, params)) {
        return false;
    }
    const json named = params_to_json(workload, params);
    json cell = {{"lock", lock.name},
                 {"workload", workload.name},
                 {"params", named},
                 {"cell", fmt::format("{} with {} on {}", workload.name, set_params(workload, named), lock.name)},
                 {"why", workload.refusal(lock, params)}};
    if (std::find(cells_.begin(), cells_.end(), cell) == cells_.end()) {
        cells_.push_back(std::move(cell));
    }
    return true;
}

void Refusals::conclude(bool anything_left, std::vector<std::string>& notes) const {
    if (cells_.empty()) {
        return;
    }
    if (!anything_left) {
        const json& first = cells_.front();
        throw UsageError(fmt::format("{} is illegal: {}. {}{}", first.at("cell").get<std::string>(),
                                     first.at("why").get<std::string>(),
                                     cells_.size() == 1 ? "" : "So are all others that were asked for. ", kOverride));
    }
    std::map<std::string, std::vector<std::string>> by_reason;
    for (const json& cell : cells_) {
        by_reason[cell.at("why").get<std::string>()].push_back(cell.at("cell").get<std::string>());
    }
    for (const auto& [why, cells] : by_reason) {
        notes.push_back(fmt::format("refused as illegal: {}{}: {}.", cells.front(),
                                    cells.size() == 1 ? "" : fmt::format(" and {} more", cells.size() - 1), why));
    }
}

json notifiers_list() {
    json list = json::array();
    for (std::size_t client = 0; client < kDeviceKinds; ++client) {
        for (std::size_t policy = 0; policy < kCallPolicies; ++policy) {
            for (const WaitKind kind : {WaitKind::sleep, WaitKind::spin}) {
                const std::string_view why =
                    illegal_because(static_cast<CallPolicy>(policy), static_cast<DeviceKind>(client), kind);
                list.push_back({{"client", kDeviceNames[client]},
                                {"policy", kCallPolicyNames[policy]},
                                {"lock_kind", to_string(kind)},
                                {"legal", why.empty()},
                                {"reason", why.empty() ? json(nullptr) : json(why)}});
            }
        }
    }
    return list;
}

void print_notifiers(const json& list) {
    const auto legal = [&list](std::string_view client, std::string_view policy, std::string_view kind) {
        return std::any_of(list.begin(), list.end(), [&](const json& entry) {
            return entry["client"] == client && entry["policy"] == policy && entry["lock_kind"] == kind &&
                   entry["legal"].get<bool>();
        });
    };
    fmt::print("{:<8}", "client");
    for (const std::string_view policy : kCallPolicyNames) {
        fmt::print(" {:<9}", policy);
    }
    fmt::print("\n");
    for (const std::string_view client : kDeviceNames) {
        fmt::print("{:<8}", client);
        for (const std::string_view policy : kCallPolicyNames) {
            const bool sleeping = legal(client, policy, to_string(WaitKind::sleep));
            const bool spinning = legal(client, policy, to_string(WaitKind::spin));
            fmt::print(" {:<9}", spinning ? "any lock" : sleeping ? "sleeping" : "illegal");
        }
        fmt::print("\n");
    }
    fmt::print(
        "\nany lock: legal; sleeping: legal with a lock whose waiters sleep; illegal: runs with --allow-illegal "
        "alone.\nReasons: --json.\n\nclients\n");
    for (const DeviceInfo& info : kDeviceInfos) {
        fmt::print("  {:<8} {}\n", info.name, info.what);
    }
    fmt::print("\npolicies: reclaim calls the device\n");
    for (const CallPolicyInfo& info : kCallPolicyInfos) {
        fmt::print("  {:<8} {}\n", info.name, info.what);
    }
}

}  // namespace lockbench
