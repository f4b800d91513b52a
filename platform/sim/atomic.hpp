// SPDX-License-Identifier: MIT
// Atomics and lock-protected data of the simulated machine: the plain value, after the engine has brought the line.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

#include "platform/check.hpp"
#include "platform/platform.hpp"
#include "platform/sim/engine.hpp"
#include "platform/sim/stops.hpp"

namespace lockbench::sim {

static_assert(std::endian::native == std::endian::little, "fields are found by their offset");

template <class T>
std::uint64_t to_bits(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8, "a location holds at most eight bytes");
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// What every location does. Outside a run, and for the host, memory is what it is and costs nothing.
template <class T>
T read_location(const T& location, Site site) {
    if (self_thread != nullptr) {
        engine->read(*self_thread, &location, sizeof(T), site);
        std::uint64_t bits = 0;
        if (!self_thread->buffer.empty() && Engine::forwarded(*self_thread, &location, bits)) [[unlikely]] {
            return from_bits<T>(bits);
        }
    }
    return location;
}
template <class T>
void write_location(T& location, T value, Site site) {
    if (self_thread != nullptr) {
        engine->write(*self_thread, &location, to_bits(value), sizeof(T), site);
    } else {
        location = value;
    }
}
// An object that is constructed by a thread on its stack is nobody else's.
template <class T>
void construct_location(T& location, T value, Site site) {
    if (self_thread != nullptr && engine->contains(&location)) {
        engine->write(*self_thread, &location, to_bits(value), sizeof(T), site);
    } else {
        location = value;
    }
}
// One locked instruction: change(before) gives the new value, or the old one for no write.
template <class T, class Change>
T modify_location(T& location, Site site, Change change) {
    if (self_thread != nullptr) {
        engine->own(*self_thread, &location, site);
    }
    const T before = location;
    location = change(before);
    if (self_thread != nullptr) {
        engine->wrote(&location);
    }
    return before;
}

// Part of a word. mixed: an access of its own width; portable: of the whole word.
template <class A, class F, SubWord kBuild>
class FieldRef {
  public:
    using Word = typename A::Value;
    using Part = std::conditional_t<F::kWidth == 8, std::uint8_t, std::uint16_t>;
    explicit FieldRef(A& word) : word_(word) {}

    [[nodiscard]] Part load(At at) const {
        return kBuild == SubWord::mixed ? read_location(part(), at.site) : part_of(word_.load(at));
    }
    Part exchange(Part value, At at) {
        return part_of(modify_location(word_.value_, at.site, [value](Word word) { return with(word, value); }));
    }
    bool try_cas(Part expected, Part desired, At at) {
        const Word before = modify_location(
            word_.value_, at.site, [&](Word word) { return part_of(word) == expected ? with(word, desired) : word; });
        return part_of(before) == expected;
    }
    void put(Part from, Part to, At at) {
        if (kBuild == SubWord::mixed) {
            write_location(part(), to, at.site);
        } else {
            const Word before = modify_location(word_.value_, at.site, [to](Word word) { return with(word, to); });
            check(part_of(before) == from, "put: the field does not hold what its writer says it does", at.site.file,
                  at.site.line);
        }
    }

  private:
    static Part part_of(Word word) { return static_cast<Part>(word >> F::kOffset); }
    static Word with(Word word, Part part) {
        return static_cast<Word>((word & static_cast<Word>(~F::kMask)) | (static_cast<Word>(part) << F::kOffset));
    }
    Part& part() const {
        return *reinterpret_cast<Part*>(reinterpret_cast<std::byte*>(&word_.value_) + F::kOffset / 8);
    }
    A& word_;
};

template <class T>
class Atomic {
    static_assert(std::is_integral_v<T> || std::is_pointer_v<T>, "Atomic holds integers, bool and pointers");

  public:
    using Value = T;
    Atomic() {}  // NOLINT(modernize-use-equals-default): the value stays undefined on purpose
    explicit Atomic(T value, Site site = Site::here()) { construct_location(value_, value, site); }
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    void init(T value, Site site = Site::here()) { write_location(value_, value, site); }
    [[nodiscard]] T peek() const { return value_; }

    [[nodiscard]] T load(At at) const { return read_location(value_, at.site); }
    void store(T value, At at) {
        if (at.order == seq_cst) {
            modify_location(value_, at.site, [value](T) { return value; });
        } else {
            write_location(value_, value, at.site);
        }
    }
    T exchange(T value, At at) {
        return modify_location(value_, at.site, [value](T) { return value; });
    }
    bool compare_exchange(T& expected, T desired, At success, Order) {
        const T wanted = expected;
        expected = modify_location(value_, success.site, [&](T word) { return word == wanted ? desired : word; });
        return expected == wanted;
    }
    bool try_cas(T expected, T desired, At at) { return compare_exchange(expected, desired, at, relaxed); }

