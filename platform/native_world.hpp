// SPDX-License-Identifier: MIT
// The state behind the Native platform: one block of memory a thread (its sleep word, its events, all PerThread
// objects), the clock, and the hooks by which the harness places memory. One world a process, because threads are found
// by number from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/events.hpp"
#include "platform/stats.hpp"
#include "platform/units.hpp"

namespace lockbench::native {

// Where memory comes from. The harness installs allocators that bind to a node; without it memory is anonymous and
// first-touched. alloc returns zeroed, page-aligned memory of `bytes` (a multiple of the page) or ends the process with
// a message.
struct MemoryHooks {
    void* (*alloc)(std::size_t bytes, NodeId node);
    void (*release)(void* base, std::size_t bytes);
};

// Sleep words: armed (may sleep), woken (the next sleep returns at once), sleeping (inside the kernel).
enum SleepState : std::uint32_t { kArmed = 0, kWoken = 1, kSleeping = 2 };

// First part of a thread's block; PerThread objects follow. Lines that others write (wake) and lines that others poll
// (running) apart.
struct alignas(kCacheLine) ThreadHeader {
    alignas(kCacheLine) std::atomic<std::uint32_t> sleep_word{kWoken};
    std::atomic<std::uint32_t> cancelled{0};
    alignas(kCacheLine) std::atomic<std::uint32_t> running{1};
    ThreadId tid = kNoThread;
    CpuId cpu = kNoCpu;  // where the thread is bound; kNoCpu: ask the system
    NodeId node = kAnyNode;
    alignas(kCacheLine) std::array<std::uint64_t, kEventCount> events{};
    std::uint64_t choice_state = 0;  // stream behind choose(n)
};

class World {
  public:
    static World& get();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // Reserves `size` bytes at the same offset of every thread's block; `construct` runs there when a block is made.
    // Called during static initialisation, once for each PerThread type that the program uses.
    static std::size_t add_slot(std::size_t size, std::size_t align, void (*construct)(void*));

    void set_memory(MemoryHooks hooks) { hooks_ = hooks; }
    [[nodiscard]] const MemoryHooks& memory() const { return hooks_; }

    // Makes blocks for threads 0 .. nodes.size()-1, thread i's on nodes[i], and drops those of an earlier trial. No
    // thread may run.
    void begin_trial(const std::vector<NodeId>& nodes, std::uint64_t seed);
    void end_trial();
    [[nodiscard]] ThreadId thread_count() const { return static_cast<ThreadId>(blocks_.size()); }
    // Static and inline, as slow paths of locks reach other threads' nodes through them.
    [[nodiscard]] static ThreadHeader& header(ThreadId tid) { return *static_cast<ThreadHeader*>(block_table_[tid]); }
    [[nodiscard]] static std::byte* block(ThreadId tid) { return static_cast<std::byte*>(block_table_[tid]); }
    // Base and length in bytes of a thread's block, to verify where it lies.
    [[nodiscard]] static void* block_base(ThreadId tid) { return block_table_[tid]; }
    [[nodiscard]] static std::size_t block_bytes();

    // Ticks of read_ticks() a nanosecond: as the machine names the rate, else measured once against CLOCK_MONOTONIC.
    // Constant and invariant clocks only.
    [[nodiscard]] double ticks_per_ns() const { return ticks_per_ns_; }
    // Iterations of busy_loop() a nanosecond, measured once (best of several): for gaps that need no exact length.
    [[nodiscard]] double spins_per_ns() const { return spins_per_ns_; }
    // Cost of one reading of the counter, ns.
    [[nodiscard]] double clock_ns() const { return clock_ns_; }
    void calibrate();
    void set_distances(std::vector<std::uint8_t> table, std::size_t cpus);
    [[nodiscard]] Distance distance(CpuId a, CpuId b) const;

  private:
    World();
    ~World();

    MemoryHooks hooks_;
    std::vector<void*> blocks_;
    static inline std::array<void*, kMaxThreads> block_table_{};
    double ticks_per_ns_ = 1.0;
    double spins_per_ns_ = 1.0;
    double clock_ns_ = 0;
    std::vector<std::uint8_t> distances_;
    std::size_t distance_cpus_ = 0;
};

// The calling thread's block, set by ThreadScope; null on threads that are not part of a trial. constinit: else each
// use would first ask, with a call, whether it is constructed yet.
extern constinit thread_local ThreadHeader* current_thread;

// Makes the calling thread number `tid` of the trial until the end of the scope.
class ThreadScope {
  public:
    explicit ThreadScope(ThreadId tid, CpuId cpu = kNoCpu, NodeId node = kAnyNode);
    ~ThreadScope();
    ThreadScope(const ThreadScope&) = delete;
    ThreadScope& operator=(const ThreadScope&) = delete;
};

std::uint64_t monotonic_ns();
CpuId current_cpu();
NodeId current_node();

// futex(2), private. wait returns on any cause: a wake, a changed word, a signal, the deadline (absolute
// CLOCK_MONOTONIC ns, 0: none).
void futex_wait(const void* word, std::uint32_t expected, std::uint64_t deadline_ns);
int futex_wake(const void* word, int count);
// Ends the process with exit status 3 where the kernel does not offer it: nothing else would pair with fence_light.
void membarrier_heavy();
void yield_cpu();
void busy_loop(std::uint64_t spins);
void busy_wait(std::uint64_t ns);
// How busy_wait spends a time: until so many ticks have passed or, where ticks are too coarse for it (an AArch64
// counter of 25 MHz steps by 40 ns), in so many turns of busy_loop.
struct BusyPlan {
    std::uint64_t ticks;
    std::uint64_t spins;
};
BusyPlan plan_busy_wait(double ns, double ticks_per_ns, double spins_per_ns);

}  // namespace lockbench::native
