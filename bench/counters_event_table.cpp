// SPDX-License-Identifier: MIT
// Names as in libpfm4 4.13, for emr, gnr and Zen 5 as in later releases; codes as in the vendors' event lists (Intel
// perfmon; AMD's processor programming references, for Zen 1 as likwid carries them; Arm's manuals). None was compared
// with known transfers on hardware. tests/bench/counters_codes_test.cpp has the codes a second time and asks PAPI for
// every name on a fake PMU. A name of libpfm4 that encodes something else than the vendor's list is not used: the
// kernel is asked by the vendor's code.
//
// Why two figures on Intel: events that count retired loads see the polling loads of a waiter, while the locked
// instruction that takes the line is a request for ownership (RFO) and counts there. Why at most two RFO and remote
// rows a table: each takes one of the two off-core response registers of a core. AMD counts where a fill of the L1 data
// cache came from, not the state of the line there.
#include "bench/counters_event_table.hpp"

#include <fmt/format.h>

#include <array>

namespace lockbench {

namespace {

constexpr EventCode core_event(std::uint64_t config) { return {EventType::raw, config, 0}; }
// What the off-core response register is to hold goes into config1; the kernel chooses one of the two registers.
constexpr EventCode offcore(std::uint64_t config, std::uint64_t response) { return {EventType::raw, config, response}; }

constexpr EventRow row(std::string_view name, std::string_view event, EventCode code, std::string_view what,
                       int level = kLevelTransfer) {
    return {name, CounterSource::papi, event, code, what, level, {}};
}
constexpr EventRow kernel_row(std::string_view name, std::string_view event, EventCode code, std::string_view what,
                              int level = kLevelTransfer) {
    return {name, CounterSource::kernel, event, code, what, level, {}};
}
constexpr EventRow no_row(std::string_view name, std::string_view what, int level, std::string_view why) {
    return {name, CounterSource::none, {}, {}, what, level, why};
}

constexpr std::string_view kHitmLoads = "retired loads that hit a line modified in another core of this socket";
constexpr std::string_view kHitmRfo = "requests for ownership that hit a line modified in another core of this socket";
constexpr std::string_view kHitmLoadsRemote = "retired loads that hit a line modified in another socket";
constexpr std::string_view kHitmRfoRemote = "requests for ownership that hit a line modified in another socket";
constexpr std::string_view kReadsRemote =
    "loads, fetches and ownership requests, prefetch included, for a line modified in another socket";
constexpr std::string_view kSnoopHits =
    "retired loads that hit a line held, not modified, by another core of this socket";
constexpr std::string_view kLockLoads = "retired load parts of locked instructions (an xchg or cmpxchg is one)";

constexpr std::array kWestmere = {
    row("hitm_loads_local", "MEM_UNCORE_RETIRED:LOCAL_HITM", core_event(0x020f), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:OTHER_CORE_HITM", offcore(0x1b7, 0x402), kHitmRfo),
    row("hitm_loads_remote", "MEM_UNCORE_RETIRED:REMOTE_HITM", core_event(0x040f), kHitmLoadsRemote),
    row("hitm_rfo_remote", "OFFCORE_RESPONSE_1:DMND_RFO:REMOTE_CACHE_HITM", offcore(0x1bb, 0x802), kHitmRfoRemote),
    no_row("lock_instructions", kLockLoads, kLevelGeneric, "this CPU has no event for locked instructions"),
};

constexpr std::array kSandyBridge = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

// libpfm4 encodes the remote row 0x107f800001, without the misses whose home is here.
constexpr std::array kSandyBridgeEp = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    kernel_row("hitm_loads_remote", "OFFCORE_RESPONSE.DEMAND_DATA_RD.LLC_MISS.REMOTE_HITM",
               offcore(0x1bb, 0x107fc00001),
               "demand loads, retired or not, that hit a line modified in another socket"),
    row("snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
    no_row("hitm_rfo_remote", kHitmRfoRemote, kLevelTransfer,
           "both off-core response registers of this CPU are in use by the other rows"),
};

// libpfm4 encodes the remote request for ownership 0x107fc00002, without those of no known supplier.
constexpr std::array kIvyBridgeEp = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:LLC_HITMESF:HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("hitm_loads_remote", "MEM_LOAD_UOPS_LLC_MISS_RETIRED:REMOTE_HITM", core_event(0x10d3), kHitmLoadsRemote),
    kernel_row("hitm_rfo_remote", "OFFCORE_RESPONSE.DEMAND_RFO.LLC_MISS.REMOTE_HITM", offcore(0x1bb, 0x107fc20002),
               kHitmRfoRemote),
    row("snoop_hits_local", "MEM_LOAD_UOPS_LLC_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

// libpfm4 encodes the request for ownership 0x10001c0002, without one of Intel's bits for a hit in the L3.
constexpr std::array kHaswell = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    kernel_row("hitm_rfo_local", "OFFCORE_RESPONSE.DEMAND_RFO.L3_HIT.HITM_OTHER_CORE", offcore(0x1b7, 0x10003c0002),
               kHitmRfo),
    row("snoop_hits_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::array kBroadwell = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("snoop_hits_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

// Errata of these two (HSD29, HSM30, BDM100) let the XSNP events undercount with hyper-threading on. libpfm4 encodes
// the remote request for ownership 0x1038400002 and 0x103c000002.
constexpr std::array kHaswellEp = {
    row("hitm_loads_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("hitm_loads_remote", "MEM_LOAD_UOPS_L3_MISS_RETIRED:REMOTE_HITM", core_event(0x10d3), kHitmLoadsRemote),
    kernel_row("hitm_rfo_remote", "OFFCORE_RESPONSE.DEMAND_RFO.LLC_MISS.REMOTE_HITM", offcore(0x1bb, 0x103fc00002),
               kHitmRfoRemote),
    row("snoop_hits_local", "MEM_LOAD_UOPS_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_UOPS_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::array kSkylake = {
    row("hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", offcore(0x1b7, 0x10001c0002), kHitmRfo),
    row("snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

// libpfm4 encodes the remote request for ownership 0x1004000002: misses whose home is here, without the other socket.
constexpr std::array kSkylakeSp = {
    row("hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OFFCORE_RESPONSE_0:DMND_RFO:L3_HIT:SNP_HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", core_event(0x04d3), kHitmLoadsRemote),
    kernel_row("hitm_rfo_remote", "OFFCORE_RESPONSE.DEMAND_RFO.L3_MISS.REMOTE_HITM", offcore(0x1bb, 0x103fc00002),
               kHitmRfoRemote),
    row("snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::array kIceLake = {
    row("hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::array kIceLakeSp = {
    row("hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HITM", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", offcore(0x1b7, 0x10003c0002), kHitmRfo),
    row("hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", core_event(0x04d3), kHitmLoadsRemote),
    row("hitm_reads_remote", "OCR:READS_TO_CORE_REMOTE_CACHE_SNOOP_HITM", offcore(0x1b7, 0x1030000477), kReadsRemote),
    row("snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_HIT", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::array kSapphireRapids = {
    row("hitm_loads_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_FWD", core_event(0x04d2), kHitmLoads),
    row("hitm_rfo_local", "OCR:DEMAND_RFO_L3_HIT_SNOOP_HITM", offcore(0x12a, 0x10003c0002), kHitmRfo),
    row("hitm_loads_remote", "MEM_LOAD_L3_MISS_RETIRED:REMOTE_HITM", core_event(0x04d3), kHitmLoadsRemote),
    row("hitm_reads_remote", "OCR:READS_TO_CORE_REMOTE_CACHE_SNOOP_HITM", offcore(0x12a, 0x1030004477), kReadsRemote),
    row("snoop_hits_local", "MEM_LOAD_L3_HIT_RETIRED:XSNP_NO_FWD", core_event(0x02d2), kSnoopHits, kLevelSnoopHit),
    row("lock_instructions", "MEM_INST_RETIRED:LOCK_LOADS", core_event(0x21d0), kLockLoads, kLevelGeneric),
};

constexpr std::string_view kCacheHomeLocal = "L1 data fills from another cache, home of the address on this node";
constexpr std::string_view kCacheHomeRemote = "L1 data fills from another cache, home of the address on another node";

// libpfm4 has no fill event for Zen 1.
constexpr std::array kZen1 = {
    kernel_row("fills_cache_home_local", "LsRefillsFromSys.LS_MABRESP_LCL_CACHE", core_event(0x0243), kCacheHomeLocal,
               kLevelFillSource),
    kernel_row("fills_cache_home_remote", "LsRefillsFromSys.LS_MABRESP_RMT_CACHE", core_event(0x1043), kCacheHomeRemote,
               kLevelFillSource),
    row("l2_read_misses", "CORE_TO_L2_CACHEABLE_REQUEST_ACCESS_STATUS:LS_RD_BLK_C", core_event(0x0864),
        "data requests that miss the L2", kLevelGeneric),
    row("lock_instructions", "LOCKS:NON_SPEC_LOCK:SPEC_LOCK", core_event(0x0625), "locked instructions", kLevelGeneric),
};

constexpr std::array kZen2 = {
    row("fills_cache_home_local", "DATA_CACHE_REFILLS_FROM_SYSTEM:LS_MABRESP_LCL_CACHE", core_event(0x0243),
        kCacheHomeLocal, kLevelFillSource),
    row("fills_cache_home_remote", "DATA_CACHE_REFILLS_FROM_SYSTEM:LS_MABRESP_RMT_CACHE", core_event(0x1043),
        kCacheHomeRemote, kLevelFillSource),
    row("lock_instructions", "RETIRED_LOCK_INSTRUCTIONS:CACHEABLE_LOCKS", core_event(0x0e25),
        "retired locked instructions on cacheable memory", kLevelGeneric),
};

constexpr std::string_view kSameCcx =
    "L1 data fills from this CCX: its L3 or a sibling's L2, so it over-counts transfers";
constexpr std::string_view kOtherCcx = "L1 data fills from a cache of another CCX, prefetch included";
constexpr std::string_view kOtherNode = "the part of fills_other_ccx whose home is another node";

// libpfm4 has only the bus-lock part of the lock event of these three.
constexpr std::array kZen3 = {
    row("fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:INT_CACHE", core_event(0x0244), kSameCcx, kLevelFillSource),
    row("fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:EXT_CACHE_LCL:EXT_CACHE_RMT", core_event(0x1444),
        kOtherCcx, kLevelFillSource),
    row("fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:EXT_CACHE_RMT", core_event(0x1044), kOtherNode,
        kLevelFillSource),
    kernel_row("lock_instructions", "ls_locks.non_spec_lock,spec_lock_lo_spec,spec_lock_hi_spec", core_event(0x0e25),
               "locked instructions but for bus locks", kLevelGeneric),
};

constexpr std::array kZen4 = {
    row("fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:LOCAL_CCX", core_event(0x0244), kSameCcx, kLevelFillSource),
    row("fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_CACHE_NEAR_FAR:FAR_CACHE_NEAR_FAR",
        core_event(0x1444), kOtherCcx, kLevelFillSource),
    row("fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:FAR_CACHE_NEAR_FAR", core_event(0x1044), kOtherNode,
        kLevelFillSource),
    no_row("lock_instructions", "locked instructions", kLevelGeneric,
           "AMD lists only the bus-lock part of this CPU's event"),
};

constexpr std::array kZen5 = {
    row("fills_same_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:LOCAL_CCX", core_event(0x0244), kSameCcx, kLevelFillSource),
    row("fills_other_ccx", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_FAR_CACHE_NEAR:NEAR_FAR_CACHE_FAR",
        core_event(0x1444), kOtherCcx, kLevelFillSource),
    row("fills_other_ccx_remote", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:NEAR_FAR_CACHE_FAR", core_event(0x1044), kOtherNode,
        kLevelFillSource),
    kernel_row("lock_instructions", "ls_locks.all", core_event(0x1f25), "retired locked instructions of all types",
               kLevelGeneric),
};

// ARM has no event for a line found modified elsewhere; invalidations that other CPUs cause are the nearest.
constexpr std::array kNeoverse = {
    row("l1d_invalidations", "L1D_CACHE_INVAL", core_event(0x48),
        "L1 data lines taken away by other CPUs or by cache maintenance", kLevelFillSource),
    row("l2d_invalidations", "L2D_CACHE_INVAL", core_event(0x58),
        "L2 lines taken away by other CPUs or by cache maintenance", kLevelFillSource),
    row("remote_accesses", "REMOTE_ACCESS", core_event(0x31), "accesses served by another socket", kLevelFillSource),
    row("exclusive_store_failures", "STREX_FAIL_SPEC", core_event(0x6e),
        "failed store-exclusives (only code without LSE atomics)", kLevelGeneric),
    row("llc_read_misses", "LL_CACHE_MISS_RD", core_event(0x37), "reads that miss the last-level cache", kLevelGeneric),
};

constexpr std::array kTables = {
    EventTable{"wsm_dp", "Westmere-EP and -EX", kWestmere, kTestedNamesAndCodes, {}},
    EventTable{"snb ivb", "Sandy Bridge, Ivy Bridge", kSandyBridge, kTestedNamesAndCodes, {}},
    EventTable{"snb_ep", "Sandy Bridge-EP", kSandyBridgeEp, kTestedNamesAndCodes, {}},
    EventTable{"ivb_ep", "Ivy Bridge-EP and -EX", kIvyBridgeEp, kTestedNamesAndCodes, {}},
    EventTable{"hsw", "Haswell", kHaswell, kTestedNamesAndCodes, {}},
    EventTable{"bdw", "Broadwell", kBroadwell, kTestedNamesAndCodes, {}},
    EventTable{"hsw_ep bdw_ep", "Haswell-EP, Broadwell-EP", kHaswellEp, kTestedNamesAndCodes, {}},
    EventTable{"skl", "Skylake client", kSkylake, kTestedNamesAndCodes, {}},
    EventTable{"skx clx", "Skylake-SP, Cascade Lake", kSkylakeSp, kTestedNamesAndCodes, {}},
    EventTable{"icl", "Ice Lake client", kIceLake, kTestedNamesAndCodes, {}},
    EventTable{"icx", "Ice Lake-SP", kIceLakeSp, kTestedNamesAndCodes, {}},
    EventTable{"spr", "Sapphire Rapids", kSapphireRapids, kTestedNamesAndCodes, {}},
    EventTable{"emr gnr", "Emerald Rapids, Granite Rapids", kSapphireRapids, kTestedCodes, {}},
    EventTable{"amd64_fam17h_zen1", "Zen 1", kZen1, kTestedNamesAndCodes, {}},
    EventTable{"amd64_fam17h_zen2", "Zen 2", kZen2, kTestedNamesAndCodes, {}},
    EventTable{"amd64_fam19h_zen3", "Zen 3", kZen3, kTestedNamesAndCodes, {}},
    EventTable{"amd64_fam19h_zen4", "Zen 4", kZen4, kTestedNamesAndCodes, {}},
    EventTable{"amd64_fam1ah_zen5", "Zen 5", kZen5, kTestedCodes, {}},
    EventTable{"arm_n1 arm_n2 arm_v1 arm_v2", "Neoverse N1, N2, V1, V2", kNeoverse, kTestedCodesOfArm, {}},
};

constexpr EventCode hardware(std::uint64_t number) { return {EventType::hardware, number, 0}; }
// Cache, operation and result in a byte each, as the kernel numbers them.
constexpr EventCode cache(std::uint64_t number) { return {EventType::hw_cache, number, 0}; }
constexpr EventCode software(std::uint64_t number) { return {EventType::software, number, 0}; }

constexpr std::array kGenericRows = {
    row("cycles", "perf::CYCLES", hardware(0), "CPU cycles, not counted while halted", kLevelGeneric),
    row("instructions", "perf::INSTRUCTIONS", hardware(1), "retired instructions", kLevelGeneric),
};

constexpr std::array kFallbackRows = {
    row("llc_load_misses", "perf::LLC-LOAD-MISSES", cache(0x10002),
        "last-level cache load misses, as the kernel maps them", kLevelGeneric),
    row("node_load_misses", "perf::NODE-LOAD-MISSES", cache(0x10006),
        "loads served by another node, as the kernel maps them", kLevelGeneric),
    row("cache_misses", "perf::CACHE-MISSES", hardware(3), "cache misses, as the kernel maps them", kLevelGeneric),
};

// u=1:k=1 is needed: PAPI's default domain excludes the kernel, where switches happen, and then they silently read 0.
constexpr std::array kSoftwareRows = {
    row("context_switches", "perf::CONTEXT-SWITCHES:u=1:k=1", software(3), "context switches of the thread",
        kLevelSoftware),
    row("cpu_migrations", "perf::CPU-MIGRATIONS:u=1:k=1", software(4), "moves of the thread to another CPU",
        kLevelSoftware),
    row("page_faults", "perf::PAGE-FAULTS:u=1:k=1", software(2), "page faults of the thread", kLevelSoftware),
    row("task_clock", "perf::TASK-CLOCK:u=1:k=1", software(1), "CPU time of the thread", kLevelSoftware),
};

}  // namespace

std::span<const EventTable> event_tables() { return kTables; }
std::span<const EventRow> generic_rows() { return kGenericRows; }
std::span<const EventRow> fallback_rows() { return kFallbackRows; }
std::span<const EventRow> software_rows() { return kSoftwareRows; }

std::string_view source_name(CounterSource source) {
    switch (source) {
        case CounterSource::papi:
            return "PAPI";
        case CounterSource::kernel:
            return "perf_event_open";
        case CounterSource::rusage:
            return "getrusage";
        case CounterSource::none:
            break;
    }
    return "";
}

std::string perf_syntax(const EventCode& code) {
    if (code.type == EventType::raw) {
        return code.config1 == 0 ? fmt::format("cpu/config={:#x}/", code.config)
                                 : fmt::format("cpu/config={:#x},config1={:#x}/", code.config, code.config1);
    }
    constexpr std::array<std::string_view, 4> kHardware = {"cycles", "instructions", "cache-references",
                                                           "cache-misses"};
    constexpr std::array<std::string_view, 5> kSoftware = {"cpu-clock", "task-clock", "page-faults", "context-switches",
                                                           "cpu-migrations"};
    if (code.type == EventType::hw_cache) {
        return code.config == 0x10002 ? "LLC-load-misses" : "node-load-misses";
    }
    return std::string(code.type == EventType::hardware ? kHardware.at(code.config) : kSoftware.at(code.config));
}

}  // namespace lockbench
