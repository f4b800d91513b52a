// SPDX-License-Identifier: MIT
// Descriptions of machines that somebody else wrote: what is asked of them before hwloc reads them and after.
//
// hwloc trusts what it reads. It takes files whose objects contradict one another, follows nesting until the stack
// ends, and makes bitmaps of half a gigabyte for one wrong number. So such a description is first read in a process of
// its own, with little memory and time; only what that process comes through with is read here.
#pragma once

#include <hwloc.h>

#include <cstdint>
#include <functional>
#include <string>

namespace lockbench {

// A machine of 2000 CPUs exports some 40 MiB, the largest of ordinary ones below 1 MiB.
inline constexpr std::uintmax_t kMostXmlBytes = std::uintmax_t{64} << 20U;
// More than any node has: 4 PiB. A negative size in a description comes out as some 2^64.
inline constexpr std::uint64_t kMostNodeBytes = std::uint64_t{1} << 52U;

// The whole file. Throws HostError, which names it: no file, unreadable, too large.
[[nodiscard]] std::string read_xml_file(const std::string& path);

// Runs `load` in a child that may take 1 GiB of memory and 5 s of CPU time. Throws the HostError that it threw, or one
// that says how the child died. To be called while the process has one thread.
void try_in_child(const std::string& source, const std::function<void()>& load);

// Throws HostError for a synthetic description of more CPUs than are supported, which would take minutes to build.
void require_few_cpus(const std::string& description, const std::string& source);

// Throws HostError for a topology that hwloc has loaded and that no machine can have: no CPUs, CPUs twice, numbers out
// of range.
void require_sound(hwloc_topology_t topology, const std::string& source);

// hwloc's own look at the whole tree. It ends the process where the tree contradicts itself: for the child only.
void let_hwloc_check(hwloc_topology_t topology);

}  // namespace lockbench
