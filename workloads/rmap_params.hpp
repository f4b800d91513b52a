// SPDX-License-Identifier: MIT
// What the rmap workloads may be told, as data.
//
// Defaults marked "estimate" are shapes of processes as they are commonly seen, not published measurements; a result
// says with which values it was got.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "platform/check.hpp"
#include "platform/platform.hpp"
#include "workloads/rmap_ops.hpp"

namespace lockbench {

enum class TlbModel : std::uint32_t { off, per_pte_ipi, batched, as_form };
// Whose paths: Linux 3.12's, or those of the kernels since about 6.3.
enum class RmapForm : std::uint32_t { linux_3_12, today };
// A single trait of a form, which may be chosen apart from it.
enum class Trait : std::uint32_t { as_form, off, on };

// Values of all parameters. One that a workload does not offer has its least value: nothing of that.
struct RmapConfig {
    RmapForm form = RmapForm::linux_3_12;
    bool fork_reuse = false;
    bool gives_up = false;
    std::uint32_t anon_vmas = 0;
    std::uint32_t fresh_vmas = 0;
    std::uint32_t file_vmas = 0;
    std::uint32_t pages = 0;
    std::uint32_t children = 0;
    std::uint32_t generations = 0;
    std::uint32_t touch_permille = 0;
    std::uint32_t source_touch = 0;
    std::uint32_t grow_pages = 0;
    Nanoseconds process_ns = 0;
    Nanoseconds copy_ns = 0;
    Nanoseconds write_hold_ns = 0;
    Nanoseconds read_hold_ns = 0;
    Layout layout = Layout::packed;
    std::uint32_t nowait_fail = 0;
    std::uint32_t alloc_fail = 0;
    std::uint32_t batch = 0;
    TlbModel tlb = TlbModel::off;
    Nanoseconds ipi_ns = 0;
    std::uint32_t running_permille = 0;
    Nanoseconds swap_ns = 0;
    std::uint32_t retouch_permille = 0;
    Nanoseconds page_copy_ns = 0;
    std::uint32_t write_permille = 0;
    std::uint32_t fork_permille = 0;
    std::uint32_t compact_permille = 0;
    std::uint32_t brk_pages = 0;
    std::uint32_t buffers = 0;
    std::uint32_t succeed_permille = 0;
    std::uint32_t move_permille = 0;
    std::uint32_t replace_permille = 0;
    std::uint32_t grow_permille = 0;
    std::uint32_t lifetime = 0;
    std::uint32_t files = 0;
    std::uint32_t truncate_permille = 0;
    std::array<std::uint8_t, kRmapOpCount> op_index{};  // of each in the workload's list; kUnlisted: not there
};
inline constexpr std::uint8_t kUnlisted = 0xff;

inline constexpr std::array<std::string_view, 2> kLayoutNames = {"packed", "padded"};
inline constexpr std::array<std::string_view, 4> kTlbNames = {"off", "per_pte_ipi", "batched", "as_form"};
inline constexpr std::array<std::string_view, 2> kFormNames = {"3.12", "today"};
inline constexpr std::array<std::string_view, 3> kTraitNames = {"as_form", "off", "on"};

// The order of kRmapParams.
enum class RmapParam : std::size_t {
    form,
    fork_reuse,
    anon_vmas,
    fresh_vmas,
    file_vmas,
    pages,
    children,
    generations,
    touch,
    source_touch,
    grow_pages,
    process_ns,
    copy_ns,
    write_hold_ns,
    read_hold_ns,
    layout,
    nowait_fail,
    alloc_fail,
    fork_share,
    kForkCount,
    batch = kForkCount,
    tlb,
    ipi_ns,
    running,
    swap_ns,
    retouch,
    gives_up,
    reclaim_share,
    kReclaimCount,
    page_copy_ns = kReclaimCount,
    write_permille,
    fork_permille,
    compact_permille,
    migrate_share,
    brk_pages,
    buffers,
    succeed,
    move,
    replace,
    grow,
    lifetime,
    adjust_share,
    files,
    truncate,
    writeback_share,
    kCount
};
inline constexpr std::size_t kForkParamCount = static_cast<std::size_t>(RmapParam::kForkCount);
inline constexpr std::size_t kReclaimParamCount = static_cast<std::size_t>(RmapParam::kReclaimCount);
inline constexpr std::size_t kRmapParamCount = static_cast<std::size_t>(RmapParam::kCount);

// A heap and a stack grow within one page table, even if one VMA is both.
inline constexpr std::int64_t kMaxGrowth = 64;
inline constexpr std::int64_t kMaxPagesOfHeap = 384;

// A millisecond of injected work is more than any section of the kernel takes.
inline constexpr std::int64_t kMaxInjectedNs = 1'000'000;

inline constexpr std::array<ParamInfo, kRmapParamCount> kRmapParams = {{
    {"form", "enum", 0, 0, 1,
     "Whose paths: 3.12's, or today's, which allocate chain links before the lock, reuse anon_vmas at fork, give walks "
     "for references up where the root is locked, and flush in batches.",
     kFormNames},
    {"fork_reuse", "enum", 0, 0, 2,
     "A forked VMA adopts an ancestor's anon_vma that no VMA has as its own any more (from 3.19).", kTraitNames},
    {"anon_vmas", "vmas", 12, 1, 1024,
     "Anonymous VMAs of the parent, each with a root lock of its own; 12 of 30 is an AIM7 user (estimate)."},
    {"fresh_vmas", "vmas", 2, 0, 64,
     "VMAs that only a child touches, in pairs that share an anon_vma; heap and mapped buffers (estimate)."},
    {"file_vmas", "vmas", 18, 0, 512,
     "File VMAs, each in its file's i_mmap tree; 18 of 30 is an AIM7 user (estimate)."},
    {"pages_per_vma", "pages", 16, 1, 448, "Pages of each anonymous VMA, all touched by the parent (estimate)."},
    {"children", "processes", 16, 0, 4096,
     "Children that live at a time for each forking thread: the size of the trees (estimate)."},
    {"generations", "1", 2, 1, 64,
     "Depth of the chains: 1 forks from the shared parent, more from a process of the thread's own; 2 to 3 is AIM7 or "
     "a shell."},
    {"touch_permille", "permille", 20, 0, 1000,
     "Share of a child's pages that it writes: a child of fork_test does little but exit (estimate)."},
    {"source_touch_pages", "pages", 2, 0, 4096, "Pages that the forking process writes before each fork (estimate)."},
    {"grow_pages", "pages", 0, 0, 64, "Pages by which each child grows its stack, by expand_stack; 0: none."},
    {"process_ns", "ns", 0, 0, kMaxInjectedNs,
     "Work of each fork that is not modelled and holds no lock (task, files, scheduling); 0 stresses the lock."},
    {"copy_ns", "ns", 0, 0, kMaxInjectedNs,
     "Extra work of copying page tables in each fork, under mmap_sem and outside the root lock; 0: the model's own."},
    {"write_hold_ns", "ns", 0, 0, kMaxInjectedNs, "Extra work inside every write section; 0: the model's own."},
    {"read_hold_ns", "ns", 0, 0, kMaxInjectedNs, "Extra work inside every walk; 0: the model's own."},
    {"layout", "enum", 0, 0, 1, "Slab layout of anon_vmas and their chains; the kernel packs them.", kLayoutNames},
    {"nowait_fail_permille", "permille", 0, 0, 1000,
     "Allocations inside the lock that fail, so that the lock is dropped and they are repeated; 0: memory is plenty."},
    {"alloc_fail_permille", "permille", 0, 0, 500,
     "Sleeping allocations that fail, so that a fork unwinds; 0: memory is plenty."},
    {"fork_share", "1", 1, 1, 1000, "Weight of the threads that fork."},
    {"batch", "pages", 32, 1, 32, "Pages taken off a list at a time (SWAP_CLUSTER_MAX)."},
    {"tlb", "enum", 3, 0, 3,
     "Flush of a cleared entry: none, an IPI inside the walk (to 4.2), one a batch (from 4.3), or as the form has it.",
     kTlbNames},
    {"ipi_ns", "ns", 2000, 0, kMaxInjectedNs, "Time of one flush to the sender; an IPI takes 1 to 3 us."},
    {"running_permille", "permille", 100, 0, 1000,
     "Share of the processes that run on another CPU when one of their entries is cleared (estimate)."},
    {"swap_ns", "ns", 4000, 0, kMaxInjectedNs,
     "Time to write a page out, under the page lock: compression into memory takes some us (estimate)."},
    {"retouch_permille", "permille", 100, 0, 1000,
     "Pages of the parent that are used again, for each 1000 that reclaim looks at (estimate)."},
    {"gives_up", "enum", 0, 0, 2,
     "Walks that ask for references give up where the root is locked, and the page is rotated (from 5.19).",
     kTraitNames},
    {"reclaim_share", "1", 1, 1, 1000, "Weight of the threads that reclaim (kswapd and direct reclaim)."},
    {"page_copy_ns", "ns", 1000, 0, kMaxInjectedNs,
     "Time to copy a page of 4 KiB between nodes, under the page lock and between the two walks (estimate)."},
    {"write_permille", "permille", 500, 0, 1000,
     "Share of the turns that write to the page before it moves (estimate)."},
    {"fork_permille", "permille", 0, 0, 1000,
     "Turns that fork a child of the process and end the thread's oldest; 0: walks meet no writer."},
    {"compact_permille", "permille", 0, 0, 1000,
     "Turns that move a batch from the list as compaction does, without mmap_sem, so that forks run meanwhile; 0: "
     "none."},
    {"migrate_share", "1", 1, 1, 1000, "Weight of the threads that fault and migrate; all threads do."},
    {"brk_pages", "pages", 4, 0, kMaxGrowth,
     "Pages by which each child grows its heap, by brk in two steps (estimate)."},
    {"buffers", "vmas", 2, 0, 64,
     "Buffers of pages_per_vma pages that each child maps, writes to and unmaps (estimate)."},
    {"succeed_permille", "permille", 0, 0, 1000,
     "Turns in which a new child takes the place of the process that forks, which exits, as a daemon that forks itself "
     "anew: a generation more each time; 0: never."},
    {"move_permille", "permille", 100, 0, 1000,
     "Changes of a split VMA that move a part away by mremap, to come back with its next change (estimate)."},
    {"replace_permille", "permille", 10, 0, 1000,
     "Changes of a split VMA that unmap its first part and map and write as much in its place (estimate)."},
    {"grow_permille", "permille", 20, 0, 1000,
     "Turns that make the stack longer by a page, while it has room (estimate)."},
    {"lifetime", "turns", 256, 1, 1'000'000,
     "Turns of a process until it exits and its parent forks another in its place, with whole VMAs and a short stack "
     "(estimate)."},
    {"adjust_share", "1", 1, 1, 1000, "Weight of the threads that change their processes; all threads do."},
    {"files", "files", 1, 1, 64,
     "Files that all processes map, each with a lock of its own: one is a database's segment or libc."},
    {"truncate_permille", "permille", 10, 0, 1000,
     "Turns of writeback that cut a file in half instead, and let it grow again (estimate)."},
    {"writeback_share", "1", 1, 1, 1000, "Weight of the threads that write dirty pages back."},
}};

// Some of the parameters, for a workload that offers no others.
template <std::size_t kSome>
constexpr std::array<ParamInfo, kSome> select_params(const RmapParam (&which)[kSome]) {
    std::array<ParamInfo, kSome> params{};
    std::transform(which, which + kSome, params.begin(),
                   [](RmapParam param) { return kRmapParams[static_cast<std::size_t>(param)]; });
    return params;
}

// That parameter in a workload's own list, to give it another default.
template <std::size_t kSome>
constexpr ParamInfo& own_param(std::array<ParamInfo, kSome>& params, RmapParam param) {
    return *std::find_if(params.begin(), params.end(), [param](const ParamInfo& info) {
        return info.key == kRmapParams[static_cast<std::size_t>(param)].key;
    });
}

namespace detail {
constexpr std::array<ParamInfo, kForkParamCount> fork_params() {
    std::array<ParamInfo, kForkParamCount> all{};
    std::copy_n(kRmapParams.begin(), all.size(), all.begin());
    return all;
}
constexpr std::array<ParamInfo, kReclaimParamCount> reclaim_params() {
    std::array<ParamInfo, kReclaimParamCount> all{};
    std::copy_n(kRmapParams.begin(), all.size(), all.begin());
    // The case behind this preset is a process that is forked directly by all (Android's zygote).
    own_param(all, RmapParam::generations).default_value = 1;
    return all;
}
}  // namespace detail
inline constexpr std::array<ParamInfo, kForkParamCount> kForkParams = detail::fork_params();
inline constexpr std::array<ParamInfo, kReclaimParamCount> kReclaimParams = detail::reclaim_params();

// Place of a name in a list of what has one; the list's size if it is not there.
template <class List>
std::size_t place_of(const List& list, std::string_view name, std::string_view List::value_type::*member) {
    std::size_t at = 0;
    while (at < list.size() && list[at].*member != name) {
        ++at;
    }
    return at;
}

inline RmapConfig rmap_config(const WorkloadInfo& info, const ParamValues& values) {
    check(values.size() == info.params.size(), "one value for each parameter");
    const auto value = [&info, &values](RmapParam param) -> std::int64_t {
        const ParamInfo& known = kRmapParams[static_cast<std::size_t>(param)];
        const std::size_t at = place_of(info.params, known.key, &ParamInfo::key);
        return at < values.size() ? values[at] : known.min;
    };
    const auto count = [&value](RmapParam param) { return static_cast<std::uint32_t>(value(param)); };
    const auto time = [&value](RmapParam param) { return static_cast<Nanoseconds>(value(param)); };
    std::array<std::uint8_t, kRmapOpCount> op_index{};
    for (std::size_t op = 0; op < kRmapOpCount; ++op) {
        const std::size_t at = place_of(info.ops, kRmapOps[op].name, &OpInfo::name);
        op_index[op] = at < info.ops.size() ? static_cast<std::uint8_t>(at) : kUnlisted;
    }
    const auto form = static_cast<RmapForm>(value(RmapParam::form));
    const auto has = [&value, form](RmapParam param) {
        const auto trait = static_cast<Trait>(value(param));
        return trait == Trait::on || (trait == Trait::as_form && form == RmapForm::today);
    };
    const auto tlb = static_cast<TlbModel>(value(RmapParam::tlb));
    const TlbModel tlb_of_form = form == RmapForm::today ? TlbModel::batched : TlbModel::per_pte_ipi;
    return {.form = form,
            .fork_reuse = has(RmapParam::fork_reuse),
            .gives_up = has(RmapParam::gives_up),
            .anon_vmas = count(RmapParam::anon_vmas),
            .fresh_vmas = count(RmapParam::fresh_vmas),
            .file_vmas = count(RmapParam::file_vmas),
            .pages = count(RmapParam::pages),
            .children = count(RmapParam::children),
            .generations = count(RmapParam::generations),
            .touch_permille = count(RmapParam::touch),
            .source_touch = count(RmapParam::source_touch),
            .grow_pages = count(RmapParam::grow_pages),
            .process_ns = time(RmapParam::process_ns),
            .copy_ns = time(RmapParam::copy_ns),
            .write_hold_ns = time(RmapParam::write_hold_ns),
            .read_hold_ns = time(RmapParam::read_hold_ns),
            .layout = static_cast<Layout>(value(RmapParam::layout)),
            .nowait_fail = count(RmapParam::nowait_fail),
            .alloc_fail = count(RmapParam::alloc_fail),
            .batch = count(RmapParam::batch),
            .tlb = tlb == TlbModel::as_form ? tlb_of_form : tlb,
            .ipi_ns = time(RmapParam::ipi_ns),
            .running_permille = count(RmapParam::running),
            .swap_ns = time(RmapParam::swap_ns),
            .retouch_permille = count(RmapParam::retouch),
            .page_copy_ns = time(RmapParam::page_copy_ns),
            .write_permille = count(RmapParam::write_permille),
            .fork_permille = count(RmapParam::fork_permille),
            .compact_permille = count(RmapParam::compact_permille),
            .brk_pages = count(RmapParam::brk_pages),
            .buffers = count(RmapParam::buffers),
            .succeed_permille = count(RmapParam::succeed),
            .move_permille = count(RmapParam::move),
            .replace_permille = count(RmapParam::replace),
            .grow_permille = count(RmapParam::grow),
            .lifetime = count(RmapParam::lifetime),
            .files = count(RmapParam::files),
            .truncate_permille = count(RmapParam::truncate),
            .op_index = op_index};
}

}  // namespace lockbench
