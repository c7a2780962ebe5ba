#include "bottomhalf/time/wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace bottomhalf {
namespace {

struct Vector {
    Jiffies expires;
    unsigned level;
    Jiffies fires;
};

void expect_vectors(const TimerWheel& wheel, const std::vector<Vector>& vectors) {
    for (const Vector& v : vectors) {
        Jiffies fires = 0;
        const unsigned bucket = wheel.bucket_of(v.expires, fires);
        EXPECT_EQ(bucket / TimerWheel::kBuckets, v.level) << "expires " << v.expires;
        EXPECT_EQ(fires, v.fires) << "expires " << v.expires;
        EXPECT_EQ(bucket % TimerWheel::kBuckets, (fires >> 3 * v.level) % TimerWheel::kBuckets);
    }
}

struct Node : WheelNode {
    Jiffies expires = 0;
    Jiffies fires = TimerWheel::kNever;
    unsigned bucket = 0;
    int number = 0;

    void arm(TimerWheel& wheel, Jiffies e) {
        expires = e;
        bucket = wheel.bucket_of(e, fires);
        wheel.enqueue(*this, bucket, fires);
    }
    void cancel(TimerWheel& wheel) {
        wheel.dequeue(*this);
        fires = TimerWheel::kNever;
    }
};

// The numbers of the nodes of the next tick, in the order in which they fire.
std::vector<int> next_tick(TimerWheel& wheel, Jiffies now) {
    std::array<WheelNode*, TimerWheel::kLevels> lists;
    std::vector<int> order;
    const unsigned n = wheel.collect(now, lists);
    for (unsigned i = 0; i < n; ++i)
        while (lists[i] != nullptr) order.push_back(static_cast<Node*>(wheel.pop(lists[i]))->number);
    return order;
}

TEST(TimerWheel, VectorsAtHz1000) {
    expect_vectors(TimerWheel(1000), {{0, 0, 1},
                                      {1, 0, 2},
                                      {10, 0, 11},
                                      {62, 0, 63},
                                      {63, 1, 64},
                                      {64, 1, 72},
                                      {100, 1, 104},
                                      {503, 1, 504},
                                      {504, 2, 512},
                                      {512, 2, 576},
                                      {1000, 2, 1024},
                                      {4031, 2, 4032},
                                      {4032, 3, 4096},
                                      {5000, 3, 5120},
                                      {32256, 4, 32768},
                                      {60000, 4, 61440},
                                      {300000, 5, 327680},
                                      {2000000000, 8, 1056964608}});
}

TEST(TimerWheel, VectorsAtHz250) { expect_vectors(TimerWheel(250), {{1250, 2, 1280}, {250, 1, 256}}); }

TEST(TimerWheel, VectorsFromClock12345) {
    expect_vectors(
        TimerWheel(1000, 12345),
        {{12345 + 1, 0, 12347}, {12345 + 100, 1, 12448}, {12345 + 1000, 2, 13376}, {12345 + 5000, 3, 17408}});
}

TEST(TimerWheel, LevelsBeginAtTheirBoundaries) {
    const TimerWheel wheel(1000);
    Jiffies boundary = 63, fires;
    for (unsigned level = 1; level < 9; ++level, boundary *= 8) {
        EXPECT_EQ(wheel.bucket_of(boundary - 1, fires) / 64, level - 1);
        EXPECT_EQ(wheel.bucket_of(boundary, fires) / 64, level);
    }
    EXPECT_EQ(boundary, 1056964608u);
}

TEST(TimerWheel, CutsOffWhatIsBeyondItsLastLevel) {
    constexpr Jiffies clk = 777;
    for (Jiffies delta : {Jiffies{1056964608}, Jiffies{1} << 40, kMaxJiffyOffset}) {
        Jiffies fires, clamped;
        EXPECT_EQ(TimerWheel(1000, clk).bucket_of(clk + delta, fires),
                  TimerWheel(1000, clk).bucket_of(clk + 1040187392, clamped));
        EXPECT_EQ(fires, clamped);
    }
    Jiffies fires;
    EXPECT_EQ(TimerWheel(100).bucket_of(132120576, fires) / 64, 7u);  // eight levels
    EXPECT_EQ(fires, Jiffies{132120576});
}

TEST(TimerWheel, ThePastIsTheNextTick) {
    const TimerWheel wheel(1000, 5000);
    for (Jiffies expires : {Jiffies{0}, Jiffies{4999}, Jiffies{5000}, Jiffies{0} - 10}) {
        Jiffies fires;
        EXPECT_EQ(wheel.bucket_of(expires, fires) / 64, 0u);
        EXPECT_EQ(fires, 5001u);
    }
}

TEST(TimerWheel, LastArmedFiresFirstInABucketAndHighLevelsBeforeLow) {
    TimerWheel wheel(1000);
    std::vector<Node> nodes(6);
    for (int i = 0; i < 6; ++i) nodes[static_cast<std::size_t>(i)].number = i;
    nodes[0].arm(wheel, 500);  // level 1, fires at 504
    nodes[1].arm(wheel, 501);
    wheel.forward(490);
    nodes[2].arm(wheel, 503);  // level 0, the same tick
    nodes[3].arm(wheel, 503);
    nodes[4].arm(wheel, 502);  // level 0, a tick earlier
    nodes[5].arm(wheel, 900);
    EXPECT_EQ(wheel.next_expiry(), 503u);
    EXPECT_EQ(next_tick(wheel, 502), std::vector<int>{});
    EXPECT_EQ(next_tick(wheel, 600), std::vector<int>{4});
    EXPECT_EQ(wheel.clk(), 504u);
    EXPECT_EQ(next_tick(wheel, 600), (std::vector<int>{1, 0, 3, 2}));
    EXPECT_EQ(wheel.size(), 1u);
    EXPECT_EQ(wheel.next_expiry(), nodes[5].fires);
}

TEST(TimerWheel, NodesOfCollectedListsCanStillLeave) {
    TimerWheel wheel(1000);
    Node nodes[4];
    for (Node& node : nodes) node.arm(wheel, 10);
    std::array<WheelNode*, TimerWheel::kLevels> lists;
    ASSERT_EQ(wheel.collect(11, lists), 1u);
    EXPECT_EQ(wheel.size(), 4u);
    nodes[3].cancel(wheel);  // the first
    nodes[1].cancel(wheel);  // inside
    nodes[1].arm(wheel, 10 + 64);
    EXPECT_EQ(wheel.pop(lists[0]), &nodes[2]);
    nodes[0].cancel(wheel);
    EXPECT_EQ(lists[0], nullptr);
    EXPECT_EQ(wheel.size(), 1u);
    EXPECT_EQ(wheel.next_expiry(), nodes[1].fires);
}

TEST(TimerWheel, AnIdleWheelComesToThePresent) {
    TimerWheel wheel(1000);
    wheel.forward(1000000);
    EXPECT_EQ(wheel.clk(), 1000000u);
    Node a, b;
    a.arm(wheel, 1000010);
    EXPECT_EQ(a.fires, 1000011u);
    // Never past a pending bucket, nor backwards.
    wheel.forward(2000000);
    EXPECT_EQ(wheel.clk(), 1000011u);
    wheel.forward(5);
    EXPECT_EQ(wheel.clk(), 1000011u);
    a.cancel(wheel);
    EXPECT_EQ(wheel.next_expiry(), TimerWheel::kNever);
    wheel.forward(2000000);
    b.arm(wheel, 2000001);
    EXPECT_EQ(b.fires, 2000002u);
}

TEST(TimerWheel, SettledMeansThatThePresentDoesNotMatter) {
    std::mt19937_64 random(7);
    unsigned settled = 0, tried = 0, settled_of[TimerWheel::kLevels] = {};
    for (int round = 0; round < 2000; ++round) {
        const Jiffies clk = random() % 100000;
        TimerWheel wheel(round % 2 == 0 ? 1000 : 100, clk);
        Node first;
        first.arm(wheel, clk + random() % (Jiffies{1} << random() % 20));
        for (int i = 0; i < 20; ++i, ++tried) {
            const Jiffies expires = clk + random() % (Jiffies{1} << random() % 33);
            Jiffies fires = 0, fires_now = 0, fires_later = 0;
            unsigned bucket = 0;
            if (!wheel.settled_bucket_of(expires, bucket, fires)) continue;
            EXPECT_EQ(wheel.bucket_of(expires, fires_now), bucket) << expires << " at " << clk;
            EXPECT_EQ(fires_now, fires);
            ++settled;
            ++settled_of[bucket / TimerWheel::kBuckets];
            for (int j = 0; j < 4; ++j) {
                TimerWheel later = wheel;  // never touched but by forward()
                later.forward(j == 0 ? wheel.next_expiry() : clk + random() % (wheel.next_expiry() - clk + 1));
                EXPECT_EQ(later.bucket_of(expires, fires_later), bucket);
                EXPECT_EQ(fires_later, fires);
            }
        }
    }
    EXPECT_GT(settled, tried / 10);
    for (unsigned level = 0; level < TimerWheel::kLevels - 1; ++level) EXPECT_GT(settled_of[level], 20) << level;
    Jiffies fires = 0;
    unsigned bucket = 0;
    // An idle one may be far behind; these two are as far behind "never" as a signed number can say.
    for (const Jiffies expires : {Jiffies{5000}, Jiffies{0} - 1, Jiffies{0} - 2, Jiffies{0} - 3})
        EXPECT_FALSE(TimerWheel(1000).settled_bucket_of(expires, bucket, fires)) << expires;
    TimerWheel wheel(1000, 1000);
    Node first;
    first.arm(wheel, 1010);
    EXPECT_TRUE(wheel.settled_bucket_of(1200, bucket, fires));
    EXPECT_FALSE(wheel.settled_bucket_of(1011, bucket, fires));  // with the next one
    EXPECT_FALSE(wheel.settled_bucket_of(1064, bucket, fires));  // near the border of two levels
    EXPECT_FALSE(wheel.settled_bucket_of(999, bucket, fires));   // past
    for (Jiffies i = 0; i < 100; ++i)
        EXPECT_FALSE(wheel.settled_bucket_of(kMaxJiffyOffset + 1000 + i, bucket, fires)) << i;  // and as long as can be
    EXPECT_FALSE(wheel.settled_bucket_of(Jiffies{0} - 10, bucket, fires));                      // and long past
    EXPECT_FALSE(wheel.settled_bucket_of(1000 + (Jiffies{1} << 29), bucket, fires));            // the last level
    EXPECT_FALSE(wheel.settled_bucket_of(1000 + kMaxJiffyOffset, bucket, fires));               // beyond it
}

// Random operations against a model that knows each node's tick.
TEST(TimerWheel, AgreesWithBruteForce) {
    for (unsigned hz : {100u, 250u, 1000u}) {
        std::mt19937_64 random(hz);
        TimerWheel wheel(hz, 4242);
        std::vector<Node> nodes(200);
        Jiffies now = 4242;
        std::size_t fired = 0, moved = 0;
        for (int step = 0; step < 30000; ++step) {
            Node& node = nodes[random() % nodes.size()];
            switch (random() % 4) {
                case 0:
                case 1: {
                    const Jiffies expires = now + random() % (Jiffies{1} << random() % 24);
                    unsigned bucket = 0;
                    if (node.pending() && wheel.settled_bucket_of(expires, bucket, node.fires)) {
                        node.expires = expires;
                        if (bucket == node.bucket) break;
                        const unsigned left = wheel.move(node, bucket);
                        if (left != TimerWheel::kNone) {
                            ASSERT_EQ(left, node.bucket);
                            wheel.emptied(left);
                        }
                        node.bucket = bucket;
                        ++moved;
                        break;
                    }
                    if (node.pending()) node.cancel(wheel);
                    wheel.forward(now);
                    node.arm(wheel, expires);
                    break;
                }
                case 2:
                    if (node.pending()) node.cancel(wheel);
                    break;
                default: {
                    now += random() % (Jiffies{1} << random() % 18);
                    std::array<WheelNode*, TimerWheel::kLevels> lists;
                    Jiffies last = 0;
                    while (const unsigned n = wheel.collect(now, lists)) {
                        const Jiffies tick = wheel.clk() - 1;
                        EXPECT_GE(tick, last);
                        last = tick;
                        for (unsigned i = 0; i < n; ++i)
                            while (lists[i] != nullptr) {
                                Node* due = static_cast<Node*>(wheel.pop(lists[i]));
                                EXPECT_EQ(due->fires, tick);
                                EXPECT_GT(tick, due->expires);
                                due->fires = TimerWheel::kNever;
                                ++fired;
                            }
                    }
                    break;
                }
            }
            Jiffies next = TimerWheel::kNever;
            std::size_t pending = 0;
            for (const Node& n : nodes) next = std::min(next, n.fires), pending += n.pending();
            ASSERT_EQ(wheel.next_expiry(), next) << "hz " << hz << " step " << step;
            ASSERT_EQ(wheel.size(), pending);
            ASSERT_LE(wheel.clk(), std::max(now + 1, Jiffies{4242}));
        }
        EXPECT_GT(moved, 1000u);
        EXPECT_GT(fired, 1000u);
    }
}

}  // namespace
}  // namespace bottomhalf
