// SPDX-License-Identifier: MIT
// What tests/platform/codegen_test.py compiles and disassembles: each operation of a lock as a function of its own,
// beside it each hand-written way through it (bench/by_hand.hpp), and the locks' names as text.
//
// The test reads place, call and way off the mangled names of of_lock<place, call> and of_hand<place, call, way>.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "bench/by_hand.hpp"
#include "locks/type_list.hpp"
#include "platform/native.hpp"

namespace lockbench::probe {

// In the order of FastPaths.
enum class Call : unsigned char { lock, try_lock, unlock, lock_shared, try_lock_shared, unlock_shared };
inline constexpr std::size_t kCalls = 6;
inline constexpr std::string_view FastPaths::*kPathOf[kCalls] = {
    &FastPaths::lock,        &FastPaths::try_lock,        &FastPaths::unlock,
    &FastPaths::lock_shared, &FastPaths::try_lock_shared, &FastPaths::unlock_shared};

// Attempts that fail come here, so that a way which returns without a call is one that succeeded.
[[gnu::noinline, gnu::cold]] inline void failed() { asm volatile(""); }

template <Call kCall, class L>
bool call(L& lock, typename L::Token& token) {
    if constexpr (kCall == Call::lock) {
        lock.lock(token);
    } else if constexpr (kCall == Call::try_lock) {
        return lock.try_lock(token);
    } else if constexpr (kCall == Call::unlock) {
        lock.unlock(token);
    } else if constexpr (kCall == Call::lock_shared) {
        lock.lock_shared(token);
    } else if constexpr (kCall == Call::try_lock_shared) {
        return lock.try_lock_shared(token);
    } else {
        lock.unlock_shared(token);
    }
    return true;
}

template <std::size_t kPlace, Call kCall, class L>
void of_lock(L& lock, typename L::Token& token) {
    if (!call<kCall>(lock, token)) [[unlikely]] {
        failed();
    }
}

template <std::size_t kPlace, Call kCall, std::size_t kWay, class L>
void of_hand(by_hand::Words& words) {
    constexpr bool kLeave = kCall == Call::unlock || kCall == Call::unlock_shared;
    constexpr auto kDirection = kLeave ? by_hand::Direction::leave : by_hand::Direction::enter;
    constexpr auto kMember = kPathOf[static_cast<std::size_t>(kCall)];
    if (!by_hand::follow<by_hand::kPath<L, kMember, kWay, true>, kDirection>(words)) [[unlikely]] {
        failed();
    }
}

// Makes the compiler emit a function.
template <class F>
void emit(F* function) {
    asm volatile("" : : "r"(function));
}

template <std::size_t kPlace, Call kCall, class L>
void emit_call() {
    if constexpr (L::kInfo.shared || kCall < Call::lock_shared) {
        emit(&of_lock<kPlace, kCall, L>);
        [&]<std::size_t... kWays>(std::index_sequence<kWays...>) { (emit(&of_hand<kPlace, kCall, kWays, L>), ...); }
        (std::make_index_sequence<by_hand::ways_of(L::kInfo.paths.*kPathOf[static_cast<std::size_t>(kCall)])>{});
    }
}

template <std::size_t kPlace, class L>
void emit_lock() {
    [&]<std::size_t... kCallNumbers>(std::index_sequence<kCallNumbers...>) {
        (emit_call<kPlace, static_cast<Call>(kCallNumbers), L>(), ...);
    }
    (std::make_index_sequence<kCalls>{});
}

template <class... Ls>
void emit_all(TypeList<Ls...>) {
    [&]<std::size_t... kPlaces>(std::index_sequence<kPlaces...>) { (emit_lock<kPlaces, Ls>(), ...); }
    (std::make_index_sequence<sizeof...(Ls)>{});
}

// A line a lock, in the order of places.
template <class... Ls>
constexpr auto names_of(TypeList<Ls...>) {
    std::array<char, (0 + ... + (Ls::kInfo.name.size() + 1))> text{};
    std::size_t end = 0;
    for (const std::string_view name : {Ls::kInfo.name...}) {
        for (const char c : name) {
            text[end++] = c;
        }
        text[end++] = '\n';
    }
    return text;
}

}  // namespace lockbench::probe
