// SPDX-License-Identifier: MIT
// Native memory: data that locks protect, per-thread objects, slabs and type-stable pools with a magazine a thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "platform/check.hpp"
#include "platform/native_world.hpp"
#include "platform/platform.hpp"

namespace lockbench::native {

// Data that a lock protects: plain loads and stores, so that TSan sees a broken lock.
template <class T>
class Plain {
  public:
    Plain() {}  // NOLINT(modernize-use-equals-default): the value stays undefined on purpose
    explicit Plain(T value) : value_(value) {}
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;

    [[nodiscard]] T get() const { return value_; }
    void set(T value) { value_ = value; }
    [[nodiscard]] T peek() const { return value_; }

  private:
    T value_;
};

template <class T, class Tag>
struct PerThread {
    static T& at(ThreadId tid) { return *std::launder(reinterpret_cast<T*>(World::block(tid) + kOffset)); }

  private:
    static_assert(std::is_trivially_destructible_v<T>, "blocks are dropped, not destroyed");
    inline static const std::size_t kOffset = World::add_slot(sizeof(T), alignof(T), [](void* at) { new (at) T(); });
};

// One T a CPU, for hints only: two threads of one CPU share it.
template <class T, class Tag>
struct PerCpu {
    static T& at(CpuId cpu) { return table()[static_cast<std::size_t>(cpu) % kMaxThreads].value; }
    static T& here() { return at(current_cpu()); }

  private:
    struct alignas(kCacheLine) Padded {
        T value{};
    };
    static Padded* table() {
        static const std::unique_ptr<Padded[]> entries(new Padded[kMaxThreads]);
        return entries.get();
    }
};

// Raw objects of one size: chunks from the hooks, one shared free list under a mutex, a magazine of free objects a
// thread. A thread goes to the shared list once in kMagazine operations; that cost is part of alloc and free and is
// measured (lockbench machine).
class ObjectStore {
  public:
    ObjectStore(std::size_t bytes, std::size_t align, NodeId home, Layout layout);
    ~ObjectStore();
    ObjectStore(const ObjectStore&) = delete;
    ObjectStore& operator=(const ObjectStore&) = delete;

    // Second: true when the memory was never handed out before.
    std::pair<void*, bool> take() {
        Magazine& magazine = mine();
        ++magazine.taken;
        if (magazine.count == 0) [[unlikely]] {
            refill(magazine);
        }
        const std::uintptr_t entry = magazine.objects[--magazine.count];
        return {reinterpret_cast<void*>(entry & ~kFresh), (entry & kFresh) != 0};
    }
    // Last in, first out within a thread.
    void give(void* object) {
        Magazine& magazine = mine();
        ++magazine.given;
        if (magazine.count == kMagazine) [[unlikely]] {
            spill(magazine);
        }
        magazine.objects[magazine.count++] = reinterpret_cast<std::uintptr_t>(object);
    }
    // Objects handed out and not given back. Exact when no thread runs.
    [[nodiscard]] std::int64_t live() const;

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

    struct alignas(kCacheLine) Magazine {
        std::size_t count = 0;
        std::int64_t taken = 0;
        std::int64_t given = 0;
        std::array<std::uintptr_t, kMagazine> objects;
    };

    // Threads outside a trial (set-up, verification) use the last magazine; they run alone.
    Magazine& mine() {
        const ThreadId tid = current_thread == nullptr ? threads_ : current_thread->tid;
        return magazines_[tid];
    }
    void refill(Magazine& magazine);
    void spill(Magazine& magazine);
    void grow();

    std::size_t stride_;
    NodeId home_;
    ThreadId threads_;
    std::unique_ptr<Magazine[]> magazines_;
    std::mutex mutex_;
    std::vector<std::uintptr_t> shared_;
    std::vector<void*> chunks_;
};

// Objects that die when destroyed.
template <class T>
class Slab {
  public:
    explicit Slab(NodeId home = kAnyNode, Layout layout = Layout::packed)
        : store_(sizeof(T), alignof(T), home, layout) {}

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

// Type-stable objects: `stable` is constructed the first time its memory is used and never again.
template <class Stable, class Fresh>
class Pool {
  public:
    struct Object {
        Stable stable;
        Fresh fresh;
    };
    static_assert(std::is_trivially_destructible_v<Stable>, "stable parts are dropped with the pool's memory");

    explicit Pool(NodeId home = kAnyNode, Layout layout = Layout::packed)
        : store_(sizeof(Object), alignof(Object), home, layout) {}

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

}  // namespace lockbench::native
