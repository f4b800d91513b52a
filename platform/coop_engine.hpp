// SPDX-License-Identifier: MIT
// The engine behind CoopWorld: threads as fibers, the schedule, virtual time, injections, happens-before, lifetimes,
// the report.
//
// Execution is sequentially consistent: each atomic operation is one step, made at once on the plain value. What the
// orders promise is tracked beside it in vector clocks: a release that is too weak shows as a race on the data it
// should have published, although the schedule never reorders anything. Store buffering and stale reads are not shown:
// those are the explorer's.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/coop_clock.hpp"
#include "platform/coop_shadow.hpp"
#include "platform/coop_world.hpp"
#include "platform/ctx.hpp"
#include "platform/fiber.hpp"

namespace lockbench::coop {

// What the trace shows. The order is that of kOpNames in coop_report.cpp.
enum class Op : unsigned char {
    load,
    store,
    rmw,
    cas_failed,
    init,
    fence,
    get,
    set,
    poll,
    await,
    retry,
    yield,
    compute,
    sleep_prepare,
    sleep,
    wake,
    cancel,
    park,
    unpark,
    alloc,
    free,
    inject,
    done,
    kCount
};

// Events that the engine may make up.
enum class Inject : unsigned char { spurious, expiry, not_running, should_yield, budget, cancel, kCount };
inline constexpr std::size_t kInjectCount = static_cast<std::size_t>(Inject::kCount);
constexpr std::uint8_t bit_of(Inject kind) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind)); }

enum class BlockKind : unsigned char { none, await, retry, sleep, sleep_killable, park, sleep_until };

// Why a thread does not run, and what would let it.
struct Block {
    BlockKind kind = BlockKind::none;
    std::uint8_t may = 0;        // bits of Inject that may end the wait for no reason
    std::uint32_t watched = 0;   // threads whose going off the CPU ends the wait
    std::uint64_t deadline = 0;  // virtual ns; 0: none
    bool (*ready)(const void*) =
        nullptr;  // await: whether the predicate or a stop holds; a pure function of the shared state
    const void* frame = nullptr;
    const void* address = nullptr;  // what is waited for, for the report
    Site site;
};

// What a Retry iteration asked besides reading locations.
struct Polled {
    std::uint8_t may = 0;
    std::uint32_t watched = 0;
    std::uint64_t deadline = 0;
    bool cancelled = false;
};

struct Thread {
    static constexpr std::size_t kMaxSeen =
        64;  // locations that one Retry iteration may read before it counts as always changed
    static constexpr std::size_t kMaxWaits = 80;  // kMaxSeen and the stops

    Clock clock;
    Clock pending_acquire;  // what relaxed loads saw: an acquire fence takes it in
    Clock release_fence;    // this thread's clock at its last release fence
    Clock woken_by;         // the pasts of this thread's wakers
    bool has_release_fence = false;

    ThreadId tid = 0;
    Fiber fiber;
    bool done = false;
    bool off_cpu = false;
    bool woken = true;  // the sleep word: false from sleep_prepare to the next wake
    bool unparked = false;
    bool cancelled = false;
    std::int32_t preempt_off = 0;
    std::int32_t read_sections = 0;
    std::uint64_t section_began = 0;  // step
    std::int64_t priority = 0;

    Block block;
    std::uint8_t injected = 0;  // bit of Inject that ended the wait
    std::uint8_t forced = 0;    // bits of Inject whose next poll is answered with yes
    std::uint32_t wait_count = 0;
    std::array<std::uint32_t, kMaxWaits> wait_locs;  // locations that carry this thread in their waiters

    struct Seen {
        std::uint32_t loc;
        std::uint32_t version;
    };
    std::uint32_t retry_depth = 0;
    std::uint32_t retry_begin = 0;
    std::uint32_t seen_count = 0;
    bool seen_overflow = false;
    std::array<Seen, kMaxSeen> seen;
    Polled polled;

    std::array<std::uint64_t, kEventCount> events{};
    std::uint64_t read_modify_writes = 0;
    Site last_site;

    // As a new world finds it.
    void reset();
};

struct TraceEntry {
    std::uint64_t step;
    ThreadId tid;
    Op op;
    std::uint32_t loc;
    Site site;
    std::uint64_t before;
    std::uint64_t after;
};

