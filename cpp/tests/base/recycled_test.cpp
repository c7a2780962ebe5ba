#include "bottomhalf/base/recycled.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace bottomhalf {
namespace {

struct alignas(512) Wide : Recycled<Wide> {
    int value = 1;
};
struct Huge : Recycled<Huge> {
    char bytes[100'000] = {};
};

TEST(Recycled, ObjectsBeginAsNewOnesAndAligned) {
    for (int round = 0; round < 3; ++round) {
        std::vector<std::unique_ptr<Wide>> all;
        for (int i = 0; i < 10; ++i) {
            all.push_back(std::make_unique<Wide>());
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back().get()) % 512, 0u);
            EXPECT_EQ(std::exchange(all.back()->value, 2), 1);
        }
    }
}

TEST(Recycled, AnyThreadMayFree) {
    auto made = std::make_unique<Wide>();
    std::thread([&] { made.reset(); }).join();
    std::thread([&] { made = std::make_unique<Wide>(); }).join();
    EXPECT_EQ(made->value, 1);
}

TEST(Recycled, SizesThatNobodyKeepsWorkToo) {
    for (int round = 0; round < 3; ++round) EXPECT_EQ(std::make_unique<Huge>()->bytes[99'999], 0);
}

}  // namespace
}  // namespace bottomhalf
