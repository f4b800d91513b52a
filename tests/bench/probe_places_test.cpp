// SPDX-License-Identifier: MIT
// Which CPUs the probes of a calibration run on: one pair of cores for each distance that a machine has.
#include "bench/probe_places.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace lockbench {
namespace {

using sim::Hop;

// The second CPU of each pair that passes a line, by distance; each distance once.
std::map<Hop, CpuId> pairs_of(const std::string& description, const LoadOptions& options = {}) {
    const Topology topology = load_synthetic(description, options);
    std::map<Hop, CpuId> pairs;
    std::multiset<ProbeKind> alone;
    for (const ProbeRow& row : probe_rows(topology)) {
        EXPECT_EQ(row.cpus.size(), text_of(row.kind).threads) << text_of(row.kind).name;
        EXPECT_EQ(row.cpus.front(), topology.usable().front().os_index);
        if (row.place == ProbePlace::alone) {
            alone.insert(row.kind);
        } else if (row.place == ProbePlace::shared_cpu) {
            EXPECT_EQ(row.kind, ProbeKind::hand_over);
            EXPECT_EQ(row.cpus.front(), row.cpus.back());
        } else if (row.kind == ProbeKind::cas_exchange) {
            EXPECT_TRUE(pairs.emplace(row.hop, row.cpus.back()).second);
        }
    }
    for (std::size_t kind = 0; kind < kProbeKinds; ++kind) {
        EXPECT_EQ(alone.count(static_cast<ProbeKind>(kind)), kProbeTexts[kind].threads == 1 ? 1U : 0U);
    }
    return pairs;
}

TEST(probe_places, one_pair_a_distance) {
    EXPECT_EQ(pairs_of("pack:1 l3:1 core:2 pu:1"), (std::map<Hop, CpuId>{{Hop::same_llc, 1}}));
    // Siblings share a core's cache: nothing passes between them.
    EXPECT_EQ(pairs_of("pack:1 l3:1 core:2 pu:2"), (std::map<Hop, CpuId>{{Hop::same_llc, 2}}));
    EXPECT_EQ(pairs_of("pack:2 [numa] l3:2 core:2 pu:1"),
              (std::map<Hop, CpuId>{{Hop::same_llc, 1}, {Hop::same_package, 2}, {Hop::one_hop, 4}}));
    EXPECT_EQ(pairs_of("pack:2 [numa] l3:1 core:1 pu:1"), (std::map<Hop, CpuId>{{Hop::one_hop, 1}}));
}

TEST(probe_places, a_single_core_has_no_pair) {
    EXPECT_TRUE(pairs_of("pack:1 l3:1 core:1 pu:2").empty());
    LoadOptions options;
    options.mask = std::vector<CpuId>{3};
    EXPECT_TRUE(pairs_of("pack:1 l3:1 core:4 pu:1", options).empty());
}

TEST(probe_places, only_usable_cpus) {
    LoadOptions options;
    options.mask = std::vector<CpuId>{1, 6, 7};
    EXPECT_EQ(pairs_of("pack:2 [numa] l3:1 core:4 pu:1", options), (std::map<Hop, CpuId>{{Hop::one_hop, 6}}));
}

}  // namespace
}  // namespace lockbench
