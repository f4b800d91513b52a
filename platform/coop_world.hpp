// SPDX-License-Identifier: MIT
// A world of the cooperative platform, as a test sees it: a handful of threads as fibers, a schedule drawn from a seed,
// and a verdict.
//
//   CoopWorld world({.seed = 7, .threads = 3});
//   auto& lock = world.make<TicketLock<Coop>>();    shared objects live in the world: a late touch is seen
//   world.run([&](ThreadId tid) { ... });                  every thread's body; may be called again for another phase
//   ... verify: operations outside run() act directly ...
//   const CoopVerdict verdict = world.close();             destroys what make() made, looks for leaks
//
// The same options give the same schedule and the same verdict. A failure ends the schedule at once: the fibers are
// abandoned where they stand and never unwound, so bodies (and what they call) keep nothing on their stacks that owns
// heap memory across a seam operation. One world a process at a time, used by one host thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "platform/events.hpp"
#include "platform/platform.hpp"
#include "platform/units.hpp"

namespace lockbench {

// How the next thread is chosen.
enum class CoopStrategy : unsigned char {
    from_seed,  // one of those below, the seed decides
    uniform,    // any thread that can run, at every step
    sticky,     // stays with a thread, on average for eight steps
    pct         // strict priorities that change at a few random steps: Burckhardt et al., ASPLOS 2010
};

// An injected event: how likely it is at each opportunity, and how often at most in one run.
struct CoopInjection {
    std::uint32_t permille = 0;
    std::uint32_t budget = 0;
};

struct CoopOptions {
    std::uint64_t seed = 1;
    unsigned threads = 2;
    // A run longer than this is called a livelock.
    std::uint64_t max_steps = 200'000;
    CoopStrategy strategy = CoopStrategy::from_seed;
    // PCT: number of ordering constraints it looks for; 0: drawn from the seed, 2 to 5. horizon: the priorities change
    // within so many steps; 0: drawn from the seed, 64 to 4096.
    unsigned pct_depth = 0;
    std::uint64_t pct_horizon = 0;
    // Each run scales these rates by 0, 1/4, 1 or 4, drawn from the seed.
    CoopInjection spurious_wakes = {.permille = 20, .budget = 8};
    CoopInjection expiries = {.permille = 20, .budget = 8};
    CoopInjection not_running = {.permille = 40, .budget = 32};
    CoopInjection should_yield = {.permille = 40, .budget = 32};
    CoopInjection budget_stops = {.permille = 40, .budget = 32};
    CoopInjection cancels = {.permille = 20, .budget = 8};
    // Bit t: thread t may be cancelled by injection. Cancellation by Coop::cancel needs no leave.
    std::uint32_t cancellable = 0;
};

enum class CoopFailure : unsigned char {
    none,
    deadlock,            // nobody can run and somebody is not done: lost wake-ups show as this
    livelock,            // more than max_steps steps
    check_failed,        // a check() of the code under test, or CoopWorld::fail by the test itself
    race,                // an access that is not ordered after a conflicting one
    use_after_free,      // an access to an object that is destroyed or freed
    double_free,         // destroying or freeing what is not live
    leak,                // a Slab or Pool went with objects in it, or the world closed with one
    uninitialised,       // a read of what was never set
    exclusion,           // two threads inside a critical section that may not share it
    sleeping_in_atomic,  // sleep, park or sleep_until with preemption off
    unbalanced,          // preempt_off or a ReadSection left open, or closed twice
    limit                // the world is too small for the test: memory, objects
};

std::string_view to_string(CoopFailure failure);

struct CoopVerdict {
    bool passed = true;
    CoopFailure kind = CoopFailure::none;
    std::string text;  // what happened, where each thread is, the last steps; empty when passed
    std::uint64_t seed = 0;
    std::uint64_t steps = 0;
};

class CoopWorld {
  public:
    explicit CoopWorld(const CoopOptions& options);
    ~CoopWorld();
    CoopWorld(const CoopWorld&) = delete;
    CoopWorld& operator=(const CoopWorld&) = delete;

    // An object of the world; destroyed by destroy() or close(). Nothing else keeps it alive, so a test that destroys
    // one while a thread still works on it gets its use after free.
    template <class T, class... Args>
    T& make(Args&&... args) {
        void* memory =
            allocate(sizeof(T), alignof(T), __PRETTY_FUNCTION__, [](void* at) { static_cast<T*>(at)->~T(); });
        return *new (memory) T(std::forward<Args>(args)...);
    }
    template <class T>
    void destroy(T& object) {
        destroy_at(&object);
    }

    // Runs body(0) .. body(threads-1) to the end or to the first failure.
    const CoopVerdict& run(const std::function<void(ThreadId)>& body);
    // Ends the world and says how it went; the first failure counts. Called by the destructor otherwise.
    const CoopVerdict& close();
    [[nodiscard]] const CoopVerdict& verdict() const { return verdict_; }
    // Ends the schedule with a verdict of the test's own, from inside a body; from outside it is recorded and returns.
    static void fail(std::string_view what, const char* file = __builtin_FILE(), int line = __builtin_LINE());

    [[nodiscard]] std::uint64_t events(Event event) const;
    [[nodiscard]] std::uint64_t events(ThreadId tid, Event event) const;
    // Most acquisitions by others between a doorway mark and the acquisition it announced, over all threads.
    [[nodiscard]] std::uint64_t overtakes(const void* lock, Mode mode) const;
    // Acquisitions of a lock in a mode, as marked.
    [[nodiscard]] std::uint64_t acquisitions(const void* lock, Mode mode) const;
    [[nodiscard]] std::uint64_t steps() const;
    // Read-modify-writes that a thread has done; a store to part of a word is none in the mixed build.
    [[nodiscard]] std::uint64_t read_modify_writes(ThreadId tid) const;
    // No thread but the caller can run: all others are blocked or done, and stay so until it acts (or something is
    // injected). What the director of a scene waits for.
    [[nodiscard]] bool quiet() const;

  private:
    void* allocate(std::size_t bytes, std::size_t align, const char* type, void (*destructor)(void*));
    void destroy_at(void* object);

    CoopVerdict verdict_;
    CheckHandler previous_handler_ = nullptr;
    bool closed_ = false;
};

// A world without shared objects of its own: build, run, close.
CoopVerdict run_coop(const CoopOptions& options, const std::function<void(ThreadId)>& body);

}  // namespace lockbench
