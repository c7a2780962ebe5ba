// Timers with a million pending: arm, random re-arm, random cancel; ours beside libuv's and libevent's.
//
// Each timer is re-armed kRearms times, every time in the same random order of timers and to another random delay: as
// the timeouts of connections are, which are put off with every packet.
// Every round measures all competitors one after the other, so that what else the machine does hits all alike; the
// report is the medians over the rounds, in ns per operation, and their ratios to ours. Options: --json, --timers=N,
// --rounds=N. The competitors are single-threaded loops without locks; ours pays for its lock.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bottomhalf/sched/host/factory.hpp"
#include "bottomhalf/time/timer.hpp"

#if defined(HAVE_LIBUV)
#include <uv.h>
#endif
#if defined(HAVE_LIBEVENT)
#include <event2/event.h>
#include <event2/event_struct.h>
#endif

namespace {

struct Plan {
    std::size_t timers = 1'000'000;
    int rounds = 7;
    // One sequence for all: which timer, and to what delay (10 s to 1000 s: none fires meanwhile).
    std::vector<std::uint32_t> order, delay_ms;
    // Worked out before: two divisions would be a part of what is measured.
    struct Rearm {
        std::uint32_t timer, delay_ms;
    };
    std::vector<Rearm> rearms;
};

class Competitor {
public:
    virtual ~Competitor() = default;
    virtual const char* name() const = 0;
    // "Now", for the delays of a round, is when it begins: rounds are short beside them.
    virtual void begin() {}
    virtual void arm(std::size_t i, std::uint32_t ms) = 0;
    virtual void rearm(std::size_t i, std::uint32_t ms) = 0;
    virtual void cancel(std::size_t i) = 0;
};

class Ours final : public Competitor {
public:
    explicit Ours(std::size_t n) : domain_("bench", 1, 1000), softirqs_(install(domain_)), timers_(domain_), items_(n) {
        domain_.self();
        domain_.substrate->start_clock();
        softirqs_.start();
        timers_.start();
        domain_.state.store(bottomhalf::DomainState::running);
        for (auto& item : items_) bottomhalf::timer_setup(item, [](bottomhalf::Timer*) {});
    }
    ~Ours() override {
        domain_.substrate->stop_clock();
        timers_.cancel_all([](bottomhalf::Timer*) {});
        softirqs_.stop();
    }
    const char* name() const override { return "bottomhalf"; }
    void begin() override { start_ = domain_.jiffies(); }
    void arm(std::size_t i, std::uint32_t ms) override { timers_.mod(items_[i], start_ + ms); }
    void rearm(std::size_t i, std::uint32_t ms) override { timers_.mod(items_[i], start_ + ms); }
    void cancel(std::size_t i) override { bottomhalf::timer_delete(items_[i]); }

private:
    static bottomhalf::Domain& install(bottomhalf::Domain& domain) {
        domain.substrate = bottomhalf::make_host_substrate(domain);
        return domain;
    }
    bottomhalf::Domain domain_;
    bottomhalf::Softirqs softirqs_;
    bottomhalf::TimerSubsystem timers_;
    bottomhalf::Jiffies start_ = 0;
    std::vector<bottomhalf::Timer> items_;
};

#if defined(HAVE_LIBUV)
class Libuv final : public Competitor {
public:
    explicit Libuv(std::size_t n) : items_(n) {
        uv_loop_init(&loop_);
        for (auto& item : items_) uv_timer_init(&loop_, &item);
    }
    ~Libuv() override {
        for (auto& item : items_) uv_close(reinterpret_cast<uv_handle_t*>(&item), nullptr);
        uv_run(&loop_, UV_RUN_DEFAULT);
        uv_loop_close(&loop_);
    }
    const char* name() const override { return "libuv"; }
    void begin() override { uv_update_time(&loop_); }
    void arm(std::size_t i, std::uint32_t ms) override {
        uv_timer_start(&items_[i], [](uv_timer_t*) {}, ms, 0);
    }
    void rearm(std::size_t i, std::uint32_t ms) override { arm(i, ms); }
    void cancel(std::size_t i) override { uv_timer_stop(&items_[i]); }

private:
    uv_loop_t loop_;
    std::vector<uv_timer_t> items_;
};
#endif

#if defined(HAVE_LIBEVENT)
class Libevent final : public Competitor {
public:
    explicit Libevent(std::size_t n) : base_(event_base_new()), items_(n) {
        for (auto& item : items_) event_assign(&item, base_, -1, 0, [](evutil_socket_t, short, void*) {}, nullptr);
    }
    ~Libevent() override {
        for (auto& item : items_) event_del(&item);
        event_base_free(base_);
    }
    const char* name() const override { return "libevent"; }
    void arm(std::size_t i, std::uint32_t ms) override {
        timeval t{static_cast<time_t>(ms / 1000), static_cast<suseconds_t>(ms % 1000 * 1000)};
        event_add(&items_[i], &t);
    }
    void rearm(std::size_t i, std::uint32_t ms) override { arm(i, ms); }
    void cancel(std::size_t i) override { event_del(&items_[i]); }

private:
    event_base* base_;
    std::vector<event> items_;
};
#endif

constexpr std::size_t kRearms = 4, kStride = 7919;
enum Operation : std::size_t { kArm, kRearm, kCancel, kOperations };
constexpr const char* kNames[] = {"arm", "rearm", "cancel"};

struct Result {
    std::string name;
    std::vector<double> ns[kOperations];
};

template <class F>
double measure(std::size_t n, F&& operation) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < n; ++i) operation(i);
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() /
           static_cast<double>(n);
}

