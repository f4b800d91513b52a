// SPDX-License-Identifier: MIT
// One trial on the Native platform: place, build, warm up, start together, stop, collect, verify.
//
// Threads are pinned and verified before anything of theirs is allocated. They warm up, meet at a spin barrier, stamp
// their start, run until the stop flag, stamp their stop. Counters run around the window only. The main thread sleeps
// meanwhile.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/errors.hpp"
#include "bench/memory.hpp"
#include "bench/placement.hpp"
#include "bench/window.hpp"
#include "platform/native.hpp"

namespace lockbench {

// Where the trial's threads and its main thread meet. Threads spin, then yield, as there may be more of them than CPUs.
class TrialGate {
  public:
    enum Phase : int { kBuild, kWarmUp, kMeasure, kStop };

    explicit TrialGate(std::uint32_t threads) : threads_(threads) {}

    [[nodiscard]] Phase phase() const { return static_cast<Phase>(phase_.load(std::memory_order_relaxed)); }
    void set_phase(Phase phase) { phase_.store(phase, std::memory_order_seq_cst); }
    // A thread says that it came to the end of a stage.
    void arrive(std::atomic<std::uint32_t>& stage) {
        stage.fetch_add(1, std::memory_order_acq_rel);
        stage.notify_all();
    }
    void wait_phase(Phase phase) const;                                         // by threads
    void meet(std::atomic<std::uint32_t>& stage);                               // by threads: returns when all arrived
    bool wait_all(std::atomic<std::uint32_t>& stage, Nanoseconds limit) const;  // by main: false when the limit passed

    std::atomic<std::uint32_t> built{0};
    alignas(kCacheLine) std::atomic<std::uint32_t> started{0};
    alignas(kCacheLine) std::atomic<std::uint32_t> finished{0};