// Critical sections of one lock, as marked.
struct Judged {
    const void* lock = nullptr;
    std::uint32_t readers = 0;  // one bit a thread
    ThreadId writer = kNoThread;
    std::array<std::uint64_t, kModeCount> acquired{};
    std::array<std::uint64_t, kModeCount> overtaken{};
    std::array<std::uint64_t, kMaxFibers> doorway{};  // acquisitions at the doorway, plus one; 0: not waiting
};

class Engine {
  public:
    Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // World.
    void begin(const CoopOptions& options, CoopVerdict* verdict);
    void end();
    void run(const std::function<void(ThreadId)>& body);
    [[nodiscard]] bool failed() const { return verdict_->kind != CoopFailure::none; }
    // Ends the schedule with message() as text; from outside a fiber it records the first failure and returns.
    void fail(CoopFailure kind);
    std::string& message() { return message_; }
    [[nodiscard]] ThreadId thread_count() const { return thread_count_; }
    [[nodiscard]] Thread& thread(ThreadId tid) { return threads_[tid]; }
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

    // Schedule.
    void point(Thread& me) {
        now_ += kStepNs;
        if (++steps_ >= next_stop_) [[unlikely]] {
            rare_step(me);
        }
        if (now_ >= next_deadline_) [[unlikely]] {
            expire();
        }
        if (ready_ != 1U << me.tid) {
            go_to(me, pick(me));
        }
    }
    // A point that lets others go first.
    void yield_point(Thread& me, Nanoseconds ns, bool off_cpu);
    // Leaves the CPU until the wait is over. me.block is filled in, locations are registered with wait_on.
    void block(Thread& me);
    void wait_on(Thread& me, Loc& loc);
    void recheck(std::uint32_t threads);
    void set_off_cpu(Thread& thread, bool off);
    [[nodiscard]] bool quiet() const;
    void pass_time(Nanoseconds ns) { now_ += ns; }
    void advance_to(std::uint64_t ns);
    [[nodiscard]] std::uint64_t now() const { return now_; }
    [[nodiscard]] std::uint64_t random_below(std::uint64_t bound) {
        return random_.below(static_cast<std::uint32_t>(bound));
    }
    // True now and then, within the run's budget for this kind.
    bool chance(Inject kind);
    bool forced_or_chance(Thread& me, Inject kind);
    void wake(Thread& thread);
    void cancel(Thread& thread);
    void enqueue_parked(Thread& me, const void* word);
    void leave_park_queue(Thread& me);
    void unpark(const void* word, std::uint32_t count);

    // Memory accesses (coop_ops.cpp). enter: lifetime and initialisation checks; the reference holds until the next
    // scheduling point.
    Loc& enter(const void* address, std::size_t bytes, bool atomic, Site site);
    // The same without the check that the access is ordered after the last init().
    Loc& enter_unordered(const void* address, std::size_t bytes, Site site);
    void construct(const void* address, std::size_t bytes, bool atomic, bool initialised);
    void reinit(Loc& loc, Site site);
    void loaded(Loc& loc, Op op, At at, std::uint64_t value);
    void stored(Loc& loc, At at, std::uint64_t before, std::uint64_t after);
    void modified(Loc& loc, At at, std::uint64_t before, std::uint64_t after);
    // A store to part of the word: for the clocks a read-modify-write, as the rest of the word keeps what was released
    // there.
    void stored_part(Loc& loc, At at, std::uint64_t before, std::uint64_t after);
    void plain_read(Loc& loc, Site site, std::uint64_t value);
    void plain_written(Loc& loc, Site site, std::uint64_t before, std::uint64_t after);
    void fence(Thread& me, At at);
    // Adds this thread's past to `clock`.
    static void release_into(Thread& me, Clock& clock);
    void note(Op op, std::uint32_t loc, Site site, std::uint64_t before, std::uint64_t after);
    [[nodiscard]] std::uint32_t number_of(const Loc& loc) const {
        return static_cast<std::uint32_t>(&loc - locs_.data());
    }
    [[nodiscard]] bool seen_changed(const Thread& thread) const;
    [[nodiscard]] Loc& loc(std::uint32_t number) { return locs_[number]; }

    // Objects (coop_memory.cpp).
    std::uint32_t new_object(std::size_t bytes, std::size_t align, ObjectKind kind, const char* type);
    [[nodiscard]] Object& object(std::uint32_t number) { return objects_[number]; }
    [[nodiscard]] std::uint32_t object_at(const void* address) const;
    [[nodiscard]] std::uint32_t object_count() const { return static_cast<std::uint32_t>(objects_.size()); }
    // Destroys or frees: false (after a failure) if it was not live.
    bool end_object(std::uint32_t number, const void* address);
    void revive_object(std::uint32_t number);
    void*& per_thread_slot(std::size_t slot);

