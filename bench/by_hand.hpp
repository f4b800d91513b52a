// SPDX-License-Identifier: MIT
// A lock's fast path written by hand: the accesses that its kInfo.paths lists (locks/lock.hpp), made by the compiler's
// builtins on bare words, without seam, token or lock. Floors run it; the code generation tests compile it and compare.
//
// Values are such that an acquire and its release bring the words back: 0 is free and 1 is taken, or, where the acquire
// subtracts, the other way round. What a lock must look at is looked at: an outcome that is not the uncontended one
// leads out, to the caller's cold path.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "locks/lock.hpp"
#include "platform/check.hpp"
#include "platform/units.hpp"

namespace lockbench::by_hand {

enum class Operation : unsigned char { ld, st, xchg, cas, faa, add, add_sign, add_positive, sub, sub_sign, sub_zero };
enum class Object : unsigned char { lock, owner, node, token };

struct Access {
    Operation operation = Operation::ld;
    Object object = Object::lock;
    unsigned bits = 0;
    int order = __ATOMIC_RELAXED;
    bool extra = false;  // in parentheses: exclusion could do without
};

struct Path {
    static constexpr std::size_t kMost = 8;
    std::array<Access, kMost> accesses{};
    std::size_t size = 0;
    bool understood = true;
};

constexpr bool is_rmw(Operation operation) { return operation != Operation::ld && operation != Operation::st; }
constexpr bool is_sub(Operation operation) { return operation >= Operation::sub; }

namespace detail {

template <class E>
struct Named {
    std::string_view text;
    E value;
};
// Longer names before those that begin them.
inline constexpr Named<Operation> kOperations[] = {{"ld", Operation::ld},
                                                   {"st", Operation::st},
                                                   {"xchg", Operation::xchg},
                                                   {"cas", Operation::cas},
                                                   {"faa", Operation::faa},
                                                   {"adds", Operation::add_sign},
                                                   {"addp", Operation::add_positive},
                                                   {"add", Operation::add},
                                                   {"subs", Operation::sub_sign},
                                                   {"subz", Operation::sub_zero},
                                                   {"sub", Operation::sub}};
inline constexpr Named<Object> kObjects[] = {
    {"owner:", Object::owner}, {"node:", Object::node}, {"token:", Object::token}};
inline constexpr Named<int> kOrders[] = {{".acquire", __ATOMIC_ACQUIRE},
                                         {".release", __ATOMIC_RELEASE},
                                         {".acq_rel", __ATOMIC_ACQ_REL},
                                         {".seq_cst", __ATOMIC_SEQ_CST}};
inline constexpr Named<unsigned> kWidths[] = {{"8", 8}, {"16", 16}, {"32", 32}, {"64", 64}};

// Takes the first of `names` that `text` starts with off it; false when none does.
template <class E, std::size_t kCount>
constexpr bool take(std::string_view& text, const Named<E> (&names)[kCount], E& value) {
    for (const Named<E>& name : names) {
        if (text.starts_with(name.text)) {
            text.remove_prefix(name.text.size());
            value = name.value;
            return true;
        }
    }
    return false;
}

constexpr bool parse_access(std::string_view& text, Access& access) {
    take(text, kObjects, access.object);
    if (!take(text, kOperations, access.operation) || !take(text, kWidths, access.bits)) {
        return false;
    }
    return text.empty() || text.front() == ' ' || text.front() == ')' || take(text, kOrders, access.order);
}

}  // namespace detail

// Number of ways through an operation.
constexpr std::size_t ways_of(std::string_view text) {
    std::size_t ways = text.empty() ? 0 : 1;
    for (const char c : text) {
        ways += c == '|' ? 1 : 0;
    }
    return ways;
}

// Way number `way` of `text`, with or without what is in parentheses.
constexpr Path parse(std::string_view text, std::size_t way, bool with_extras) {
    for (; way > 0; --way) {
        text.remove_prefix(text.find('|') + 1);
    }
    text = text.substr(0, text.find('|'));
    Path path;
    bool extra = false;
    while (!text.empty()) {
        if (text.front() == ' ' || text.front() == '(' || text.front() == ')') {
            extra = text.front() == ' ' ? extra : text.front() == '(';
            text.remove_prefix(1);
            continue;
        }
        Access access{.extra = extra};
        path.understood = path.size < Path::kMost && detail::parse_access(text, access);
        if (!path.understood) {
            return path;
        }
        if (with_extras || !extra) {
            path.accesses[path.size++] = access;
        }
    }
    return path;
}

// The words a path works on. Lines of their own, as the lock's and the node's are.
class Words {
  public:
    explicit Words(std::uint64_t free = 0) : lock_(free) {}

    template <class T>
    T* at(Object object) {
        std::uint64_t* const word = object == Object::lock    ? &lock_
                                    : object == Object::owner ? &owner_
                                    : object == Object::node  ? &node_
                                                              : &token_;
        return reinterpret_cast<T*>(word);  // little-endian: the low part of the word
    }

