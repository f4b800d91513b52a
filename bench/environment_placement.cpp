// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "bench/environment_facts.hpp"

namespace lockbench {

Text cpus_hidden(const nlohmann::json& host) {
    const Text cpus = text(host, "placement", "hidden_cpus");
    if (!cpus) {
        return std::nullopt;
    }
    return fmt::format(
        "This process may not use CPUs {} of the machine (affinity mask or control group): what runs there shares "
        "caches "
        "and memory with the measured CPUs. Start without taskset and outside the container.",
        *cpus);
}

Text topology_guessed(const nlohmann::json& host) {
    const nlohmann::json* notes = find(host, "placement", "stand_ins");
    if (notes == nullptr || !notes->is_array() || notes->empty()) {
        return std::nullopt;
    }
    std::string all;
    for (const nlohmann::json& note : *notes) {
        all += (all.empty() ? "" : "; ") + (note.is_string() ? note.get<std::string>() : note.dump());
    }
    return fmt::format(
        "The machine does not tell its whole topology ({}): placements and the distances of hand-offs rest on what "
        "stands "
        "in for it.",
        all);
}

Text no_sysfs(const nlohmann::json& host) {
    if (truth(host, "placement", "sysfs").value_or(true)) {
        return std::nullopt;
    }
    return "sysfs is not there, so governor, SMT, nodes and caches are not told by the kernel and their warnings are "
           "silent: mount it (as root: mount -t sysfs sysfs /sys).";
}

Text memory_policy(const nlohmann::json& host) {
    const Text policy = text(host, "placement", "memory_policy");
    if (!policy) {
        return std::nullopt;
    }
    if (const Text why = text(host, "placement", "memory_policy_kept")) {
        return fmt::format(
            "The caller set a memory policy ({}) that cannot be dropped ({}): memory that is not bound, first touch "
            "included, follows it. Start without numactl.",
            *policy, *why);
    }
    return fmt::format(
        "The caller set a memory policy ({}): it was dropped, and memory lies where --lock-home says. Start without "
        "numactl to be rid of this warning.",
        *policy);
}

Text memory_unbound(const nlohmann::json& host) {
    const Text why = text(host, "placement", "memory_unbound");
    if (!why) {
        return std::nullopt;
    }
    return fmt::format(
        "Memory is not bound to nodes: {}. Run outside the container, or allow mbind, get_mempolicy and "
        "move_pages in its filter.",
        *why);
}

}  // namespace lockbench
