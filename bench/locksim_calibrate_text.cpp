// SPDX-License-Identifier: MIT
// A calibration as a table and as JSON.
#include <fmt/format.h>

#include "bench/locksim_calibrate.hpp"

namespace lockbench {

using nlohmann::json;

std::string calibration_text(const Calibration& calibration) {
    std::string text = fmt::format("{:<16} {:<34} {:>34}  {:>10}  {:>7}  {}\n", "probe", "where",
                                   "here, ns: fastest third [range]", "simulated", "error", "sets");
    for (const ProbeRow& row : calibration.rows) {
        text +=
            fmt::format("{:<16} {:<34} {:>34}  {:>10.2f}  {:>+6.1f} %  {}\n", text_of(row.kind).name, row.place_text(),
                        fmt::format("{:.2f} [{:.2f}, {:.2f}]", row.here.median, row.here.least, row.here.most),
                        row.simulated, row.error() * 100, row.sets.empty() ? "nothing: predicted" : row.sets);
    }
    for (const std::string& note : calibration.notes) {
        text += "note: " + note + "\n";
    }
    return text;
}

json calibration_json(const Calibration& calibration) {
    json rows = json::array();
    for (const ProbeRow& row : calibration.rows) {
        rows.push_back({{"probe", text_of(row.kind).name},
                        {"what", text_of(row.kind).what},
                        {"cpus", row.cpus},
                        {"here_ns", {{"median", row.here.median}, {"least", row.here.least}, {"most", row.here.most}}},
                        {"simulated_ns", row.simulated},
                        {"error", row.error()},
                        {"sets", row.sets.empty() ? json() : json(row.sets)}});
    }
    return {{"rows", rows}, {"notes", calibration.notes}};
}

}  // namespace lockbench
