// SPDX-License-Identifier: MIT
// Objects of a cooperative world and their lives; critical sections as marked; the world itself.
#include <algorithm>
#include <utility>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"

namespace lockbench {
namespace coop {
namespace {

std::size_t per_thread_slots = 0;

}  // namespace

std::size_t add_per_thread_slot() { return per_thread_slots++; }

std::uint32_t Engine::new_object(std::size_t bytes, std::size_t align, ObjectKind kind, const char* type) {
    void* memory = arena_.take(bytes, align);
    if (memory == nullptr) {
        message_ = "the world's memory is used up: fewer steps or smaller objects";
        fail(CoopFailure::limit);
        check(false, "the world's memory is used up");
    }
    const auto number = static_cast<std::uint32_t>(objects_.size());
    Object& object = objects_.emplace_back();
    object.base = reinterpret_cast<std::uintptr_t>(memory);
    object.bytes = static_cast<std::uint32_t>(bytes);
    object.kind = kind;
    object.type = type;
    arena_.set_owner(object.base, bytes, number);
    return number;
}

std::uint32_t Engine::object_at(const void* address) const {
    const auto key = reinterpret_cast<std::uintptr_t>(address);
    if (!arena_.contains(key)) {
        return kNone;
    }
    const std::uint32_t number = arena_.owner(key);
    if (number >= objects_.size() || key - objects_[number].base >= objects_[number].bytes) {
        return kNone;
    }
    return number;
}

bool Engine::end_object(std::uint32_t number, const void* address) {
    const bool known = number != kNone && objects_[number].base == reinterpret_cast<std::uintptr_t>(address);
    if (!known || !objects_[number].live) {
        message_ = (self_thread != nullptr ? "thread " + std::to_string(self_thread->tid) : std::string("the host")) +
                   " destroys or frees " + name_of_address(address) +
                   (known ? ", which is no longer alive (since step " + std::to_string(objects_[number].ended_at) + ")"
                          : ", which is no object of this world");
        fail(CoopFailure::double_free);
        return false;
    }
    Object& object = objects_[number];
    object.live = false;
    object.ended_at = steps_;
    object.ended_by = self_thread != nullptr ? self_thread->tid : kNoThread;
    for (std::uint32_t i = object.first_loc; i != kNone; i = locs_[i].next_in_object) {
        locs_[i].flags |= Loc::kDead;
        if (locs_[i].address - object.base < object.stable_bytes) {
            continue;
        }
        if (self_thread != nullptr && (locs_[i].flags & Loc::kAtomic) == 0) {
            // Found whatever the schedule: an atomic has a scheduling point before each access, data has none.
            check_write(locs_[i], self_thread->last_site, "destroys or frees");
        }
        for (std::uint32_t waiters = locs_[i].waiters; waiters != 0; waiters &= waiters - 1) {
            const auto waiter = static_cast<std::size_t>(std::countr_zero(waiters));
            if (threads_[waiter].block.kind == BlockKind::await) {
                message_ = "thread " + std::to_string(waiter) + " still polls " + name_of(i) + " at " +
                           name_of(threads_[waiter].block.site) + ", which is destroyed or freed now";
                fail(CoopFailure::use_after_free);
            }
        }
        bump(locs_[i]);
    }
    return true;
}

void Engine::revive_object(std::uint32_t number) {
    Object& object = objects_[number];
    object.live = true;
    for (std::uint32_t i = object.first_loc; i != kNone; i = locs_[i].next_in_object) {
        locs_[i].flags &= static_cast<std::uint8_t>(~Loc::kDead);
        if (locs_[i].address - object.base >= object.stable_bytes) {
            locs_[i].flags |= Loc::kUninitialised;
        }
    }
}

void*& Engine::per_thread_slot(std::size_t slot) {
    if (slot >= per_thread_.size()) {
        per_thread_.resize(std::max(per_thread_slots, slot + 1), nullptr);
    }
    return per_thread_[slot];
}

void Engine::mark(Mark mark, const void* lock, Mode mode) {
    if (self_thread == nullptr) {
        return;
    }
    const auto key = reinterpret_cast<std::uintptr_t>(lock);
    std::uint32_t number = judge_map_.find(key);
    if (number == kNone) {
        number = static_cast<std::uint32_t>(judged_.size());
        judged_.emplace_back().lock = lock;
        judge_map_.insert(key, number);
    }
    Judged& judged = judged_[number];
    const ThreadId tid = self_thread->tid;
    const std::uint32_t bit = 1U << tid;
    const std::uint64_t taken = judged.acquired[0] + judged.acquired[1];
    if (mark == Mark::doorway) {
        judged.doorway[tid] = taken + 1;
        return;
    }
    if (mark == Mark::released) {
        check(mode == Mode::write ? judged.writer == tid : (judged.readers & bit) != 0,
              "a section is left that was not entered");
        judged.readers &= ~bit;
        judged.writer = mode == Mode::write ? kNoThread : judged.writer;
        return;
    }
    const bool downgrade = mode == Mode::read && judged.writer == tid;
    const std::uint32_t others = judged.readers & ~bit;
    if (!downgrade &&
        (judged.writer != kNoThread || (mode == Mode::write && others != 0) || (judged.readers & bit) != 0)) {
        const bool by_writer = judged.writer != kNoThread;
        message_ = "thread " + std::to_string(tid) + " is inside " + name_of_address(lock) + " as " +
                   (mode == Mode::write ? "writer" : "reader") + " while thread " +
                   std::to_string(by_writer ? judged.writer : static_cast<ThreadId>(std::countr_zero(judged.readers))) +
                   " is inside as " + (by_writer ? "writer" : "reader");
        fail(CoopFailure::exclusion);
    }
    if (mode == Mode::write) {
        judged.writer = tid;
    } else {
        judged.writer = downgrade ? kNoThread : judged.writer;
        judged.readers |= bit;
    }
    if (downgrade) {
        return;
    }
    const auto index = static_cast<std::size_t>(mode);
    if (judged.doorway[tid] != 0) {
        judged.overtaken[index] = std::max(judged.overtaken[index], taken + 1 - judged.doorway[tid]);
        judged.doorway[tid] = 0;
    }
    ++judged.acquired[index];
}

const Judged* Engine::judged(const void* lock) const {
    const std::uint32_t number = judge_map_.find(reinterpret_cast<std::uintptr_t>(lock));
    return number == kNone ? nullptr : &judged_[number];
}

}  // namespace coop

namespace {

coop::Engine& the_engine() {
    static coop::Engine one;
    return one;
}

// A failed check inside a body ends the schedule; outside, the default prints and aborts.
void on_check_failed(const char* what, const char* file, int line) {
    if (coop::engine == nullptr || coop::self_thread == nullptr) {
        if (coop::engine != nullptr) {
            coop::engine->print_seed();
        }
        return;
    }
    coop::engine->message() = "thread " + std::to_string(coop::self_thread->tid) + ": check failed: " + what + " (" +
                              coop::Engine::name_of(coop::Site{file, line}) + ")";
    coop::engine->fail(CoopFailure::check_failed);
}

}  // namespace

CoopWorld::CoopWorld(const CoopOptions& options) {
    verdict_.seed = options.seed;
    check(coop::engine == nullptr, "one cooperative world at a time");
    coop::engine = &the_engine();
    coop::engine->begin(options, &verdict_);
    previous_handler_ = set_check_handler(&on_check_failed);
}

CoopWorld::~CoopWorld() { close(); }

const CoopVerdict& CoopWorld::run(const std::function<void(ThreadId)>& body) {
    coop::engine->run(body);
    return verdict_;
}

const CoopVerdict& CoopWorld::close() {
    if (closed_) {
        return verdict_;
    }
    closed_ = true;
    coop::Engine& engine = *coop::engine;
    for (std::uint32_t i = engine.object_count(); i-- != 0;) {
        if (engine.object(i).kind == coop::ObjectKind::made && engine.object(i).live) {
            const coop::Object object = engine.object(i);
            object.destructor(reinterpret_cast<void*>(object.base));
            engine.end_object(i, reinterpret_cast<void*>(object.base));
        }
    }
    engine.end();
    set_check_handler(previous_handler_);
    coop::engine = nullptr;
    return verdict_;
}

void CoopWorld::fail(std::string_view what, const char* file, int line) {
    coop::engine->message() =
        (coop::self_thread != nullptr ? "thread " + std::to_string(coop::self_thread->tid) : std::string("the host")) +
        ": ";
    coop::engine->message().append(what).append(" (").append(coop::Engine::name_of(coop::Site{file, line})).append(")");
    coop::engine->fail(CoopFailure::check_failed);
}

void* CoopWorld::allocate(std::size_t bytes, std::size_t align, const char* type, void (*destructor)(void*)) {
    const std::uint32_t number = coop::engine->new_object(bytes, align, coop::ObjectKind::made, type);
    coop::engine->object(number).destructor = destructor;
    return reinterpret_cast<void*>(coop::engine->object(number).base);
}

void CoopWorld::destroy_at(void* address) {
    coop::Engine& engine = *coop::engine;
    const std::uint32_t number = engine.object_at(address);
    if (number != coop::kNone && engine.object(number).live) {
        engine.object(number).destructor(address);
    }
    engine.end_object(number, address);
}

std::uint64_t CoopWorld::events(ThreadId tid, Event event) const {
    return coop::engine->thread(tid).events[static_cast<std::size_t>(event)];
}

std::uint64_t CoopWorld::events(Event event) const {
    std::uint64_t sum = 0;
    for (ThreadId tid = 0; tid < coop::engine->thread_count(); ++tid) {
        sum += events(tid, event);
    }
    return sum;
}

std::uint64_t CoopWorld::overtakes(const void* lock, Mode mode) const {
    const coop::Judged* judged = coop::engine->judged(lock);
    return judged == nullptr ? 0 : judged->overtaken[static_cast<std::size_t>(mode)];
}

std::uint64_t CoopWorld::acquisitions(const void* lock, Mode mode) const {
    const coop::Judged* judged = coop::engine->judged(lock);
    return judged == nullptr ? 0 : judged->acquired[static_cast<std::size_t>(mode)];
}

std::uint64_t CoopWorld::steps() const { return coop::engine->steps(); }

std::uint64_t CoopWorld::read_modify_writes(ThreadId tid) const { return coop::engine->thread(tid).read_modify_writes; }

bool CoopWorld::quiet() const { return coop::engine->quiet(); }

CoopVerdict run_coop(const CoopOptions& options, const std::function<void(ThreadId)>& body) {
    CoopWorld world(options);
    world.run(body);
    return world.close();
}

}  // namespace lockbench
