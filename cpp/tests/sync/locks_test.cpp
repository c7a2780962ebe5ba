// Mutex and spin lock.
#include "bottomhalf/sync/mutex.hpp"
#include "bottomhalf/sync/spin_lock.hpp"
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Locks : public MachineTest {};

TEST_P(Locks, AMutexExcludesAndSleeps) {
    Mutex mutex;
    EXPECT_FALSE(mutex.locked());
    EXPECT_EQ(mutex.lock(self()), WaitResult::ok);
    int plain = 0;
    {
        std::vector<std::unique_ptr<Caller>> callers;
        for (int i = 0; i < 3; ++i) {
            callers.push_back(std::make_unique<Caller>(
                m(),
                [&] {
                    Task& me = *current_task();
                    for (int k = 0; k < 50; ++k) {
                        mutex.lock(me);
                        ++plain;
                        mutex.unlock(me);
                    }
                },
                i % 2));
            EXPECT_TRUE(eventually([&] { return callers.back()->waits_in("mutex_lock"); }));
        }
        EXPECT_FALSE(callers[0]->finished());
        mutex.unlock(self());
    }
    EXPECT_EQ(plain, 150);
    EXPECT_TRUE(mutex.try_lock(self()));
    Caller other(m(), [&] {
        EXPECT_FALSE(mutex.try_lock(*current_task()));
        EXPECT_EQ(mutex.lock(*current_task(), current_task()->domain.load()->now()), WaitResult::timeout);
        EXPECT_THROW(mutex.unlock(*current_task()), MisuseError);
    });
    other.join();
    mutex.unlock(self());
}

TEST_P(Locks, MutexMisuse) {
    Mutex mutex;
    EXPECT_THROW(mutex.unlock(self()), MisuseError);
    mutex.lock(self());
    EXPECT_THROW(mutex.lock(self()), DeadlockError);
    mutex.unlock(self());
    local_bh_disable(self());
    EXPECT_THROW(mutex.lock(self()), SchedulingWhileAtomic);
    local_bh_enable(self());
    EXPECT_FALSE(mutex.locked());
}

TEST_P(Locks, ASpinLockExcludesInAllItsForms) {
    SpinLock lock;
    for (SpinKind kind : {SpinKind::plain, SpinKind::bh, SpinKind::irqsave}) {
        int plain = 0;
        {
            std::vector<std::unique_ptr<Caller>> callers;
            for (int i = 0; i < 3; ++i)
                callers.push_back(std::make_unique<Caller>(
                    m(),
                    [&] {
                        Task& me = *current_task();
                        for (int k = 0; k < 200; ++k) {
                            lock.lock(me, kind);
                            EXPECT_EQ(lock.owner(), &me);
                            ++plain;
                            lock.unlock(me, kind);
                        }
                    },
                    i % 2));
        }
        EXPECT_EQ(plain, 600);
        EXPECT_FALSE(lock.locked());
        EXPECT_EQ(self().preempt_count, 0u);
    }
}

TEST_P(Locks, SpinLockMisuse) {
    SpinLock lock;
    EXPECT_THROW(lock.unlock(self()), MisuseError);
    lock.lock(self());
    EXPECT_THROW(lock.lock(self()), DeadlockError);
    EXPECT_FALSE(lock.try_lock(self()));
    EXPECT_EQ(self().preempt_count, preempt::kPreemptOffset) << "what was refused left nothing behind";
    Caller other(
        m(),
        [&] {
            Task& me = *current_task();
            EXPECT_THROW(lock.unlock(me), MisuseError);
            EXPECT_FALSE(lock.try_lock(me, SpinKind::bh));
            EXPECT_EQ(me.preempt_count, 0u);
        },
        1);
    EXPECT_TRUE(eventually([&] { return other.finished(); }));
    lock.unlock(self());
    EXPECT_EQ(self().preempt_count, 0u);
    EXPECT_TRUE(lock.try_lock(self(), SpinKind::irqsave));
    lock.unlock(self(), SpinKind::irqsave);
}

TEST_P(Locks, UnlockBhRunsPendingSoftirqs) {
    static int runs;
    runs = 0;
    Tasklet tasklet([](Tasklet*) { ++runs; });
    SpinLock lock;
    lock.lock(self(), SpinKind::bh);
    m().tasklets().schedule(tasklet);
    EXPECT_EQ(runs, 0);
    lock.unlock(self(), SpinKind::bh);
    EXPECT_EQ(runs, 1);
}

BH_INSTANTIATE_MACHINES(Locks);

}  // namespace
}  // namespace bottomhalf::testing
