// SPDX-License-Identifier: MIT
// The machine as lockbench sees it: hardware threads, what they share, NUMA nodes and the distances between them.
//
// A plain value. It is loaded by hwloc from this system, from a synthetic description or from an XML file, and can also
// be written by hand; everything that is asked of it afterwards is a pure function, so that a plan for an eight-socket
// machine can be tested on two CPUs. Only a topology that is this system may be used for pinning (require_this_system).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "platform/stats.hpp"
#include "platform/units.hpp"

namespace lockbench {

// One hardware thread. package, llc and core are dense numbers in hwloc's logical order; node is the operating system's
// number.
struct Cpu {
    CpuId os_index = 0;
    int package = 0;
    NodeId node = 0;  // the node whose memory is local: the first one on the way up
    int llc = 0;      // the outermost cache above the CPU
    int core = 0;
    int smt_rank = 0;     // place among the CPUs of its core, by counting them
    bool allowed = true;  // by the cpuset and by the process's affinity mask
};

struct NumaNode {
    NodeId os_index = 0;
    std::uint64_t memory_bytes = 0;  // 0: no memory, or unknown if it is 0 on every node
    bool allowed = true;             // by the cpuset's memory nodes
    std::vector<CpuId> cpus;         // allowed or not; a CPU belongs to one node only
};

struct LastCache {
    int level = 0;            // 3: an L3; 0: there is no cache and the package stands for it
    std::uint64_t bytes = 0;  // 0: not told
};

struct Topology {
    std::vector<Cpu> cpus;               // hwloc's logical order: neighbours share most
    std::vector<NumaNode> nodes;         // hwloc's logical order; operating-system numbers may be sparse
    std::vector<LastCache> last_caches;  // by Cpu::llc; empty in a topology written by hand
    std::vector<CpuId> offline;          // the machine has them, its kernel does not run them; they are not in cpus
    // node_distances[i][j]: the firmware's figure from nodes[i] to nodes[j] (10: local; no unit), 0: not told. Empty:
    // there is none.
    std::vector<std::vector<std::uint64_t>> node_distances;
    bool is_this_system = false;
    std::string source;                  // "this system", "synthetic: ...", "XML: ..."
    std::string xml;                     // as hwloc writes it; empty for a topology written by hand
    std::vector<std::string> notes;      // what was missing and what stands for it, and which CPUs are hidden
    std::vector<std::string> stand_ins;  // those of the notes that make labels a guess
    bool nodes_told = true;              // false: hwloc made up one node for all CPUs

    [[nodiscard]] std::vector<Cpu> usable() const;
    [[nodiscard]] const Cpu* find(CpuId cpu) const;
    [[nodiscard]] const NumaNode* find_node(NodeId node) const;
    // kAnyNode for a CPU that is not there.
    [[nodiscard]] NodeId node_of(CpuId cpu) const;
    [[nodiscard]] std::vector<NodeId> node_numbers() const;
    // Nodes that own an allowed CPU, in the order of their first one.
    [[nodiscard]] std::vector<NodeId> nodes_with_cpus() const;
    // Nodes from which this process may take memory.
    [[nodiscard]] std::vector<NodeId> nodes_with_memory() const;
    [[nodiscard]] bool has_memory(const NumaNode& node) const;
    [[nodiscard]] std::size_t count_packages() const;
    [[nodiscard]] std::size_t count_llcs() const;
    [[nodiscard]] std::size_t count_cores() const;

    // Nothing where the machine does not tell.
    [[nodiscard]] std::optional<std::uint64_t> node_distance(NodeId from, NodeId to) const;
    // The node of `among` that is farthest from `from`: by the node distances if they are told for all of `among`, else
    // another package counts as farther. Of equally far ones the first that gives memory, else the first; `from` only
    // if there is no other. `among` must not be empty.
    [[nodiscard]] NodeId farthest_node(NodeId from, std::span<const NodeId> among) const;

    // The innermost thing that two CPUs share. The first that fits, in the order of the names: where an LLC spans nodes
    // (sub-NUMA clusters), two CPUs under it are same_llc; where a node spans packages, two CPUs in it are same_node.
    // unknown: a CPU is not there.
    [[nodiscard]] Distance distance(CpuId a, CpuId b) const;
    // One more than the largest CPU number: the side of the table below.
    [[nodiscard]] std::size_t table_side() const;
    // Row-major square of Distance values by operating-system number.
    [[nodiscard]] std::vector<std::uint8_t> distance_table() const;

    // Throws HostError.
    void export_xml(const std::string& path) const;
    void require_this_system() const;
};

// Where the two descriptions of one machine differ in what labels are made of (CPUs, nodes, packages, LLCs, cores), in
// words; nothing if they agree.
[[nodiscard]] std::optional<std::string> difference(const Topology& claimed, const Topology& own);

// `mask`: the CPUs that the process may use, in place of the kernel's answer; on a topology that is not this system, no
// mask means all.
struct LoadOptions {
    std::optional<std::vector<CpuId>> mask;
};

// Reads this system. hwloc's own environment applies (HWLOC_XMLFILE, HWLOC_SYNTHETIC), so is_this_system may be false.
// To be called before the calling thread is pinned. All throw HostError: a broken or too new file, a wrong description,
// no CPU left to use.
Topology load_this_system(const LoadOptions& options = {});
// The names of hwloc's environment variables that are set and replace this system by something else.
std::vector<std::string> replacing_variables();
// This system without them.
Topology load_own_system(const LoadOptions& options = {});
Topology load_synthetic(const std::string& description, const LoadOptions& options = {});
Topology load_xml_text(const std::string& text, const std::string& source, const LoadOptions& options = {});

}  // namespace lockbench
