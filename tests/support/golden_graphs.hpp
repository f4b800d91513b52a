// SPDX-License-Identifier: MIT
// The clients of the reference locks whose executions engine G counts, for the counts themselves and for its speed.
#pragma once

#include <cstdint>

#include "platform/explore/explore.hpp"
#include "platform/explore/verdict.hpp"
#include "tests/support/reference_locks.hpp"

namespace lockbench::test::golden {

using P = Explore;
using explore::Arena;
using explore::Options;
using explore::Program;
using explore::Verdict;

struct Data {
    P::Plain<std::uint64_t> low{std::uint64_t{0}};
    P::Plain<std::uint64_t> high{std::uint64_t{0}};

    void write() {
        low.set(low.get() + 1);
        high.set(high.get() + 1);
    }
    void read() const { check(low.get() == high.get(), "a reader sees half of a section"); }
};

// The same thing done by each of `threads`, `sections` times.
template <class Lock, class Section>
Verdict explore_sections(unsigned threads, unsigned sections, const Options& options, Section section) {
    struct Shared {
        Lock lock;
        Data data;
    };
    Shared* shared = nullptr;
    Program program;
    program.threads = threads;
    program.setup = [&](Arena& arena) { shared = &arena.make<Shared>(); };
    program.body = [&](ThreadId tid) {
        for (unsigned i = 0; i < sections; ++i) {
            section(*shared, tid);
        }
    };
    return options.engine(program, options);
}

template <class Lock>
Verdict exclusive(unsigned threads, unsigned sections, const Options& options) {
    return explore_sections<Lock>(threads, sections, options, [](auto& shared, ThreadId) {
        shared.lock.lock();
        shared.data.write();
        shared.lock.unlock();
    });
}

struct McsWithNodes {
    ReferenceMcs<P> mcs;
    ReferenceMcs<P>::Node nodes[explore::kMaxFibers];
};
inline Verdict mcs(unsigned threads, unsigned sections, const Options& options) {
    return explore_sections<McsWithNodes>(threads, sections, options, [](auto& shared, ThreadId tid) {
        auto& node = shared.lock.nodes[tid];
        shared.lock.mcs.lock(node);
        shared.data.write();
        shared.lock.mcs.unlock(node);
    });
}

inline Verdict qrw(unsigned readers, unsigned writers, unsigned sections, const Options& options) {
    return explore_sections<ReferenceQrw<P>>(readers + writers, sections, options,
                                             [readers](auto& shared, ThreadId tid) {
                                                 if (tid < readers) {
                                                     shared.lock.read_lock();
                                                     shared.data.read();
                                                     shared.lock.read_unlock();
                                                 } else {
                                                     shared.lock.write_lock();
                                                     shared.data.write();
                                                     shared.lock.write_unlock();
                                                 }
                                             });
}

}  // namespace lockbench::test::golden
