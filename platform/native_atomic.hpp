// SPDX-License-Identifier: MIT
// Native atomics: one machine instruction an operation where the machine has it.
//
// Built on the compiler's atomic builtins and not on std::atomic: C++20's std::atomic zeroes itself when default
// constructed, which would put stores on fast paths, and it cannot reach part of a word.
#pragma once

#include <cstdint>
#include <type_traits>

#include "platform/native_wait.hpp"
#include "platform/platform.hpp"

#if defined(__SANITIZE_THREAD__)
#define LOCKBENCH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LOCKBENCH_TSAN 1
#endif
#endif
#ifndef LOCKBENCH_TSAN
#define LOCKBENCH_TSAN 0
#endif

namespace lockbench::native {

// Under TSan the sub-word accesses are made by whole-word operations: it reports false races when a release through
// part of a word meets an acquire of the whole.
inline constexpr bool kTsan = LOCKBENCH_TSAN != 0;

constexpr int to_builtin(Order order) {
    switch (order) {
        case Order::relaxed:
            return __ATOMIC_RELAXED;
        case Order::acquire:
            return __ATOMIC_ACQUIRE;
        case Order::release:
            return __ATOMIC_RELEASE;
        case Order::acq_rel:
            return __ATOMIC_ACQ_REL;
        default:
            return __ATOMIC_SEQ_CST;
    }
}
// Order of a failed compare-exchange that goes with the one of success: it stores nothing, so it cannot release.
constexpr int failure_builtin(Order order) {
    switch (order) {
        case Order::acquire:
        case Order::acq_rel:
            return __ATOMIC_ACQUIRE;
        case Order::seq_cst:
            return __ATOMIC_SEQ_CST;
        default:
            return __ATOMIC_RELAXED;
    }
}

#if !LOCKBENCH_TSAN
inline void fence(Order order) { __atomic_thread_fence(to_builtin(order)); }
#else
// TSan does not see fences; a read-modify-write on one hidden word orders at least as much.
inline std::uint32_t fence_word = 0;
inline void fence(Order) { __atomic_fetch_add(&fence_word, 0U, __ATOMIC_SEQ_CST); }
#endif

// The value of an exchange of a part of a word, in a register of its own. GCC 12 has two patterns for the exchange on
// AArch64; where it folds the narrowing of a computed value into it, it takes the first, the load/store-exclusive loop,
// although LSE was asked for. There is nothing to fold when the value comes out of an assembler statement.
template <class Part>
Part in_own_register(Part value) {
#if defined(__aarch64__)
    std::uint32_t whole = value;
    asm volatile("" : "+r"(whole));
    return static_cast<Part>(whole);
#else
    return value;
#endif
}

// A part of a word as storage of its own: the access the kernel makes. Little-endian: the field lies kOffset/8 bytes
// into the word.
template <class T, class F>
class MixedField {
  public:
    using Part = std::conditional_t<F::kWidth == 8, std::uint8_t, std::uint16_t>;
    explicit MixedField(T* word)
        : part_(reinterpret_cast<Part*>(reinterpret_cast<unsigned char*>(word) + F::kOffset / 8)) {}

    [[nodiscard]] Part load(Order order) const { return __atomic_load_n(part_, to_builtin(order)); }
    Part exchange(Part value, Order order) {
        return __atomic_exchange_n(part_, in_own_register(value), to_builtin(order));
    }
    bool try_cas(Part expected, Part desired, Order order) {
        return __atomic_compare_exchange_n(part_, &expected, desired, false, to_builtin(order), failure_builtin(order));
    }
    // `from` is what the field holds; the store does not need it, the portable form does.
    void put([[maybe_unused]] Part from, Part to, Order order) { __atomic_store_n(part_, to, to_builtin(order)); }

  private:
    Part* part_;
};

// The same by whole-word read-modify-writes, within the C++ model.
template <class T, class F>
class PortableField {
  public:
    using Part = std::conditional_t<F::kWidth == 8, std::uint8_t, std::uint16_t>;
    explicit PortableField(T* word) : word_(word) {}

    [[nodiscard]] Part load(Order order) const { return part_of(__atomic_load_n(word_, to_builtin(order))); }
    Part exchange(Part value, Order order) {
        T seen = __atomic_load_n(word_, __ATOMIC_RELAXED);
        while (
            !__atomic_compare_exchange_n(word_, &seen, with(seen, value), true, to_builtin(order), __ATOMIC_RELAXED)) {
        }
        return part_of(seen);
    }
    bool try_cas(Part expected, Part desired, Order order) {
        T seen = __atomic_load_n(word_, __ATOMIC_RELAXED);
        while (part_of(seen) == expected) {
            if (__atomic_compare_exchange_n(word_, &seen, with(seen, desired), true, to_builtin(order),
                                            __ATOMIC_RELAXED)) {
                return true;
            }
        }
        return false;
    }
    // One addition of the difference: neighbours keep their value whatever they do meanwhile, as the field itself holds
    // `from`.
    void put(Part from, Part to, Order order) {
        const T difference = static_cast<T>((static_cast<T>(to) << F::kOffset) - (static_cast<T>(from) << F::kOffset));
        __atomic_fetch_add(word_, difference, to_builtin(order));
    }

