// SPDX-License-Identifier: MIT
// The cooperative platform with an eye on exchanges: which value of which width was to be stored, and whether it was.
// What tells eras apart that differ in an instruction and not in an outcome.
#pragma once

#include <vector>

#include "platform/coop.hpp"

namespace lockbench {

struct WatchedExchange {
    ThreadId tid;
    unsigned bits;  // 8, 16 or the word's width
    std::uint64_t desired;
    bool done;
};

// Host memory, cleared by the test.
inline std::vector<WatchedExchange>& watched_exchanges() {
    static std::vector<WatchedExchange> all;
    return all;
}

template <class T, class F, SubWord kBuild>
class WatchedField : public coop::FieldRef<coop::Atomic<T>, F, kBuild> {
    using Base = coop::FieldRef<coop::Atomic<T>, F, kBuild>;

  public:
    using Base::Base;
    using typename Base::Part;
    bool try_cas(Part expected, Part desired, coop::At at) {
        const bool done = Base::try_cas(expected, desired, at);
        watched_exchanges().push_back({Coop::self(), F::kWidth, desired, done});
        return done;
    }
};

template <class T>
class WatchedAtomic : public coop::Atomic<T> {
    using Base = coop::Atomic<T>;

  public:
    using Base::Base;
    bool try_cas(T expected, T desired, coop::At at) {
        const bool done = Base::try_cas(expected, desired, at);
        watched_exchanges().push_back({Coop::self(), sizeof(T) * 8, coop::bits(desired), done});
        return done;
    }
    template <class F, SubWord kBuild>
    auto field() requires std::is_integral_v<T> {
        return WatchedField<T, F, kBuild>(*this);
    }
};

struct WatchedCoop : Coop {
    template <class T>
    using Atomic = WatchedAtomic<T>;
};
static_assert(Platform<WatchedCoop>);

}  // namespace lockbench
