// SPDX-License-Identifier: MIT
#include "bench/run_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "bench/errors.hpp"

namespace lockbench {
namespace {

using nlohmann::json;

using Test = bool (*)(const json&);

struct Type {
    const char* name;
    Test holds;
};

bool all_of(const json& list, Test test) { return list.is_array() && std::all_of(list.begin(), list.end(), test); }

constexpr Type kText = {"text", [](const json& value) { return value.is_string(); }};
constexpr Type kBool = {"true or false", [](const json& value) { return value.is_boolean(); }};
constexpr Type kNumber = {"a number", [](const json& value) { return value.is_number(); }};
constexpr Type kCount = {"a count", [](const json& value) { return value.is_number_unsigned(); }};
constexpr Type kObject = {"an object", [](const json& value) { return value.is_object(); }};
constexpr Type kObjects = {"a list of objects", [](const json& value) { return all_of(value, kObject.holds); }};
constexpr Type kTexts = {"a list of texts", [](const json& value) { return all_of(value, kText.holds); }};
constexpr Type kNumbersOrNull = {
    "an object of numbers or null", [](const json& value) {
        return value.is_null() || (value.is_object() && std::all_of(value.begin(), value.end(), kNumber.holds));
    }};
constexpr Type kObjectOrNull = {"an object or null",
                                [](const json& value) { return value.is_null() || value.is_object(); }};
constexpr Type kNumberOrNull = {"a number or null",
                                [](const json& value) { return value.is_null() || value.is_number(); }};
constexpr Type kHalf = {"\"a\", \"b\" or null",
                        [](const json& value) { return value.is_null() || value == "a" || value == "b"; }};

struct Wanted {
    const char* name;
    const Type& type;
};

void check_fields(const json& object, std::span<const Wanted> fields, const std::string& where,
                  const std::string& prefix = "") {
    for (const Wanted& field : fields) {
        if (!object.contains(field.name)) {
            throw UsageError(fmt::format("{} is damaged: it has no '{}{}'.", where, prefix, field.name));
        }
        if (!field.type.holds(object.at(field.name))) {
            throw UsageError(
                fmt::format("{} is damaged: '{}{}' is not {}.", where, prefix, field.name, field.type.name));
        }
    }
}

void check_object(const json& value, const std::string& where) {
    if (!value.is_object()) {
        throw UsageError(fmt::format("{} is damaged: it is not a JSON object.", where));
    }
}

constexpr Wanted kRun[] = {{"tool", kText},   {"status", kText},   {"started_at", kText},  {"host", kObject},
                           {"plan", kObject}, {"locks", kObjects}, {"workloads", kObjects}};
constexpr Wanted kPlan[] = {{"window_ms", kNumber}, {"warmup_ms", kNumber}};
constexpr Wanted kWorkload[] = {{"name", kText}, {"ops", kObjects}};
constexpr Wanted kOp[] = {{"name", kText}, {"headline", kBool}};
constexpr Wanted kWarning[] = {{"code", kText}, {"text", kText}};
constexpr Wanted kWindow[] = {{"platform", kText},
                              {"machine", kText},
                              {"workload", kText},
                              {"lock", kText},
                              {"params", kObject},
                              {"threads", kCount},
                              {"repetition", kCount},
                              {"block", kCount},
                              {"aa", kHalf},
                              {"flags", kTexts},
                              {"checks", kObject},
                              {"placement", kText},
                              {"lock_home", kText},
                              {"ops_per_s", kNumbersOrNull},
                              {"uncontended", kObjectOrNull}};
constexpr Wanted kMeasured[] = {{"order", kCount}, {"ops", kNumbersOrNull}, {"overlap", kNumberOrNull}};
constexpr Wanted kChecks[] = {{"passed", kBool}, {"failed", kTexts}};
constexpr Wanted kCost[] = {{"cost_ns", kNumber}, {"floor_ns", kNumber}, {"iterations", kCount}};
constexpr Wanted kCostParams[] = {{"mode", kText}, {"spacing", kText}};

}  // namespace

void check_run(const json& run, const std::string& where) {
    check_object(run, where);
    check_fields(run, kRun, where);
    check_fields(run.at("plan"), kPlan, where, "plan.");
    for (const json& workload : run.at("workloads")) {
        check_fields(workload, kWorkload, where, "workloads.");
        for (const json& op : workload.at("ops")) {
            check_fields(op, kOp, where, "workloads.ops.");
        }
    }
    if (run.contains("resumed")) {
        check_fields(run, std::initializer_list<Wanted>{{"resumed", kTexts}}, where);
    }
    if (run.at("host").contains("warnings")) {
        check_fields(run.at("host"), std::initializer_list<Wanted>{{"warnings", kObjects}}, where, "host.");
        for (const json& warning : run.at("host").at("warnings")) {
            check_fields(warning, kWarning, where, "host.warnings.");
        }
    }
    for (const char* fact : {"cpu", "memory", "load"}) {
        if (run.at("host").contains(fact)) {
            check_fields(run.at("host"), std::initializer_list<Wanted>{{fact, kObjectOrNull}}, where, "host.");
        }
    }
}

void check_window(const json& window, const std::string& where) {
    check_object(window, where);
    check_fields(window, kWindow, where);
    check_fields(window.at("checks"), kChecks, where, "checks.");
    if (window.at("workload") != "uncontended") {
        check_fields(window, kMeasured, where);
        return;
    }
    check_fields(window.at("params"), kCostParams, where, "params.");
    check_fields(window, std::initializer_list<Wanted>{{"uncontended", kObject}}, where);
    check_fields(window.at("uncontended"), kCost, where, "uncontended.");
}

}  // namespace lockbench
