// SPDX-License-Identifier: MIT
// Memory of the cooperative platform: every object is watched from its construction to its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"
#include "platform/coop_wait.hpp"
#include "platform/platform.hpp"

namespace lockbench::coop {

// One T a thread, built when first asked for, as if the host had done it before the run.
template <class T, class Tag>
struct PerThread {
    static T& at(ThreadId tid) {
        check(engine != nullptr && tid < engine->thread_count(), "no such thread in this world");
        void*& slot = engine->per_thread_slot(kSlot);
        if (slot == nullptr) [[unlikely]] {
            slot = build(engine->thread_count());
        }
        return std::launder(static_cast<T*>(slot))[tid];
    }

  private:
    static_assert(std::is_trivially_destructible_v<T>, "per-thread objects are dropped, not destroyed");

    static void* build(std::size_t count) {
        const HostScope host;
        const std::uint32_t number =
            engine->new_object(sizeof(T) * count, alignof(T), ObjectKind::per_thread, __PRETTY_FUNCTION__);
        auto* first = reinterpret_cast<std::byte*>(engine->object(number).base);
        for (std::size_t i = 0; i < count; ++i) {
            new (first + i * sizeof(T)) T();
        }
        return first;
    }
    inline static const std::size_t kSlot = add_per_thread_slot();
};

// Two threads share a CPU, so what is kept per CPU must be a hint.
inline CpuId cpu_of(ThreadId tid) { return static_cast<CpuId>(tid / 2); }

template <class T, class Tag>
struct PerCpu {
    static T& at(CpuId cpu) { return PerThread<T, PerCpu>::at(static_cast<ThreadId>(cpu)); }
    static T& here() { return at(self_thread != nullptr ? cpu_of(self_thread->tid) : 0); }
};

// A scheduling point of a function of the allocator.
inline void allocator_point() {
    check(engine != nullptr, "slabs and pools of the cooperative platform live inside a world");
    if (self_thread != nullptr) {
        engine->point(*self_thread);
    }
}

// What Slab and Pool share: their objects and how many live.
class Store {
  public:
    explicit Store(ObjectKind kind) : kind_(kind) {}
    ~Store() {
        if (engine != nullptr && !engine->failed() && live_ != 0) {
            engine->message() = "a " + std::string(kind_ == ObjectKind::slab ? "Slab" : "Pool") + " goes with " +
                                std::to_string(live_) + " of its objects alive, one of them " +
                                engine->name_of_address(oldest_alive());
            engine->fail(CoopFailure::leak);
        }
    }
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // A new object's number; its memory was never used in this world.
    std::uint32_t add(std::size_t bytes, std::size_t align, std::size_t stable_bytes, const char* type) {
        const std::uint32_t number = engine->new_object(bytes, align, kind_, type);
        engine->object(number).owner = this;
        engine->object(number).stable_bytes = static_cast<std::uint32_t>(stable_bytes);
        all_.push_back(number);
        return number;
    }
    void born(std::uint32_t number) {
        ++live_;
        engine->note(Op::alloc, kNone, {}, number, 1);
    }
    // The number of a live object of this store; kNone after a failure.
    [[nodiscard]] std::uint32_t check_live(const void* address) const {
        const std::uint32_t number = engine->object_at(address);
        if (number == kNone || !engine->object(number).live || engine->object(number).owner != this) {
            engine->end_object(number != kNone && engine->object(number).owner != this ? kNone : number, address);
            return kNone;
        }
        return number;
    }
    void died(std::uint32_t number, const void* address) {
        --live_;
        engine->note(Op::free, kNone, {}, number, 1);
        engine->end_object(number, address);
    }
    [[nodiscard]] std::int64_t live() const { return live_; }
    template <class F>
    void for_each_chunk(F&& f) const {
        for (const std::uint32_t number : all_) {
            f(reinterpret_cast<void*>(engine->object(number).base),
              static_cast<std::size_t>(engine->object(number).bytes));
        }
    }

  private:
    [[nodiscard]] const void* oldest_alive() const {
        for (const std::uint32_t number : all_) {
            if (engine->object(number).live) {
                return reinterpret_cast<const void*>(engine->object(number).base);
            }
        }
        return nullptr;
    }

