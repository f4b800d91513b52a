// SPDX-License-Identifier: MIT
// Memory of the explorer. Objects come from the allocating thread's own heap, always from memory that was never used:
// an address then does not depend on what other threads do, and every use after free is seen. What a thread has given
// back to a Pool it may get again, if the engine chooses so: from the thread's own list alone, for the same reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "platform/check.hpp"
#include "platform/explore/atomic.hpp"
#include "platform/explore/core.hpp"
#include "platform/explore/wait.hpp"

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
// An object's memory ends, or begins another life: whoever touches it in between, or may, is at fault. `stable`: but
// not inside a ReadSection.
inline void tell_life(Kind kind, const void* object, std::size_t bytes, bool stable, Site site) {
    if (self_thread != nullptr) {
        Request request;
        request.kind = kind;
        request.place = place_of(object);
        request.operand = bytes;
        request.stable = stable;
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
        ++live_;
        return new (take_memory(sizeof(T), alignof(T))) T(std::forward<Args>(args)...);
    }
    void destroy(T* object, Site site = Site::here()) {
        --live_;
        object->~T();
        tell_life(Kind::release, object, sizeof(T), false, site);
    }
    // When no thread runs.
    [[nodiscard]] std::int64_t live() const { return live_; }

  private:
    std::int64_t live_ = 0;
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

    Object* alloc(Site site = Site::here()) {
        ++live_;
        Kept* const kept = self_thread == nullptr ? nullptr : &kept_[self_thread->tid];
        if (kept == nullptr || kept->count == 0 || choose(2, site) == 0) {
            return new (take_memory(sizeof(Object), alignof(Object))) Object();
        }
        Object* const object = kept->objects[--kept->count];
        tell_life(Kind::reuse, &object->stable, sizeof(Stable), true, site);
        tell_life(Kind::reuse, &object->fresh, sizeof(Fresh), false, site);
        new (&object->fresh) Fresh();
        return object;
    }
    void free(Object* object, Site site = Site::here()) {
        --live_;
        object->fresh.~Fresh();
        tell_life(Kind::release, &object->fresh, sizeof(Fresh), false, site);
        tell_life(Kind::release, &object->stable, sizeof(Stable), true, site);
        if (self_thread != nullptr && kept_[self_thread->tid].count < kMostKept) {
            Kept& kept = kept_[self_thread->tid];
            kept.objects[kept.count++] = object;
        }
    }
    // When no thread runs.
    [[nodiscard]] std::int64_t live() const { return live_; }

  private:
    static constexpr std::uint32_t kMostKept = 3;
    struct Kept {  // by one thread, the latest last
        Object* objects[kMostKept];
        std::uint32_t count = 0;
    };

    std::int64_t live_ = 0;
    Kept kept_[kMaxFibers];
};

class ReadSection {
  public:
    ReadSection() { step(1); }
    ~ReadSection() { step(-1); }
    ReadSection(const ReadSection&) = delete;
    ReadSection& operator=(const ReadSection&) = delete;

  private:
    static void step(int by) {
        if (self_thread != nullptr) {
            self_thread->read_sections += static_cast<std::uint32_t>(by);
        }
    }
};

}  // namespace lockbench::explore
