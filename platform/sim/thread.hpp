// SPDX-License-Identifier: MIT
// The state of one simulated thread and of one simulated CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "platform/ctx.hpp"
#include "platform/events.hpp"
#include "platform/fiber.hpp"
#include "platform/sim/machine.hpp"
#include "platform/site.hpp"
#include "platform/stats.hpp"

namespace lockbench::sim {

struct Thread;

// A request for a line, on its way to the home, in the line's queue or served. A thread has at most one of its own and
// one of its store buffer.
struct Request {
    Thread* thread = nullptr;
    Request* next = nullptr;  // in the line's queue
    const void* address = nullptr;
    Site site;
    Time issued = 0;
    Time arrived = 0;  // at its home
    std::uint32_t line = 0;
    Access access = Access::read;
    Hop hop = Hop::same_llc;  // of the transfer that serves it
    bool buffered = false;    // a store that has retired
    bool poll = false;        // of a waiting loop: what it brings is judged before the thread runs
    bool active = false;
};

struct BufferedStore {
    void* address;
    std::uint64_t value;
    std::uint32_t bytes;
    Site site;
};

// A thread that sleeps on a line until its copy is taken away.
struct Waiter {
    Thread* thread = nullptr;
    Waiter* next = nullptr;
    Waiter* previous = nullptr;
    std::uint32_t line = 0;
    bool listed = false;
};

// What an await looks at. Returns 0 when the predicate holds, the place of the stop that fired, or kStillWaiting.
inline constexpr int kStillWaiting = -1;
struct Await {
    int (*look)(const void* frame) = nullptr;
    const void* frame = nullptr;
    int result = kStillWaiting;
    bool active = false;
};

enum class ThreadState : std::uint8_t {
    running,   // on its CPU: executing, waiting for a line, or in a waiting loop
    ready,     // in its CPU's queue
    sleeping,  // in sleep()
    parked,    // in park()
    done
};

struct Thread {
    static constexpr std::size_t kMaxWaits = 4;  // lines that one await looks at
    static constexpr std::size_t kMaxHeld = 8;   // marked critical sections that one thread is in at a time

    explicit Thread(std::uint64_t seed) : random(seed) {}

    Time now = 0;  // its own clock; ahead of the engine's while it hits its cache
    std::uint16_t core = 0;
    std::uint16_t group = 0;
    std::int32_t preempt_off = 0;
    ThreadId tid = 0;
    CpuId cpu = 0;
    NodeId node = 0;
    ThreadState state = ThreadState::ready;
    bool woken = true;  // the sleep word: false from sleep_prepare to the next wake
    bool cancelled = false;
    bool killable = false;  // sleeps killably
    bool draining = false;  // waits until its store buffer holds at most drain_to
    bool polling = false;   // a poll of its await is due or under way
    std::size_t drain_to = 0;
    std::uint32_t stamp = 0;  // of the wait it is in
    Wake wake_result = Wake::woken;
    const void* parked_on = nullptr;
    Request own;
    Request store;
    std::deque<BufferedStore> buffer;
    Await await;
    std::array<Waiter, kMaxWaits> waits;
    std::size_t wait_count = 0;
    struct Watcher {
        ThreadId tid;
        std::uint32_t stamp;
    };
    std::vector<Watcher> watchers;  // wait until this one is off its CPU
    RandomStream random;
    Fiber fiber;
    Site at;  // where it waits, for reports
    // As marked by guards, for reports.
    const void* wanted = nullptr;
    std::array<const void*, kMaxHeld> held{};
    std::array<std::uint64_t, kEventCount> events{};
    std::uint64_t switches = 0;     // times it left its CPU by itself
    std::uint64_t preemptions = 0;  // times it was made to
    std::uint64_t accesses = 0;

    // Which lock it wants and which it holds, as its guards tell.
    void note(Mark mark, const void* lock) {
        wanted = mark == Mark::doorway ? lock : nullptr;
        for (const void*& slot : held) {
            if (mark == Mark::acquired ? slot == nullptr : mark == Mark::released && slot == lock) {
                slot = mark == Mark::acquired ? lock : nullptr;
                return;
            }
        }
    }
};

struct Processor {
    Thread* current = nullptr;
    std::deque<Thread*> ready;
    Time slice_began = 0;
    bool need_resched = false;
    bool quantum_armed = false;
};

// One cache line and its directory entry. Whose caches hold it is in the engine's bitset.
struct Line {
    Request* first = nullptr;  // waiting to be served
    Request* last = nullptr;
    Waiter* waiters = nullptr;
    Time free_at = 0;             // served no request before
    Time hold = 0;                // how long its last receiver has it for itself while others want it
    Time reads_done = 0;          // the last read that is under way from shared copies has its data
    std::uint32_t pending = 0;    // requests on their way, queued or served
    std::int16_t home = -1;       // node; -1: first touch
    std::uint16_t exclusive = 0;  // core that may write, plus one
    std::uint16_t owner = 0;      // core with the dirty copy, plus one
    std::uint16_t last_core = 0;  // to which it last moved
    Found state = Found::memory;
    bool serving = false;
    bool entered = false;  // it has come into another last-level cache since a request was last served
};

}  // namespace lockbench::sim