    ObjectKind kind_;
    std::int64_t live_ = 0;
    std::vector<std::uint32_t> all_;
};

// Destroyed objects stay in quarantine, so that a late access is found; the oldest memory is used again when there is
// much of it.
template <class T>
class Slab {
  public:
    explicit Slab(NodeId = kAnyNode, Layout = Layout::packed) : store_(ObjectKind::slab) {}

    template <class... Args>
    T* make(Args&&... args) {
        allocator_point();
        std::uint32_t number = kNone;
        if (quarantine_.size() >= kQuarantine) {
            number = quarantine_.front();
            quarantine_.pop_front();
            engine->revive_object(number);
            unpoison(engine->object(number).base, sizeof(T));
        } else {
            number = store_.add(sizeof(T), alignof(T), 0, __PRETTY_FUNCTION__);
        }
        store_.born(number);
        return new (reinterpret_cast<void*>(engine->object(number).base)) T(std::forward<Args>(args)...);
    }
    void destroy(T* object) {
        allocator_point();
        const std::uint32_t number = store_.check_live(object);
        if (number != kNone) {
            object->~T();
            store_.died(number, object);
            poison(engine->object(number).base, sizeof(T));
            quarantine_.push_back(number);
        }
    }
    [[nodiscard]] std::int64_t live() const { return store_.live(); }
    template <class F>
    void for_each_chunk(F&& f) const {
        store_.for_each_chunk(std::forward<F>(f));
    }

  private:
    static constexpr std::size_t kQuarantine = 4096;  // objects

    Store store_;
    std::deque<std::uint32_t> quarantine_;
};

// Reuse is last in, first out, as in the kernel's slabs, and now and then a fresh object. It orders nothing.
template <class Stable, class Fresh>
class Pool {
  public:
    struct Object {
        Stable stable;
        Fresh fresh;
    };
    static_assert(std::is_trivially_destructible_v<Stable>, "stable parts are dropped with the world");

    explicit Pool(NodeId = kAnyNode, Layout = Layout::packed) : store_(ObjectKind::pool) {}

    Object* alloc() {
        allocator_point();
        std::uint32_t number = kNone;
        if (!free_.empty() && engine->random_below(kFreshOneIn) != 0) {
            number = free_.back();
            free_.pop_back();
            engine->revive_object(number);
            auto* object = reinterpret_cast<Object*>(engine->object(number).base);
            unpoison(reinterpret_cast<std::uintptr_t>(&object->fresh), sizeof(Fresh));
        } else {
            number = add();
        }
        store_.born(number);
        auto* object = reinterpret_cast<Object*>(engine->object(number).base);
        new (&object->fresh) Fresh();
        return object;
    }
    void free(Object* object) {
        allocator_point();
        const std::uint32_t number = store_.check_live(object);
        if (number != kNone) {
            object->fresh.~Fresh();
            store_.died(number, object);
            poison(reinterpret_cast<std::uintptr_t>(&object->fresh), sizeof(Fresh));
            free_.push_back(number);
        }
    }
    [[nodiscard]] std::int64_t live() const { return store_.live(); }
    template <class F>
    void for_each_chunk(F&& f) const {
        store_.for_each_chunk(std::forward<F>(f));
    }

  private:
    static constexpr std::uint64_t kFreshOneIn = 4;

    std::uint32_t add() {
        const std::uint32_t number = store_.add(sizeof(Object), alignof(Object), 0, __PRETTY_FUNCTION__);
        auto* object = reinterpret_cast<Object*>(engine->object(number).base);
        engine->object(number).stable_bytes = static_cast<std::uint32_t>(reinterpret_cast<std::byte*>(&object->fresh) -
                                                                         reinterpret_cast<std::byte*>(object));
        // Built by the allocator before anybody could have the object: it happens before all.
        const HostScope host;
        new (&object->stable) Stable();
        return number;
    }

    Store store_;
    std::vector<std::uint32_t> free_;
};

// A read-copy-update read section: what is freed while it lasts keeps its type.
class ReadSection {
  public:
    ReadSection() {
        if (self_thread != nullptr && self_thread->read_sections++ == 0) {
            self_thread->section_began = engine->steps();
        }
    }
    ~ReadSection() {
        if (self_thread != nullptr) {
            --self_thread->read_sections;
        }
    }
    ReadSection(const ReadSection&) = delete;
    ReadSection& operator=(const ReadSection&) = delete;
};

}  // namespace lockbench::coop
