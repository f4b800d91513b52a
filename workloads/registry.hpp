// SPDX-License-Identifier: MIT
// The list of workloads. One is added by its include and its line in AllWorkloads; tools, tests, tables and plots
// follow from here.
#pragma once

#include "locks/type_list.hpp"
#include "workloads/aim7.hpp"
#include "workloads/exit_storm.hpp"
#include "workloads/file_mkclean.hpp"
#include "workloads/fork_server.hpp"
#include "workloads/numa_migration.hpp"
#include "workloads/pageable_reclaim.hpp"
#include "workloads/reclaim_scan.hpp"
#include "workloads/rw_mix.hpp"
#include "workloads/vma_adjust.hpp"
#include "workloads/workload.hpp"

namespace lockbench {

template <Platform P, class L>
using AllWorkloads = TypeList<Aim7<P, L>, ExitStorm<P, L>, FileMkclean<P, L>, ForkServer<P, L>, NumaMigration<P, L>,
                              PageableReclaim<P, L>, ReclaimScan<P, L>, RwMix<P, L>, VmaAdjust<P, L>>;

}  // namespace lockbench
