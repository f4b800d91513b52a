// SPDX-License-Identifier: MIT
// The engine of the simulated machine: discrete events in integer picoseconds, threads as fibers, a directory of cache
// lines, a scheduler.
//
// A thread runs ahead of the engine's clock on hits of its own cache, at most so far that no event to come can take the
// line away before (limit_). Everything else happens in the order of events. Values are read and written at the moment
// in which the line is granted, so what the threads do is sequentially consistent but for the store buffers, which are
// those of x86: first in, first out, and drained by locked instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/check.hpp"
#include "platform/sim/event_queue.hpp"
#include "platform/sim/machine.hpp"
#include "platform/sim/thread.hpp"
#include "platform/sim/traffic.hpp"

namespace lockbench::sim {

struct ThreadPlace {
    CpuId cpu = 0;
    NodeId memory = 0;  // where its PerThread objects lie
};

enum class RunEnd : std::uint8_t { done, deadlock, overtime };

class Engine {
  public:
    // Machines are kept by reference: they outlive the engine. One engine a process at a time.
    Engine(const Machine& machine, const std::vector<ThreadPlace>& threads, std::uint64_t seed);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Runs body(tid) on every thread, each from a start of its own within `skew`. Ends when all have ended, when nobody
    // can go on, or at `limit`: then report() names who waits for whom, and the fibers are abandoned.
    RunEnd run(const std::function<void(ThreadId)>& body, Time skew, Time limit);
    [[nodiscard]] std::string report() const;
    // Traffic counts from the first time to the second.
    void count_between(Time from, Time to) {
        count_from_ = from;
        count_to_ = to;
    }
    [[nodiscard]] const Traffic& traffic() const { return traffic_; }
    [[nodiscard]] const LineMap& line_map() const { return map_; }
    // The longest time ahead for which a thread set itself a deadline, and the quantum if CPUs were shared.
    [[nodiscard]] Time longest_timer() const { return longest_timer_; }
    void note_timer(Time time) { longest_timer_ = longest_timer_ < time ? time : longest_timer_; }
    // A digest of all events so far.
    [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }
    [[nodiscard]] ThreadId thread_count() const { return static_cast<ThreadId>(threads_.size()); }
    [[nodiscard]] Thread& thread(ThreadId tid) { return *threads_[tid]; }
    [[nodiscard]] const Thread& thread(ThreadId tid) const { return *threads_[tid]; }
    // What the directory must fulfil when no request is under way; the first breach in words, or nothing.
    [[nodiscard]] std::string broken_invariant() const;

    // Memory (memory.cpp).
    void* allocate(std::size_t bytes, NodeId node, std::uint32_t kind);
    std::uint32_t add_kind(const char* name, std::size_t stride) { return map_.add_kind(name, stride); }
    void*& per_thread_slot(std::size_t slot);
    [[nodiscard]] NodeId home_of(const void* address) const;

    // Accesses, by the running thread. Afterwards its clock is at the moment of the access.
    void read(Thread& me, const void* address, std::uint32_t bytes, Site site) {
        ++me.accesses;
        me.now += machine_.op + machine_.load;
        const std::size_t line = line_of(address);
        if (!holds(line, me.core) || lines_[line].pending != 0 || me.now >= limit_ || !me.buffer.empty()) [[unlikely]] {
            read_slow(me, line, address, bytes, site);
        }
    }
    // Gets the line for a read-modify-write, which the caller then does at once, and tells by wrote() if it wrote.
    void own(Thread& me, const void* address, Site site) {
        ++me.accesses;
        me.now += machine_.op + machine_.rmw;
        const std::size_t line = line_of(address);
        if (lines_[line].exclusive != me.core + 1U || lines_[line].pending != 0 || me.now >= limit_ ||
            !me.buffer.empty()) [[unlikely]] {
            own_slow(me, line, address, site);
        }
    }
    void wrote(const void* address) {
        Line& line = lines_[line_of(address)];
        line.state = Found::modified;
        if (line.waiters != nullptr) [[unlikely]] {
            wake_waiters(line, clock());
        }
    }
    // A store: retires at once, is seen when the line is there. `value` holds its `bytes` first.
    void write(Thread& me, void* address, std::uint64_t value, std::uint32_t bytes, Site site) {
        ++me.accesses;
        me.now += machine_.op + machine_.store;
        const std::size_t line = line_of(address);
        if (lines_[line].exclusive != me.core + 1U || lines_[line].pending != 0 || me.now >= limit_ ||
            !me.buffer.empty()) [[unlikely]] {
            write_slow(me, line, {address, value, bytes, site});
        } else {
            commit({address, value, bytes, site});
        }
    }
    // What the store buffer holds for exactly this location, if anything.
    [[nodiscard]] static bool forwarded(const Thread& me, const void* address, std::uint64_t& value);
    void drain(Thread& me, std::size_t to = 0);

