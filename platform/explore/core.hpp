// SPDX-License-Identifier: MIT
// What every explorer engine stands on: a program of a few threads as fibers over one arena, and each operation of the
// seam as a request that the engine answers.
//
// The engine runs the program again and again from the same beginning. So nothing may differ between two runs but the
// engine's answers: shared objects lie in the arena, an address is named by its offset there, memory is restored from a
// snapshot before each run, and an engine that knows what a thread did at some point asserts that it does it again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/fiber.hpp"
#include "platform/site.hpp"
#include "platform/units.hpp"

namespace lockbench::explore {

// Threads of one program; an engine may take fewer.
inline constexpr ThreadId kMaxFibers = 64;

// What a thread asks. `plain` accesses are those to data that a lock protects.
enum class Kind : std::uint8_t {
    load,
    store,
    init,    // a store to a location that nobody else can reach yet
    rmw,     // one step that reads and, if `update` says so, writes
    await,   // a load that waits until `holds`
    select,  // a load of a value for which `holds`; where there is none the run is of no interest
    get,     // plain load
    set,     // plain store
    fence,
    choose,   // a number below `operand`, 0 where nothing out of the ordinary happens
    release,  // the end of an object: `operand` bytes from `place` on
    reuse,    // another begins there
    kCount
};

struct Request {
    Kind kind = Kind::load;
    Order order = Order::relaxed;
    Order failure = Order::relaxed;  // rmw that does not write
    std::uint8_t bytes = 0;
    bool may_end = false;     // await: something else may be relied on to end this wait
    bool stable = false;      // release, reuse: of memory that read sections may look at all the same
    std::uint32_t place = 0;  // arena offset
    std::uint64_t operand = 0;
    bool (*holds)(const void* frame, std::uint64_t value) = nullptr;
    bool (*update)(const void* frame, std::uint64_t old, std::uint64_t& fresh) = nullptr;
    const void* frame = nullptr;
    // What the program makes of the value read; null: all of it. Values that look the same to it are one to an engine
    // that remembers what threads have seen.
    std::uint64_t (*sees)(const void* frame, std::uint64_t value) = nullptr;
    const void* look = nullptr;      // its frame
    std::uint64_t part = 0;          // rmw that stands for a store to these bits of the word, and no more
    const Request* also = nullptr;   // await: of another location, which ends the same wait
    const Request* whole = nullptr;  // await: the first of the places of its wait; null: it is the only one
    Site site;
};

// Each place whose value would end the wait that `await` is part of.
template <class Use>
void for_each_place(const Request& await, Use use) {
    for (const Request* place = await.whole != nullptr ? await.whole : &await; place != nullptr; place = place->also) {
        use(*place);
    }
}

enum class Failure : std::uint8_t {
    none,
    exclusion,           // two threads inside a critical section that may not share it
    race,                // data accessed without the order that a lock is to give
    liveness,            // a thread waits for what nobody will do: deadlock, lost wake-up, endless spin
    use_after_free,      // an access to an object that is destroyed, or may be by then
    double_free,         // the end of an object that has ended
    uninitialised,       // a read of what was never set
    check_failed,        // a check() of the code under test
    sleeping_in_atomic,  // sleeping with preemption off
    unbalanced,          // preempt_on without preempt_off, or a thread that ends without it
    retry_effect,        // a Retry iteration that changed something
    claim,               // the lock does not keep what it says of itself
    not_deterministic,   // a thread that did not do again what it did
    limit                // the program is too large for the engine
};
std::string_view to_string(Failure failure);

// Events that the seam says may happen: how often in one thread's life an engine makes each of them up.
struct Bounds {
    unsigned spurious_wakes = 1;
    unsigned stops = 1;     // should_yield, not_running, a spent budget
    unsigned expiries = 1;  // of deadlines
};

// Memory of a program. What setup() makes lies below kShared; each thread has a heap of its own above, so that what it
// allocates has the same address whatever the others do.
class Arena {
  public:
    static constexpr std::size_t kShared = 256UL * 1024;
    static constexpr std::size_t kHeap = 64UL * 1024;
    static constexpr std::size_t bytes_for(ThreadId threads) { return kShared + threads * kHeap; }
    static constexpr std::size_t kBytes = kShared + kMaxFibers * kHeap;

    Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    template <class T, class... Args>
    T& make(Args&&... args) {
        return *new (take(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    }
    void* take(std::size_t bytes, std::size_t align);
    void* take_from_heap(ThreadId tid, std::size_t bytes, std::size_t align);
    void clear();
    // Remembers what was made since the last call; brings all of that back, and empties the heaps.
    void save();
    void restore();
    // A hash of what this thread has changed in memory other than by operations of the seam; 0: nothing, as a rule.
    [[nodiscard]] std::uint64_t changes(ThreadId tid) const;
    [[nodiscard]] bool contains(const void* address) const {
        return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base_) < kBytes;
    }
    [[nodiscard]] std::uint32_t offset(const void* address) const {
        return static_cast<std::uint32_t>(static_cast<const std::byte*>(address) - base_);
    }
    [[nodiscard]] bool in_heap(const void* address) const { return offset(address) >= kShared; }
    [[nodiscard]] std::byte* at(std::uint32_t offset) const { return base_ + offset; }
    // Atomics and plain data that the host has given a value.
    void set_initialised(const void* address, bool yes) { initialised_[offset(address)] = yes ? 1 : 0; }
    // A name for what lies there, for traces; the last name given counts.
    void label(const void* address, std::size_t bytes, std::string name);
    [[nodiscard]] std::string name(std::uint32_t offset) const;
    [[nodiscard]] bool initialised(std::uint32_t offset) const { return initialised_[offset] != 0; }

  private:
    struct Release {
        void operator()(std::byte* memory) const { ::operator delete (memory, std::align_val_t{kPage}); }
    };
    std::unique_ptr<std::byte, Release> memory_;
    std::byte* base_;
    std::vector<std::uint8_t> initialised_;
    std::vector<std::byte> saved_;
    struct Label {
        std::uint32_t begin;
        std::uint32_t bytes;
        std::string name;
    };
    std::vector<Label> labels_;
    std::size_t used_ = 0;
    std::array<std::size_t, kMaxFibers> heap_used_{};  // by this run
    std::array<std::size_t, kMaxFibers> heap_top_{};   // by any
};

struct Program {
    ThreadId threads = 2;
    std::uint64_t cancellable = 0;  // bit t: thread t may be cancelled at any time
    std::function<void(Arena&)> setup;
    std::function<void(ThreadId)> body;
    std::function<void()> verify;  // when all threads have ended; may peek()
};

// Where in its section a thread is.
enum class Phase : std::uint8_t { idle, waits, holds, leaves };

// A point at which what a thread will do depends on nothing that it has seen but on the tag that it names. The first
// two are between sections, where a thread need not go on; at `renewed` its bounds are as at its start again.
enum class Point : std::uint8_t { between, renewed, held };

struct Thread {
    ThreadId tid = 0;
    Fiber fiber;
    bool done = false;
    std::int32_t preempt_off = 0;
    std::uint32_t sections = 0;  // marked sections that it is inside of
    bool writing = false;        // one of them as a writer
    std::uint32_t read_sections = 0;
    bool cancelled = false;
    Bounds left;
    std::uint32_t deadlines = 0;
    std::vector<std::uint64_t> expired;  // deadlines, by their names
    bool wants_time = false;             // it has asked since its Retry loop began whether a time has come
    std::size_t retry_begin = 0;
    Phase phase = Phase::idle;
    Mode mode = Mode::write;  // in which it waits for, holds or leaves the lock

