// SPDX-License-Identifier: MIT
// Events, threads as fibers, the simulated memory.
#include "platform/sim/engine.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace lockbench::sim {
namespace {

// Address space of the simulated memory and of what is known of its lines; pages are committed when touched.
constexpr std::size_t kArenaBytes = std::size_t{1} << 32U;
constexpr std::size_t kArenaLines = kArenaBytes / kCacheLine;
// Where it lies if the system agrees: the same in every run, so that a bug that looks at addresses shows the same way.
constexpr std::uintptr_t kArenaWish = 0x2000'0000'0000;

void* map(std::size_t bytes, std::uintptr_t wish = 0) {
    void* at = mmap(reinterpret_cast<void*>(wish), bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(at != MAP_FAILED, "no address space for the simulated memory");
    return at;
}

// What a request that an event makes needs at least until it takes a line away.
Time least_loss(const Machine& machine) {
    Time least = UINT64_MAX;
    for (const auto& by_found : machine.latency) {
        for (const HopCosts& row : by_found) {
            for (const Time cost : row) {
                least = cost == 0 ? least : std::min(least, cost);
            }
        }
    }
    const Time legs = machine.request_permille + machine.probe_permille;
    return least == UINT64_MAX ? 0 : least * legs / 1000 * (1000 - machine.jitter_permille) / 1000;
}

}  // namespace

Engine::Engine(const Machine& machine, const std::vector<ThreadPlace>& threads, std::uint64_t seed)
    : machine_(machine), processors_(machine.cpus()), slack_(least_loss(machine)) {
    check(engine == nullptr, "one simulated machine a process");
    words_ = (machine.cores() + 63) / 64;
    arena_ = static_cast<std::byte*>(map(kArenaBytes, kArenaWish));
    lines_ = static_cast<Line*>(map(kArenaLines * sizeof(Line)));
    holders_ = static_cast<std::uint64_t*>(map(kArenaLines * words_ * sizeof(std::uint64_t)));
    for (std::size_t core = 0; core < machine.cores(); ++core) {
        first_core_.resize(std::max<std::size_t>(first_core_.size(), machine.group_of_core[core] + 1U),
                           static_cast<std::uint16_t>(core));
    }
    first_core_.push_back(static_cast<std::uint16_t>(machine.cores()));
    RandomStream seeds(seed);
    for (ThreadId tid = 0; tid < threads.size(); ++tid) {
        threads_.push_back(std::make_unique<Thread>(seeds.next()));
        Thread& thread = *threads_.back();
        thread.tid = tid;
        thread.cpu = threads[tid].cpu;
        thread.core = machine.core_of_cpu[static_cast<std::size_t>(thread.cpu)];
        thread.group = machine.group_of_core[thread.core];
        thread.node = threads[tid].memory;
    }
    engine = this;
}

Engine::~Engine() {
    munmap(arena_, kArenaBytes);
    munmap(lines_, kArenaLines * sizeof(Line));
    munmap(holders_, kArenaLines * words_ * sizeof(std::uint64_t));
    engine = nullptr;
    self_thread = nullptr;
}

void* Engine::allocate(std::size_t bytes, NodeId node, std::uint32_t kind) {
    const std::size_t begin = used_;
    used_ += (bytes + kPage - 1) / kPage * kPage;
    check(used_ <= kArenaBytes, "the simulated memory is full");
    regions_.push_back({begin, kind});
    region_of_page_.resize(used_ / kPage, static_cast<std::uint32_t>(regions_.size() - 1));
    const bool told = node >= 0 && static_cast<std::size_t>(node) < machine_.nodes();
    for (std::size_t line = begin / kCacheLine; line < used_ / kCacheLine; ++line) {
        new (&lines_[line]) Line();
        // Interleaving goes by pages.
        lines_[line].home = static_cast<std::int16_t>(
            told               ? node
            : node == kAnyNode ? -1
                               : static_cast<NodeId>(line * kCacheLine / kPage % machine_.nodes()));
    }
    return arena_ + begin;
}

void*& Engine::per_thread_slot(std::size_t slot) {
    const std::size_t row = threads_.size() + 1;  // the host's is the last
    if (per_thread_.size() < (slot + 1) * row) {
        per_thread_.resize((slot + 1) * row, nullptr);
    }
    return per_thread_[slot * row];
}

RunEnd Engine::run(const std::function<void(ThreadId)>& body, Time skew, Time limit) {
    body_ = &body;
    run_limit_ = std::min(limit, UINT64_MAX / 2);
    unfinished_ = thread_count();
    end_ = RunEnd::done;
    for (const auto& thread : threads_) {
        thread->state = ThreadState::ready;
        thread->now = now_;
        thread->fiber.start([] {
            Thread& me = *self_thread;
            engine->enter(me);
            (*engine->body_)(me.tid);
            engine->finish(me);
        });
        const Time start = now_ + thread->random.below(static_cast<std::uint32_t>(std::min<Time>(skew, UINT32_MAX)));
        Processor& cpu = processor(thread->cpu);
        if (cpu.current == nullptr) {
            cpu.current = thread.get();
            cpu.slice_began = start;
            thread->state = ThreadState::running;
            push(start, EventKind::resume, thread->tid);
        } else {
            cpu.ready.push_back(thread.get());
            arm_quantum(cpu, thread->cpu, start);
        }
    }
    if (Thread* first = pump(); first != nullptr) {
        self_thread = first;
        main_.switch_to(first->fiber);
    }
    self_thread = nullptr;
    return end_;
}

// Handles events until one lets a thread run; null when the run is over.
Thread* Engine::pump() {
    for (;;) {
        if (queue_.empty()) {
            end_ = unfinished_ == 0 ? RunEnd::done : RunEnd::deadlock;
            return nullptr;
        }
        const Event event = queue_.pop();
        if (event.at > run_limit_) {
            end_ = RunEnd::overtime;
            return nullptr;
        }
        now_ = event.at;
        ++events_;
        fingerprint_ = (fingerprint_ ^ (event.at * 16 + static_cast<std::uint64_t>(event.kind)) ^
                        static_cast<std::uint64_t>(event.arg) << 40U) *
                       0x100000001b3ULL;
        if (Thread* thread = handle(event); thread != nullptr) {
            return thread;
        }
    }
}

Thread* Engine::handle(const Event& event) {
    switch (event.kind) {
        case EventKind::resume:
            return on_cpu(*threads_[event.arg]);
        case EventKind::arrive:
            arrive(request_of(event.arg));
            return nullptr;
        case EventKind::lose:
            lose(request_of(event.arg));
            return nullptr;
        case EventKind::complete:
            return completed(request_of(event.arg));
        case EventKind::free:
            serve(event.arg);
            return nullptr;
        case EventKind::quantum:
            return quantum_over(static_cast<CpuId>(event.arg));
        case EventKind::poll:
            break;
        case EventKind::timer:
            return threads_[event.arg]->stamp == event.stamp ? timer_over(*threads_[event.arg]) : nullptr;
        case EventKind::check:
            return threads_[event.arg]->stamp == event.stamp ? look(*threads_[event.arg]) : nullptr;
    }
    Thread& thread = *threads_[event.arg];
    if (thread.stamp != event.stamp) {
        return nullptr;
    }
    thread.polling = false;
    return thread.state == ThreadState::running ? poll(thread) : nullptr;
}

// Leaves the CPU of the host, not of the machine, until an event lets this thread go on.
void Engine::block(Thread& me) {
    self_thread = nullptr;
    Thread* next = pump();
    if (next == nullptr) {
        me.fiber.leave_to(main_);
    }
    self_thread = next;
    if (next != &me) {
        me.fiber.switch_to(next->fiber);
    }
    enter(me);
}

void Engine::enter(Thread& thread) {
    self_thread = &thread;
    const bool leave_soon = processor(thread.cpu).need_resched && thread.preempt_off == 0;
    limit_ = leave_soon ? 0 : std::min(run_limit_, queue_.next_at()) + slack_;
}

void Engine::finish(Thread& me) {
    sync(me);
    drain(me);
    --unfinished_;
    if (unfinished_ == 0) {
        me.state = ThreadState::done;
        end_ = RunEnd::done;
        self_thread = nullptr;
        me.fiber.leave_to(main_);
    }
    switch_out(me, ThreadState::done);
    self_thread = nullptr;
    Thread* next = pump();
    if (next == nullptr) {
        me.fiber.leave_to(main_);
    }
    self_thread = next;
    me.fiber.leave_to(next->fiber);
}

void Engine::sync(Thread& me) {
    if (queue_.next_at() <= me.now || me.now > run_limit_) {
        push(me.now, EventKind::resume, me.tid);
        block(me);
    }
    now_ = std::max(now_, me.now);
}

void Engine::point_slow(Thread& me) {
    sync(me);
    if (processor(me.cpu).need_resched && me.preempt_off == 0) {
        preempt(me);
    }
    enter(me);
}

Time Engine::jittered(Thread& me, Time time) {
    if (machine_.jitter_permille == 0) {
        return time;
    }
    return time * (1000 - machine_.jitter_permille + me.random.below(2 * machine_.jitter_permille + 1)) / 1000;
}

std::string Engine::broken_invariant() const {
    for (std::size_t number = 0; number < used_ / kCacheLine; ++number) {
        const Line& line = lines_[number];
        std::uint32_t copies = 0;
        for (std::size_t word = 0; word < words_; ++word) {
            copies += static_cast<std::uint32_t>(__builtin_popcountll(holders_[number * words_ + word]));
        }
        const std::string where = "line " + std::to_string(number);
        if (line.pending != 0 || line.first != nullptr) {
            return where + " has requests that nobody serves";
        }
        if (line.exclusive != 0 && (copies != 1 || !holds(number, static_cast<std::uint16_t>(line.exclusive - 1U)))) {
            return where + " may be written by one core and is held by others";
        }
        if (line.exclusive == 0 && copies == 1 && line.state == Found::modified) {
            return where + " is dirty in a cache that may not write it";
        }
    }
    return "";
}

}  // namespace lockbench::sim
