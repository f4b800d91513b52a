// SPDX-License-Identifier: MIT
// What the workloads' one way to take the measured lock counts: sites, failed tries, and waits, of which successful
// tries have their part.
#include <gtest/gtest.h>

#include "locks/guard.hpp"
#include "locks/ticket.hpp"
#include "platform/native.hpp"

namespace lockbench {
namespace {

enum class Site : unsigned char { taking, trying };
using Lock = TicketLock<Native>;
constexpr auto kWrite = static_cast<std::size_t>(Mode::write);

class GuardTest : public ::testing::Test {
  protected:
    GuardTest() { native::World::get().begin_trial({kAnyNode}, 1); }
    ~GuardTest() override { native::World::get().end_trial(); }
};

std::uint64_t timed(const ThreadStats& stats) { return stats.modes[kWrite].wait_ns.total(); }

TEST_F(GuardTest, ATryThatSucceedsIsAnAcquisitionAsAnyOther) {
    const native::ThreadScope scope(0);
    ThreadStats stats;
    Ctx<Native> ctx(0, 1, 1, stats, nullptr);
    Lock lock;
    Lock::Token token(ctx);
    LastWriter<Native> last;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE((try_acquire_lock<Site::trying, Mode::write>(ctx, lock, token, last)));
        release_lock<Mode::write, Native>(lock, token);
    }
    EXPECT_EQ(timed(stats), 10U);
    EXPECT_NE(stats.modes[kWrite].last_stamp, 0U) << "or it would count as starved";
    EXPECT_EQ(stats.sites[static_cast<std::size_t>(Site::trying)][kWrite], 10U);
}

TEST_F(GuardTest, ATryThatFailsTakesNobodysTurnToBeTimed) {
    const native::ThreadScope scope(0);
    constexpr std::uint32_t kEvery = 16;
    constexpr std::uint32_t kRounds = 16'000;
    ThreadStats stats;
    Ctx<Native> ctx(0, 1, kEvery, stats, nullptr);
    Lock lock;
    Lock::Token token(ctx);
    Lock::Token other(ctx);
    LastWriter<Native> last;
    for (std::uint32_t i = 0; i < kRounds; ++i) {
        if (i % 2 == 0) {
            acquire_lock<Site::taking, Mode::write>(ctx, lock, token, last);
        } else {
            ASSERT_TRUE((try_acquire_lock<Site::trying, Mode::write>(ctx, lock, token, last)));
        }
        for (int tries = 0; tries < 3; ++tries) {
            ASSERT_FALSE((try_acquire_lock<Site::trying, Mode::write>(ctx, lock, other, last)));
        }
        release_lock<Mode::write, Native>(lock, token);
    }
    EXPECT_EQ(stats.try_failed[static_cast<std::size_t>(Site::trying)], 3 * kRounds);
    // One in kEvery of what took the lock, with a random phase.
    EXPECT_NEAR(static_cast<double>(timed(stats)), double{kRounds} / kEvery, double{kRounds} / kEvery / 10);
}

TEST_F(GuardTest, UntimedPassTimesNothing) {
    const native::ThreadScope scope(0);
    ThreadStats stats;
    Ctx<Native> ctx(0, 1, 0, stats, nullptr);
    Lock lock;
    Lock::Token token(ctx);
    LastWriter<Native> last;
    for (int i = 0; i < 100; ++i) {
        acquire_lock<Site::taking, Mode::write>(ctx, lock, token, last);
        release_lock<Mode::write, Native>(lock, token);
        ASSERT_TRUE((try_acquire_lock<Site::trying, Mode::write>(ctx, lock, token, last)));
        release_lock<Mode::write, Native>(lock, token);
    }
    EXPECT_EQ(timed(stats), 0U);
}

}  // namespace
}  // namespace lockbench