    // Time and scheduling, by the running thread.
    void spend(Thread& me, Time time) {
        me.now += time;
        point(me);
    }
    // Lets everything happen that comes before this thread's clock.
    void point(Thread& me) {
        if (me.now >= limit_) [[unlikely]] {
            point_slow(me);
        }
    }
    void sync(Thread& me);
    [[nodiscard]] bool contains(const void* address) const {
        return static_cast<std::size_t>(static_cast<const std::byte*>(address) - arena_) < used_;
    }
    Time jittered(Thread& me, Time time);
    [[nodiscard]] Time clock() const;
    [[nodiscard]] Processor& processor(CpuId cpu) { return processors_[static_cast<std::size_t>(cpu)]; }

    // Waiting (wait.cpp).
    int wait(Thread& me);  // me.await and its lines are set
    void watch_line(Thread& me, const void* address);
    void set_timer(Thread& me, Time at) { push(at, EventKind::timer, me.tid, me.stamp); }
    void begin_wait(Thread& me) { ++me.stamp; }
    Wake sleep(Thread& me, Time deadline, bool killable, Site site);
    void wake(Thread& me, Thread& target);
    void cancel(Thread& me, Thread& target);
    Wake park(Thread& me, const void* word, Time deadline, Site site);
    void unpark(Thread& me, const void* word, std::uint32_t count);
    void yield(Thread& me);
    void preempt_on(Thread& me);

  private:
    // Lines (lines.cpp).
    [[nodiscard]] std::size_t line_of(const void* address) const {
        const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(address) - arena_);
        check(offset < used_, "a shared object lies outside the simulated memory");
        return offset / kCacheLine;
    }
    [[nodiscard]] bool holds(std::size_t line, std::uint16_t core) const {
        return (holders_[line * words_ + core / 64U] >> (core % 64U) & 1U) != 0;
    }
    void set_holder(std::size_t line, std::uint16_t core) {
        holders_[line * words_ + core / 64U] |= std::uint64_t{1} << (core % 64U);
    }
    void read_slow(Thread& me, std::size_t line, const void* address, std::uint32_t bytes, Site site);
    void own_slow(Thread& me, std::size_t line, const void* address, Site site);
    void write_slow(Thread& me, std::size_t line, const BufferedStore& store);
    void commit(const BufferedStore& store);
    void retire(Thread& me, Time at);
    Thread* completed(Request& request);
    void issue(Request& request, Thread& thread, std::size_t line, Access access, const void* address, Site site,
               Time at);
    void arrive(Request& request);
    void serve(std::size_t line);
    void serve_read(Request& request, Line& line);
    void serve_write(Request& request, Line& line);
    // The line stays busy until the requester has had it for a while; others keep it until the probe comes.
    void transfer(Request& request, Line& line, Found found, Hop hop, std::uint32_t copies);
    void favour_near(Line& line);
    [[nodiscard]] std::pair<Found, Hop> outlook(const Line& line, std::size_t number, const Thread& thread) const;
    void lose(Request& request);
    void count(const Request& request, Found found, Hop hop, Time until, std::uint32_t copies);
    // The nearest and the farthest core but this one that has a copy, and how many have.
    struct Holders {
        Hop nearest = Hop::kCount;  // kCount: there is none
        Hop farthest = Hop::same_llc;
        std::uint32_t count = 0;
    };
    [[nodiscard]] Holders others(std::size_t line, std::uint16_t core) const;
    [[nodiscard]] Hop routed(const Line& line, std::uint16_t group, std::uint16_t from_group) const;
    [[nodiscard]] Hop hop_home(const Line& line, std::uint16_t group) const;
    void wake_waiters(Line& line, Time at, std::uint16_t except_core = UINT16_MAX);