  private:
    alignas(2 * kCacheLine) std::uint64_t lock_;
    alignas(kCacheLine / 2) std::uint64_t owner_ = 0;
    alignas(2 * kCacheLine) std::uint64_t node_ = 0;
    alignas(kCacheLine / 2) std::uint64_t token_ = 0;
};

// The value of a free lock whose acquire is `acquire`.
constexpr std::uint64_t starts_at(const Path& acquire) {
    std::uint64_t free = 0;
    for (std::size_t i = 0; i < acquire.size; ++i) {
        free = is_sub(acquire.accesses[i].operation) ? 1 : free;
    }
    return free;
}

// Where a floor goes whose words are not as the acquire and the release before left them.
[[gnu::noinline, gnu::cold]] inline void not_uncontended() {
    check(false, "a floor meets its own words as it left them");
}

template <unsigned kBits>
using Unsigned = std::conditional_t<
    kBits == 8, std::uint8_t,
    std::conditional_t<kBits == 16, std::uint16_t, std::conditional_t<kBits == 32, std::uint32_t, std::uint64_t>>>;

enum class Direction : unsigned char { enter, leave };

template <class L, std::string_view FastPaths::*kOperation, std::size_t kWay, bool kWithExtras>
inline constexpr Path kPath = parse(L::kInfo.paths.*kOperation, kWay, kWithExtras);

// The accesses of kThePath from number kAt on; false as soon as an outcome is not the uncontended one. `carried` is
// what the last load found, for a store that depends on it.
template <const Path& kThePath, Direction kDirection, std::size_t kAt = 0>
[[gnu::always_inline]] inline bool follow(Words& words,
                                          std::uint64_t carried = kDirection == Direction::enter ? 0 : 1) {
    static_assert(kThePath.understood, "kInfo.paths: an access is not of the form that locks/lock.hpp describes");
    if constexpr (kAt == kThePath.size) {
        return true;
    } else {
        constexpr Access kAccess = kThePath.accesses[kAt];
        constexpr bool kEnter = kDirection == Direction::enter;
        using Value [[gnu::may_alias]] = Unsigned<kAccess.bits>;
        constexpr Value kBefore = kEnter ? 0 : 1;
        constexpr Value kAfter = kEnter ? 1 : 0;
        constexpr Value kStep = kEnter ? Value{1} : static_cast<Value>(-1);
        Value* const at = words.at<Value>(kAccess.object);
        if constexpr (kAccess.operation == Operation::ld) {
            // A value that the next access builds on is not asked about.
            constexpr bool kCarries = kAt + 1 < kThePath.size && !is_rmw(kThePath.accesses[kAt + 1].operation);
            carried = __atomic_load_n(at, kAccess.order);
            if (!kCarries && carried != 0) {
                return false;
            }
        } else if constexpr (kAccess.operation == Operation::st) {
            const bool frees = !kEnter && kAccess.object == Object::lock;
            __atomic_store_n(at, static_cast<Value>(frees ? carried - 1 : carried), kAccess.order);
        } else if constexpr (kAccess.operation == Operation::xchg) {
            if (__atomic_exchange_n(at, kAfter, kAccess.order) != kBefore) {
                return false;
            }
        } else if constexpr (kAccess.operation == Operation::cas) {
            Value expected = kBefore;
            if (!__atomic_compare_exchange_n(at, &expected, kAfter, false, kAccess.order, __ATOMIC_RELAXED)) {
                return false;
            }
        } else if constexpr (kAccess.operation == Operation::faa) {
            // Asked of the old value so that flags do not answer it.
            if ((__atomic_fetch_add(at, kStep, kAccess.order) & static_cast<Value>(~Value{1})) != 0) {
                return false;
            }
        } else {
            constexpr Value kSummand = is_sub(kAccess.operation) ? static_cast<Value>(-1) : Value{1};
            const auto now = static_cast<std::make_signed_t<Unsigned<kAccess.bits>>>(
                __atomic_add_fetch(at, kSummand, kAccess.order));
            constexpr bool kSign = kAccess.operation == Operation::add_sign || kAccess.operation == Operation::sub_sign;
            if ((kSign && now < 0) || (kAccess.operation == Operation::add_positive && now <= 0) ||
                (kAccess.operation == Operation::sub_zero && now != 0)) {
                return false;
            }
        }
        return follow<kThePath, kDirection, kAt + 1>(words, carried);
    }
}

// "cas32+st8", "st64 st32 xchg64+ld64 cas64": what an acquire and its release are called where their cost is shown,
// without orders, objects and extras. Empty where there is no such acquire.
std::string floor_name(std::string_view acquire, std::string_view release);

}  // namespace lockbench::by_hand