    void note(Mark mark, Mode wanted);
    void reset(const Bounds& bounds);
};

// What answers. Called on the asking thread's fiber, which the engine may leave for good.
class Engine {
  public:
    Engine() = default;
    virtual ~Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // The value read; 0 where nothing is. An await that may_end may be answered with a value that does not hold: time
    // has passed, and with it what else ends the wait.
    virtual std::uint64_t perform(Thread& me, const Request& request) = 0;
    // Waits at several places at once: the place in the chain of `also` whose value ended it, or where time did.
    virtual std::size_t wait_anywhere(Thread& me, const Request& request);
    [[nodiscard]] virtual bool waits_anywhere() const { return false; }
    // A Retry loop's iteration begins; has failed. `begin`: what retry_head() said. An engine that explores executions
    // one by one returns when another iteration is worth while; one that has them all does not return.
    virtual std::size_t retry_head(Thread& me) = 0;
    virtual void retry_failed(Thread& me, std::size_t begin, Site site) = 0;
    // An EffectLoop's bound is reached.
    virtual void bound_reached(Thread& me, Site site) = 0;
    virtual void checkpoint(Thread&, Point, std::uint64_t /*tag*/) {}
    [[noreturn]] virtual void fail(Failure failure, std::string message) = 0;
    // A location's value when all threads have ended.
    [[nodiscard]] virtual std::uint64_t final_value(std::uint32_t place, std::uint8_t bytes) = 0;
};

class Core {
  public:
    Core(Engine& engine, const Program& program, const Bounds& bounds);
    ~Core();
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;

    // Everything as after setup(), no thread has begun.
    void restart();
    // Runs a thread until it leaves.
    void resume(Thread& thread);
    // Runs the program's verify() on a fiber of its own, so that a failed check can leave it.
    void verify();
    // From one thread to another, past the host.
    void pass(Thread& from, Thread& to);
    // Leaves the running thread for whoever resumed it.
    void leave(Thread& me);
    [[noreturn]] void leave_for_good(Thread& me);

    [[nodiscard]] Thread& thread(ThreadId tid) { return threads_[tid]; }
    [[nodiscard]] const Thread& thread(ThreadId tid) const { return threads_[tid]; }
    [[nodiscard]] ThreadId thread_count() const { return program_.threads; }
    [[nodiscard]] bool thread_done(ThreadId tid) const { return threads_[tid].done; }
    [[nodiscard]] Arena& arena() const { return *arena_; }
    [[nodiscard]] Engine& engine() { return engine_; }
    [[nodiscard]] const Bounds& bounds() const { return bounds_; }
    [[nodiscard]] const Program& program() const { return program_; }
    // The place of one PerThread type's objects; null until they are built.
    void*& per_thread_slot(std::size_t slot);
    // Runs `build` as the host, before all threads, and keeps what it made.
    template <class Build>
    void as_host(Build build);

  private:
    static void run_thread();

    Engine& engine_;
    const Program& program_;
    Bounds bounds_;
    Arena* arena_;
    Fiber main_;
    std::array<Thread, kMaxFibers + 1> threads_;  // the last one verifies
    std::vector<void*> per_thread_;
};

// The program that is explored, and the thread that runs; null outside. One exploration a process at a time.
inline Core* core = nullptr;
inline Thread* self_thread = nullptr;

template <class Build>
void Core::as_host(Build build) {
    Thread* const me = std::exchange(self_thread, nullptr);
    build();
    if (me != nullptr) {  // setup() is saved when it is done
        arena().save();
    }
    self_thread = me;
}

// Does nothing but where an engine remembers what threads have seen.
inline void checkpoint(Point point, std::uint64_t tag) {
    if (self_thread != nullptr) {
        core->engine().checkpoint(*self_thread, point, tag);
    }
}

std::size_t add_per_thread_slot();
std::string short_name(Site site);

}  // namespace lockbench::explore
