// SPDX-License-Identifier: MIT
// Programs for engine S: threads that go through one section after another, for ever or so often, and forget what they
// saw in between.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"

namespace lockbench::test::endless {

using explore::Arena;
using explore::Model;
using explore::Options;
using explore::Point;
using explore::Program;
using explore::Verdict;
using P = Explore;

// Data that a section touches and leaves as it is.
struct Data {
    P::Plain<std::uint64_t> low{std::uint64_t{0}};
    P::Plain<std::uint64_t> high{std::uint64_t{0}};

    void write() {
        low.set(low.get());
        high.set(high.get());
    }
    void read() const { check(low.get() == high.get(), "a reader sees half of a section"); }
};

// Marks one section of a thread as lockcheck's clients do: lock() before, unlock() behind.
template <class Lock, class Body, class Unlock>
void section(const void* lock, Mode mode, Lock lock_it, Body body, Unlock unlock_it) {
    P::mark(Mark::doorway, lock, mode);
    lock_it();
    P::mark(Mark::acquired, lock, mode);
    explore::checkpoint(Point::held, 0);
    body();
    P::mark(Mark::released, lock, mode);
    unlock_it();
}

// One thread's section over and over; `times` 0: for ever.
template <class Shared, class Section>
Verdict explore_sections(ThreadId threads, unsigned times, Section one, const Options& options) {
    Shared* shared = nullptr;
    Program program;
    program.threads = threads;
    program.setup = [&](Arena& arena) { shared = &arena.make<Shared>(); };
    program.body = [&](ThreadId tid) {
        for (unsigned i = 0; times == 0 || i < times; ++i) {
            explore::checkpoint(times == 0 ? Point::renewed : Point::between, times == 0 ? 0 : i);
            one(*shared, tid);
        }
    };
    return explore::explore_states(program, options);
}

}  // namespace lockbench::test::endless
