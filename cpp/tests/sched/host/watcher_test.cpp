// What the system tells about a thread: that it switches, and no more often than somebody asks.
#include "bottomhalf/sched/watcher.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "bottomhalf/sched/host/factory.hpp"

namespace bottomhalf::testing {
namespace {

constexpr Nanoseconds kAWhile = 20 * kMillisecond;

// A thread that sleeps at each turn, as often as it is told to.
class Sleeper {
public:
    Sleeper() {
        EXPECT_EQ(pipe(ends_), 0);
        thread_ = std::thread([this] {
            tid_.store(static_cast<int>(syscall(SYS_gettid)));
            char byte;
            while (read(ends_[0], &byte, 1) == 1) {
                turns_.fetch_add(1);
                turns_.notify_all();
            }
        });
        while (tid_.load() == 0) std::this_thread::yield();
    }
    ~Sleeper() {
        close(ends_[1]);
        thread_.join();
        close(ends_[0]);
    }
    int tid() const { return tid_.load(); }
    // Wakes it, and it sleeps again.
    void turn() {
        const int before = turns_.load();
        EXPECT_EQ(write(ends_[1], "x", 1), 1);
        turns_.wait(before);
    }

private:
    int ends_[2];
    std::atomic<int> tid_{0}, turns_{0};
    std::thread thread_;
};

// How many of them this process has open.
int switch_records() {
    int n = 0;
    for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        n += std::filesystem::read_symlink(file.path(), gone) == "anon_inode:[perf_event]";
    }
    return n;
}

class WatcherTest : public ::testing::Test {
protected:
    void SetUp() override {
        try {
            watcher = make_host_watcher(Detection::switch_records);
        } catch (const Unsupported& why) {
            GTEST_SKIP() << why.what();
        }
    }
    void hears_a_turn() {
        ASSERT_TRUE(watcher->attach(sleeper.tid()));
        sleeper.turn();
        EXPECT_TRUE(watcher->wait(kForever));
    }
    std::unique_ptr<Watcher> watcher;
    Sleeper sleeper;
};

TEST_F(WatcherTest, ASwitchEndsTheWait) { hears_a_turn(); }

TEST_F(WatcherTest, OneLookHearsOfSwitchesOnce) {
    // However many there are, and however often it is done again.
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(watcher->attach(sleeper.tid()));
        for (int i = 0; i < 1000; ++i) sleeper.turn();
        EXPECT_TRUE(watcher->wait(kForever));
        for (int i = 0; i < 1000; ++i) sleeper.turn();
        EXPECT_FALSE(watcher->wait(kAWhile));
    }
}

TEST_F(WatcherTest, WhoIsAttachedAgainIsHeardAnew) {
    for (int i = 0; i < 2000; ++i) hears_a_turn();
}

TEST_F(WatcherTest, MutedAndDetachedThreadsAreNotHeard) {
    for (const auto stop : {&Watcher::mute_all, &Watcher::detach_all}) {
        ASSERT_TRUE(watcher->attach(sleeper.tid()));
        (watcher.get()->*stop)();
        sleeper.turn();
        EXPECT_FALSE(watcher->wait(kAWhile));
        hears_a_turn();
    }
}

// One set is always there, so that the system's scheduler need not be changed for the next.
TEST_F(WatcherTest, RecordsAreOpenFromAttachToDetach) {
    const int before = switch_records();
    watcher->notify();
    watcher->wait(kForever);
    EXPECT_EQ(switch_records(), before + 1);
    for (int i = 0; i < 2; ++i) {
        hears_a_turn();
        watcher->mute_all();
        EXPECT_EQ(switch_records(), before + 2);
        watcher->detach_all();
        EXPECT_EQ(switch_records(), before + 1);
    }
}

TEST_F(WatcherTest, ANoticeEndsTheWaitAndIsNoSwitch) {
    ASSERT_TRUE(watcher->attach(sleeper.tid()));
    watcher->mute_all();
    watcher->notify();
    EXPECT_FALSE(watcher->wait(kForever));
}

}  // namespace
}  // namespace bottomhalf::testing
