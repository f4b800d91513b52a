// SPDX-License-Identifier: MIT
#include "platform/explore/core.hpp"

#include <algorithm>

#include "platform/check.hpp"
#include "platform/explore/wait.hpp"

namespace lockbench::explore {
namespace {

std::size_t per_thread_slots = 0;

// What memory holds that nobody has set.
constexpr int kFresh = 0xdb;

// One arena a process: setup() finds it empty.
Arena& the_arena() {
    static Arena arena;
    return arena;
}

void on_failed_check(const char* what, const char* file, int line) {
    if (self_thread != nullptr) {
        core->engine().fail(Failure::check_failed, std::string(what) + " (" + short_name({file, line}) + ")");
    }
}

}  // namespace

std::string_view to_string(Failure failure) {
    constexpr std::string_view kNames[] = {"none",
                                           "exclusion",
                                           "race",
                                           "liveness",
                                           "use after free",
                                           "double free",
                                           "uninitialised",
                                           "check failed",
                                           "sleeping in atomic",
                                           "unbalanced",
                                           "retry effect",
                                           "claim",
                                           "not deterministic",
                                           "limit"};
    return kNames[static_cast<std::size_t>(failure)];
}

// The last two parts of the path.
std::string short_name(Site site) {
    if (site.file == nullptr) {
        return "its start";
    }
    const std::string_view path(site.file);
    std::size_t slash = path.rfind('/');
    slash = slash == std::string_view::npos || slash == 0 ? slash : path.rfind('/', slash - 1);
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1)) + ":" +
           std::to_string(site.line);
}

std::size_t Engine::wait_anywhere(Thread&, const Request&) {
    check(false, "this engine waits at one place at a time");
    return 0;
}

std::size_t add_per_thread_slot() { return per_thread_slots++; }

Arena::Arena()
    : memory_(static_cast<std::byte*>(::operator new (kBytes, std::align_val_t{kPage}))),
      base_(memory_.get()),
      initialised_(kBytes) {
    std::memset(base_, kFresh, kBytes);
}

// What was never used still is as it was made.
void Arena::clear() {
    const auto wipe = [this](std::size_t begin, std::size_t bytes) {
        std::memset(base_ + begin, kFresh, bytes);
        std::memset(initialised_.data() + begin, 0, bytes);
    };
    wipe(0, used_);
    for (std::size_t tid = 0; tid < kMaxFibers; ++tid) {
        wipe(kShared + tid * kHeap, heap_top_[tid]);
    }
    saved_.clear();
    labels_.clear();
    used_ = 0;
    heap_used_ = {};
    heap_top_ = {};
}

void Arena::label(const void* address, std::size_t bytes, std::string name) {
    labels_.push_back({offset(address), static_cast<std::uint32_t>(bytes), std::move(name)});
}

std::string Arena::name(std::uint32_t offset) const {
    for (auto label = labels_.rbegin(); label != labels_.rend(); ++label) {
        const std::uint32_t into = offset - label->begin;
        if (into < label->bytes) {
            return label->name + (into == 0 ? "" : "+" + std::to_string(into));
        }
    }
    return "@" + std::to_string(offset);
}

void* Arena::take(std::size_t bytes, std::size_t align) {
    const std::size_t begin = (used_ + align - 1) / align * align;
    check(begin + bytes <= kShared, "the explorer's arena is full: a smaller program");
    used_ = begin + bytes;
    return base_ + begin;
}

void* Arena::take_from_heap(ThreadId tid, std::size_t bytes, std::size_t align) {
    const std::size_t begin = (heap_used_[tid] + align - 1) / align * align;
    check(begin + bytes <= kHeap, "a thread's heap in the explorer's arena is full: a shorter program");
    heap_used_[tid] = begin + bytes;
    heap_top_[tid] = std::max(heap_top_[tid], begin + bytes);
    return base_ + kShared + tid * kHeap + begin;
}

