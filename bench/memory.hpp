// SPDX-License-Identifier: MIT
// Memory on a chosen NUMA node, and proof of where it lies.
//
// Memory is mapped, bound (MPOL_BIND, so that neither a full node nor automatic NUMA balancing moves it elsewhere) and
// then written to, page by page: binding works on pages that do not exist yet, and only a page that exists can be
// looked up. Where it came to lie is asked of move_pages(2) afterwards. What the kernel does not let us do (no NUMA, a
// container's filter) is recorded as a sentence, and the run goes on with memory that is not bound; a node that does
// not exist ends it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "platform/units.hpp"

namespace lockbench {

// Beside kAnyNode (first touch): pages in turn over all nodes from which the process may take memory.
inline constexpr NodeId kInterleaveNodes = -2;

// Pages found on each node; negative keys are errno values of pages that could not be looked up.
using NodePages = std::map<NodeId, std::uint64_t>;

namespace memory {

// Zeroed, page-aligned memory of `bytes`, rounded up to pages, every page written to. For kAnyNode the pages are left
// untouched. Ends the process with a message (exit code 3) when there is no such node or no memory left. Any thread may
// call it.
void* alloc(std::size_t bytes, NodeId node);
void release(void* base, std::size_t bytes);

// Why memory could not be bound as asked, each reason once, since the program started.
std::vector<std::string> problems();
// Operating-system numbers of the nodes from which this process may take memory; {0} where the kernel has no NUMA.
const std::vector<NodeId>& nodes();
// Empty if memory can be bound; else why not.
const std::string& why_not_bound();

// A policy that the caller left to this process (numactl, set_mempolicy before exec) rules all memory that is not
// bound: stacks, heap, first touch.
struct CallersPolicy {
    std::string was;        // "interleave over nodes 0,1"; empty: none
    std::string still_why;  // why it could not be dropped; empty: it is gone
};
// Drops it, so that first touch means what it says. To be called first thing, by one thread.
CallersPolicy drop_callers_policy();

}  // namespace memory

// Adds where the pages of [base, base + bytes) lie. Pages never written to are counted under -ENOENT or -EFAULT, by the
// kernel's release.
void count_pages(NodePages& pages, const void* base, std::size_t bytes);

// What was asked of a piece of memory and what came of it.
struct HomeReport {
    NodeId asked = kAnyNode;
    NodePages got;

    // Pages that lie elsewhere than asked, untouched ones apart. Interleaved: those on nodes that are not `nodes`, and
    // those beyond an even share. First touch: none.
    [[nodiscard]] std::uint64_t misplaced(std::span<const NodeId> nodes) const;
    [[nodiscard]] std::uint64_t pages() const;    // that exist
    [[nodiscard]] std::uint64_t unknown() const;  // that could not be looked up or were never touched
    // All of it was found where it was asked for; first touch asks for nothing. Interleaved memory comes in chunks,
    // each of which begins its turn where its address says, so a share may be off by some pages; where the kernel did
    // not take the binding it is off by half of all pages or more. `nodes`: those that memory may be taken from.
    [[nodiscard]] bool verified(std::span<const NodeId> nodes) const;
};

}  // namespace lockbench
