// SPDX-License-Identifier: MIT
// `lockbench machine`: this host on one screen, and as the `host` object of run.json.
#pragma once

#include <nlohmann/json.hpp>

namespace lockbench {

// The `host` object of run.json (results/README.md). sample_every 0: without measuring the harness's own cost, which
// takes a moment.
nlohmann::json describe_host(unsigned sample_every);

int machine_command(bool as_json);

}  // namespace lockbench
