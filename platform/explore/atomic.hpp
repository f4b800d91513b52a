// SPDX-License-Identifier: MIT
// Atomics and lock-protected data of the explorer: each access is a request. The member holds the value that the host
// gave it before the threads began; what the threads write is known to the engine alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "platform/check.hpp"
#include "platform/explore/core.hpp"
#include "platform/explore/mutation.hpp"
#include "platform/platform.hpp"

namespace lockbench::explore {

template <class T>
std::uint64_t to_bits(const T& value) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
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

inline std::uint32_t place_of(const void* address) {
    check(core != nullptr && core->arena().contains(address), "shared objects of an exploration live in its arena");
    return core->arena().offset(address);
}

template <class T>
Request request_for(Kind kind, const void* address, At at) {
    Request request;
    request.kind = kind;
    request.order = at.order;
    request.failure = at.order;
    request.bytes = sizeof(T);
    request.place = place_of(address);
    request.site = at.site;
    return request;
}
inline std::uint64_t perform(const Request& request) {
    return mutator == nullptr ? core->engine().perform(*self_thread, request) : mutator->perform(request);
}

// A predicate on T as the engine calls it.
template <class T, class Pred>
bool holds_thunk(const void* frame, std::uint64_t value) {
    return (*static_cast<const Pred*>(frame))(from_bits<T>(value));
}
template <class T, class Pred>
bool fails_thunk(const void* frame, std::uint64_t value) {
    return !holds_thunk<T, Pred>(frame, value);
}

// What a program sees of a value: nothing, or what `Look` makes of it.
inline std::uint64_t sees_nothing(const void*, std::uint64_t) { return 0; }
template <class T, class Look>
std::uint64_t look_thunk(const void* look, std::uint64_t value) {
    return static_cast<std::uint64_t>((*static_cast<const Look*>(look))(from_bits<T>(value)));
}
template <class T, class Look>
void set_look(Request& request, const Look& look) {
    request.sees = &look_thunk<T, Look>;
    request.look = &look;
}

// A read-modify-write: `Condition` says whether it writes, `Change` what.
template <class T, class Condition, class Change>
struct Update {
    const Condition& condition;
    const Change& change;

    static bool apply(const void* frame, std::uint64_t old, std::uint64_t& fresh) {
        const auto& self = *static_cast<const Update*>(frame);
        const T before = from_bits<T>(old);
        if (!self.condition(before)) {
            return false;
        }
        fresh = to_bits<T>(self.change(before));
        return true;
    }
};

// Part of a word, by whole-word operations: the explorer's model knows no accesses of mixed size. A put() is an
// addition and continues the release sequence, which a store of the part would not: slightly too strong.
template <class A, class F>
class FieldRef {
  public:
    using Word = typename A::Value;
    using Part = std::conditional_t<F::kWidth == 8, std::uint8_t, std::uint16_t>;
    explicit FieldRef(A& word) : word_(word) {}

