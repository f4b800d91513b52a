// SPDX-License-Identifier: MIT
#include "platform/native_world.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "platform/check.hpp"
#include "platform/native_wait.hpp"

namespace lockbench::native {
namespace {

struct Slot {
    std::size_t offset;
    void (*construct)(void*);
};

struct SlotTable {
    std::vector<Slot> slots;
    std::size_t end = sizeof(ThreadHeader);
};

// Function-local, as slots are added while other translation units are being initialised.
SlotTable& slot_table() {
    static SlotTable table;
    return table;
}

std::size_t round_up(std::size_t value, std::size_t to) { return (value + to - 1) / to * to; }

void* default_alloc(std::size_t bytes, NodeId) {
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        std::fprintf(stderr, "lockbench: out of memory: %zu bytes\n", bytes);
        std::exit(3);
    }
    return base;
}

void default_release(void* base, std::size_t bytes) { munmap(base, bytes); }

#if defined(__ARM_FEATURE_ATOMICS)
// A build with LSE atomics in line would end in SIGILL on a CPU before Armv8.1; this says why instead, before main().
[[maybe_unused]] const bool cpu_has_atomics = [] {
    if ((getauxval(AT_HWCAP) & HWCAP_ATOMICS) == 0) {
        std::fputs("lockbench: this build uses LSE atomics, which this CPU lacks: build with LOCKBENCH_ATOMICS=llsc\n",
                   stderr);
        std::_Exit(3);
    }
    return true;
}();
#endif

}  // namespace

constinit thread_local ThreadHeader* current_thread = nullptr;

World& World::get() {
    static World world;
    return world;
}

World::World() : hooks_{default_alloc, default_release} {
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    calibrate();
}

World::~World() { end_trial(); }

std::size_t World::add_slot(std::size_t size, std::size_t align, void (*construct)(void*)) {
    SlotTable& table = slot_table();
    const std::size_t offset = round_up(table.end, std::max(align, kCacheLine));
    table.end = offset + size;
    table.slots.push_back({offset, construct});
    return offset;
}

std::size_t World::block_bytes() { return round_up(slot_table().end, kPage); }

void World::begin_trial(const std::vector<NodeId>& nodes, std::uint64_t seed) {
    end_trial();
    check(nodes.size() <= kMaxThreads, "a trial has at most kMaxThreads threads");
    for (ThreadId tid = 0; tid < nodes.size(); ++tid) {
        void* base = hooks_.alloc(block_bytes(), nodes[tid]);
        auto* header = new (base) ThreadHeader;
        header->tid = tid;
        header->node = nodes[tid];
        header->choice_state = (seed + 1) * 0x9e3779b97f4a7c15ULL + tid;
        for (const Slot& slot : slot_table().slots) {
            slot.construct(static_cast<std::byte*>(base) + slot.offset);
        }
        blocks_.push_back(base);
        block_table_[tid] = base;
    }
}

void World::end_trial() {
    // PerThread types are trivially destructible (asserted where they are declared), so dropping the memory ends them.
    for (std::size_t tid = 0; tid < blocks_.size(); ++tid) {
        hooks_.release(blocks_[tid], block_bytes());
        block_table_[tid] = nullptr;
    }
    blocks_.clear();
}

void World::set_distances(std::vector<std::uint8_t> table, std::size_t cpus) {
    check(table.size() == cpus * cpus, "the distance table is square");
    distances_ = std::move(table);
    distance_cpus_ = cpus;
}

Distance World::distance(CpuId a, CpuId b) const {
    const auto row = static_cast<std::size_t>(a);
    const auto column = static_cast<std::size_t>(b);
    if (a < 0 || b < 0 || row >= distance_cpus_ || column >= distance_cpus_) {
        return Distance::unknown;
    }
    return static_cast<Distance>(distances_[row * distance_cpus_ + column]);
}

