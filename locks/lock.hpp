// SPDX-License-Identifier: MIT
// What a lock is: the concepts, and what each says about itself.
//
// A lock L over a Platform P has
//   L::Token            explicit Token(Ctx<P>&); one per lock a thread may hold or wait for at the same time, built
//   once, reused for ever.
//                       It holds the thread's queue node or waiter; it may be reused as soon as the acquisition it
//                       served is released.
//   lock(Token&)  try_lock(Token&) -> bool  unlock(Token&)
//   lock_shared(Token&)  try_lock_shared(Token&) -> bool  unlock_shared(Token&)        where kInfo.shared
//   lock_killable(Token&) -> bool  lock_shared_killable(Token&) -> bool                  where kInfo.killable: false =
//   cancelled, not held
//   downgrade(Token&)                                                                    where kInfo.downgrade: writer
//   becomes reader
//   lock_shared_irq(Token&)                                                              where kInfo.irq_readers: a
//   reader that may not queue
//   is_locked() -> bool           true whenever anybody holds the lock in either mode; transient true answers are
//   allowed, false ones never
//   is_constructed() -> bool      the words are as the constructor left them; for verification when no thread runs
//   static constexpr LockInfo kInfo
// Default construction gives a free lock. A lock is neither copied nor moved.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include "platform/ctx.hpp"
#include "platform/platform.hpp"

