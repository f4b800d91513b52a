// SPDX-License-Identifier: MIT
// Placements: which thread runs on which CPU. Pure functions of a Topology.
//
// CPUs are numbered by the operating system; "order" below is hwloc's logical order, in which neighbours share most.
// Only CPUs that the process may use take part. The SMT rank is counted among those: where a mask hides a core's first
// thread, the second counts as first.
//
//   compact         as near as possible: the order itself, so both threads of a core come before the next core
//   smt_last        as near as possible with a core each: every core's first thread in order, then the second ones
//   spread          as far as possible: turn by turn over packages, in them over nodes, LLCs, cores; SMT last
//   one_node        all on the first node, a core each first; more threads than its CPUs share those CPUs
//   one_per_llc     the first CPU of each last-level cache, then the second of each, and so on
//   one_per_node    the same over nodes
//   readers_remote  writers on the first node, readers on the node farthest from it, of equals one with memory
//   unpinned        the scheduler decides, within the process's first mask
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/pin.hpp"
#include "bench/topology.hpp"
#include "platform/units.hpp"

namespace lockbench {

enum class Placement : unsigned char {
    compact,
    spread,
    smt_last,
    one_node,
    one_per_llc,
    one_per_node,
    readers_remote,
    unpinned
};
inline constexpr std::size_t kPlacementCount = 8;

std::string_view to_string(Placement placement);
// One sentence for 'lockbench list placements'.
std::string_view placement_text(Placement placement);
std::vector<Placement> all_placements();
std::vector<std::string> placement_names();
// Throws UsageError with the nearest name.
Placement parse_placement(std::string_view name);
// Names or globs; throws UsageError for the first that matches no placement.
void check_placement_names(const std::vector<std::string>& globs);

// What a thread does to the lock, as far as placing it matters.
enum class Side : unsigned char { writer, reader };

struct Plan {
    Placement placement = Placement::compact;
    std::vector<CpuId> cpus;      // one a thread; kNoCpu: not pinned
    bool wrapped = false;         // a node or LLC that the name promises to one thread, or a CPU, has several
    bool oversubscribed = false;  // more threads than CPUs to run them on
    std::string note;             // one sentence about what the flags mean here; else empty
};

// `sides`: one a thread, read by readers_remote only. Empty: the first half writes, rounded up.
Plan plan(const Topology& topology, Placement placement, std::size_t threads, std::span<const Side> sides = {});

// Why this machine cannot have the placement at all.
struct Lack {
    std::string needs;                 // "two last-level caches"
    std::string has;                   // "the usable CPUs of this machine share one"
    std::optional<Placement> instead;  // what it would come to
};
// Nothing if the machine can have it.
std::optional<Lack> lack_of(const Topology& topology, Placement placement);
// The same as a sentence.
std::optional<std::string> lacks(const Topology& topology, Placement placement);
// The first of `among` that gives the same CPU to each thread for all of `thread_counts`, whichever threads read.
std::optional<Placement> same_as(const Topology& topology, Placement placement, std::span<const Placement> among,
                                 std::span<const std::size_t> thread_counts);

struct ChosenPlacements {
    std::vector<Placement> run;
    std::vector<std::string> notes;  // a sentence for each that was asked for and does not run
};
// What runs where no placement is named: a core for each thread while there are cores. That is compact, except where
// several usable CPUs share a core; there it is smt_last, because two threads of compact would then be measured on one
// core, whose halves slow each other and hand a lock over without leaving it.
Placement default_placement(const Topology& topology);

// What to run of the names and globs asked for: nothing twice. None asked for: the default. A placement that the
// machine lacks is left out with a note if a glob brought it, and is a HostError if it was named. Globs alone put the
// default first, because the first placement of a run carries the A/A pairs.
ChosenPlacements choose_placements(const Topology& topology, const std::vector<std::string>& globs,
                                   std::span<const std::size_t> thread_counts);

struct ThreadCount {
    std::size_t threads = 0;
    bool oversubscribed = false;
};
// For --threads=auto: powers of two, the number of usable cores and that of usable CPUs; with `beyond`, 1.25 and 2
// times the CPUs too.
std::vector<ThreadCount> auto_threads(const Topology& topology, bool beyond = false);

}  // namespace lockbench
