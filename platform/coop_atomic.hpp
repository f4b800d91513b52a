// SPDX-License-Identifier: MIT
// Atomics and lock-protected data of the cooperative platform: the plain value, with one call into the engine before
// and after each access.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

#include "platform/check.hpp"
#include "platform/coop_engine.hpp"
#include "platform/coop_wait.hpp"
#include "platform/platform.hpp"

namespace lockbench::coop {

// A value as the trace shows it: its first eight bytes.
template <class T>
std::uint64_t bits(const T& value) {
    std::uint64_t result = 0;
    std::memcpy(&result, &value, std::min(sizeof value, sizeof result));
    return result;
}

// What an object that was not given a value holds: nothing that works by chance.
template <class T>
T garbage() {
    if constexpr (std::is_same_v<T, bool>) {
        return true;
    } else if constexpr (std::is_integral_v<T>) {
        return static_cast<T>(0xdbdbdbdbdbdbdbdbULL);
    } else if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<T>(0xdbdbdbdbdbdbdbdbULL);
    } else {
        return T{};
    }
}

// One atomic access: a scheduling point, then the checks. Null outside a world.
inline Loc* open(const void* address, std::size_t bytes, Site site) {
    if (engine == nullptr) {
        return nullptr;
    }
    if (self_thread != nullptr) {
        engine->point(*self_thread);
    }
    return &engine->enter(address, bytes, true, site);
}

// Part of a word. Both builds are one step on the masked part; they differ in what counts as a read-modify-write.
template <class A, class F, SubWord kBuild>
class FieldRef {
  public:
    using Word = typename A::Value;
    using Part = std::conditional_t<F::kWidth == 8, std::uint8_t, std::uint16_t>;
    explicit FieldRef(A& word) : word_(word) {}

    [[nodiscard]] Part load(At at) const { return part_of(word_.load(at)); }
    Part exchange(Part value, At at) {
        return part_of(word_.modify(at, [value](Word word) { return with(word, value); }));
    }
    bool try_cas(Part expected, Part desired, At at) {
        return word_.modify_if(
            at, relaxed, [expected](Word word) { return part_of(word) == expected; },
            [desired](Word word) { return with(word, desired); });
    }
    void put(Part from, Part to, At at) {
        const Word before = word_.put(at, kBuild == SubWord::portable, [to](Word word) { return with(word, to); });
        check(part_of(before) == from, "put: the field does not hold what its writer says it does", at.site.file,
              at.site.line);
    }

  private:
    static Part part_of(Word word) { return static_cast<Part>(word >> F::kOffset); }
    static Word with(Word word, Part part) {
        return static_cast<Word>((word & static_cast<Word>(~F::kMask)) | (static_cast<Word>(part) << F::kOffset));
    }
    A& word_;
};

template <class T>
class Atomic {
    static_assert(std::is_integral_v<T> || std::is_pointer_v<T>, "Atomic holds integers, bool and pointers");

  public:
    using Value = T;
    Atomic() : value_(garbage<T>()) {
        if (engine != nullptr) {
            engine->construct(this, sizeof(T), true, false);
        }
    }
    explicit Atomic(T value) : value_(value) {
        if (engine != nullptr) {
            engine->construct(this, sizeof(T), true, true);
        }
    }
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    // For a location that nobody else can reach yet: any other access must be ordered after it, which is how a node
    // that is published before it is set up is found although the schedule is sequentially consistent.
    void init(T value, Site site = Site::here()) {
        if (engine == nullptr) {
            value_ = value;
            return;
        }
        Loc& loc = engine->enter_unordered(this, sizeof(T), site);
        value_ = value;
        engine->reinit(loc, site);
    }
    [[nodiscard]] T peek() const { return value_; }

    [[nodiscard]] T load(At at) const {
        Loc* loc = open(this, sizeof(T), at.site);
        const T value = value_;
        if (loc != nullptr) {
            engine->loaded(*loc, Op::load, at, bits(value));
        }
        return value;
    }
    void store(T value, At at) {
        Loc* loc = open(this, sizeof(T), at.site);
        const std::uint64_t before = bits(value_);
        value_ = value;
        if (loc != nullptr) {
            engine->stored(*loc, at, before, bits(value));
        }
    }
    T exchange(T value, At at) {
        return modify(at, [value](T) { return value; });
    }
    bool compare_exchange(T& expected, T desired, At success, Order failure) {
        T seen = expected;
        const bool done = modify_if(
            success, failure,
            [&seen, &expected](T word) {
                seen = word;
                return word == expected;
            },
            [desired](T) { return desired; });
        expected = seen;
        return done;
    }
    bool try_cas(T expected, T desired, At at) {
        return modify_if(
            at, relaxed, [expected](T word) { return word == expected; }, [desired](T) { return desired; });
    }