  private:
    alignas(kCacheLine) std::atomic<int> phase_{kBuild};
    std::uint32_t threads_;
};

// Ends the window from inside: the main thread's waking up would take a CPU from a measured thread in every window. A
// thread looks at the clock and at the stop flag once in a stride of steps, adapted to about kLookTicks of time;
// between two looks a step costs one decrement. The first thread whose window is over stops all. A look also sees a
// thread that runs elsewhere than on `bound`, which a mask that is right again at the end would hide.
class WindowClock {
  public:
    explicit WindowClock(Nanoseconds window_ns, CpuId bound = kNoCpu)
        : bound_(bound),
          begin_(native::read_ticks()),
          last_(begin_),
          window_ticks_(ticks_of(window_ns)),
          look_ticks_(ticks_of(10'000)) {}  // 10 us between two looks

    bool over(TrialGate& gate) { return --countdown_ == 0 && look(gate); }
    // The last CPU on which a look found the thread instead of on `bound`; kNoCpu: none.
    [[nodiscard]] CpuId strayed_to() const { return strayed_to_; }

  private:
    static std::uint64_t ticks_of(Nanoseconds ns) {
        return static_cast<std::uint64_t>(static_cast<double>(ns) * native::World::get().ticks_per_ns());
    }
    bool look(TrialGate& gate);

    CpuId bound_;
    CpuId strayed_to_ = kNoCpu;
    std::uint64_t begin_;
    std::uint64_t last_;
    std::uint64_t window_ticks_;
    std::uint64_t look_ticks_;
    std::uint32_t stride_ = 1;
    std::uint32_t countdown_ = 1;
};

// Parts of a trial that do not depend on lock or workload. Before the threads meet: what takes long and counts nothing
// of the meeting. After they have met: the rest, so that the wait for one another is in no counter.
void prepare_measuring(ThreadResult& result, ThreadStats& stats, ThreadStats& before);
void begin_measuring(ThreadResult& result, ThreadStats& stats, ThreadCounters* counters);
void end_measuring(ThreadResult& result, const ThreadStats& stats, const ThreadStats& before, ThreadCounters* counters);
// Why a team is not complete, and what to do.
std::string no_thread_text(std::size_t made, std::size_t wanted, const std::exception& error);
// Where the thread is now, and where its clock's looks found it.
void verify_placement(ThreadResult& result, const WindowClock& clock);
// Runs warm-up and window from the main thread; false: interrupted or stuck, told in `result`.
bool drive(TrialGate& gate, const WindowRequest& request, WindowResult& result);
// Distances from each thread to each other, by the CPUs they are pinned to; row of `tid`: index 0 nobody, index t+1
// thread t.
std::vector<std::vector<std::uint8_t>> distance_rows(const WindowRequest& request);

template <class W>
void run_thread(W& workload, const WindowRequest& request, TrialGate& gate, ThreadId tid, RoleId role,
                const std::vector<std::uint8_t>& distances, ThreadCounters* counters, ThreadResult& result) {
    result.cpu_asked = request.cpus[tid];
    result.unplaced = pin_measured_thread(request.cpus[tid]).value_or("");
    const native::ThreadScope scope(tid, request.cpus[tid]);
    result.node = request.cpus[tid] == kNoCpu ? kAnyNode : native::current_thread->node;
    auto stats = std::make_unique<ThreadStats>();
    auto before = std::make_unique<ThreadStats>();
    if (counters != nullptr) {
        counters->open();
    }
    Ctx<Native> ctx(tid, request.seed, request.sample_every, *stats, distances.data());
    {
        typename W::Thread thread(workload, ctx, role);
        gate.arrive(gate.built);
        gate.wait_phase(TrialGate::kWarmUp);
        while (gate.phase() == TrialGate::kWarmUp) {
            workload.step(thread);
        }
        if (gate.phase() == TrialGate::kMeasure) {
            prepare_measuring(result, *stats, *before);
            gate.meet(gate.started);
            begin_measuring(result, *stats, counters);
            result.cpu_at_start = native::current_cpu();
            result.start_ns = native::monotonic_ns();
            WindowClock clock(request.window_ns, request.cpus[tid]);
            while (!clock.over(gate)) {
                workload.step(thread);
            }
            result.end_ns = native::monotonic_ns();
            end_measuring(result, *stats, *before, counters);
            verify_placement(result, clock);
        }
        workload.finish(thread);
    }
    if (counters != nullptr) {
        counters->close();
    }
    gate.arrive(gate.finished);
}

// Runs one window of workload W (a workload over Native and some lock). The caller's thread becomes thread number
// threads() of the world: it builds the shared state and verifies it.
template <class W>
WindowResult run_window(const WindowRequest& request) {
    WindowResult result;
    const std::uint32_t threads = request.threads();
    native::World& world = native::World::get();
    std::vector<NodeId> nodes = request.qnode_nodes;
    nodes.push_back(kAnyNode);
    world.begin_trial(nodes, request.seed);
    const native::ThreadScope main_scope(threads);

    std::vector<std::int64_t> shares;
    for (const std::size_t param : W::info().share_param) {
        shares.push_back(request.params[param]);
    }
    const std::vector<RoleId> roles = assign_roles(threads, shares);
    const auto distances = distance_rows(request);
    auto workload = std::make_unique<W>(TrialSetup{request.params, threads, request.seed, request.homes});

    // Made here, one after the other: the first one may have to ask the host what it can count.
    std::vector<std::unique_ptr<ThreadCounters>> counters(threads);
    for (auto& set : counters) {
        set = request.counters == nullptr ? nullptr : request.counters->make_thread_set();
    }
    TrialGate gate(threads);
    result.threads.resize(threads);
    std::vector<std::thread> team;
    try {
        for (ThreadId tid = 0; tid < threads; ++tid) {
            team.emplace_back([&, tid] {
                run_thread(*workload, request, gate, tid, roles[tid], distances[tid], counters[tid].get(),
                           result.threads[tid]);
            });
        }
    } catch (const std::exception& error) {
        // Those that are there build their state, find that it is over, and leave.
        gate.set_phase(TrialGate::kStop);
        for (std::thread& thread : team) {
            thread.join();
        }
        throw HostError(no_thread_text(team.size(), threads, error));
    }
    drive(gate, request, result);
    if (result.stuck) {
        // The threads still use all of this; the caller ends the process after it has recorded what happened.
        for (std::thread& thread : team) {
            thread.detach();
        }
        static_cast<void>(workload.release());
        for (auto& set : counters) {
            static_cast<void>(set.release());
        }
        return result;
    }
    for (std::thread& thread : team) {
        thread.join();
    }
    workload->for_each_home([&](HomeKind kind, void* base, std::size_t bytes) {
        count_pages(kind == HomeKind::lock ? result.lock_pages : result.data_pages, base, bytes);
    });
    result.qnode_pages.resize(threads);
    for (ThreadId tid = 0; tid < threads; ++tid) {
        count_pages(result.qnode_pages[tid], native::World::block_base(tid), native::World::block_bytes());
    }
    result.home_problems = memory::problems();
    if (!result.interrupted) {
        workload->verify(result.verdict);
    }
    return result;
}

}  // namespace lockbench
