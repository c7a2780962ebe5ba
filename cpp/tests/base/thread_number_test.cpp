#include "bottomhalf/base/thread_number.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace bottomhalf {
namespace {

struct Thing {
    int value = 0;
};

TEST(ThreadNumber, IsTheThreadsOwn) {
    const std::uint64_t mine = thread_number();
    std::uint64_t first = 0, second = 0;
    std::thread([&] { first = thread_number(); }).join();
    std::thread([&] { second = thread_number(); }).join();
    EXPECT_NE(mine, 0u);
    EXPECT_EQ(thread_number(), mine);
    EXPECT_NE(first, mine);
    EXPECT_NE(second, mine);
    EXPECT_NE(first, second);
}

TEST(ThreadNumber, EveryThreadHasOneOfAKind) {
    Thing& mine = threads_one<Thing>();
    EXPECT_EQ(&threads_one<Thing>(), &mine);
    std::thread([&] { EXPECT_NE(&threads_one<Thing>(), &mine); }).join();
}

TEST(ThreadNumber, AStandInHasWhatBelongsToTheOther) {
    Thing& mine = threads_one<Thing>();
    const std::uint64_t number = thread_number();
    std::thread([&] {
        EXPECT_NE(&threads_one<Thing>(), &mine);
        lend_thread_number(number);
        EXPECT_EQ(thread_number(), number);
        EXPECT_EQ(&threads_one<Thing>(), &mine);
        int seen = 0;
        ThreadsOwn<Thing>::instance().for_each_of_mine([&](Thing& thing) { seen += &thing == &mine; });
        EXPECT_EQ(seen, 1);
    }).join();
}

TEST(ThreadNumber, AStandInThatForksStandsForNobody) {
    Thing& mine = threads_one<Thing>();
    const std::uint64_t number = thread_number();
    std::thread([&] {
        lend_thread_number(number);
        const pid_t child = fork();
        if (child == 0) _exit(thread_number() != number && &threads_one<Thing>() != &mine ? 0 : 1);
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }).join();
}

}  // namespace
}  // namespace bottomhalf
