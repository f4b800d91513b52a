// SPDX-License-Identifier: MIT
// What the cooperative platform knows about each address: its clocks, its last accesses, the object it belongs to.
//
// Shared types have the size they have natively, so everything lies beside them, in tables keyed by address. A world
// begins with empty tables; they are emptied by raising a generation number, so that thousands of short worlds cost no
// clearing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "platform/coop_clock.hpp"
#include "platform/platform.hpp"
#include "platform/site.hpp"
#include "platform/units.hpp"

namespace lockbench::coop {

using lockbench::At;
using lockbench::Site;

inline constexpr std::uint32_t kNone = 0xffff'ffffU;

// From address to a number. Open addressing with linear probing; grows, never shrinks.
class AddressMap {
  public:
    AddressMap() : slots_(kFirstSlots) {}

    // Forgets all.
    void reset() {
        ++generation_;
        used_ = 0;
    }
    [[nodiscard]] std::uint32_t find(std::uintptr_t address) const {
        for (std::size_t i = place(address);; i = (i + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[i];
            if (slot.generation != generation_) {
                return kNone;
            }
            if (slot.address == address) {
                return slot.id;
            }
        }
    }
    // The address is not in the map.
    void insert(std::uintptr_t address, std::uint32_t id) {
        if (++used_ * 2 > slots_.size()) {
            grow();
        }
        put(address, id);
    }

  private:
    struct Slot {
        std::uintptr_t address = 0;
        std::uint32_t generation = 0;
        std::uint32_t id = 0;
    };
    static constexpr std::size_t kFirstSlots = 4096;

    [[nodiscard]] std::size_t place(std::uintptr_t address) const {
        return static_cast<std::size_t>((address * 0x9e3779b97f4a7c15ULL) >> 20U) & (slots_.size() - 1);
    }
    void put(std::uintptr_t address, std::uint32_t id) {
        std::size_t i = place(address);
        while (slots_[i].generation == generation_) {
            i = (i + 1) & (slots_.size() - 1);
        }
        slots_[i] = {address, generation_, id};
    }
    void grow() {
        std::vector<Slot> old(slots_.size() * 2);
        old.swap(slots_);
        for (const Slot& slot : old) {
            if (slot.generation == generation_) {
                put(slot.address, slot.id);
            }
        }
    }

    std::vector<Slot> slots_;
    std::size_t used_ = 0;
    std::uint32_t generation_ = 1;
};

// One Atomic or Plain.
struct Loc {
    enum Flags : std::uint8_t {
        kAtomic = 1,
        kUninitialised = 2,
        kDead = 4,     // its object is destroyed or freed
        kHasSync = 8,  // `clock` holds what an acquiring reader learns
    };

    // Atomic: what a release left for acquirers. Plain: when each thread of read_mask last read, since the last write.
    Clock clock;
    std::uintptr_t address = 0;
    std::uint32_t object = kNone;
    std::uint32_t next_in_object = kNone;
    std::uint32_t version = 0;  // counts writes
    std::uint16_t waiters = 0;  // threads whose wait depends on this location
    std::uint16_t read_mask = 0;
    std::uint8_t flags = 0;
    std::uint8_t bytes = 0;
    // Plain: the last write. Atomic: its construction or init(), which every other access must be ordered after.
    std::uint8_t writer = 0;
    std::int32_t write_time = 0;  // 0: by the host, before all
    Site write_site;
};

enum class ObjectKind : unsigned char { made, slab, pool, per_thread };

// A piece of the world's memory with a life of its own.
struct Object {
    std::uintptr_t base = 0;
    std::uint32_t bytes = 0;
    std::uint32_t stable_bytes = 0;  // so many bytes of a pool's object outlive free()
    std::uint32_t first_loc = kNone;
    ObjectKind kind = ObjectKind::made;
    bool live = true;
    ThreadId ended_by = kNoThread;  // thread that destroyed it; kNoThread: the host
    std::uint64_t ended_at = 0;     // step
    const char* type = nullptr;     // __PRETTY_FUNCTION__ of a function whose first template argument is the type
    const void* owner = nullptr;    // the Slab or Pool it came from
    void (*destructor)(void*) = nullptr;
};

// Memory of one world: handed out upwards, given back all at once.
class Arena {
  public:
    static constexpr std::size_t kBytes = 256UL * 1024 * 1024;  // address space; pages are committed when touched
    static constexpr std::size_t kGranule = 16;

    Arena();
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    void reset();
    // Null when the arena is full.
    void* take(std::size_t bytes, std::size_t align);
    [[nodiscard]] bool contains(std::uintptr_t address) const { return address - base_ < kBytes; }
    // Which object each granule belongs to; stale entries of earlier worlds are told by the object's bounds.
    [[nodiscard]] std::uint32_t owner(std::uintptr_t address) const { return owners_[(address - base_) / kGranule]; }
    void set_owner(std::uintptr_t base, std::size_t bytes, std::uint32_t object);

  private:
    std::uintptr_t base_;
    std::uint32_t* owners_;
    std::size_t used_ = 0;
};

// Makes a region unreadable under AddressSanitizer, so that raw members of dead objects are watched too; nothing
// elsewhere.
void poison(std::uintptr_t base, std::size_t bytes);
void unpoison(std::uintptr_t base, std::size_t bytes);

}  // namespace lockbench::coop
