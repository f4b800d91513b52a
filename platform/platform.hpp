// SPDX-License-Identifier: MIT
// The Platform seam: every effect that a lock or a workload may have.
//
// A lock or workload is a template over a Platform P and has no other effect: no standard atomics, no clock, no thread,
// no thread-local storage, no random numbers, no #if. The same text then runs on real CPUs (platform/native.hpp), under
// a cooperative scheduler (platform/coop.hpp) and, later, under an exhaustive explorer and on a simulated machine.
//
// Atomics: P::Atomic<T>, T an integer of 1, 2, 4 or 8 bytes, bool or a pointer. Default construction leaves the value
// undefined, as it costs nothing; Atomic(v) or init(v) sets it without ordering. Every operation names its Order. Forms
// that return less cost less:
//   load(o)  store(v,o)  exchange(v,o) -> T  compare_exchange(expected&, desired, success, failure) -> bool
//   fetch_add(v,o)  fetch_sub(v,o)  fetch_and(v,o) -> old T      add(v,o)  sub(v,o)  or_(v,o)  and_(v,o) -> nothing
//   try_cas(expected, desired, o) -> bool (strong; relaxed when it fails)
//   add_fetch_test(delta, pred, o) -> bool: pred of the NEW value (the flags of the instruction decide it, nothing is
//   materialised)
//   test_and_set_bit(bit, o) -> bool: the OLD bit
//   field<Field<offset,width>, SubWord>(): load, exchange, try_cas, put(from, to, o) on part of the word
//   peek() -> T: reads outside the modelled world, for verification when no thread runs; never in a lock.
// Waiting: loops on one location are operations. pred is a pure function of the value.
//   await(pred, o)   await_value(pred, o) -> T
//   await_until(pred, o, stops...) -> int: 0 when pred held, else the 1-based place of the stop that fired.
// Stops, a closed set, each with fired() (P::poll(stop) asks once):
//   P::when(atomic, pred, o)  another location        must fire once its predicate holds
//   P::Deadline               P::after(ns)            must fire in the end; P::never() never does
//   P::not_running(tid)       that thread is off its CPU (inside sleep, park or yield): must fire then, and may at any
//   time
//   P::should_yield()         the scheduler wants this CPU (the kernel's need_resched): may fire; nothing may rely on
//   it
//   P::cancelled()            this thread was cancelled (a fatal signal): must fire once it was
//   P::Budget{n}              after n polls: may fire
// Loops over several locations: `for (typename P::Retry loop;; loop.again())`, for iterations without a net effect;
// loops with effects use P::EffectLoop<kBound>, where kBound only bounds exploration (natively it is not a limit).
// There are no other wait loops.
// Sleeping, kernel style: sleep_prepare(); re-check; sleep(deadline). wake(tid) before sleep() makes it return at once;
// a wake may also be spurious. sleep_killable() returns `cancelled` for a cancelled thread, sleep() does not look at
// that. User-space style: park(word, expected, deadline) and unpark(word, n), the semantics of futex(2) with spurious
// returns.
// Time in locks: Deadline, after, never, Stopwatch, choose(n). now() and Ctx::random are for harness and workload
// parameters. preempt_off()/preempt_on(): a section that spins elsewhere may not sleep; sleeping inside is an error
// wherever it can be checked.
// Memory: Plain<T> for data that a lock protects (get/set, leaf types). PerThread<T,Tag>::at(tid): one T a thread,
// reachable by number, on that thread's node. Slab<T>: objects that die when destroyed. Pool<Stable,Fresh>: type-stable
// objects; `stable` is constructed once and may be touched after free only inside a ReadSection, `fresh` is constructed
// anew at each alloc and dies at free. mark(): tells the platform's judge about critical sections; nothing on Native.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "platform/check.hpp"
#include "platform/events.hpp"
#include "platform/units.hpp"

