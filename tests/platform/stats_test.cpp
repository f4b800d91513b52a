// SPDX-License-Identifier: MIT
// Histograms, sampling, random streams: what every figure of a wait rests on.
#include "platform/stats.hpp"

#include <gtest/gtest.h>

#include "platform/ctx.hpp"

namespace lockbench {
namespace {

TEST(HistogramTest, EveryValueLiesInItsBucketAndBucketsAreASixteenthWide) {
    std::size_t last = 0;
    for (std::uint64_t value = 0; value < 100'000; ++value) {
        const std::size_t bucket = Histogram::bucket_of(value);
        ASSERT_GE(bucket, last);
        ASSERT_LE(Histogram::lower_bound(bucket), value);
        ASSERT_GT(Histogram::lower_bound(bucket + 1), value);
        last = bucket;
    }
    for (std::size_t bucket = 16; bucket + 1 < Histogram::kBuckets; ++bucket) {
        const std::uint64_t low = Histogram::lower_bound(bucket);
        ASSERT_LE((Histogram::lower_bound(bucket + 1) - low) * 16, low);
    }
}

TEST(HistogramTest, SmallValuesAreExactAndHugeOnesStayInTheLastBucket) {
    for (std::uint64_t value = 0; value < 32; ++value) {
        EXPECT_EQ(Histogram::lower_bound(Histogram::bucket_of(value)), value);
    }
    EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::kBuckets - 1);
}

TEST(HistogramTest, MergingAddsCounts) {
    Histogram a;
    Histogram b;
    a.add(100);
    b.add(100);
    b.add(7);
    a.merge(b);
    EXPECT_EQ(a.count(Histogram::bucket_of(100)), 2U);
    EXPECT_EQ(a.count(7), 1U);
    EXPECT_EQ(a.total(), 3U);
}

TEST(SamplerTest, TakesOneInKOnAverageAtNoFixedPeriod) {
    constexpr std::uint32_t kEvery = 128;
    constexpr int kCalls = 1'000'000;
    RandomStream random(3);
    Sampler sampler(kEvery);
    int due = 0;
    int last = 0;
    std::array<int, std::size_t{2} * kEvery> gaps{};
    for (int i = 0; i < kCalls; ++i) {
        if (sampler.due()) {
            ++due;
            ASSERT_LT(i - last, static_cast<int>(gaps.size()));
            ++gaps[static_cast<std::size_t>(i - last)];
            last = i;
            sampler.rearm(random);
        }
    }
    EXPECT_NEAR(static_cast<double>(kCalls) / due, kEvery, 2);
    const auto used = std::count_if(gaps.begin(), gaps.end(), [](int n) { return n > 0; });
    EXPECT_GT(used, 100) << "a fixed period would hide behind a period of the workload";
}

TEST(SamplerTest, ZeroIsNeverAndOneIsAlways) {
    RandomStream random(3);
    Sampler never(0);
    Sampler always(1);
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_FALSE(never.due());
        ASSERT_TRUE(always.due());
        always.rearm(random);
    }
}

TEST(RandomStreamTest, StreamsAreAFunctionOfTheirSeedAndChanceIsFair) {
    RandomStream a(9);
    RandomStream b(9);
    RandomStream c(10);
    EXPECT_EQ(a.next(), b.next());
    EXPECT_NE(a.next(), c.next());
    int hits = 0;
    for (int i = 0; i < 100'000; ++i) {
        hits += a.chance(250) ? 1 : 0;
        ASSERT_LT(b.below(7), 7U);
    }
    EXPECT_NEAR(hits, 25'000, 700);
    EXPECT_EQ(c.below(0), 0U);
}

}  // namespace
}  // namespace lockbench
