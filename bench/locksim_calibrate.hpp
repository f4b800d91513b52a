// SPDX-License-Identifier: MIT
// This host as a simulated machine: the probes of bench/probes.hpp run here, give the machine its numbers, run there,
// and say how well they fit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/locksim_machine.hpp"
#include "bench/probe_places.hpp"

namespace lockbench {

struct Calibration {
    SimMachine machine;
    std::vector<ProbeRow> rows;
    std::vector<std::string> notes;  // what this host could not tell
};

struct CalibrateOptions {
    std::uint32_t windows = 11;
    Nanoseconds window_ns = 20'000'000;
};

// Measures this host, and tells of its progress on stderr. Throws HostError where it cannot.
Calibration calibrate(const CalibrateOptions& options);

// What `--machine=` calls this host.
inline constexpr std::string_view kThisMachine = "this";

// A folder for a machine's file and its topology. It is made, or must be empty: throws UsageError or HostError.
class MachineFolder {
  public:
    explicit MachineFolder(const std::filesystem::path& folder);
    void write(const SimMachine& machine) const;
    [[nodiscard]] std::string file() const { return (folder_ / "machine.json").string(); }

  private:
    std::filesystem::path folder_;
};

// Native and simulated, side by side.
std::string calibration_text(const Calibration& calibration);
nlohmann::json calibration_json(const Calibration& calibration);

}  // namespace lockbench
