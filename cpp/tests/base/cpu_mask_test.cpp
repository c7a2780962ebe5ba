#include "bottomhalf/base/cpu_mask.hpp"

#include <gtest/gtest.h>

namespace bottomhalf {
namespace {

TEST(CpuMask, SetsAndFinds) {
    CpuMask mask;
    EXPECT_TRUE(mask.empty());
    EXPECT_EQ(mask.first(), kMaxCpus);
    EXPECT_EQ(mask.to_list(), "");
    for (unsigned cpu : {0u, 1u, 2u, 3u, 8u, 63u, 64u, 1023u}) mask.set(cpu);
    EXPECT_EQ(mask.count(), 8u);
    EXPECT_EQ(mask.to_list(), "0-3,8,63-64,1023");
    EXPECT_EQ(mask.next(4), 8u);
    EXPECT_EQ(mask.next(9), 63u);
    EXPECT_EQ(mask.next(65), 1023u);
    EXPECT_EQ(mask.next(1024), kMaxCpus);
    EXPECT_FALSE(mask.test(5000));
    mask.clear(8);
    EXPECT_FALSE(mask.test(8));
}

TEST(CpuMask, Combines) {
    EXPECT_EQ(CpuMask::first_n(130).count(), 130u);
    EXPECT_EQ(CpuMask::first_n(130).to_list(), "0-129");
    EXPECT_EQ((CpuMask::first_n(4) & CpuMask::of(2)), CpuMask::of(2));
    EXPECT_TRUE((CpuMask::first_n(2) & CpuMask::of(2)).empty());
}

}  // namespace
}  // namespace bottomhalf