    T fetch_add(T value, At at) requires std::is_integral_v<T> {
        return modify_location(value_, at.site, [value](T word) { return plus(word, value); });
    }
    T fetch_sub(T value, At at) requires std::is_integral_v<T> {
        return modify_location(value_, at.site, [value](T word) { return minus(word, value); });
    }
    T fetch_and(T value, At at) requires std::is_integral_v<T> {
        return modify_location(value_, at.site, [value](T word) { return static_cast<T>(word & value); });
    }
    void add(T value, At at) requires std::is_integral_v<T> { fetch_add(value, at); }
    void sub(T value, At at) requires std::is_integral_v<T> { fetch_sub(value, at); }
    void or_(T value, At at) requires std::is_integral_v<T> {
        modify_location(value_, at.site, [value](T word) { return static_cast<T>(word | value); });
    }
    void and_(T value, At at) requires std::is_integral_v<T> { fetch_and(value, at); }
    template <class Pred>
    bool add_fetch_test(T delta, Pred pred, At at) requires std::is_integral_v<T> {
        return pred(plus(fetch_add(delta, at), delta));
    }
    bool test_and_set_bit(unsigned bit, At at) requires std::is_integral_v<T> {
        const T mask = static_cast<T>(T{1} << bit);
        return (modify_location(value_, at.site, [mask](T word) { return static_cast<T>(word | mask); }) & mask) != 0;
    }

    template <class F, SubWord kBuild>
    auto field() requires std::is_integral_v<T> {
        static_assert(F::kOffset + F::kWidth <= sizeof(T) * 8);
        return FieldRef<Atomic, F, kBuild>(*this);
    }

    template <class Pred>
    void await(Pred pred, At at) const {
        await_until(pred, at);
    }
    template <class Pred>
    T await_value(Pred pred, At at) const {
        T seen{};
        await_until(
            [&seen, &pred](T value) {
                seen = value;
                return pred(value);
            },
            at);
        return seen;
    }
    template <class Pred, class... Stops>
    int await_until(Pred pred, At at, Stops&&... stops) const {
        if (pred(load(at))) {
            return 0;
        }
        if (const int which = first_fired(stops...); which != 0) {
            return which;
        }
        return wait_slow(pred, at, stops...);
    }

  private:
    template <class A, class F, SubWord kBuild>
    friend class FieldRef;

    // What the engine looks at while the thread waits.
    template <class Pred, class... Stops>
    struct Frame {
        const Atomic* word;
        Pred* pred;
        std::tuple<Stops*...> stops;

        static int look(const void* frame) {
            const auto& self = *static_cast<const Frame*>(frame);
            if ((*self.pred)(self.word->value_)) {
                return 0;
            }
            const int which = std::apply([](const auto*... each) { return first_holding(*each...); }, self.stops);
            return which == 0 ? kStillWaiting : which;
        }
    };

    template <class Pred, class... Stops>
    int wait_slow(Pred& pred, At at, Stops&... stops) const {
        Thread& thread = me();
        engine->drain(thread);  // what is looked at is memory, without this thread's own buffer
        engine->sync(thread);
        const Frame<Pred, Stops...> frame{this, &pred, {&stops...}};
        engine->begin_wait(thread);
        thread.at = at.site;
        engine->watch_line(thread, &value_);
        (stops.arm(thread), ...);
        thread.await.look = &Frame<Pred, Stops...>::look;
        thread.await.frame = &frame;
        return engine->wait(thread);
    }

    // Atomic integers wrap, signed ones too.
    static T plus(T a, T b) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(static_cast<U>(a) + static_cast<U>(b)));
    }
    static T minus(T a, T b) {
        using U = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<U>(static_cast<U>(a) - static_cast<U>(b)));
    }

    T value_;
};

// Data that a lock protects: an access is one of the same kind, without an order.
template <class T>
class Plain {
  public:
    Plain() {}  // NOLINT(modernize-use-equals-default): the value stays undefined on purpose
    explicit Plain(T value, Site site = Site::here()) { construct_location(value_, value, site); }
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;

    [[nodiscard]] T get(Site site = Site::here()) const { return read_location(value_, site); }
    void set(T value, Site site = Site::here()) { write_location(value_, value, site); }
    [[nodiscard]] T peek() const { return value_; }

  private:
    T value_;
};

}  // namespace lockbench::sim