    T fetch_add(T value, At at) requires std::is_integral_v<T> {
        return modify(at, [value](T word) { return plus(word, value); });
    }
    T fetch_sub(T value, At at) requires std::is_integral_v<T> {
        return modify(at, [value](T word) { return minus(word, value); });
    }
    T fetch_and(T value, At at) requires std::is_integral_v<T> {
        return modify(at, [value](T word) { return static_cast<T>(word & value); });
    }
    void add(T value, At at) requires std::is_integral_v<T> { fetch_add(value, at); }
    void sub(T value, At at) requires std::is_integral_v<T> { fetch_sub(value, at); }
    void or_(T value, At at) requires std::is_integral_v<T> {
        modify(at, [value](T word) { return static_cast<T>(word | value); });
    }
    void and_(T value, At at) requires std::is_integral_v<T> { fetch_and(value, at); }
    template <class Pred>
    bool add_fetch_test(T delta, Pred pred, At at) requires std::is_integral_v<T> {
        return pred(plus(fetch_add(delta, at), delta));
    }
    bool test_and_set_bit(unsigned bit, At at) requires std::is_integral_v<T> {
        const T mask = static_cast<T>(T{1} << bit);
        return (modify(at, [mask](T word) { return static_cast<T>(word | mask); }) & mask) != 0;
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
        check(self_thread != nullptr, "outside a run nobody can end this wait", at.site.file, at.site.line);
        return wait_slow(pred, at, stops...);
    }

    // The poll that ends a wait: no scheduling point, as the thread was chosen because of it.
    void take_poll(At at) const {
        engine->loaded(engine->enter(this, sizeof(T), true, at.site), Op::await, at, bits(value_));
    }

  private:
    template <class A, class F, SubWord kBuild>
    friend class FieldRef;

    template <class Pred, class... Stops>
    struct Frame {
        const Atomic* word;
        Pred* pred;
        std::tuple<Stops*...> stops;

        static bool ready(const void* frame) {
            const auto& self = *static_cast<const Frame*>(frame);
            return (*self.pred)(self.word->value_) ||
                   std::apply([](const auto*... each) { return first_holding(*each...) != 0; }, self.stops);
        }
    };

    template <class Pred, class... Stops>
    int wait_slow(Pred& pred, At at, Stops&... stops) const {
        Thread& me = *self_thread;
        const Frame<Pred, Stops...> frame{this, &pred, {&stops...}};
        constexpr std::uint8_t kMay = (std::uint8_t{0} | ... | std::remove_cvref_t<Stops>::kMay);
        for (;;) {
            me.block.kind = BlockKind::await;
            me.block.may = kMay;
            me.block.ready = &Frame<Pred, Stops...>::ready;
            me.block.frame = &frame;
            me.block.address = this;
            me.block.site = at.site;
            engine->wait_on(me, engine->enter(this, sizeof(T), true, at.site));
            (stops.arm(me), ...);
            engine->note(Op::await, engine->number_of(engine->enter(this, sizeof(T), true, at.site)), at.site,
                         bits(value_), bits(value_));
            engine->block(me);
            if (const std::uint8_t injected = std::exchange(me.injected, std::uint8_t{0}); injected != 0) {
                return injected_place<Stops...>(injected);
            }
            const int which = first_holding(stops...);
            const bool holds = pred(value_);
            // Both may have come true since the thread was blocked: natively either may be seen first.
            if (holds && (which == 0 || engine->random_below(2) == 0)) {
                take_poll(at);
                return 0;
            }
            if (which != 0) {
                accept_place(which, stops...);
                return which;
            }
        }
    }

    template <class Change>
    T modify(At at, Change change) {
        Loc* loc = open(this, sizeof(T), at.site);
        const T before = value_;
        value_ = change(before);
        if (loc != nullptr) {
            engine->modified(*loc, at, bits(before), bits(value_));
        }
        return before;
    }
    template <class Change>
    T put(At at, bool whole_word, Change change) {
        if (whole_word) {
            return modify(at, change);
        }
        Loc* loc = open(this, sizeof(T), at.site);
        const T before = value_;
        value_ = change(before);
        if (loc != nullptr) {
            engine->stored_part(*loc, at, bits(before), bits(value_));
        }
        return before;
    }
    template <class Condition, class Change>
    bool modify_if(At at, Order failure, Condition condition, Change change) {
        Loc* loc = open(this, sizeof(T), at.site);
        const T before = value_;
        if (!condition(before)) {
            if (loc != nullptr) {
                engine->loaded(*loc, Op::cas_failed, At(failure, at.site.file, at.site.line), bits(before));
            }
            return false;
        }
        value_ = change(before);
        if (loc != nullptr) {
            engine->modified(*loc, at, bits(before), bits(value_));
        }
        return true;
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

// Data that a lock protects. No scheduling point: an access that is not ordered is a race whether or not another came
// between.
template <class T>
class Plain {
  public:
    Plain() : value_(garbage<T>()) {
        if (engine != nullptr) {
            engine->construct(this, sizeof(T), false, false);
        }
    }
    explicit Plain(T value) : value_(value) {
        if (engine != nullptr) {
            engine->construct(this, sizeof(T), false, true);
        }
    }
    Plain(const Plain&) = delete;
    Plain& operator=(const Plain&) = delete;

    [[nodiscard]] T get(Site site = Site::here()) const {
        if (engine != nullptr) {
            Loc& loc = engine->enter(this, sizeof(T), false, site);  // before the value is touched
            engine->plain_read(loc, site, bits(value_));
        }
        return value_;
    }
    void set(T value, Site site = Site::here()) {
        if (engine != nullptr) {
            Loc& loc = engine->enter(this, sizeof(T), false, site);
            engine->plain_written(loc, site, bits(value_), bits(value));
        }
        value_ = value;
    }
    [[nodiscard]] T peek() const { return value_; }

  private:
    T value_;
};

}  // namespace lockbench::coop