void run_round(Competitor& c, const Plan& plan, Result& result) {
    const std::size_t n = plan.timers;
    result.name = c.name();
    c.begin();
    result.ns[kArm].push_back(measure(n, [&](std::size_t i) { c.arm(i, plan.delay_ms[i]); }));
    result.ns[kRearm].push_back(
        measure(plan.rearms.size(), [&](std::size_t i) { c.rearm(plan.rearms[i].timer, plan.rearms[i].delay_ms); }));
    result.ns[kCancel].push_back(measure(n, [&](std::size_t i) { c.cancel(plan.order[n - 1 - i]); }));
}

double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v.size() % 2 != 0 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

}  // namespace

int main(int argc, char** argv) {
    Plan plan;
    bool json = false;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--json") {
            json = true;
        } else if (option.starts_with("--timers=")) {
            plan.timers = std::max(1ul, std::strtoul(argv[i] + std::strlen("--timers="), nullptr, 10));
        } else if (option.starts_with("--rounds=")) {
            plan.rounds = std::max(1, std::atoi(argv[i] + std::strlen("--rounds=")));
        } else {
            std::fprintf(stderr, "usage: %s [--json] [--timers=N] [--rounds=N]\n", argv[0]);
            return 2;
        }
    }
    std::mt19937 random(1);
    for (std::size_t i = 0; i < plan.timers; ++i) {
        plan.order.push_back(static_cast<std::uint32_t>(i));
        plan.delay_ms.push_back(10'000 + random() % 990'000);
    }
    std::shuffle(plan.order.begin(), plan.order.end(), random);
    const std::size_t n = plan.timers;
    for (std::size_t i = 0; i < kRearms * n; ++i)
        plan.rearms.push_back({plan.order[i % n], plan.delay_ms[(kRearms * n - 1 - i + i / n * kStride) % n]});

    std::vector<std::unique_ptr<Competitor>> competitors;
    competitors.push_back(std::make_unique<Ours>(plan.timers));
#if defined(HAVE_LIBUV)
    competitors.push_back(std::make_unique<Libuv>(plan.timers));
#endif
#if defined(HAVE_LIBEVENT)
    competitors.push_back(std::make_unique<Libevent>(plan.timers));
#endif
    std::vector<Result> results(competitors.size());
    for (int round = 0; round < plan.rounds; ++round)
        for (std::size_t i = 0; i < competitors.size(); ++i) run_round(*competitors[i], plan, results[i]);

    if (json) std::printf("{\"timers\": %zu, \"rounds\": %d, \"results\": [", plan.timers, plan.rounds);
    for (std::size_t i = 0; i < results.size(); ++i) {
        const Result& r = results[i];
        std::printf(json ? "%s{\"name\": \"%s\"" : "%s%-12s", json && i != 0 ? ", " : "", r.name.c_str());
        for (std::size_t op = 0; op < kOperations; ++op) {
            const double ns = median(r.ns[op]), ratio = ns / median(results[0].ns[op]);
            std::printf(json ? ", \"%s_ns\": %.2f, \"%s_ratio\": %.3f" : "  %s %8.1f ns", kNames[op], ns, kNames[op],
                        ratio);
            if (!json && i != 0) std::printf(" (%5.1fx)", ratio);
        }
        std::printf(json ? "}" : "\n");
    }
    if (json) std::printf("]}\n");
}
