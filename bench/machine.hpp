// SPDX-License-Identifier: MIT
// `lockbench machine`: this host on one screen, and as the `host` object of run.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockbench {

// The `host` object of run.json (results/README.md). sample_every 0: without measuring the harness's own cost, which
// takes a moment. `multiplex`: the counters as a run finds them whose hardware events take turns.
nlohmann::json describe_host(unsigned sample_every, bool multiplex = false);

struct MachineOptions {
    bool as_json = false;
    std::string topology;  // of another machine, which is drawn and not measured; empty: this one
    std::string cpus;      // of the other machine, as a list; empty: all
};

int machine_command(const MachineOptions& options);

}  // namespace lockbench
