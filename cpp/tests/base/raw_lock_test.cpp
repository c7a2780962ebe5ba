#include "bottomhalf/base/raw_lock.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace bottomhalf {
namespace {

TEST(RawLock, ExcludesOthers) {
    RawLock lock;
    EXPECT_FALSE(lock.held());
    EXPECT_TRUE(lock.try_lock());
    EXPECT_TRUE(lock.held());
    EXPECT_FALSE(lock.try_lock());
    lock.unlock();
    {
        RawGuard guard(lock);
        EXPECT_FALSE(lock.try_lock());
    }
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

RawLock g_lock;
int g_naps = 0;

TEST(RawLock, WhoWaitsLongNaps) {
    const LockNap before = set_lock_nap([]() noexcept {
        if (++g_naps == 3) g_lock.unlock();
    });
    g_lock.lock();
    g_lock.lock();
    EXPECT_EQ(g_naps, 3);
    EXPECT_TRUE(g_lock.held());
    g_lock.unlock();
    set_lock_nap(before);
}

TEST(RawLock, CountsUnderContention) {
    RawLock lock;
    long plain = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 20000; ++i) {
                RawGuard guard(lock);
                ++plain;
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(plain, 80000);
}

}  // namespace
}  // namespace bottomhalf
