// SPDX-License-Identifier: MIT
#include "bench/lists.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/counters.hpp"
#include "bench/counters_event_table.hpp"
#include "bench/errors.hpp"
#include "bench/host_setup.hpp"
#include "bench/nearest.hpp"
#include "bench/placement.hpp"
#include "bench/refusals.hpp"
#include "bench/uncontended.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

json locks_list() {
    json list = json::array();
    for (const LockRunner& runner : lock_runners()) {
        list.push_back(lock_to_json(runner.info));
    }
    return list;
}

json workloads_list() {
    json list = json::array();
    for (const WorkloadInfo* info : workload_infos()) {
        list.push_back(workload_to_json(*info));
    }
    return list;
}

json placements_list() {
    json list = json::array();
    install_host();
    for (const Placement placement : all_placements()) {
        const auto missing = lacks(host_topology(), placement);
        list.push_back({{"name", to_string(placement)},
                        {"what", placement_text(placement)},
                        {"available", !missing.has_value()},
                        {"reason", missing.has_value() ? json(*missing) : json(nullptr)}});
    }
    return list;
}

json counters_json() { return lockbench::counters_list(make_counter_provider({})->probe()); }

// The whole event table: what would be counted on which CPU.
json events_list() {
    json list = json::array();
    for (const EventTable& table : event_tables()) {
        for (const EventRow& row : table.rows) {
            const bool none = row.source == CounterSource::none;
            // By name it goes only where libpfm4 knows both the CPU and the event as the vendor does.
            const bool by_name = row.source == CounterSource::papi && table.tested != kTestedCodes;
            const std::string_view tested =
                table.tested == kTestedNamesAndCodes && !by_name ? kTestedByCode : table.tested;
            list.push_back(
                {{"cpus", table.cpus},
                 {"pmus", table.pmus},
                 {"counter", row.name},
                 {"counts", row.what_it_counts},
                 {"event", none ? json(nullptr) : json(row.event)},
                 {"by", none ? json(nullptr) : json(source_name(by_name ? row.source : CounterSource::kernel))},
                 {"code", none ? json(nullptr) : json(perf_syntax(row.code))},
                 {"level", row.level},
                 {"tested", none ? json(nullptr) : json(tested)},
                 {"counted_on", table.counted.empty() ? json(nullptr) : json(table.counted)},
                 {"reason", none ? json(row.absent) : json(nullptr)}});
        }
    }
    return list;
}

json params_list() {
    json list = json::array();
    for (const WorkloadInfo* info : workload_infos()) {
        for (const ParamInfo& param : info->params) {
            const std::vector<std::string> names(param.names.begin(), param.names.end());
            json entry = {
                {"workload", info->name}, {"key", param.key}, {"unit", param.unit}, {"default", param.default_value},
                {"min", param.min},       {"max", param.max}, {"help", param.help}, {"names", names}};
            if (!names.empty()) {
                entry["default"] = names[static_cast<std::size_t>(param.default_value)];
            }
            list.push_back(entry);
        }
    }
    return list;
}

void print_locks(const json& list) {
    fmt::print("{:<42} {:<10} {:<22} {:<5} {:<6} {:<18} {:>5}  {:<9}\n", "lock", "family", "era", "waits", "shared",
               "fairness", "bytes", "rmw r/w");
    for (const json& lock : list) {
        fmt::print("{:<42} {:<10} {:<22} {:<5} {:<6} {:<18} {:>5}  {}/{}{}\n", lock["name"].get<std::string>(),
                   lock["family"].get<std::string>(), lock["kernel_release"].get<std::string>(),
                   lock["kind"].get<std::string>(), lock["shared"].get<bool>() ? "yes" : "no",
                   lock["fairness"].get<std::string>(), lock["bytes"].get<int>(), lock["rmw_read"].get<int>(),
                   lock["rmw_write"].get<int>(), lock["control"].get<bool>() ? "  (control)" : "");
    }
    fmt::print(
        "\nshared no: readers exclude one another. rmw: atomic read-modify-writes of an uncontended acquire and "
        "release together.\n"
        "(control): for the harness's own tests, runs only when named in full. Origins: --json.\n");
}

void print_workloads(const json& list) {
    for (const json& workload : list) {
        fmt::print("{}\n  {}\n  source: {}\n  roles:", workload["name"].get<std::string>(),
                   workload["summary"].get<std::string>(), workload["source"].get<std::string>());
        for (const json& role : workload["roles"]) {
            fmt::print(" {}", role.get<std::string>());
        }
        fmt::print("\n  operations:");
        for (const json& op : workload["ops"]) {
            fmt::print(" {}{} ({})", op["name"].get<std::string>(), op["headline"].get<bool>() ? "*" : "",
                       op["unit"].get<std::string>());
        }
        fmt::print("\n");
    }
    fmt::print("\n*: shown in figures and verdicts. Parameters: lockbench list params.\n");
}