    // Events and threads (engine.cpp).
    void push(Time at, EventKind kind, std::uint32_t arg, std::uint32_t stamp = 0) {
        queue_.push(at, kind, arg, stamp);
        if (at + slack_ < limit_) {
            limit_ = at + slack_;
        }
    }
    Thread* pump();
    Thread* handle(const Event& event);
    void block(Thread& me);
    void enter(Thread& thread);
    [[noreturn]] void finish(Thread& me);
    void point_slow(Thread& me);
    [[nodiscard]] static std::uint32_t arg_of(const Request& request) {
        return request.thread->tid * 2 + (request.buffered ? 1 : 0);
    }
    Request& request_of(std::uint32_t arg) {
        return (arg & 1U) != 0 ? threads_[arg / 2]->store : threads_[arg / 2]->own;
    }

    // Scheduling and waiting (wait.cpp, schedule.cpp).
    void switch_out(Thread& me, ThreadState state);
    void dispatch(CpuId cpu, Time at);
    void make_ready(Thread& thread, Time at);
    void preempt(Thread& me);
    void arm_quantum(Processor& processor, CpuId cpu, Time at);
    void end_wait(Thread& me);
    // These return the thread if its wait is over and it is to run now.
    Thread* look(Thread& thread);
    Thread* poll(Thread& thread);
    Thread* timer_over(Thread& thread);
    Thread* on_cpu(Thread& thread);
    Thread* quantum_over(CpuId cpu);
    void woken_by(Thread& thread, Wake result);
    [[nodiscard]] std::string describe(const Thread& thread) const;
    [[nodiscard]] std::string name_of(const void* address) const;

    const Machine& machine_;
    std::vector<std::unique_ptr<Thread>> threads_;
    std::vector<Processor> processors_;
    EventQueue queue_;
    Time now_ = 0;
    Time limit_ = 0;  // the running thread may hit its cache up to here
    Time slack_ = 0;  // least time from an event to the loss of a line by a request that the event makes
    Time run_limit_ = 0;
    RunEnd end_ = RunEnd::done;
    std::uint32_t unfinished_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t fingerprint_ = 0xcbf29ce484222325ULL;
    const std::function<void(ThreadId)>* body_ = nullptr;
    Fiber main_;

    std::byte* arena_ = nullptr;
    std::size_t used_ = 0;
    Line* lines_ = nullptr;
    std::uint64_t* holders_ = nullptr;
    std::size_t words_ = 1;
    struct Region {
        std::size_t begin;
        std::uint32_t kind;
    };
    std::vector<Region> regions_;
    std::vector<std::uint32_t> region_of_page_;
    std::vector<void*> per_thread_;
    std::vector<std::uint16_t> first_core_;  // of each group, and one more

    std::vector<ThreadId> parked_;  // oldest first
    Traffic traffic_;
    LineMap map_;
    Time longest_timer_ = 0;
    Time count_from_ = 0;
    Time count_to_ = UINT64_MAX;
};

// The engine there is, or null; the thread whose fiber runs, or null for the host.
inline Engine* engine = nullptr;
inline Thread* self_thread = nullptr;

inline Time Engine::clock() const { return self_thread != nullptr ? self_thread->now : now_; }

}  // namespace lockbench::sim
