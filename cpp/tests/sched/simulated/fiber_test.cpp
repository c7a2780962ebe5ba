#include "bottomhalf/sched/simulated/fiber.hpp"

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "bottomhalf/base/atomic.hpp"

namespace bottomhalf {
namespace {

// A fiber that runs a function of the test and then goes back to where it came from.
struct Ping {
    Fiber native;
    Fiber* fiber = nullptr;
    void (*body)(Ping&) = nullptr;
    std::string log;
    // Switches imply no synchronisation: ThreadSanitizer wants to see what makes the log safe.
    Atomic<int> handed_over{0};

    explicit Ping(void (*b)(Ping&)) : body(b) { fiber = &Fiber::acquire(main, this); }
    static Fiber* main(void* arg) {
        auto& ping = *static_cast<Ping*>(arg);
        ping.handed_over.fetch_add(1);
        ping.body(ping);
        Fiber* home = &ping.native;
        Fiber::release(*ping.fiber);
        ping.handed_over.fetch_add(1);
        return home;
    }
    void go() { hop(native, *fiber); }
    void back() { hop(*fiber, native); }
    void hop(Fiber& from, Fiber& to) {
        handed_over.fetch_add(1);
        Fiber::switch_to(from, to);
        handed_over.fetch_add(1);
    }
};

TEST(Fiber, SwitchesThereAndBack) {
    Ping ping([](Ping& p) {
        p.log += "a";
        p.back();
        p.log += "b";
    });
    ping.go();
    ping.log += "1";
    ping.go();
    ping.log += "2";
    EXPECT_EQ(ping.log, "a1b2");
}

TEST(Fiber, AStackIsUsedAgain) {
    Ping first([](Ping&) {});
    Fiber* used = first.fiber;
    first.go();
    Ping second([](Ping& p) { p.log = "ran"; });
    EXPECT_EQ(second.fiber, used);
    second.go();
    EXPECT_EQ(second.log, "ran");
}

TEST(Fiber, ExceptionStateStaysWithItsFiber) {
    Ping ping([](Ping& p) {
        try {
            throw std::runtime_error("fiber");
        } catch (const std::exception& e) {
            p.back();  // in the handler
            p.log += e.what();
            try {
                throw;
            } catch (const std::runtime_error& again) {
                p.log += std::string("+") + again.what();
            }
        }
    });
    try {
        throw std::logic_error("native");
    } catch (const std::exception& e) {
        ping.go();
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        EXPECT_STREQ(e.what(), "native");
        EXPECT_THROW(throw, std::logic_error);
        ping.go();
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(ping.log, "fiber+fiber");
}

TEST(Fiber, SwitchesWhileUnwinding) {
    struct Switcher {
        Ping& p;
        ~Switcher() {
            p.log += std::to_string(std::uncaught_exceptions());
            p.back();
            p.log += std::to_string(std::uncaught_exceptions());
        }
    };
    Ping ping([](Ping& p) {
        try {
            Switcher s{p};
            throw 1;
        } catch (int) {
            p.log += "c";
        }
    });
    ping.go();
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_THROW(throw 2, int);
    ping.go();
    EXPECT_EQ(ping.log, "11c");
}

int depth_sum(int n) {
    volatile char page[512] = {};
    page[0] = static_cast<char>(n);
    return n == 0 ? 0 : depth_sum(n - 1) + (page[0] == static_cast<char>(n) ? 1 : 0);
}

TEST(Fiber, HasRoomForDeepRecursion) {
    Ping ping([](Ping& p) { p.log = std::to_string(depth_sum(5000)); });
    ping.go();
    EXPECT_EQ(ping.log, "5000");
}

TEST(Fiber, FloatingPointSurvives) {
    Ping ping([](Ping& p) {
        double x = 1.5;
        p.back();
        p.log = std::to_string(x * 2);
    });
    double y = 2.5;
    ping.go();
    y *= 2;
    ping.go();
    EXPECT_EQ(ping.log, "3.000000");
    EXPECT_EQ(y, 5.0);
}

}  // namespace
}  // namespace bottomhalf