namespace lockbench {

// The five orders of C++20 that locks use; consume is not offered.
enum class Order : unsigned char { relaxed, acquire, release, acq_rel, seq_cst };
inline constexpr Order relaxed = Order::relaxed;
inline constexpr Order acquire = Order::acquire;
inline constexpr Order release = Order::release;
inline constexpr Order acq_rel = Order::acq_rel;
inline constexpr Order seq_cst = Order::seq_cst;

// A part of a word: bits [kOffset, kOffset + kWidth), kWidth 8 or 16, naturally aligned.
template <unsigned kOffsetBits, unsigned kWidthBits>
struct Field {
    static_assert(kWidthBits == 8 || kWidthBits == 16, "fields are bytes or halfwords");
    static_assert(kOffsetBits % kWidthBits == 0, "fields are naturally aligned");
    static constexpr unsigned kOffset = kOffsetBits;
    static constexpr unsigned kWidth = kWidthBits;
    static constexpr std::uint64_t kMask = ((std::uint64_t{1} << kWidthBits) - 1) << kOffsetBits;
};

// How a field is accessed. mixed: by an access of its own width, as the kernel does and outside the C++ model.
// portable: by whole-word read-modify-writes, which costs one more locked instruction. The choice is part of a lock's
// name.
enum class SubWord : unsigned char { mixed, portable };

// What separates two tickets of a counter of 16 bits that comes round: 1, unless a platform wants it to come round soon
// and makes do with as few tickets as it has threads. Every platform has the same code then, and the same layout.
template <class P>
constexpr std::uint16_t ticket_step() {
    if constexpr (requires { P::ticket_step(); }) {
        return P::ticket_step();
    } else {
        return 1;
    }
}

enum class Mode : unsigned char { read, write };
inline constexpr std::size_t kModeCount = 2;

// Stages of one critical section, told to the platform's judge.
enum class Mark : unsigned char { doorway, acquired, released };

enum class Wake : unsigned char { woken, expired, cancelled };

// How Slab and Pool lay out their objects. packed: back to back at their alignment, as a kernel slab does, so
// neighbours share cache lines. padded: each object on lines of its own.
enum class Layout : unsigned char { packed, padded };

template <class A, class T>
concept AtomicOf = requires(A a, const A& ca, T v, T& expected, Order o) {
    { ca.load(o) } -> std::same_as<T>;
    a.store(v, o);
    a.init(v);
    { a.exchange(v, o) } -> std::same_as<T>;
    { a.compare_exchange(expected, v, o, o) } -> std::same_as<bool>;
    { a.try_cas(v, v, o) } -> std::same_as<bool>;
    ca.await([](T) { return true; }, o);
    {
        ca.await_value([](T) { return true; }, o)
        } -> std::same_as<T>;
    {
        ca.await_until([](T) { return true; }, o)
        } -> std::same_as<int>;
    { ca.peek() } -> std::same_as<T>;
};

template <class A, class T>
concept AtomicIntegerOf = AtomicOf<A, T> && requires(A a, T v, Order o) {
    { a.fetch_add(v, o) } -> std::same_as<T>;
    { a.fetch_sub(v, o) } -> std::same_as<T>;
    { a.fetch_and(v, o) } -> std::same_as<T>;
    a.add(v, o);
    a.sub(v, o);
    a.or_(v, o);
    a.and_(v, o);
    {
        a.add_fetch_test(
            v, [](T) { return true; }, o)
        } -> std::same_as<bool>;
    { a.test_and_set_bit(0U, o) } -> std::same_as<bool>;
    { a.template field<Field<0, 8>, SubWord::mixed>().load(o) } -> std::same_as<std::uint8_t>;
    {
        a.template field<Field<0, 8>, SubWord::portable>().try_cas(std::uint8_t{}, std::uint8_t{}, o)
        } -> std::same_as<bool>;
    a.template field<Field<0, 8>, SubWord::mixed>().put(std::uint8_t{}, std::uint8_t{}, o);
    { a.template field<Field<16, 16>, SubWord::mixed>().exchange(std::uint16_t{}, o) } -> std::same_as<std::uint16_t>;
};

template <class S>
concept Stop = requires(S s) {
    { s.fired() } -> std::same_as<bool>;
};

template <class P>
concept PlatformAtomics = AtomicIntegerOf<typename P::template Atomic<std::uint32_t>, std::uint32_t> &&
                          AtomicIntegerOf<typename P::template Atomic<std::int64_t>, std::int64_t> &&
                          AtomicOf < typename P::template Atomic<int*>,
int* > &&requires(Order o) {
    P::fence(o);
    P::fence_after_rmw();
    P::fence_light();
    P::fence_heavy();
    requires sizeof(typename P::template Atomic<std::uint32_t>) == 4;
    requires sizeof(typename P::template Plain<std::uint32_t>) == 4;
};

template <class P>
concept PlatformWaiting = Stop<typename P::Deadline> && Stop<typename P::Budget> &&
    requires(ThreadId tid, Nanoseconds ns, std::size_t n) {
    typename P::Retry;
    typename P::template EffectLoop<1>;
    typename P::Stopwatch;
    { P::never() } -> std::same_as<typename P::Deadline>;
    { P::after(ns) } -> std::same_as<typename P::Deadline>;
    { P::not_running(tid) } -> Stop;
    { P::should_yield() } -> Stop;
    { P::cancelled() } -> Stop;
    P::sleep_prepare();
    { P::sleep(P::never()) } -> std::same_as<Wake>;
    { P::sleep_killable(P::never()) } -> std::same_as<Wake>;
    P::wake(tid);
    P::cancel(tid);
    P::clear_cancel();
    { P::is_running(tid) } -> std::same_as<bool>;
    { P::choose(n) } -> std::same_as<std::size_t>;
    P::relax();
    P::yield();
    P::compute(ns);
    P::sleep_until(P::never());
    { P::now() } -> std::same_as<Nanoseconds>;
};

template <class P>
concept Platform = PlatformAtomics<P> && PlatformWaiting<P> && requires(ThreadId tid, const void* object) {
    typename P::ReadSection;
    { P::self() } -> std::same_as<ThreadId>;
    { P::cpu() } -> std::same_as<CpuId>;
    { P::node_of(P::cpu()) } -> std::same_as<NodeId>;
    P::preempt_off();
    P::preempt_on();
    P::event(Event::slept);
    P::mark(Mark::doorway, object, Mode::read);
    { P::kChecked } -> std::convertible_to<bool>;
};

}  // namespace lockbench