    // Marks (coop_judge.cpp).
    void mark(Mark mark, const void* lock, Mode mode);
    [[nodiscard]] const Judged* judged(const void* lock) const;

    // Names (coop_report.cpp).
    [[nodiscard]] std::string name_of(std::uint32_t loc) const;
    [[nodiscard]] std::string name_of_address(const void* address) const;
    static std::string name_of(Site site);
    void print_seed() const;

  private:
    static constexpr Nanoseconds kStepNs = 1;

    void rare_step(Thread& me);
    void inject();
    bool inject_into(Inject kind, Thread& thread);
    void schedule_injection();
    Thread& pick(Thread& me);
    Thread& pick_random(std::uint32_t among);
    Thread& pick_priority(std::uint32_t among);
    void go_to(Thread& me, Thread& next);
    void leave(Thread& me);
    void idle();
    void expire();
    [[nodiscard]] bool is_ready(const Thread& thread) const;
    void unblock(Thread& me);
    void finish(Thread& me);
    static void fiber_body();
    void choose_strategy(const CoopOptions& options);
    void choose_injections(const CoopOptions& options);

    Loc& create_loc(std::uintptr_t address, std::size_t bytes, bool atomic);
    void touch_dead(Loc& loc, Site site);
    void touch_wrong_init(Loc& loc, Site site);
    void read_uninitialised(Loc& loc, Site site);
    void check_write(Loc& loc, Site site, const char* verb);
    void race(Loc& loc, Site site, const char* verb, ThreadId other, bool other_write);
    void merge(Loc& loc, Op op, At at, std::uint64_t before, std::uint64_t after);
    void bump(Loc& loc);
    void note_seen(Thread& me, const Loc& loc);
    void compose(CoopFailure kind);
    [[nodiscard]] std::string place_of(const Thread& thread) const;
    [[nodiscard]] std::string trace() const;

    CoopOptions options_;
    CoopVerdict* verdict_ = nullptr;
    std::string message_;
    RandomStream random_{0};

    ThreadId thread_count_ = 0;
    std::uint32_t ready_ = 0;       // threads that can run, the running one included
    std::uint32_t unfinished_ = 0;  // threads that have not ended
    CoopStrategy strategy_ = CoopStrategy::uniform;
    CoopStrategy began_as_ = CoopStrategy::uniform;
    std::uint64_t steps_ = 0;
    std::uint64_t next_stop_ = 0;  // step at which something rare is due
    std::uint64_t next_injection_ = 0;
    std::uint64_t pct_end_ = 0;  // step after which priorities give way to a fair choice
    std::vector<std::uint64_t> pct_changes_;
    std::int64_t lowest_priority_ = 0;
    std::uint64_t now_ = 0;
    std::uint64_t next_deadline_ = UINT64_MAX;
    std::array<CoopInjection, kInjectCount> injections_{};
    std::uint32_t injection_total_ = 0;  // permille
    const std::function<void(ThreadId)>* body_ = nullptr;
    Fiber main_;
    std::array<Thread, kMaxFibers> threads_;

    AddressMap loc_map_;
    std::vector<Loc> locs_;
    std::vector<std::array<Site, kMaxFibers>> read_sites_;  // by location and thread: its last read of data
    Arena arena_;
    std::vector<Object> objects_;
    std::vector<void*> per_thread_;
    AddressMap judge_map_;
    std::vector<Judged> judged_;
    struct Parked {
        const void* word;
        ThreadId tid;
    };
    std::vector<Parked> parked_;  // oldest first

    static constexpr std::size_t kTrace = 64;  // steps that a report can show
    std::array<TraceEntry, kTrace> trace_{};
    std::uint64_t traced_ = 0;
};

// The world there is, or null; the thread whose fiber runs, or null for the host.
inline Engine* engine = nullptr;
inline Thread* self_thread = nullptr;

// Acts as the host for a while: what is built so happened before everything.
class HostScope {
  public:
    HostScope() : saved_(self_thread) { self_thread = nullptr; }
    ~HostScope() { self_thread = saved_; }
    HostScope(const HostScope&) = delete;
    HostScope& operator=(const HostScope&) = delete;

  private:
    Thread* saved_;
};

// Numbers the PerThread types of the program; called during static initialisation.
std::size_t add_per_thread_slot();

}  // namespace lockbench::coop
