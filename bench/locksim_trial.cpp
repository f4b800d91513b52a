// SPDX-License-Identifier: MIT
#include "bench/locksim_trial.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include "bench/subtract_counts.hpp"

namespace lockbench {
namespace {

constexpr Nanoseconds kSkewNs = 1000;  // threads start within so much
// A thread that has not come back so much later than the window's end is stuck: no section or sleep is as long.
constexpr Nanoseconds kPatienceNs = 2'000'000'000;

// Rows as Ctx wants them: index 0 nobody, t + 1 thread t, the last the host.
std::vector<std::vector<std::uint8_t>> distances(const sim::Machine& machine, const std::vector<CpuId>& cpus) {
    const auto unknown = static_cast<std::uint8_t>(Distance::unknown);
    std::vector<std::vector<std::uint8_t>> rows(cpus.size(), std::vector<std::uint8_t>(cpus.size() + 2, unknown));
    for (std::size_t from = 0; from < cpus.size(); ++from) {
        for (std::size_t to = 0; to < cpus.size(); ++to) {
            const auto at = static_cast<std::size_t>(cpus[from]) * machine.cpus() + static_cast<std::size_t>(cpus[to]);
            const bool shared = from != to && cpus[from] == cpus[to];
            rows[from][to + 1] = shared ? static_cast<std::uint8_t>(Distance::same_core) : machine.distances[at];
        }
    }
    return rows;
}

// A run of one workload: everything that its threads share.
class Trial {
  public:
    Trial(const SimMachine& machine, const SimWorkload& workload, const WindowRequest& request)
        : machine_(machine),
          workload_(workload),
          request_(request),
          engine_(machine.numbers, places(), request.seed),
          distances_(distances(machine.numbers, request.cpus)) {
        std::vector<std::int64_t> shares;
        for (const std::size_t param : workload.info->share_param) {
            shares.push_back(request.params[param]);
        }
        roles_ = assign_roles(request.threads(), shares);
        state_ = workload.build(TrialSetup{request.params, request.threads(), request.seed, request.homes});
        window_.result.threads.resize(request.threads());
    }

    SimWindow run() {
        const auto begin = std::chrono::steady_clock::now();
        const Nanoseconds end = request_.warmup_ns + request_.window_ns;
        engine_.count_between(request_.warmup_ns * sim::kPerNs, end * sim::kPerNs);
        const sim::RunEnd how = engine_.run([this](ThreadId tid) { thread(tid); }, kSkewNs * sim::kPerNs,
                                            (end + kPatienceNs) * sim::kPerNs);
        finish(how);
        window_.findings.host_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        return std::move(window_);
    }

  private:
    [[nodiscard]] std::vector<sim::ThreadPlace> places() const {
        std::vector<sim::ThreadPlace> list;
        for (ThreadId tid = 0; tid < request_.threads(); ++tid) {
            const NodeId wish = request_.qnode_nodes[tid];
            const NodeId own = machine_.numbers.node_of_cpu[static_cast<std::size_t>(request_.cpus[tid])];
            list.push_back({request_.cpus[tid], wish == kAnyNode ? own : wish});
        }
        return list;
    }

    void thread(ThreadId tid) {
        ThreadResult& result = window_.result.threads[tid];
        sim::Thread& me = *sim::self_thread;
        stats_.resize(std::max<std::size_t>(stats_.size(), request_.threads()));
        stats_[tid] = std::make_unique<ThreadStats>();
        ThreadStats& stats = *stats_[tid];
        Ctx<Sim>& ctx = *contexts_.emplace_back(
            std::make_unique<Ctx<Sim>>(tid, request_.seed, request_.sample_every, stats, distances_[tid].data()));
        void* state = workload_.enter(state_, ctx, roles_[tid]);
        workload_.step_until(state_, state, request_.warmup_ns);
        stats_before_.resize(std::max<std::size_t>(stats_before_.size(), request_.threads()));
        stats_before_[tid] = std::make_unique<ThreadStats>(begin(result, stats, me));
        workload_.step_until(state_, state, request_.warmup_ns + request_.window_ns);
        end(result, stats, *stats_before_[tid], me);
        workload_.leave(state_, state);
    }

