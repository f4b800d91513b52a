// SPDX-License-Identifier: MIT
#include "bench/probe_places.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockbench {

using sim::Hop;

Hop hop_between(const Cpu& a, const Cpu& b) {
    return a.llc == b.llc ? Hop::same_llc : a.package == b.package ? Hop::same_package : Hop::one_hop;
}

std::string ProbeRow::place_text() const {
    switch (place) {
        case ProbePlace::alone:
            return fmt::format("CPU {}", cpus[0]);
        case ProbePlace::shared_cpu:
            return fmt::format("CPU {}, both threads", cpus[0]);
        default:
            return fmt::format("CPUs {} and {}, {}", cpus[0], cpus[1], sim::kHopNames[static_cast<std::size_t>(hop)]);
    }
}

std::vector<ProbeRow> probe_rows(const Topology& topology) {
    const std::vector<Cpu> usable = topology.usable();
    std::vector<ProbeRow> rows;
    const auto add = [&rows](ProbeKind kind, ProbePlace place, Hop hop, std::vector<CpuId> cpus) {
        ProbeRow row;
        row.kind = kind;
        row.place = place;
        row.hop = hop;
        row.cpus = std::move(cpus);
        rows.push_back(std::move(row));
    };
    const CpuId first = usable.front().os_index;
    for (std::size_t kind = 0; kind < kProbeKinds; ++kind) {
        if (kProbeTexts[kind].threads == 1) {
            add(static_cast<ProbeKind>(kind), ProbePlace::alone, Hop::same_llc, {first});
        }
    }
    add(ProbeKind::hand_over, ProbePlace::shared_cpu, Hop::same_llc, {first, first});
    for (const Hop hop : {Hop::same_llc, Hop::same_package, Hop::one_hop}) {
        const auto found = std::find_if(usable.begin(), usable.end(), [&](const Cpu& cpu) {
            return cpu.core != usable.front().core && hop_between(usable.front(), cpu) == hop;
        });
        if (found != usable.end()) {
            for (const ProbeKind kind : {ProbeKind::cas_exchange, ProbeKind::store_exchange, ProbeKind::hand_over}) {
                add(kind, ProbePlace::apart, hop, {first, found->os_index});
            }
        }
    }
    return rows;
}

}  // namespace lockbench