namespace lockbench {

enum class WaitKind : unsigned char { spin, sleep };

// What a lock promises about order. Each is a claim with a test, and with all states of small clients.
enum class Fairness : unsigned char {
    fifo,               // strict arrival order, readers of a run together
    fifo_after_claim,   // FIFO but for one step before the line (pending bit, fast path, wait_lock without order)
    stealing,           // running threads may pass waiters without bound
    reader_preference,  // readers pass waiting writers without bound
    writer_preference,  // writers pass waiting readers without bound
    unfair,             // no order at all
    unknown             // a library's lock whose document promises nothing
};

constexpr std::string_view to_string(WaitKind kind) { return kind == WaitKind::spin ? "spin" : "sleep"; }
constexpr std::string_view to_string(Fairness fairness) {
    constexpr std::string_view kNames[] = {
        "fifo", "fifo_after_claim", "stealing", "reader_preference", "writer_preference", "unfair", "unknown"};
    return kNames[static_cast<std::size_t>(fairness)];
}

// The accesses to memory that each operation makes when nobody is in its way, in program order:
//   [object:]<operation><bits>[.order]   relaxed where no order is named; "(...)" are accesses that exclusion could do
//   without and that the era makes all the same; "a | b" are the ways through an operation that has several, the
//   uncontended one first.
// Operations: ld, st; xchg; cas (a compare-exchange that succeeds); faa (fetch-and-add: an addition or subtraction
// whose old value is used); add and sub (nothing is used), adds and subs (only the sign of the new value is), addp
// (only whether it is positive), subz (only whether it is 0).
// Objects: the lock's word (unnamed); owner (another word of the lock); node (the thread's queue node); token.
// The compiled lock is held to this, instruction by instruction (tests/platform/codegen_test.py), and its floor is made
// of it (bench/by_hand.hpp). Empty where the mode is not shared, and for library locks' trylocks, which nobody compiles
// here.
struct FastPaths {
    std::string_view lock = {};
    std::string_view try_lock = {};
    std::string_view unlock = {};
    std::string_view lock_shared = {};
    std::string_view try_lock_shared = {};
    std::string_view unlock_shared = {};
};

struct LockInfo {
    std::string_view name;  // [a-z0-9_:.] and a library's own capitals; a suffix after a dot tells a build or variant
    std::string_view
        family;  // plots give one hue a family: ticket mcs osq qspinlock rwlock qrwlock mutex rwsem glibc control
    std::string_view kernel_release;  // release whose form this is, or the library and its version; "-" for neither
    WaitKind kind;
    bool shared;  // readers share; an exclusive lock serves both modes exclusively and is labelled so
    Fairness fairness;
    bool hold_across_sleep;  // the holder may sleep: what the mmu notifiers of RDMA cards and GPUs need
    std::uint32_t bytes;     // size of the lock object, without queue nodes
    std::uint32_t
        rmw_read;  // atomic read-modify-writes of one uncontended read acquire and release together; 0 where not shared
    std::uint32_t rmw_write;
    bool killable;
    bool downgrade;
    bool irq_readers;
    bool free_after_unlock;  // the memory may be freed by the next owner while the last one is still inside unlock
    bool is_locked;  // is_locked() is exact about readers and writers (a library's lock may have no such question)
    bool convoys;    // FIFO spinning: with more threads than CPUs progress collapses, so the harness refuses it unasked
    bool control;    // a deliberately useless lock for the harness's own tests; never part of a comparison
    std::string_view origin;  // paper, or kernel file, function and release
    // What its fast paths do to memory, and so what an uncontended acquire and release cost at least.
    FastPaths paths = {};
    // In the quick plan, which is to end within minutes: the locks of the debate and today's, not every era between.
    bool quick = true;
};

template <class L, class P>
concept ExclusiveLock = requires(L lock, const L& clock, typename L::Token& token, Ctx<P>& ctx) {
    typename L::Token;
    requires std::constructible_from < typename L::Token, Ctx<P>
    & > ;
    requires std::default_initializable<L>;
    requires !std::copyable<L>;
    lock.lock(token);
    { lock.try_lock(token) } -> std::same_as<bool>;
    lock.unlock(token);
    { clock.is_locked() } -> std::same_as<bool>;
    { clock.is_constructed() } -> std::same_as<bool>;
    { L::kInfo } -> std::convertible_to<LockInfo>;
};

template <class L, class P>
concept SharedLock = ExclusiveLock<L, P> && requires(L lock, typename L::Token& token) {
    lock.lock_shared(token);
    { lock.try_lock_shared(token) } -> std::same_as<bool>;
    lock.unlock_shared(token);
};

template <class L>
concept KillableLock = requires(L lock, typename L::Token& token) {
    { lock.lock_killable(token) } -> std::same_as<bool>;
};

template <class L>
concept KillableSharedLock = requires(L lock, typename L::Token& token) {
    { lock.lock_shared_killable(token) } -> std::same_as<bool>;
};

template <class L>
concept DowngradableLock = requires(L lock, typename L::Token& token) {
    lock.downgrade(token);
};

template <class L>
concept IrqReaderLock = requires(L lock, typename L::Token& token) {
    lock.lock_shared_irq(token);
};

// Readers of an exclusive lock take it exclusively: these are the only places that know.
template <class L>
void lock_for_read(L& lock, typename L::Token& token) {
    if constexpr (L::kInfo.shared) {
        lock.lock_shared(token);
    } else {
        lock.lock(token);
    }
}
template <class L>
bool try_lock_for_read(L& lock, typename L::Token& token) {
    if constexpr (L::kInfo.shared) {
        return lock.try_lock_shared(token);
    } else {
        return lock.try_lock(token);
    }
}
template <class L>
void unlock_for_read(L& lock, typename L::Token& token) {
    if constexpr (L::kInfo.shared) {
        lock.unlock_shared(token);
    } else {
        lock.unlock(token);
    }
}

// What kInfo claims and what the type offers must agree; every registered lock is held to this.
template <class P, class L>
constexpr bool info_matches_type() {
    static_assert(ExclusiveLock<L, P>);
    static_assert(L::kInfo.shared == SharedLock<L, P>);
    static_assert(L::kInfo.killable == KillableLock<L>);
    static_assert(L::kInfo.downgrade == DowngradableLock<L>);
    static_assert(L::kInfo.irq_readers == IrqReaderLock<L>);
    static_assert(L::kInfo.hold_across_sleep == (L::kInfo.kind == WaitKind::sleep));
    static_assert(!L::kInfo.name.empty() && !L::kInfo.origin.empty());
    return true;
}

}  // namespace lockbench