void World::calibrate() {
    // Rates are the best of several short runs: an interruption can only make a run look slower.
    constexpr int kRuns = 5;
    constexpr std::uint64_t kClockRun = 4'000'000;  // ns
    constexpr std::uint64_t kSpinRun = 1'000'000;   // loop iterations
    double best_spins = 0;
    std::vector<double> rates;
    for (int run = 0; run < kRuns; ++run) {
        const std::uint64_t begin_ns = monotonic_ns();
        const std::uint64_t begin_ticks = read_ticks();
        busy_loop(kSpinRun);
        const std::uint64_t spun_ns = monotonic_ns() - begin_ns;
        best_spins = std::max(best_spins,
                              static_cast<double>(kSpinRun) / static_cast<double>(std::max<std::uint64_t>(spun_ns, 1)));
        while (monotonic_ns() - begin_ns < kClockRun) {
            cpu_relax();
        }
        const std::uint64_t ticks = read_ticks() - begin_ticks;
        rates.push_back(static_cast<double>(ticks) / static_cast<double>(monotonic_ns() - begin_ns));
    }
    std::sort(rates.begin(), rates.end());
    ticks_per_ns_ = rates[rates.size() / 2];
    // The name is exact where the firmware wrote it right; where the measurement speaks against it, that stands.
    constexpr double kTolerance = 0.01;
    const double named = static_cast<double>(named_tick_rate()) / 1e9;
    if (std::abs(named - ticks_per_ns_) <= kTolerance * ticks_per_ns_) {
        ticks_per_ns_ = named;
    }
    constexpr int kReads = 10'000;
    double cheapest = 1e9;
    for (int run = 0; run < kRuns; ++run) {
        const std::uint64_t begin_ns = monotonic_ns();
        for (int i = 0; i < kReads; ++i) {
            keep_loop(read_ticks());
        }
        cheapest = std::min(cheapest, static_cast<double>(monotonic_ns() - begin_ns) / kReads);
    }
    clock_ns_ = cheapest;
    spins_per_ns_ = best_spins;
}

ThreadScope::ThreadScope(ThreadId tid, CpuId cpu, NodeId node) {
    ThreadHeader& header = World::header(tid);
    header.cpu = cpu;
    header.node = node == kAnyNode ? current_node() : node;
    current_thread = &header;
}

ThreadScope::~ThreadScope() { current_thread = nullptr; }

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

CpuId current_cpu() { return sched_getcpu(); }

NodeId current_node() {
    unsigned node = 0;
    return getcpu(nullptr, &node) == 0 ? static_cast<NodeId>(node) : 0;
}

void futex_wait(const void* word, std::uint32_t expected, std::uint64_t deadline_ns) {
    // FUTEX_WAIT_BITSET takes an absolute time, so a spurious return does not stretch the deadline.
    timespec until{};
    until.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000U);
    until.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000U);
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, deadline_ns == 0 ? nullptr : &until,
            nullptr, FUTEX_BITSET_MATCH_ANY);
}

int futex_wake(const void* word, int count) {
    return static_cast<int>(syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0));
}

void membarrier_heavy() {
    // Its light side is no fence at all: where a filter refuses the call, the algorithm is not the one to be measured.
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        std::fprintf(stderr, "lockbench: the kernel refuses membarrier, which this lock needs: %s.\n",
                     std::strerror(errno));
        std::fflush(nullptr);
        std::_Exit(3);  // the host lacks what was asked; at once, as other threads run
    }
}

void yield_cpu() { sched_yield(); }

void busy_wait(std::uint64_t ns) {
    const std::uint64_t begin = read_ticks();
    const World& world = World::get();
    // One reading to begin with and, on average, half of one beyond the end.
    const double wanted = static_cast<double>(ns) - 1.5 * world.clock_ns();
    if (wanted <= 0) {
        return;
    }
    const BusyPlan plan = plan_busy_wait(wanted, world.ticks_per_ns(), world.spins_per_ns());
    if (plan.spins != 0) {
        busy_loop(plan.spins);
        return;
    }
    while (read_ticks() - begin < plan.ticks) {
    }
}

BusyPlan plan_busy_wait(double ns, double ticks_per_ns, double spins_per_ns) {
    // Below so many ticks the clock's own steps would be a tenth of the time and more; the counted loop is nearer.
    constexpr double kFewestTicks = 10;
    const double ticks = ns * ticks_per_ns;
    if (ticks < kFewestTicks) {
        return {0, std::max<std::uint64_t>(static_cast<std::uint64_t>(ns * spins_per_ns), 1)};
    }
    // One more: the first reading lies, on average, half a tick behind the time, and the fraction is half a tick too.
    return {static_cast<std::uint64_t>(ticks) + 1, 0};
}

void busy_loop(std::uint64_t spins) {
    for (std::uint64_t i = 0; i < spins; ++i) {
        keep_loop(i);
    }
}

}  // namespace lockbench::native
