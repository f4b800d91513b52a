// SPDX-License-Identifier: MIT
#include "bench/benchmark_json.hpp"

#include <fmt/format.h>

#include <map>
#include <string>

namespace lockbench {
namespace {

using nlohmann::json;

json entry_of(const std::string& name, const json& window, double ns, std::int64_t iterations) {
    return {{"name", name},
            {"run_name", name},
            {"run_type", "iteration"},
            {"repetition_index", window.at("repetition")},
            {"threads", window.at("threads")},
            {"iterations", iterations},
            {"real_time", ns},
            {"cpu_time", ns},
            {"time_unit", "ns"}};
}

// The parts of the key that tell cells of one run apart.
std::string cell_name(const json& window, const std::string& op) {
    std::string name =
        fmt::format("{}/{}/{}", window.at("workload").get<std::string>(), op, window.at("lock").get<std::string>());
    if (window.at("aa") == "b") {
        name += "/aa_b";
    }
    for (const json& flag : window.at("flags")) {
        if (flag == "untimed") {
            name += "/untimed";
        }
    }
    return fmt::format("{}/{}/{}/threads:{}", name, window.at("placement").get<std::string>(),
                       window.at("lock_home").get<std::string>(), window.at("threads").get<int>());
}

void add_window(json& benchmarks, const json& window,
                const std::map<std::string, std::vector<std::string>>& headlines) {
    const auto ops = headlines.find(window.at("workload").get<std::string>());
    if (ops == headlines.end() || !window.at("ops_per_s").is_object()) {
        return;
    }
    for (const std::string& op : ops->second) {
        const double rate = window.at("ops_per_s").value(op, 0.0);
        if (rate <= 0) {
            continue;
        }
        json entry = entry_of(cell_name(window, op), window, 1e9 / rate, window.at("ops").value(op, std::int64_t{0}));
        entry["items_per_second"] = rate;
        entry["overlap"] = window.at("overlap");
        entry["order"] = window.at("order");
        benchmarks.push_back(entry);
    }
}

}  // namespace

json benchmark_json(const json& run, const std::vector<json>& windows) {
    std::map<std::string, std::vector<std::string>> headlines;
    for (const json& workload : run.at("workloads")) {
        for (const json& op : workload.at("ops")) {
            if (op.at("headline").get<bool>()) {
                headlines[workload.at("name")].push_back(op.at("name"));
            }
        }
    }
    json benchmarks = json::array();
    for (const json& window : windows) {
        if (window.at("workload") != "uncontended") {
            add_window(benchmarks, window, headlines);
            continue;
        }
        const json& params = window.at("params");
        const std::string name =
            fmt::format("uncontended/{}/{}/{}", window.at("lock").get<std::string>(),
                        params.at("mode").get<std::string>(), params.at("spacing").get<std::string>());
        const json& cost = window.at("uncontended");
        benchmarks.push_back(entry_of(name, window, cost.at("cost_ns"), cost.at("iterations")));
        benchmarks.back()["floor_ns"] = cost.at("floor_ns");
    }
    const json& host = run.at("host");
    const json cpu = host.value("cpu", json::object());
    // Google Benchmark's tools want numbers, also where a host does not tell.
    const auto number_or_0 = [&cpu](const char* name) {
        return cpu.is_object() && cpu.contains(name) && cpu[name].is_number() ? cpu[name] : json(0);
    };
    return {{"context",
             {{"date", run.at("started_at")},
              {"host_name", "unnamed"},  // a recorded run must not name its owner's machine
              {"executable", "lockbench"},
              {"num_cpus", number_or_0("cpus")},
              {"mhz_per_cpu", number_or_0("mhz")},
              {"cpu_scaling_enabled", false},
              {"caches", json::array()},
              {"load_avg", json::array()},
              {"library_build_type", "release"},
              {"lockbench_commit", host.value("commit", json(nullptr))},
              {"lockbench_status", run.at("status")}}},
            {"benchmarks", benchmarks}};
}

}  // namespace lockbench