void Arena::save() { saved_.insert(saved_.end(), base_ + saved_.size(), base_ + used_); }

void Arena::restore() {
    std::memcpy(base_, saved_.data(), saved_.size());
    heap_used_ = {};
}

std::uint64_t Arena::changes(ThreadId tid) const {
    std::uint64_t hash = 0;
    const auto add = [&hash](std::uint64_t what) {
        constexpr std::uint64_t kPrime = 0x100000001b3U;  // of FNV-1a
        hash = (hash ^ (what + 1)) * kPrime;
    };
    if (std::memcmp(base_, saved_.data(), saved_.size()) != 0) {
        for (std::size_t i = 0; i < saved_.size(); ++i) {
            if (base_[i] != saved_[i]) {
                add(i);
                add(static_cast<std::uint64_t>(base_[i]));
            }
        }
    }
    for (std::size_t i = 0; i < heap_used_[tid]; ++i) {
        add(static_cast<std::uint64_t>(base_[kShared + tid * kHeap + i]));
    }
    return hash;
}

void Thread::note(Mark mark, Mode wanted) {
    phase = mark == Mark::doorway ? Phase::waits : mark == Mark::acquired ? Phase::holds : Phase::leaves;
    mode = wanted;
}

void Thread::reset(const Bounds& bounds) {
    done = false;
    preempt_off = 0;
    sections = 0;
    writing = false;
    read_sections = 0;
    cancelled = false;
    left = bounds;
    deadlines = 0;
    expired.clear();
    wants_time = false;
    retry_begin = 0;
    phase = Phase::idle;
    mode = Mode::write;
}

Core::Core(Engine& engine, const Program& program, const Bounds& bounds)
    : engine_(engine), program_(program), bounds_(bounds), arena_(&the_arena()) {
    check(core == nullptr, "one exploration a process at a time");
    check(program.threads >= 1 && program.threads <= kMaxFibers, "the explorer takes 1 to 64 threads");
    core = this;
    set_check_handler(&on_failed_check);
    for (ThreadId tid = 0; tid <= kMaxFibers; ++tid) {
        threads_[tid].tid = tid;
    }
    arena_->clear();
    build_kernel_words();
    program_.setup(*arena_);
    arena_->save();
}

Core::~Core() {
    core = nullptr;
    set_check_handler(nullptr);
}

void*& Core::per_thread_slot(std::size_t slot) {
    if (slot >= per_thread_.size()) {
        per_thread_.resize(std::max(per_thread_slots, slot + 1), nullptr);
    }
    return per_thread_[slot];
}

void Core::restart() {
    arena_->restore();
    for (ThreadId tid = 0; tid < program_.threads; ++tid) {
        threads_[tid].reset(bounds_);
        threads_[tid].fiber.start(&run_thread);
    }
}

void Core::run_thread() {
    Thread& me = *self_thread;
    core->program_.body(me.tid);
    if (me.preempt_off != 0) {
        core->engine_.fail(Failure::unbalanced, "thread " + std::to_string(me.tid) + " ends with preemption off");
    }
    me.done = true;
    core->leave_for_good(me);
}

void Core::resume(Thread& thread) {
    self_thread = &thread;
    main_.switch_to(thread.fiber);
    self_thread = nullptr;
}

void Core::verify() {
    Thread& verifier = threads_[kMaxFibers];
    verifier.reset(bounds_);
    verifier.fiber.start([] {
        if (core->program_.verify) {
            core->program_.verify();
        }
        core->leave_for_good(*self_thread);
    });
    resume(verifier);
}

void Core::pass(Thread& from, Thread& to) {
    self_thread = &to;
    from.fiber.switch_to(to.fiber);
}

void Core::leave(Thread& me) { me.fiber.switch_to(main_); }

void Core::leave_for_good(Thread& me) { me.fiber.leave_to(main_); }

}  // namespace lockbench::explore
