// Waits that can never end are refused at once, and the chain is named.
#include "support/machine_fixture.hpp"

namespace bottomhalf::testing {
namespace {

class Deadlock : public MachineTest {};

TEST_P(Deadlock, WaitingForTheOwnItem) {
    for (unsigned flags : {0u, wq_flag::kUnbound, wq_flag::kManaged}) {
        auto wq = wqs().alloc("q", flags, 0);
        Item item;
        item.body = [&] {
            EXPECT_THROW(flush_work(item.work), DeadlockError);
            EXPECT_THROW(cancel_work_sync(item.work), DeadlockError);
            EXPECT_THROW(disable_work_sync(item.work), DeadlockError);
            EXPECT_FALSE(item.work.pending());
        };
        run_once(*wq, item.work);
        EXPECT_EQ(item.runs.load(), 1);
        EXPECT_TRUE(wq->queue(item.work)) << "neither disabled nor pending";
        wq->flush();
    }
}

TEST_P(Deadlock, WaitingForTheOwnWorkqueue) {
    auto wq = wqs().alloc("mine", 0, 0);
    std::string text;
    Item item([&] {
        text = message_of<DeadlockError>([&] { wq->flush(); });
        EXPECT_THROW(wq->drain(), DeadlockError);
        EXPECT_THROW(wq->destroy(), DeadlockError);
    });
    run_once(*wq, item.work);
    EXPECT_NE(text.find("flush_workqueue('mine')"), std::string::npos) << text;
    EXPECT_FALSE(wq->destroyed());
    run_once(*wq, item.work);
    EXPECT_EQ(item.runs.load(), 2) << "open as before";
}

TEST_P(Deadlock, ACycleOfTwoItems) {
    auto wq = wqs().alloc("q", 0, 0);
    Held a, b;
    Completion caught;
    std::string text;
    a.body = [&] {
        a.started.complete();
        a.release.wait(*current_task());
        flush_work(b.work);
    };
    b.body = [&] {
        b.started.complete();
        b.release.wait(*current_task());
        text = message_of<DeadlockError>([&] { flush_work(a.work); });
        caught.complete();
    };
    wq->queue(a.work, 0);
    wq->queue(b.work, 1);
    wait(a.started);
    wait(b.started);
    a.let_go();
    bool waits = false;
    EXPECT_TRUE(eventually([&] {
        domain().for_each_task([&](Task& t) {
            const char* kind = t.wait_kind.load();
            if (std::strncmp(t.name, "kworker/", 8) == 0 && kind != nullptr && std::strcmp(kind, "flush_work") == 0)
                waits = true;
        });
        return waits;
    }));
    b.let_go();
    wait(caught);
    if (domain().lock_graph != nullptr) {
        // There the order alone is an error, before anybody looks at who waits.
        EXPECT_NE(text.find("possible circular locking dependency"), std::string::npos) << text;
    } else {
        EXPECT_NE(text.find("would wait for ever"), std::string::npos) << text;
        EXPECT_NE(text.find(" waits for "), std::string::npos) << text;
    }
    wq->flush();
}

TEST_P(Deadlock, ACycleOverWorkqueues) {
    auto one = wqs().alloc("one", 0, 0), two = wqs().alloc("two", wq_flag::kUnbound, 0);
    Held a, b;
    Atomic<int> caught{0};
    auto flush_other = [&](Held& mine, Workqueue& other) {
        mine.started.complete();
        mine.release.wait(*current_task());
        try {
            other.flush();
        } catch (const DeadlockError&) {
            caught.fetch_add(1);
        }
    };
    a.body = [&] { flush_other(a, *two); };
    b.body = [&] { flush_other(b, *one); };
    one->queue(a.work, 0);
    two->queue(b.work, 1);
    wait(a.started);
    wait(b.started);
    a.let_go();
    b.let_go();
    one->flush();
    two->flush();
    EXPECT_EQ(caught.load(), 1) << "the one that closes the cycle";
}

TEST_P(Deadlock, WaitingForALaterItemOfOneAtATime) {
    for (bool ordered : {true, false}) {
        auto wq = ordered ? wqs().alloc_ordered("o", 0) : wqs().alloc("s", 0, 1);
        Item later, first;
        first.body = [&] {
            wq->queue(later.work, 1);
            EXPECT_THROW(flush_work(later.work), DeadlockError);
            EXPECT_TRUE(cancel_work_sync(later.work)) << "taken away, there is nothing to wait for";
            wq->queue(later.work, 1);
        };
        wq->queue(first.work, 1);
        wq->drain();
        EXPECT_EQ(first.runs.load(), 1);
        EXPECT_EQ(later.runs.load(), 1);
    }
}

TEST_P(Deadlock, AWaitFromOutsideClosesNoCycle) {
    auto wq = wqs().alloc("q", 0, 0);
    Held a;
    wq->queue(a.work, 0);
    wait(a.started);
    Item b([&] { flush_work(a.work); });
    wq->queue(b.work, 1);
    Caller caller(m(), [&] { EXPECT_TRUE(flush_work(b.work)); });
    EXPECT_TRUE(eventually([&] { return caller.waits_in("flush_work"); }));
    a.let_go();
    caller.join();
    EXPECT_EQ(b.runs.load(), 1);
}

// The texts of the DeadlockErrors that items met.
struct Refusals {
    RawLock lock;
    std::vector<std::string> texts;
    void wait(const std::function<void()>& body) {
        try {
            body();
        } catch (const DeadlockError& e) {
            RawGuard guard(lock);
            texts.emplace_back(e.what());
        }
    }
    // One, which says what; or, on a simulated machine, the order of locks that was judged before anybody waited.
    void expect_one(const char* what) {
        ASSERT_EQ(texts.size(), 1u);
        if (texts[0].find("possible circular locking dependency") != std::string::npos) return;
        EXPECT_NE(texts[0].find("would wait for ever"), std::string::npos) << texts[0];
        EXPECT_NE(texts[0].find(what), std::string::npos) << texts[0];
    }
};

TEST_P(Deadlock, AnItemWaitsForTheMutexOfWhoWaitsForIt) {
    auto wq = wqs().alloc("q", 0, 0);
    Mutex mutex;
    Refusals refusals;
    Completion locked;
    Item wants, holds;
    wants.body = [&] {
        Task& self = *current_task();
        locked.wait(self);
        refusals.wait([&] {
            mutex.lock(self);
            mutex.unlock(self);
        });
    };
    holds.body = [&] {
        Task& self = *current_task();
        mutex.lock(self);
        locked.complete();
        refusals.wait([&] { flush_work(wants.work); });
        mutex.unlock(self);
    };
    wq->queue(wants.work, 0);
    wq->queue(holds.work, 1);
    wq->flush();
    refusals.expect_one(" a mutex of ");
}

TEST_P(Deadlock, WhoOnlyCallsInHoldsTheMutexOfTheItemThatItCancels) {
    // The bug of many a driver's remove().
    auto wq = wqs().alloc("q", 0, 0);
    Mutex mutex;
    Refusals refusals;
    Completion begun;
    Item item;
    item.body = [&] {
        Task& self = *current_task();
        begun.complete();
        refusals.wait([&] {
            mutex.lock(self);
            mutex.unlock(self);
        });
    };
    Caller remove(m(), [&] {
        Task& me = self();
        mutex.lock(me);
        wq->queue(item.work, 1);
        begun.wait(me);
        refusals.wait([&] { cancel_work_sync(item.work); });
        mutex.unlock(me);
    });
    remove.join();
    wq->flush();
    refusals.expect_one(" a mutex of ");
    EXPECT_EQ(item.runs.load(), 1);
}

TEST_P(Deadlock, TwoMutexesInOppositeOrder) {
    auto wq = wqs().alloc("q", 0, 0);
    Mutex one, two;
    Refusals refusals;
    Completion has_one, has_two;
    const auto take_both = [&](Mutex& first, Completion& mine, Completion& other, Mutex& second) {
        Task& self = *current_task();
        first.lock(self);
        mine.complete();
        other.wait(self);
        refusals.wait([&] {
            second.lock(self);
            second.unlock(self);
        });
        first.unlock(self);
    };
    Item a([&] { take_both(one, has_one, has_two, two); });
    Item b([&] { take_both(two, has_two, has_one, one); });
    wq->queue(a.work, 0);
    wq->queue(b.work, 1);
    wq->flush();
    refusals.expect_one(" a mutex of ");
}

TEST_P(Deadlock, AMutexOfWhoWaitsForSomethingElseIsWaitedFor) {
    auto wq = wqs().alloc("q", 0, 0);
    Mutex mutex;
    Held held;
    Completion locked;
    Item holds, wants;
    holds.body = [&] {
        Task& self = *current_task();
        mutex.lock(self);
        locked.complete();
        flush_work(held.work);
        mutex.unlock(self);
    };
    wants.body = [&] {
        Task& self = *current_task();
        locked.wait(self);
        mutex.lock(self);
        mutex.unlock(self);
    };
    wq->queue(held.work, 0);
    wait(held.started);
    wq->queue(wants.work, 1);
    wq->queue(holds.work, 0);
    Caller caller(m(), [&] { wq->flush(); });
    EXPECT_TRUE(eventually([&] { return caller.waits_in("flush_workqueue"); }));
    held.let_go();
    caller.join();
    EXPECT_EQ(wants.runs.load(), 1);
    EXPECT_EQ(self().nr_mutexes, 0);
}

BH_INSTANTIATE_MACHINES(Deadlock);

}  // namespace
}  // namespace bottomhalf::testing