void print_counters(const json& list) {
    for (const json& entry : list) {
        fmt::print("{:<26} level {}: {}\n", entry["name"].get<std::string>(), entry["level"].get<int>(),
                   entry["counts"].get<std::string>());
        if (entry["available"].get<bool>()) {
            fmt::print("{:<26} by {}: {}\n", "", entry["by"].get<std::string>(), entry["event"].get<std::string>());
        } else {
            fmt::print("{:<26} not here: {}\n", "", entry["reason"].get<std::string>());
        }
    }
    fmt::print("\n");
    for (int level = kLevelTransfer; level <= kLevelNone; ++level) {
        fmt::print("level {}: {}\n", level, level_text(level));
    }
}

void print_events(const json& list) {
    std::string cpus;
    for (const json& entry : list) {
        if (cpus != entry["cpus"].get<std::string>()) {
            cpus = entry["cpus"].get<std::string>();
            fmt::print("{}\n", cpus);
        }
        const bool none = entry["event"].is_null();
        fmt::print("  {:<26} level {}  {}\n", entry["counter"].get<std::string>(), entry["level"].get<int>(),
                   none ? "none: " + entry["reason"].get<std::string>()
                        : fmt::format("{} ({}; {})", entry["event"].get<std::string>(), entry["by"].get<std::string>(),
                                      entry["code"].get<std::string>()));
    }
    fmt::print("\nHow each was tested, and on which hardware it was counted: --json, and docs/counters.md.\n");
}

void print_available(const json& list) {
    for (const json& entry : list) {
        fmt::print("{:<26} {}\n", entry["name"].get<std::string>(), entry["what"].get<std::string>());
        if (!entry["available"].get<bool>()) {
            fmt::print("{:<26} not here: {}\n", "", entry["reason"].get<std::string>());
        }
    }
}

void print_params(const json& list) {
    std::string workload;
    for (const json& param : list) {
        if (workload != param["workload"].get<std::string>()) {
            workload = param["workload"].get<std::string>();
            fmt::print("{}\n", workload);
        }
        const bool named = !param["names"].empty();
        const std::string range =
            named ? fmt::format("{}", fmt::join(param["names"].get<std::vector<std::string>>(), "|"))
                  : fmt::format("{}..{} {}", param["min"].get<std::int64_t>(), param["max"].get<std::int64_t>(),
                                param["unit"].get<std::string>());
        const std::string default_text =
            named ? param["default"].get<std::string>() : std::to_string(param["default"].get<std::int64_t>());
        fmt::print("  {:<24} {:<12} [{}]\n      {}\n", param["key"].get<std::string>(), default_text, range,
                   param["help"].get<std::string>());
    }
    fmt::print("\nset with --param workload.key=value[,value..]; a list sweeps.\n");
}

}  // namespace

json lock_to_json(const LockInfo& info) {
    return {{"name", info.name},
            {"family", info.family},
            {"kernel_release", info.kernel_release},
            {"kind", to_string(info.kind)},
            {"shared", info.shared},
            {"fairness", to_string(info.fairness)},
            {"hold_across_sleep", info.hold_across_sleep},
            {"bytes", info.bytes},
            {"rmw_read", info.rmw_read},
            {"rmw_write", info.rmw_write},
            {"origin", info.origin},
            {"killable", info.killable},
            {"downgrade", info.downgrade},
            {"irq_readers", info.irq_readers},
            {"free_after_unlock", info.free_after_unlock},
            {"is_locked", info.is_locked},
            {"convoys", info.convoys},
            {"control", info.control},
            {"floor_read", floor_of(info, Mode::read)},
            {"floor_write", floor_of(info, Mode::write)}};
}

json workload_to_json(const WorkloadInfo& info) {
    json ops = json::array();
    for (const OpInfo& op : info.ops) {
        ops.push_back({{"name", op.name}, {"unit", op.unit}, {"headline", op.headline}});
    }
    const std::vector<std::string> roles(info.roles.begin(), info.roles.end());
    return {{"name", info.name}, {"summary", info.summary}, {"roles", roles}, {"ops", ops}, {"source", info.origin}};
}

void list_command(const std::string& what, bool as_json) {
    const std::vector<std::string> kinds = {"locks",  "workloads", "placements", "counters",
                                            "events", "params",    "notifiers"};
    json list;
    if (what == "locks") {
        list = locks_list();
    } else if (what == "workloads") {
        list = workloads_list();
    } else if (what == "placements") {
        list = placements_list();
    } else if (what == "counters") {
        list = counters_json();
    } else if (what == "events") {
        list = events_list();
    } else if (what == "params") {
        list = params_list();
    } else if (what == "notifiers") {
        list = notifiers_list();
    } else {
        throw UsageError(fmt::format("list: '{}' is none of {}; the nearest is '{}'.", what, fmt::join(kinds, ", "),
                                     nearest(what, kinds)));
    }
    if (as_json) {
        fmt::print("{}\n", list.dump(1));
    } else if (what == "locks") {
        print_locks(list);
    } else if (what == "workloads") {
        print_workloads(list);
    } else if (what == "params") {
        print_params(list);
    } else if (what == "notifiers") {
        print_notifiers(list);
    } else if (what == "counters") {
        print_counters(list);
    } else if (what == "events") {
        print_events(list);
    } else {
        print_available(list);
    }
}

}  // namespace lockbench