    ThreadStats begin(ThreadResult& result, ThreadStats& stats, const sim::Thread& me) const {
        for (ModeStats& waits : stats.modes) {
            waits = ModeStats{};
            waits.last_stamp = Sim::Stopwatch::stamp();
        }
        result.cpu_asked = result.cpu_at_start = me.cpu;
        result.node = machine_.numbers.node_of_cpu[static_cast<std::size_t>(me.cpu)];
        result.events = me.events;
        result.usage.voluntary_switches = -static_cast<std::int64_t>(me.switches);
        result.usage.involuntary_switches = -static_cast<std::int64_t>(me.preemptions);
        result.start_ns = Sim::now();
        return stats;
    }

    static void end(ThreadResult& result, const ThreadStats& stats, const ThreadStats& before, const sim::Thread& me) {
        result.end_ns = Sim::now();
        result.cpu_at_end = me.cpu;
        result.usage.voluntary_switches += static_cast<std::int64_t>(me.switches);
        result.usage.involuntary_switches += static_cast<std::int64_t>(me.preemptions);
        result.stats = stats;
        subtract_counts(result.stats, before);
        for (std::size_t i = 0; i < kEventCount; ++i) {
            result.events[i] = me.events[i] - result.events[i];
        }
        for (std::size_t mode = 0; mode < kModeCount; ++mode) {
            result.uses_mode[mode] = stats.acquisitions(static_cast<Mode>(mode)) != 0;
            const ModeStats& waits = result.stats.modes[mode];
            const std::uint64_t gap = std::max(waits.gap_ticks_max, result.end_ns - waits.last_stamp);
            result.starvation_ns[mode] = result.uses_mode[mode] ? gap : 0;
        }
    }

    void finish(sim::RunEnd how) {
        WindowResult& result = window_.result;
        SimFindings& findings = window_.findings;
        findings.traffic = engine_.traffic();
        findings.map = engine_.line_map();
        findings.events = engine_.events();
        findings.fingerprint = engine_.fingerprint();
        findings.longest_timer_ns = engine_.longest_timer() / sim::kPerNs;
        for (ThreadId tid = 0; tid < request_.threads(); ++tid) {
            findings.accesses += engine_.thread(tid).accesses;
        }
        result.qnode_pages.resize(request_.threads());
        if (how != sim::RunEnd::done) {
            result.stuck = true;
            findings.report = engine_.report();
            return;
        }
        workload_.homes(state_, [&](HomeKind kind, void* base, std::size_t bytes) {
            NodePages& pages = kind == HomeKind::lock ? result.lock_pages : result.data_pages;
            for (std::size_t at = 0; at < bytes; at += kPage) {
                const NodeId home = engine_.home_of(static_cast<std::byte*>(base) + at);
                if (home >= 0) {  // else nobody has touched it
                    ++pages[home];
                }
            }
        });
        for (ThreadId tid = 0; tid < request_.threads(); ++tid) {
            ++result.qnode_pages[tid][engine_.thread(tid).node];
        }
        workload_.verify(state_, result.verdict);
        if (const std::string broken = engine_.broken_invariant(); !broken.empty()) {
            result.verdict.failures.push_back("the simulator itself: " + broken);
        }
        workload_.drop(state_);
    }

    const SimMachine& machine_;
    const SimWorkload& workload_;
    const WindowRequest& request_;
    sim::Engine engine_;
    std::vector<std::vector<std::uint8_t>> distances_;
    std::vector<RoleId> roles_;
    void* state_ = nullptr;
    // Owned here and not on the fibers' stacks, which are abandoned where a run cannot end.
    std::vector<std::unique_ptr<ThreadStats>> stats_;
    std::vector<std::unique_ptr<ThreadStats>> stats_before_;
    std::vector<std::unique_ptr<Ctx<Sim>>> contexts_;
    SimWindow window_;
};

}  // namespace

SimWindow run_sim_window(const SimMachine& machine, const SimWorkload& workload, const WindowRequest& request) {
    return Trial(machine, workload, request).run();
}

}  // namespace lockbench
