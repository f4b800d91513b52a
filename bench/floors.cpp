// SPDX-License-Identifier: MIT
// Floors: the bare atomics that a lock of a given shape cannot do without, one pair for the acquire and the release.
//
// Names are <operation><bits>: xadd (fetch-and-add), xchg (exchange), cas (compare-exchange that succeeds), st (plain
// release store).
// They work on one word, as the lock's own would.
#include <array>

#include "bench/pair_loop.hpp"

namespace lockbench {
namespace {

template <class T>
struct alignas(2 * kCacheLine) Word {
    Native::Atomic<T> word{0};
};

// Exchange to 1 and back is the pair of every exchange- and compare-exchange-based lock; additions go up and down
// again.
template <class T>
void xadd_xadd(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<T> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.add(1, acquire);
        w.word.sub(1, release);
    });
}

template <class T>
void xadd_cas(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<T> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.add(1, acquire);
        w.word.try_cas(1, 0, release);
    });
}

template <class T>
void cas_cas(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<T> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.try_cas(0, 1, acquire);
        w.word.try_cas(1, 0, release);
    });
}

template <class T>
void cas_xadd(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<T> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.try_cas(0, 1, acquire);
        w.word.sub(1, release);
    });
}

template <class T>
void xchg_cas(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<T> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.exchange(1, acq_rel);
        w.word.try_cas(1, 0, release);
    });
}

void cas_store8(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<std::uint32_t> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        w.word.try_cas(0, 1, acquire);
        w.word.field<Field<0, 8>, SubWord::mixed>().put(1, 0, release);
    });
}

void xadd_store16(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    Word<std::uint32_t> w;
    repeat_pair(iterations, spacing, gap_ns, [&] {
        const std::uint32_t word = w.word.fetch_add(0x10000, acquire);
        w.word.field<Field<0, 16>, SubWord::mixed>().put(0, static_cast<std::uint16_t>(word >> 16U), release);
    });
}

// The loop and its gap alone.
void nothing(std::uint64_t iterations, Spacing spacing, Nanoseconds gap_ns) {
    repeat_pair(iterations, spacing, gap_ns, [] {});
}

struct Floor {
    std::string_view name;
    PairLoop loop;
};

constexpr std::array kFloors = {
    Floor{"xadd32+xadd32", &xadd_xadd<std::uint32_t>},
    Floor{"xadd64+xadd64", &xadd_xadd<std::uint64_t>},
    Floor{"xadd32+cas32", &xadd_cas<std::uint32_t>},
    Floor{"cas32+cas32", &cas_cas<std::uint32_t>},
    Floor{"cas64+xadd64", &cas_xadd<std::uint64_t>},
    Floor{"cas32+xadd32", &cas_xadd<std::uint32_t>},
    Floor{"xchg32+cas32", &xchg_cas<std::uint32_t>},
    Floor{"xchg64+cas64", &xchg_cas<std::uint64_t>},
    Floor{"cas32+st8", &cas_store8},
    Floor{"xadd32+st16", &xadd_store16},
    Floor{"nothing", &nothing},
};

}  // namespace

PairLoop find_floor(std::string_view name) {
    for (const Floor& floor : kFloors) {
        if (floor.name == name) {
            return floor.loop;
        }
    }
    return nullptr;
}

std::vector<std::string_view> floor_names() {
    std::vector<std::string_view> names;
    names.reserve(std::size(kFloors));
    for (const Floor& floor : kFloors) {
        names.push_back(floor.name);
    }
    return names;
}

}  // namespace lockbench
