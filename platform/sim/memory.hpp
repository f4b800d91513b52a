// SPDX-License-Identifier: MIT
// Memory of the simulated machine: per-thread objects, slabs, type-stable pools. Laid out as natively: chunks on a
// node, a magazine of free objects a thread. The allocator's own lines are not simulated; its time is a number of the
// machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "platform/check.hpp"
#include "platform/platform.hpp"
#include "platform/sim/engine.hpp"

namespace lockbench::sim {

// Numbers the PerThread types of the program; called during static initialisation. The numbers decide nothing.
std::size_t add_per_thread_slot();

template <class Object>
const char* name_of_type() {
    return __PRETTY_FUNCTION__;
}

// Acts as the host for a while: what it does costs no time.
class HostScope {
  public:
    HostScope() : saved_(std::exchange(self_thread, nullptr)) {}
    ~HostScope() { self_thread = saved_; }
    HostScope(const HostScope&) = delete;
    HostScope& operator=(const HostScope&) = delete;

  private:
    Thread* saved_;
};

// One T a thread and one for the host, on pages of the thread's node, made when the first one is asked for.
template <class T, class Tag>
struct PerThread {
    static T& at(ThreadId tid) {
        void*& slot = engine->per_thread_slot(kSlot);
        if (slot == nullptr) [[unlikely]] {
            build(&slot);
        }
        return *std::launder(static_cast<T*>((&slot)[tid]));
    }

  private:
    static_assert(std::is_trivially_destructible_v<T>, "per-thread objects are dropped, not destroyed");

    static void build(void** slots) {
        const HostScope host;
        const std::uint32_t kind = engine->add_kind(name_of_type<T>(), sizeof(T));
        for (ThreadId tid = 0; tid <= engine->thread_count(); ++tid) {
            const NodeId node = tid < engine->thread_count() ? engine->thread(tid).node : 0;
            slots[tid] = new (engine->allocate(sizeof(T), node, kind)) T();
        }
    }
    inline static const std::size_t kSlot = add_per_thread_slot();
};

template <class T, class Tag>
struct PerCpu {
    static T& at(CpuId cpu) { return PerThread<T, PerCpu>::at(static_cast<ThreadId>(cpu)); }
    static T& here() { return at(static_cast<CpuId>(self_thread != nullptr ? self_thread->tid : 0)); }
};

// An object of one thread that others may reach (tokens are queue nodes and waiters): natively it lies on the thread's
// stack, here on pages of the thread's node. Whoever makes it destroys it; the memory goes with the engine.
template <class T, class... Args>
T& make_local(Args&&... args) {
    const std::uint32_t kind = engine->add_kind(name_of_type<T>(), sizeof(T));
    const NodeId node = self_thread != nullptr ? self_thread->node : 0;
    return *new (engine->allocate(sizeof(T), node, kind)) T(std::forward<Args>(args)...);
}

class ObjectStore {
  public:
    ObjectStore(std::size_t bytes, std::size_t align, NodeId home, Layout layout, const char* type);

    // Second: true when the memory was never handed out before.
    std::pair<void*, bool> take();
    void give(void* object);
    [[nodiscard]] std::int64_t live() const { return live_; }
    template <class F>
    void for_each_chunk(F&& f) const {
        for (void* chunk : chunks_) {
            f(chunk, kChunk);
        }
    }

  private:
    static constexpr std::size_t kMagazine = 64;         // objects
    static constexpr std::size_t kChunk = 256UL * 1024;  // bytes
    static constexpr std::uintptr_t kFresh = 1;          // low bit of an entry: never handed out before

    std::vector<std::uintptr_t>& mine() {
        return magazines_[self_thread != nullptr ? self_thread->tid : engine->thread_count()];
    }
    static void charge();
    void grow();

    std::size_t stride_;
    NodeId home_;
    std::uint32_t kind_;
    std::int64_t live_ = 0;
    std::vector<std::vector<std::uintptr_t>> magazines_;
    std::vector<std::uintptr_t> shared_;
    std::vector<void*> chunks_;
};

template <class T>
class Slab {
  public:
    explicit Slab(NodeId home = kAnyNode, Layout layout = Layout::packed)
        : store_(sizeof(T), alignof(T), home, layout, name_of_type<T>()) {}

    template <class... Args>
    T* make(Args&&... args) {
        return new (store_.take().first) T(std::forward<Args>(args)...);
    }
    void destroy(T* object) {
        object->~T();
        store_.give(object);
    }
    [[nodiscard]] std::int64_t live() const { return store_.live(); }
    template <class F>
    void for_each_chunk(F&& f) const {
        store_.for_each_chunk(std::forward<F>(f));
    }

  private:
    ObjectStore store_;
};

template <class Stable, class Fresh>
class Pool {
  public:
    struct Object {
        Stable stable;
        Fresh fresh;
    };
    static_assert(std::is_trivially_destructible_v<Stable>, "stable parts are dropped with the pool's memory");

    explicit Pool(NodeId home = kAnyNode, Layout layout = Layout::packed)
        : store_(sizeof(Object), alignof(Object), home, layout, name_of_type<Object>()) {}

    Object* alloc() {
        const auto [memory, first] = store_.take();
        auto* object = static_cast<Object*>(memory);
        if (first) {
            new (&object->stable) Stable();
        }
        new (&object->fresh) Fresh();
        return object;
    }
    void free(Object* object) {
        object->fresh.~Fresh();
        store_.give(object);
    }
    [[nodiscard]] std::int64_t live() const { return store_.live(); }
    template <class F>
    void for_each_chunk(F&& f) const {
        store_.for_each_chunk(std::forward<F>(f));
    }

  private:
    ObjectStore store_;
};

}  // namespace lockbench::sim