  private:
    static Part part_of(T word) { return static_cast<Part>(word >> F::kOffset); }
    static T with(T word, Part part) {
        return static_cast<T>((word & static_cast<T>(~F::kMask)) | (static_cast<T>(part) << F::kOffset));
    }
    T* word_;
};

template <class T>
class Atomic {
    static_assert(std::is_integral_v<T> || std::is_pointer_v<T>, "Atomic holds integers, bool and pointers");

  public:
    using Value = T;
    Atomic() {}  // NOLINT(modernize-use-equals-default): the value stays undefined on purpose
    explicit Atomic(T value) : value_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    void init(T value) { __atomic_store_n(&value_, value, __ATOMIC_RELAXED); }
    [[nodiscard]] T peek() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }

    [[nodiscard]] T load(Order order) const { return __atomic_load_n(&value_, to_builtin(order)); }
    void store(T value, Order order) { __atomic_store_n(&value_, value, to_builtin(order)); }
    T exchange(T value, Order order) { return __atomic_exchange_n(&value_, value, to_builtin(order)); }
    bool compare_exchange(T& expected, T desired, Order success, Order failure) {
        return __atomic_compare_exchange_n(&value_, &expected, desired, false, to_builtin(success),
                                           to_builtin(failure));
    }
    bool try_cas(T expected, T desired, Order order) {
        return __atomic_compare_exchange_n(&value_, &expected, desired, false, to_builtin(order),
                                           failure_builtin(order));
    }

    T fetch_add(T value, Order order) requires std::is_integral_v<T> {
        return __atomic_fetch_add(&value_, value, to_builtin(order));
    }
    T fetch_sub(T value, Order order) requires std::is_integral_v<T> {
        return __atomic_fetch_sub(&value_, value, to_builtin(order));
    }
    T fetch_and(T value, Order order) requires std::is_integral_v<T> {
        return __atomic_fetch_and(&value_, value, to_builtin(order));
    }
    void add(T value, Order order) requires std::is_integral_v<T> {
        __atomic_fetch_add(&value_, value, to_builtin(order));
    }
    void sub(T value, Order order) requires std::is_integral_v<T> {
        __atomic_fetch_sub(&value_, value, to_builtin(order));
    }
    void or_(T value, Order order) requires std::is_integral_v<T> {
        __atomic_fetch_or(&value_, value, to_builtin(order));
    }
    void and_(T value, Order order) requires std::is_integral_v<T> {
        __atomic_fetch_and(&value_, value, to_builtin(order));
    }
    template <class Pred>
    bool add_fetch_test(T delta, Pred pred, Order order) requires std::is_integral_v<T> {
        return pred(__atomic_add_fetch(&value_, delta, to_builtin(order)));
    }
    bool test_and_set_bit(unsigned bit, Order order) requires std::is_integral_v<T> {
#if defined(__x86_64__) && !LOCKBENCH_TSAN
        if constexpr (sizeof(T) == 4) {
            bool old = false;
            asm volatile("lock btsl %2, %0" : "+m"(value_), "=@ccc"(old) : "Ir"(bit) : "memory");
            return old;
        }
#endif
        const T mask = static_cast<T>(T{1} << bit);
        return (__atomic_fetch_or(&value_, mask, to_builtin(order)) & mask) != 0;
    }

    template <class F, SubWord kBuild>
    auto field() requires std::is_integral_v<T> {
        static_assert(F::kOffset + F::kWidth <= sizeof(T) * 8);
        if constexpr (kBuild == SubWord::mixed && !kTsan) {
            return MixedField<T, F>(&value_);
        } else {
            return PortableField<T, F>(&value_);
        }
    }

    template <class Pred>
    void await(Pred pred, Order order) const {
        await_value(pred, order);
    }
    template <class Pred>
    T await_value(Pred pred, Order order) const {
        T value = load(order);
        while (!pred(value)) {
            cpu_relax();
            value = load(order);
        }
        return value;
    }
    template <class Pred, class... Stops>
    int await_until(Pred pred, Order order, Stops&&... stops) const {
        for (;;) {
            if (pred(load(order))) {
                return 0;
            }
            if (const int which = first_fired(stops...); which != 0) {
                return which;
            }
            cpu_relax();
        }
    }

  private:
    T value_;
};

}  // namespace lockbench::native
