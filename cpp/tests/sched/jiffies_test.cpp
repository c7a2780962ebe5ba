// The conversions of SEMANTICS 6.4.
#include "bottomhalf/sched/jiffies.hpp"

#include <gtest/gtest.h>

namespace bottomhalf {
namespace {

TEST(Jiffies, MillisecondsRoundUp) {
    constexpr unsigned kHz[] = {100, 250, 300, 1000};
    struct Row {
        std::int64_t ms;
        Jiffies expected[4];
    };
    for (const Row& row : {Row{1, {1, 1, 1, 1}}, Row{4, {1, 1, 2, 4}}, Row{5, {1, 2, 2, 5}}, Row{10, {1, 3, 3, 10}},
                           Row{11, {2, 3, 4, 11}}, Row{25, {3, 7, 8, 25}}, Row{100, {10, 25, 30, 100}},
                           Row{999, {100, 250, 300, 999}}, Row{5000, {500, 1250, 1500, 5000}}, Row{0, {0, 0, 0, 0}}})
        for (int i = 0; i < 4; ++i) EXPECT_EQ(msecs_to_jiffies(row.ms, kHz[i]), row.expected[i]) << row.ms << " ms";
    EXPECT_EQ(msecs_to_jiffies(-1, 1000), kMaxJiffyOffset);
    EXPECT_EQ(usecs_to_jiffies(1, 1000), 1u);
    EXPECT_EQ(usecs_to_jiffies(1001, 1000), 2u);
    EXPECT_EQ(usecs_to_jiffies(-1, 1000), kMaxJiffyOffset);
}

TEST(Jiffies, BackToTime) {
    EXPECT_EQ(jiffies_to_msecs(1250, 250), 5000u);
    EXPECT_EQ(jiffies_to_msecs(1, 300), 4u);
    EXPECT_EQ(jiffies_to_usecs(1, 250), 4000u);
    EXPECT_EQ(jiffies_to_ns(3, 1000), 3'000'000);
    EXPECT_EQ(ns_to_jiffies(2'999'999, 1000), 2u);
    for (Jiffies j : {1u, 7u, 299u, 301u, 100000u}) EXPECT_EQ(ns_to_jiffies(jiffies_to_ns(j, 300), 300), j);
}

TEST(Jiffies, CompareAcrossTheWrap) {
    const Jiffies end = ~Jiffies{0};
    EXPECT_TRUE(time_after(Jiffies{3}, end - 3));
    EXPECT_TRUE(time_before(end - 3, Jiffies{3}));
    EXPECT_FALSE(time_after(Jiffies{5}, Jiffies{5}));
    EXPECT_TRUE(time_after_eq(Jiffies{5}, Jiffies{5}));
    EXPECT_TRUE(time_before_eq(Jiffies{5}, Jiffies{5}));
}

TEST(Jiffies, SecondsRoundUpWithATolerance) {
    EXPECT_EQ(seconds_to_jiffies(0.003, 1000), 3u);
    EXPECT_EQ(seconds_to_jiffies(0.0031, 1000), 4u);
    EXPECT_EQ(seconds_to_jiffies(1e-9, 1000), 1u);
    EXPECT_EQ(seconds_to_jiffies(0, 1000), 0u);
    EXPECT_EQ(seconds_to_jiffies(5, 250), 1250u);
    EXPECT_EQ(seconds_to_jiffies(1e300, 1000), kMaxJiffyOffset);
}

TEST(Jiffies, RoundToWholeSeconds) {
    EXPECT_EQ(round_jiffies(10240, 0, 0, 1000), 10000u);
    EXPECT_EQ(round_jiffies(10250, 0, 0, 1000), 11000u);
    EXPECT_EQ(round_jiffies(10240, 0, 0, 1000, true), 11000u);
    EXPECT_EQ(round_jiffies(10240, 1, 0, 1000), 9997u);
    EXPECT_EQ(round_jiffies(10240, 0, 10100, 1000), 10240u) << "not into the past";
}

}  // namespace
}  // namespace bottomhalf
