// SPDX-License-Identifier: MIT
// The clients of the reference locks whose states engine S counts, for the counts themselves and for its speed.
#pragma once

#include <cstdint>

#include "tests/support/endless.hpp"
#include "tests/support/reference_locks.hpp"

namespace lockbench::test::golden_states {

using endless::Data;
using endless::P;
using explore::Model;
using explore::Options;
using explore::Verdict;

template <class Lock>
struct With {
    Lock lock;
    Data data;
};

template <class Lock>
Verdict exclusive(ThreadId threads, unsigned times, Model model) {
    Options options;
    options.model = model;
    return endless::explore_sections<With<Lock>>(
        threads, times,
        [](auto& shared, ThreadId) {
            endless::section(
                &shared, Mode::write, [&] { shared.lock.lock(); }, [&] { shared.data.write(); },
                [&] { shared.lock.unlock(); });
        },
        options);
}

struct McsWithNodes {
    ReferenceMcs<P> mcs;
    ReferenceMcs<P>::Node nodes[3];
    Data data;
};
inline Verdict mcs(ThreadId threads, unsigned times, Model model) {
    Options options;
    options.model = model;
    return endless::explore_sections<McsWithNodes>(
        threads, times,
        [](auto& shared, ThreadId tid) {
            auto& node = shared.nodes[tid];
            endless::section(
                &shared, Mode::write, [&] { shared.mcs.lock(node); }, [&] { shared.data.write(); },
                [&] { shared.mcs.unlock(node); });
        },
        options);
}

inline Verdict qrw(ThreadId readers, ThreadId writers, unsigned times, Model model) {
    Options options;
    options.model = model;
    return endless::explore_sections<With<ReferenceQrw<P, ShortTicket<P>>>>(
        readers + writers, times,
        [readers](auto& shared, ThreadId tid) {
            if (tid < readers) {
                endless::section(
                    &shared, Mode::read, [&] { shared.lock.read_lock(); }, [&] { shared.data.read(); },
                    [&] { shared.lock.read_unlock(); });
            } else {
                endless::section(
                    &shared, Mode::write, [&] { shared.lock.write_lock(); }, [&] { shared.data.write(); },
                    [&] { shared.lock.write_unlock(); });
            }
        },
        options);
}

}  // namespace lockbench::test::golden_states