    [[nodiscard]] Part load(At at) const { return part_of(word_.load_for(at, &part_of)); }
    Part exchange(Part value, At at) {
        return part_of(word_.modify(
            at, [value](Word word) { return with(word, value); }, &part_of));
    }
    bool try_cas(Part expected, Part desired, At at) {
        return word_.modify_if(
            at, relaxed, [expected](Word word) { return part_of(word) == expected; },
            [desired](Word word) { return with(word, desired); });
    }
    void put(Part from, Part to, At at) {
        const auto is_right = [from](Word word) { return part_of(word) == from; };
        const Word before = word_.modify(
            at, [to](Word word) { return with(word, to); }, is_right, F::kMask);
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

template <class T, class Pred, class... Stops>
int wait_until(const void* address, const Pred& pred, At at, Stops&... stops);

// What Atomic and Plain share: a value of the host's, until a thread sets it.
template <class T>
class Cell {
  public:
    Cell() { born(false); }
    explicit Cell(T value) : value_(value) { born(true); }
    Cell(const Cell&) = delete;
    Cell& operator=(const Cell&) = delete;

    // The last value when all threads have ended; outside a run what the host set.
    [[nodiscard]] T peek() const {
        return self_thread == nullptr ? value_ : from_bits<T>(core->engine().final_value(place_of(this), sizeof(T)));
    }

  protected:
    // True where there is no engine to ask: the host reads and writes the member.
    [[nodiscard]] static bool by_host() { return self_thread == nullptr; }
    [[nodiscard]] T host_value() const {
        check(core == nullptr || core->arena().initialised(place_of(this)), "the host reads what was never set");
        return value_;
    }
    void set_host_value(T value) {
        value_ = value;
        if (core != nullptr) {
            core->arena().set_initialised(this, true);
        }
    }

  private:
    // Memory that is constructed while threads run is a thread's own heap, where values are unset until they are
    // stored; or it is used again, and what the host made there, which the next run begins with, stays known.
    void born(bool initialised) {
        if (core == nullptr) {
            return;
        }
        if (by_host() || core->arena().in_heap(this)) {
            core->arena().set_initialised(this, initialised && by_host());
        }
        if (!by_host() && initialised) {
            Request request = request_for<T>(Kind::init, this, relaxed);
            request.operand = to_bits(value_);
            perform(request);
        }
    }

    T value_;
};

template <class T>
class Atomic : public Cell<T> {
    static_assert(std::is_integral_v<T> || std::is_pointer_v<T>, "Atomic holds integers, bool and pointers");
    using Host = Cell<T>;

  public:
    using Value = T;
    using Cell<T>::Cell;

    void init(T value, Site site = Site::here()) { write(Kind::init, value, {relaxed, site.file, site.line}); }
    [[nodiscard]] T load(At at) const {
        return Host::by_host() ? Host::host_value() : from_bits<T>(perform(request_for<T>(Kind::load, this, at)));
    }
    // A load of which the program uses no more than what `look` makes of it.
    template <class Look>
    [[nodiscard]] T load_for(At at, const Look& look) const {
        if (Host::by_host()) {
            return Host::host_value();
        }
        Request request = request_for<T>(Kind::load, this, at);
        set_look<T>(request, look);
        return from_bits<T>(perform(request));
    }
    void store(T value, At at) { write(Kind::store, value, at); }
    T exchange(T value, At at) {
        return modify(at, [value](T) { return value; });
    }
    bool compare_exchange(T& expected, T desired, At success, Order failure) {
        const T wanted = expected;
        return modify_if(
            success, failure, [wanted](T word) { return word == wanted; }, [desired](T) { return desired; }, Whole{},
            &expected);
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
    void add(T value, At at) requires std::is_integral_v<T> {
        modify(
            at, [value](T word) { return plus(word, value); }, Nothing{});
    }
    void sub(T value, At at) requires std::is_integral_v<T> {
        modify(
            at, [value](T word) { return minus(word, value); }, Nothing{});
    }
    void or_(T value, At at) requires std::is_integral_v<T> {
        modify(
            at, [value](T word) { return static_cast<T>(word | value); }, Nothing{});
    }
    void and_(T value, At at) requires std::is_integral_v<T> {
        modify(
            at, [value](T word) { return static_cast<T>(word & value); }, Nothing{});
    }
    template <class Pred>
    bool add_fetch_test(T delta, Pred pred, At at) requires std::is_integral_v<T> {
        const auto test = [&](T word) { return pred(plus(word, delta)); };
        return test(modify(
            at, [delta](T word) { return plus(word, delta); }, test));
    }
    bool test_and_set_bit(unsigned bit, At at) requires std::is_integral_v<T> {
        const T mask = static_cast<T>(T{1} << bit);
        const auto was_set = [mask](T word) { return (word & mask) != 0; };
        return was_set(modify(
            at, [mask](T word) { return static_cast<T>(word | mask); }, was_set));
    }

    template <class F, SubWord>
    auto field() requires std::is_integral_v<T> {
        static_assert(F::kOffset + F::kWidth <= sizeof(T) * 8);
        return FieldRef<Atomic, F>(*this);
    }

    template <class Pred>
    void await(Pred pred, At at) const {
        await_value(pred, at, &sees_nothing);
    }
    template <class Pred>
    T await_value(Pred pred, At at, std::uint64_t (*sees)(const void*, std::uint64_t) = nullptr) const {
        if (Host::by_host()) {
            check(pred(Host::host_value()), "outside a run nobody can end this wait", at.site.file, at.site.line);
            return Host::host_value();
        }
        Request request = request_for<T>(Kind::await, this, at);
        request.holds = &holds_thunk<T, Pred>;
        request.frame = &pred;
        request.sees = sees;
        return from_bits<T>(perform(request));
    }
    template <class Pred, class... Stops>
    int await_until(Pred pred, At at, Stops&&... stops) const {
        if (Host::by_host()) {
            check(pred(Host::host_value()), "outside a run nobody can end this wait", at.site.file, at.site.line);
            return 0;
        }
        return wait_until<T>(this, pred, at, stops...);
    }

  private:
    template <class A, class F>
    friend class FieldRef;

    void write(Kind kind, T value, At at) {
        if (Host::by_host()) {
            Host::set_host_value(value);
            return;
        }
        Request request = request_for<T>(kind, this, at);
        request.operand = to_bits(value);
        perform(request);
    }
    // What the program uses of the value before.
    struct Whole {};
    struct Nothing {
        std::uint64_t operator()(T) const { return 0; }
    };
    struct Outcome {};  // whether the condition held

    template <class Change, class Look = Whole>
    T modify(At at, Change change, Look look = {}, std::uint64_t part = 0) {
        T seen{};
        modify_if(
            at, at.order, [](T) { return true; }, change, look, &seen, part);
        return seen;
    }
    template <class Condition, class Change, class Look = Outcome>
    bool modify_if(At at, Order failure, Condition condition, Change change, Look look = {}, T* seen = nullptr,
                   std::uint64_t part = 0) {
        T before{};
        if (Host::by_host()) {
            before = Host::host_value();
            if (condition(before)) {
                Host::set_host_value(change(before));
            }
        } else {
            const Update<T, Condition, Change> update{condition, change};
            Request request = request_for<T>(Kind::rmw, this, at);
            request.failure = failure;
            request.update = &Update<T, Condition, Change>::apply;
            request.frame = &update;
            request.part = part;
            if constexpr (std::is_same_v<Look, Outcome>) {
                set_look<T>(request, condition);
            } else if constexpr (!std::is_same_v<Look, Whole>) {
                set_look<T>(request, look);
            }
            before = from_bits<T>(perform(request));
        }
        if (seen != nullptr) {
            *seen = before;
        }
        return condition(before);
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
};

template <class T>
class Plain : public Cell<T> {
    using Host = Cell<T>;

  public:
    using Cell<T>::Cell;

    [[nodiscard]] T get(Site site = Site::here()) const {
        return Host::by_host()
                   ? Host::host_value()
                   : from_bits<T>(perform(request_for<T>(Kind::get, this, {relaxed, site.file, site.line})));
    }
    void set(T value, Site site = Site::here()) {
        if (Host::by_host()) {
            Host::set_host_value(value);
            return;
        }
        Request request = request_for<T>(Kind::set, this, {relaxed, site.file, site.line});
        request.operand = to_bits(value);
        perform(request);
    }
};

}  // namespace lockbench::explore
