// SPDX-License-Identifier: MIT
// Memory of the explorer. Objects of a Slab or Pool come from the allocating thread's own heap, always from memory that
// was never used: an address then does not depend on what other threads do, and every use after free is seen. That a
// pool's object comes back to another owner is not explored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "platform/check.hpp"
#include "platform/explore/atomic.hpp"
#include "platform/explore/core.hpp"

namespace lockbench::explore {

// One T a thread, built when first asked for, as if the host had done it before the run.
template <class T, class Tag>
struct PerThread {
    static T& at(ThreadId tid) {
        check(core != nullptr && tid < core->thread_count(), "no such thread in this program");
        void*& slot = core->per_thread_slot(kSlot);
        if (slot == nullptr) [[unlikely]] {
            core->as_host([&slot] {
                slot = core->arena().take(sizeof(T) * core->thread_count(), alignof(T));
                for (std::size_t i = 0; i < core->thread_count(); ++i) {
                    new (static_cast<T*>(slot) + i) T();
                }
            });
        }
        return std::launder(static_cast<T*>(slot))[tid];
    }

  private:
    static_assert(std::is_trivially_destructible_v<T>, "per-thread objects are dropped, not destroyed");
    inline static const std::size_t kSlot = add_per_thread_slot();
};

// Two threads share a CPU, so what is kept per CPU must be a hint.
inline CpuId cpu_of(ThreadId tid) { return static_cast<CpuId>(tid / 2); }

template <class T, class Tag>
struct PerCpu {
    static T& at(CpuId cpu) { return PerThread<T, PerCpu>::at(static_cast<ThreadId>(cpu)); }
    static T& here() { return at(self_thread != nullptr ? cpu_of(self_thread->tid) : 0); }
};

inline void* take_memory(std::size_t bytes, std::size_t align) {
    return self_thread == nullptr ? core->arena().take(bytes, align)
                                  : core->arena().take_from_heap(self_thread->tid, bytes, align);
}
// The end of an object: whoever touches it then, or may, is at fault.
inline void release_memory(const void* object, std::size_t bytes, Site site) {
    if (self_thread != nullptr) {
        Request request;
        request.kind = Kind::release;
        request.place = place_of(object);
        request.operand = bytes;
        request.site = site;
        perform(request);
    }
}

template <class T>
class Slab {
  public:
    explicit Slab(NodeId = kAnyNode, Layout = Layout::packed) {}

    template <class... Args>
    T* make(Args&&... args) {
        return new (take_memory(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    }
    void destroy(T* object, Site site = Site::here()) {
        object->~T();
        release_memory(object, sizeof(T), site);
    }
};

template <class Stable, class Fresh>
class Pool {
  public:
    struct Object {
        Stable stable;
        Fresh fresh;
    };
    static_assert(std::is_trivially_destructible_v<Stable>, "stable parts are dropped with the program");

    explicit Pool(NodeId = kAnyNode, Layout = Layout::packed) {}

    Object* alloc() { return new (take_memory(sizeof(Object), alignof(Object))) Object(); }
    void free(Object* object, Site site = Site::here()) {
        object->fresh.~Fresh();
        release_memory(&object->fresh, sizeof(Fresh), site);
    }
};

class ReadSection {
  public:
    ReadSection() {}  // NOLINT(modernize-use-equals-default): a guard, not an unused variable
    ReadSection(const ReadSection&) = delete;
    ReadSection& operator=(const ReadSection&) = delete;
};

}  // namespace lockbench::explore
