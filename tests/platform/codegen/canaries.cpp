// SPDX-License-Identifier: MIT
// Locks that are not what they claim. Each must be caught, or the comparison of tests/platform/codegen_test.py is blind
// to it. They are compiled and never run.
#include "tests/platform/codegen/probe.hpp"

namespace lockbench::probe {
namespace {

// A test-and-set lock, honest but for what a canary replaces.
constexpr FastPaths kClaims = {.lock = "xchg32.acquire", .try_lock = "ld32 xchg32.acquire", .unlock = "st32.release"};

struct CanaryInfo {
    std::string_view name;
    FastPaths paths = kClaims;
    bool shared = false;
};

class Honest {
  public:
    struct Token {};
    static constexpr CanaryInfo kInfo = {.name = "honest"};
    void lock(Token&) {
        if (word_.exchange(1, Order::acquire) != 0) {
            wait();
        }
    }
    bool try_lock(Token&) { return word_.load(Order::relaxed) == 0 && word_.exchange(1, Order::acquire) == 0; }
    void unlock(Token&) { word_.store(0, Order::release); }

  protected:
    [[gnu::noinline, gnu::cold]] void wait() {
        word_.await([](std::uint32_t word) { return word == 0; }, Order::relaxed);
    }
    Native::Atomic<std::uint32_t> word_;
};

// On x86-64 the default order of std::atomic costs a locked instruction where a plain store would do.
struct SeqCstUnlock : Honest {
    static constexpr CanaryInfo kInfo = {.name = "seq_cst_unlock"};
    void unlock(Token&) { word_.store(0, Order::seq_cst); }
};

// The order that is missing shows on AArch64 only.
struct RelaxedLock : Honest {
    static constexpr CanaryInfo kInfo = {.name = "relaxed_lock"};
    void lock(Token&) {
        if (word_.exchange(1, Order::relaxed) != 0) {
            wait();
        }
    }
};

// A counter, as a profiler or a careless event would leave it.
struct CountingLock : Honest {
    static constexpr CanaryInfo kInfo = {.name = "counting_lock"};
    void lock(Token& token) {
        Honest::lock(token);
        Native::event(Event::slow_write);
    }
};

// Does its work, but behind a call.
struct CallingUnlock : Honest {
    static constexpr CanaryInfo kInfo = {.name = "calling_unlock"};
    void unlock(Token&) { release(); }

  private:
    [[gnu::noinline]] void release() { word_.store(0, Order::release); }
};

// Its slow path would be laid out in the middle of the fast one.
struct WarmWait : Honest {
    static constexpr CanaryInfo kInfo = {.name = "warm_wait"};
    void lock(Token&) {
        if (word_.exchange(1, Order::acquire) != 0) {
            warm();
        }
    }

  private:
    [[gnu::noinline]] void warm() {
        word_.await([](std::uint32_t word) { return word == 0; }, Order::relaxed);
    }
};

// A new lock whose author forgot to say what it does.
struct SilentTry : Honest {
    static constexpr CanaryInfo kInfo = {.name = "silent_try",
                                         .paths = {.lock = kClaims.lock, .unlock = kClaims.unlock}};
};

using Locks = TypeList<Honest, SeqCstUnlock, RelaxedLock, CountingLock, CallingUnlock, WarmWait, SilentTry>;

}  // namespace

[[gnu::section("lockbench_names"), gnu::used]] constinit const auto kNames = names_of(Locks{});
void emit_everything() { emit_all(Locks{}); }

}  // namespace lockbench::probe
