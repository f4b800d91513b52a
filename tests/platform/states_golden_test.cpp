// SPDX-License-Identifier: MIT
// Engine S on the reference locks: how many states there are, what is found in the long run.
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/support/golden_states.hpp"
#include "tests/support/reference_locks.hpp"

namespace lockbench::test {
namespace {

using endless::P;
using explore::Model;
using explore::Verdict;
using golden_states::exclusive;
using golden_states::mcs;
using golden_states::qrw;

// What is said of the threads that wait in a mode.
const explore::Waits& waits_in(const Verdict& verdict, Mode mode) {
    static const explore::Waits nothing;
    for (const explore::Waits& waits : verdict.waits) {
        if (waits.mode == mode) {
            return waits;
        }
    }
    ADD_FAILURE() << "nobody waits in this mode";
    return nothing;
}
void proves(const Verdict& verdict, std::uint64_t states) {
    EXPECT_TRUE(verdict.exhaustive) << to_string(verdict.failure) << ": " << verdict.message << "\n" << verdict.trace;
    EXPECT_EQ(verdict.counts.states, states);
    EXPECT_GT(verdict.counts.depth, 0U);
}

// Each thread is away, polling, at its exchange, or inside. With the word free each of 3 is at one of the first three,
// but not all polling: who freed it has not polled since. With it taken one is inside, and each other at one of three.
TEST(StatesGolden, Ttas) {
    const Verdict verdict = exclusive<ReferenceTtas<P>>(3, 0, Model::sc);
    proves(verdict, 27 - 1 + 3 * 9);
    EXPECT_TRUE(waits_in(verdict, Mode::write).may_starve);
    EXPECT_EQ(waits_in(verdict, Mode::write).passed_by_writers, explore::Waits::kEndless);
    proves(exclusive<ReferenceTtas<P>>(3, 0, Model::tso), 107);
}

// Four tickets to begin with; an order of those in the queue; and the first of these waits, has read, or is to write.
TEST(StatesGolden, Ticket) {
    const Verdict verdict = exclusive<ShortTicket<P>>(3, 0, Model::sc);
    proves(verdict, 4UL * (1 + 3 * (3 + 6 + 6)));
    EXPECT_FALSE(waits_in(verdict, Mode::write).may_starve);
    EXPECT_EQ(waits_in(verdict, Mode::write).passed_by_writers, 1U);
    proves(exclusive<ShortTicket<P>>(2, 0, Model::sc), 4UL * (1 + 3 * (2 + 2)));
    proves(exclusive<ShortTicket<P>>(3, 0, Model::tso), 244);
}

TEST(StatesGolden, Mcs) {
    const Verdict verdict = mcs(3, 0, Model::sc);
    proves(verdict, 2998);
    EXPECT_FALSE(waits_in(verdict, Mode::write).may_starve);
    EXPECT_EQ(waits_in(verdict, Mode::write).passed_by_writers, 1U);
    proves(mcs(3, 0, Model::tso), 22034);
}

TEST(StatesGolden, Qrwlock) {
    proves(qrw(1, 1, 0, Model::sc), 368);
    proves(qrw(2, 1, 0, Model::sc), 2488);
    proves(qrw(1, 2, 0, Model::sc), 3344);
    const Verdict verdict = qrw(2, 2, 0, Model::sc);
    proves(verdict, 23544);
    EXPECT_FALSE(waits_in(verdict, Mode::read).may_starve);
    EXPECT_FALSE(waits_in(verdict, Mode::write).may_starve);
    // Its fast paths are open while the first of the queue has not yet said that it is there.
    EXPECT_EQ(waits_in(verdict, Mode::write).passed_by_readers, explore::Waits::kEndless);
    proves(qrw(2, 1, 0, Model::tso), 3204);
}

// Sections that are counted: the threads end.
TEST(StatesGolden, QrwlockCounted) {
    const Verdict verdict = qrw(2, 1, 1, Model::sc);
    proves(verdict, 315);
    EXPECT_GT(verdict.counts.complete, 0U);
    proves(qrw(2, 1, 2, Model::sc), 7971);
    proves(qrw(2, 2, 1, Model::sc), 4741);
}

}  // namespace
}  // namespace lockbench::test
