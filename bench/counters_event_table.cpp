// SPDX-License-Identifier: MIT
// Names as in libpfm4 4.13, for emr, gnr and Zen 5 as in later releases. The x86 ones of 4.13 resolve and are added
// through PAPI on a fake PMU by tests/bench/counters_papi_test.cpp; none was compared with known transfers on hardware.
// What the events mean is from the vendors' event lists.
//
// Why two figures on Intel: events that count retired loads see the polling loads of a waiter, while the locked
// instruction that takes the line is a request for ownership (RFO) and counts there. Why at most two RFO and remote
// rows a table: each takes one of the two off-core response registers of a core. AMD counts where a fill of the L1 data
// cache came from, not the state of the line there.
#include "bench/counters_event_table.hpp"

#include <algorithm>
#include <array>

namespace lockbench {

namespace {

constexpr std::string_view kHitmLoads = "retired loads that hit a line modified in another core of this socket";
constexpr std::string_view kHitmRfo = "requests for ownership that hit a line modified in another core of this socket";
constexpr std::string_view kHitmLoadsRemote = "retired loads that hit a line modified in another socket";
constexpr std::string_view kHitmRfoRemote = "requests for ownership that hit a line modified in another socket";
constexpr std::string_view kReadsRemote =
    "loads, fetches and ownership requests, prefetch included, for a line modified in another socket";
constexpr std::string_view kSnoopHits =
    "retired loads that hit a line held, not modified, by another core of this socket";
constexpr std::string_view kLocks = "retired load parts of locked instructions (an xchg or cmpxchg is one)";

constexpr std::array kWestmere = {
    EventRow{"hitm_loads_local", "MEM_UNCORE_RETIRED:LOCAL_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:OTHER_CORE_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_UNCORE_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"hitm_rfo_remote", "OFFCORE_RESPONSE_1:DMND_RFO:REMOTE_CACHE_HITM", kHitmRfoRemote, kLevelTransfer},
    EventRow{"lock_instructions", "", kLocks, kLevelGeneric, "this CPU has no event for locked instructions"},
};

constexpr std::array kSandyBridge = {
    EventRow{"hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", kHitmRfo, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::array kSandyBridgeEp = {
    EventRow{"hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "OFFCORE_RESPONSE_1:DMND_DATA_RD:LLC_MISS_REMOTE:HITM",
             "demand loads, retired or not, that hit a line modified in another socket", kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
    EventRow{"hitm_rfo_remote", "", kHitmRfoRemote, kLevelTransfer,
             "both off-core response registers of this CPU are in use by the other rows"},
};

constexpr std::array kIvyBridgeEp = {
    EventRow{"hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_LOAD_UOPS_LLC_MISS_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"hitm_rfo_remote", "OFFCORE_RESPONSE_1:DMND_RFO:L3_MISS:HITM", kHitmRfoRemote, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::array kHaswell = {
    EventRow{"hitm_loads_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

// Errata of these two (HSD29, HSM30, BDM100) let the XSNP events undercount with hyper-threading on.
constexpr std::array kHaswellEp = {
    EventRow{"hitm_loads_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_LOAD_UOPS_L3_MISS_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"hitm_rfo_remote", "OFFCORE_RESPONSE_1:DMND_RFO:L3_MISS:SNP_HITM", kHitmRfoRemote, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::array kSkylake = {
    EventRow{"hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

// Intel's value for the last row is 0x103fc00002; libpfm4's name encodes 0x1004000002, local misses only, and PAPI
// takes no raw value.
constexpr std::array kSkylakeSp = {
    EventRow{"hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
    EventRow{"hitm_rfo_remote", "", kHitmRfoRemote, kLevelTransfer,
             "libpfm4 4.13 encodes this event without the remote socket, so its count would be wrong"},
};

constexpr std::array kIceLake = {
    EventRow{"hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::array kIceLakeSp = {
    EventRow{"hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"hitm_reads_remote", "OCR:READS_TO_CORE_REMOTE_CACHE_SNOOP_HITM", kReadsRemote, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::array kSapphireRapids = {
    EventRow{"hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_FWD", kHitmLoads, kLevelTransfer},
    EventRow{"hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", kHitmRfo, kLevelTransfer},
    EventRow{"hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", kHitmLoadsRemote, kLevelTransfer},
    EventRow{"hitm_reads_remote", "OCR:READS_TO_CORE_REMOTE_CACHE_SNOOP_HITM", kReadsRemote, kLevelTransfer},
    EventRow{"snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_NO_FWD", kSnoopHits, kLevelSnoopHit},
    EventRow{"lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", kLocks, kLevelGeneric},
};

constexpr std::string_view kCacheHomeLocal = "L1 data fills from another cache, home of the address on this node";
constexpr std::string_view kCacheHomeRemote = "L1 data fills from another cache, home of the address on another node";

// libpfm4 has no fill event for Zen 1; the raw codes are those of the kernel's own event list for it.
constexpr std::array kZen1 = {
    EventRow{"fills_cache_home_local", "perf_raw::r0243", kCacheHomeLocal, kLevelFillSource},
    EventRow{"fills_cache_home_remote", "perf_raw::r1043", kCacheHomeRemote, kLevelFillSource},
    EventRow{"l2_read_misses", "CORE_TO_L2_CACHEABLE_REQUEST_ACCESS_STATUS:LS_RD_BLK_C",
             "data requests that miss the L2", kLevelGeneric},
    EventRow{"lock_instructions", "LOCKS:NON_SPEC_LOCK:SPEC_LOCK", "locked instructions", kLevelGeneric},
};

constexpr std::array kZen2 = {
    EventRow{"fills_cache_home_local", "DATA_CACHE_REFILLS_FROM_SYSTEM:LS_MABRESP_LCL_CACHE", kCacheHomeLocal,
             kLevelFillSource},
    EventRow{"fills_cache_home_remote", "DATA_CACHE_REFILLS_FROM_SYSTEM:LS_MABRESP_RMT_CACHE", kCacheHomeRemote,
             kLevelFillSource},
    EventRow{"lock_instructions", "RETIRED_LOCK_INSTRUCTIONS:CACHEABLE_LOCKS",
             "retired locked instructions on cacheable memory", kLevelGeneric},
};

constexpr std::string_view kSameCcx =
    "L1 data fills from this CCX: its L3 or a sibling's L2, so it over-counts transfers";
constexpr std::string_view kOtherCcx = "L1 data fills from a cache of another CCX, prefetch included";
constexpr std::string_view kOtherNode = "the part of fills_other_ccx whose home is another node";
constexpr std::string_view kOnlyBusLocks = "libpfm4 4.13 knows only the bus-lock part of this CPU's event";

constexpr std::array kZen3 = {
    EventRow{"fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:INT_CACHE", kSameCcx, kLevelFillSource},
    EventRow{"fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:EXT_CACHE_LCL:EXT_CACHE_RMT", kOtherCcx,
             kLevelFillSource},
    EventRow{"fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:EXT_CACHE_RMT", kOtherNode, kLevelFillSource},
    EventRow{"lock_instructions", "", "retired locked instructions", kLevelGeneric, kOnlyBusLocks},
};

constexpr std::array kZen4 = {
    EventRow{"fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:LOCAL_CCX", kSameCcx, kLevelFillSource},
    EventRow{"fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_CACHE_NEAR_FAR:FAR_CACHE_NEAR_FAR", kOtherCcx,
             kLevelFillSource},
    EventRow{"fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:FAR_CACHE_NEAR_FAR", kOtherNode,
             kLevelFillSource},
    EventRow{"lock_instructions", "", "retired locked instructions", kLevelGeneric, kOnlyBusLocks},
};

constexpr std::array kZen5 = {
    EventRow{"fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:LOCAL_CCX", kSameCcx, kLevelFillSource},
    EventRow{"fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_FAR_CACHE_NEAR:NEAR_FAR_CACHE_FAR", kOtherCcx,
             kLevelFillSource},
    EventRow{"fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_FAR_CACHE_FAR", kOtherNode,
             kLevelFillSource},
};

// ARM has no event for a line found modified elsewhere; invalidations that other CPUs cause are the nearest.
constexpr std::array kNeoverse = {
    EventRow{"l1d_invalidations", "L1D_CACHE_INVAL", "L1 data lines taken away by other CPUs or by cache maintenance",
             kLevelFillSource},
    EventRow{"l2d_invalidations", "L2D_CACHE_INVAL", "L2 lines taken away by other CPUs or by cache maintenance",
             kLevelFillSource},
    EventRow{"remote_accesses", "REMOTE_ACCESS", "accesses served by another socket", kLevelFillSource},
    EventRow{"exclusive_store_failures", "STREX_FAIL_SPEC", "failed store-exclusives (only code without LSE atomics)",
             kLevelGeneric},
    EventRow{"llc_read_misses", "LL_CACHE_MISS_RD", "reads that miss the last-level cache", kLevelGeneric},
};

constexpr std::array kTables = {
    EventTable{"wsm_dp", kWestmere},
    EventTable{"snb ivb", kSandyBridge},
    EventTable{"snb_ep", kSandyBridgeEp},
    EventTable{"ivb_ep", kIvyBridgeEp},
    EventTable{"hsw bdw", kHaswell},
    EventTable{"hsw_ep bdw_ep", kHaswellEp},
    EventTable{"skl", kSkylake},
    EventTable{"skx clx", kSkylakeSp},
    EventTable{"icl", kIceLake},
    EventTable{"icx", kIceLakeSp},
    EventTable{"spr emr gnr", kSapphireRapids},
    EventTable{"amd64_fam17h_zen1", kZen1},
    EventTable{"amd64_fam17h_zen2", kZen2},
    EventTable{"amd64_fam19h_zen3", kZen3},
    EventTable{"amd64_fam19h_zen4", kZen4},
    EventTable{"amd64_fam1ah_zen5", kZen5},
    EventTable{"arm_n1 arm_n2 arm_v1 arm_v2", kNeoverse},
};

constexpr std::array kGenericRows = {
    EventRow{"cycles", "perf::CYCLES", "CPU cycles, not counted while halted", kLevelGeneric},
    EventRow{"instructions", "perf::INSTRUCTIONS", "retired instructions", kLevelGeneric},
};

constexpr std::array kFallbackRows = {
    EventRow{"llc_load_misses", "perf::LLC-LOAD-MISSES", "last-level cache load misses, as the kernel maps them",
             kLevelGeneric},
    EventRow{"node_load_misses", "perf::NODE-LOAD-MISSES", "loads served by another node, as the kernel maps them",
             kLevelGeneric},
    EventRow{"cache_misses", "perf::CACHE-MISSES", "cache misses, as the kernel maps them", kLevelGeneric},
};

// u=1:k=1 is needed: PAPI's default domain excludes the kernel, where switches happen, and then they silently read 0.
constexpr std::array kSoftwareRows = {
    EventRow{"context_switches", "perf::CONTEXT-SWITCHES:u=1:k=1", "context switches of the thread", kLevelSoftware},
    EventRow{"cpu_migrations", "perf::CPU-MIGRATIONS:u=1:k=1", "moves of the thread to another CPU", kLevelSoftware},
    EventRow{"page_faults", "perf::PAGE-FAULTS:u=1:k=1", "page faults of the thread", kLevelSoftware},
    EventRow{"task_clock", "perf::TASK-CLOCK:u=1:k=1", "CPU time of the thread", kLevelSoftware},
};

bool names_pmu(std::string_view list, std::string_view pmu) {
    std::size_t at = 0;
    while (at < list.size()) {
        const std::size_t end = std::min(list.find(' ', at), list.size());
        if (list.substr(at, end - at) == pmu) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

Candidate candidate_of(const EventRow& row, std::string_view pmu, bool fallback) {
    Candidate made;
    made.spec.name = row.name;
    made.spec.event = row.event;
    if (!pmu.empty() && !row.event.empty() && row.event.find("::") == std::string_view::npos) {
        made.spec.event = std::string(pmu) + "::" + made.spec.event;
    }
    made.spec.what_it_counts = row.what_it_counts;
    made.spec.level = row.level;
    made.spec.unit = row.name == "task_clock" ? "ns" : "events";
    made.absent = row.absent;
    made.fallback = fallback;
    made.hardware = row.level < kLevelSoftware;
    return made;
}

}  // namespace

std::span<const EventTable> event_tables() { return kTables; }

std::string choose_pmu(const std::vector<std::string>& pmus) {
    for (const std::string& pmu : pmus) {
        for (const EventTable& table : kTables) {
            if (names_pmu(table.pmus, pmu)) {
                return pmu;
            }
        }
    }
    return {};
}

std::vector<Candidate> candidates_for(std::string_view pmu) {
    std::vector<Candidate> all;
    for (const EventTable& table : kTables) {
        if (names_pmu(table.pmus, pmu)) {
            for (const EventRow& row : table.rows) {
                all.push_back(candidate_of(row, pmu, false));
            }
        }
    }
    if (all.empty()) {
        Candidate none;
        none.spec = {"line_transfers", "", "cache lines that move between cores", kLevelTransfer, "events"};
        none.absent = pmu.empty() ? "libpfm4 does not know this CPU" : "no transfer event is known for this CPU";
        all.push_back(none);
    }
    for (const EventRow& row : kGenericRows) {
        all.push_back(candidate_of(row, "", false));
    }
    for (const EventRow& row : kFallbackRows) {
        all.push_back(candidate_of(row, "", true));
    }
    for (const EventRow& row : kSoftwareRows) {
        all.push_back(candidate_of(row, "", false));
    }
    return all;
}

std::vector<CounterSpec> rusage_specs() {
    return {{"voluntary_switches", "ru_nvcsw", "times the thread gave up its CPU, to sleep or to yield", kLevelRusage,
             "events"},
            {"involuntary_switches", "ru_nivcsw", "times the thread was taken off its CPU", kLevelRusage, "events"},
            {"minor_faults", "ru_minflt", "page faults of the thread without input or output", kLevelRusage, "events"}};
}

}  // namespace lockbench
