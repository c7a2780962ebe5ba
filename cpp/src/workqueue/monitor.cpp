#include "bottomhalf/workqueue/monitor.hpp"

#include <algorithm>
#include <utility>

namespace bottomhalf {

namespace {

// The first look comes that long after something became pending, and the ticks double while nobody blocks: a worker
// that computes is disturbed less and less.
constexpr Nanoseconds kLeastTick = 50'000, kMostTick = kMillisecond;
// As long as workers have blocked of late, the next one to block is near: then ticks and peace stay short.
constexpr Nanoseconds kOfLate = 10 * kMillisecond, kMostTickOfLate = 100'000;
// So long without anything to look at, and the records of switches are closed when work comes; the second, since a
// worker was handed over.
constexpr Nanoseconds kCalm = 30 * kMillisecond, kMemory = 100 * kMillisecond;
// Between two looks at a worker that seems to sleep: longer than the wait for a lock that is held for moments.
constexpr Nanoseconds kSecondLook = 8'000;
// Where switches are recorded, what else has to be looked at: CPU time, workers that came by themselves.
constexpr Nanoseconds kSlowTick = kMillisecond;
// An item that computes for that long is a long one, outside its gate and inside.
constexpr Nanoseconds kLong = kMillisecond, kLongInside = kMillisecond / 2;
// A switch that meant nothing (it was preempted, or waited for a gate) buys that much peace, doubling up to kMostTick.
constexpr Nanoseconds kLeastPeace = 20'000;
// So long without anything to look at, and what comes next is taken for a fresh start.
constexpr Nanoseconds kQuiet = 5 * kMillisecond;
// Budget: so long without CPU time is taken for blocked; whoever uses less than that between two looks is idle.
// Long, for a thread that is starved of CPU looks the same.
constexpr Nanoseconds kBudget = 100 * kMillisecond, kStir = 50'000, kBudgetTick = 5 * kMillisecond;

int tid_of(const Worker& worker) noexcept { return worker.task->pid.load(std::memory_order_relaxed); }

// Under the pool's lock: it counts as running, or would but for its long item.
bool is_watched(const Worker& worker) noexcept {
    return !worker.has(Worker::kNotRunning & ~Worker::kLong) && worker.nap == Nap::none;
}

}  // namespace

Monitor::Monitor(Domain& domain, std::unique_ptr<Watcher> watcher)
    : domain_(domain), watcher_(std::move(watcher)), records_(watcher_->means() == Detection::switch_records) {}

Monitor::~Monitor() = default;

void Monitor::start() { task_ = &domain_.spawn("bh-monitor", &Monitor::main, this, kCpuUnbound, 0, true); }

void Monitor::stop() {
    if (task_ == nullptr) return;
    stopping_.store(true);
    watcher_->notify();
    domain_.join_task(*std::exchange(task_, nullptr));
}

void Monitor::add(WorkerPool& pool) noexcept {
    {
        RawGuard guard(lock_);
        if (!pool.watch_node.linked()) new_.push_back(pool.watch_node);
    }
    watcher_->notify();
}

void Monitor::expect_another(const Work& next) noexcept {
    // Of one that is known to sleep nobody has to hear, and waking the monitor would delay whoever has just been woken.
    if (records_ && !habits_.has(Habit::sleeps, name_of(next, gate_of(next.func)))) watcher_->notify();
}

bool Monitor::begin_slow(Worker& worker, unsigned known) noexcept {
    const bool sleeps = habits_.has(Habit::sleeps, worker.habit);
    Lane* const lane = lane_of(*worker.pool, worker.habit);
    if (!sleeps && lane == nullptr) {
        worker.plain = worker.habit;
        worker.plain_as_of = known;
        return false;
    }
    if (worker.has(Worker::kNotRunning)) return false;
    worker.expected = true;
    worker.began = domain_.now();
    worker.began_cpu = watcher_->cpu_time(tid_of(worker));
    if (sleeps)
        worker.doze_off(Nap::expected);
    else
        worker.enter_lane(*lane);
    return sleeps || lane == &worker.pool->outside;
}

Lane* Monitor::lane_of(WorkerPool& pool, const void* habit) const noexcept {
    if (pool.kind != PoolKind::managed) return nullptr;
    if (habits_.has(Habit::is_long, habit)) return &pool.outside;
    return habits_.has(Habit::keeps_gate, habit) ? &pool.inside : nullptr;
}

Lane* Monitor::lane_of(WorkerPool& pool, const Work& work) const noexcept {
    return lane_of(pool, name_of(work, gate_of(work.func)));
}

bool Monitor::end(Worker& worker) noexcept {
    worker.expected = false;
    const Nanoseconds cpu = watcher_->cpu_time(tid_of(worker)) - worker.began_cpu;
    const bool slept = domain_.now() - worker.began >= 2 * cpu;
    if (!slept) habits_.lose(Habit::sleeps, worker.habit);
    if (cpu < kLong / 2) habits_.lose(Habit::is_long, worker.habit);
    if (cpu < kLongInside / 2) habits_.lose(Habit::keeps_gate, worker.habit);
    return slept || habits_.has(Habit::is_long, worker.habit);
}

void Monitor::close_if_due() noexcept {
    if (domain_.now() >= close_from_.load(std::memory_order_relaxed)) watcher_->notify();
}

void Monitor::main(Task& self, void* monitor) {
    // It must never wait for what the workers hold.
    self.may_gate = false;
    static_cast<Monitor*>(monitor)->run();
}

void Monitor::take_new() {
    RawGuard guard(lock_);
    while (ListNode* node = new_.pop_front()) {
        WorkerPool* pool = container_of(node, &WorkerPool::watch_node);
        const bool known = std::any_of(pools_.begin(), pools_.end(), [&](auto& w) { return w.pool == pool; });
        if (!known) pools_.push_back({pool, {}});
    }
}

void Monitor::run() {
    const bool budget = watcher_->means() == Detection::budget;
    Nanoseconds pause = kLeastTick, peace = kLeastPeace;
    Nanoseconds last_one = -kMemory;  // a worker was handed over
    bool lately = false;              // something was watched at the last wake-up
    bool switched = false;            // it was for a switch
    while (!stopping_.load()) {
        take_new();
        bool changing = false, handed_over = false;
        std::erase_if(pools_, [&](Watched& watched) {
            const Outcome outcome = look_after(watched);
            changing |= outcome == Outcome::changing;
            handed_over |= outcome == Outcome::handed_over;
            return outcome == Outcome::over;
        });
        const bool any = !pools_.empty();
        const Nanoseconds start = domain_.now();
        if (handed_over) {
            last_one = start;
            pause = kLeastTick;
            peace = kLeastPeace;
        }
        const Nanoseconds most = start - last_one < kOfLate ? kMostTickOfLate : kMostTick;
        if (!any && !lately) {
            switched = false;
            watcher_->mute_all();
            const Nanoseconds calm = std::max(kCalm, last_one + kMemory - start);
            if (attached_) close_from_.store(start + calm, std::memory_order_relaxed);
            watcher_->wait(kForever);
            close_from_.store(kForever, std::memory_order_relaxed);
            const Nanoseconds quiet = domain_.now() - start;
            if (attached_ && quiet >= calm) {
                watcher_->detach_all();
                attached_ = false;
            }
            if (quiet > kQuiet) {
                pause = kLeastTick;
                peace = kLeastPeace;
            } else if (pause > kLeastTick) {
                // A stream of short items, behind each of which the next is pending for moments.
                watcher_->doze(pause);
            }
        } else if (budget) {
            watcher_->doze(kBudgetTick);
        } else if (switched && handed_over) {
            switched = false;  // whoever has been woken is heard from its first switch on
        } else if (any && records_ && !changing && !handed_over) {
            if (switched) {
                // It meant nothing. The next one may come at once: it is heard when this is over.
                watcher_->doze(peace);
                peace = std::min(2 * peace, most);
            }
            const Nanoseconds from = domain_.now();
            switched = watcher_->wait(kSlowTick);
            if (domain_.now() - from > kMostTick) peace = kLeastPeace;
        } else {
            switched = false;
            watcher_->doze(pause);
            if (!handed_over) pause = std::min(2 * pause, most);
        }
        lately = any;
        ++wakeups_;
    }
}

// One look at everybody who runs in the pool.
Monitor::Outcome Monitor::look_after(Watched& watched) {
    WorkerPool& pool = *watched.pool;
    bool missing = false;
    running_.clear();
    {
        RawGuard guard(pool.lock);
        pool.splice_inbox();
        if (pool.stopping || (pool.worklist.empty() && !pool.holds_any() && pool.unwatch())) {
            pool.watched = false;
            return Outcome::over;
        }
        // Somebody is on the way, or nobody could be created.
        missing = pool.need_more_worker();
        int left = pool.nr_running.load() + pool.outside.running;
        for (ListNode* n = pool.workers.begin(); n != pool.workers.end() && left > 0; n = n->next) {
            Worker& worker = *container_of(n, &Worker::pool_node);
            if (!is_watched(worker)) continue;
            --left;
            if (worker.task == nullptr) continue;
            // One without an item waits for a gate, or is on its way to the next.
            running_.push_back({worker.in_item() ? &worker : nullptr, worker.items, tid_of(worker),
                                reinterpret_cast<std::uintptr_t>(&worker.task->permit), worker.lane == nullptr, Sight{},
                                0});
        }
        ListNode* next = missing ? pool.idle.front() : nullptr;
        if (next != nullptr) {
            const Worker& worker = *container_of(next, &Worker::idle_node);
            if (worker.task != nullptr) running_.push_back({nullptr, 0, tid_of(worker), 0, true, Sight{}, 0});
        }
    }
    // First the records, then the look: what happens in between is told by the records. Who has no item yet is heard
    // from its first switch on; of one that is known to compute, the slow ticks are enough.
    if (records_) {
        for (const Suspect& suspect : running_)
            if (suspect.may_sleep) attached_ |= watcher_->attach(suspect.tid);
    }
    std::erase_if(running_, [](const Suspect& s) { return s.worker == nullptr; });
    tick(watched, running_);
    bool started = false;
    std::erase_if(running_, [&](Suspect& s) {
        if (asleep(s) || out_of_budget(watched, s)) return false;
        started |= found_long(pool, s);
        return true;
    });
    if (running_.empty()) return missing || started ? Outcome::changing : Outcome::calm;
    bool any = false;
    if (watcher_->means() != Detection::budget) {
        // A timer would take several times as long.
        const Nanoseconds until = domain_.now() + kSecondLook;
        while (domain_.now() < until) spin_pause();
    }
    for (Suspect& suspect : running_) {
        const std::uint64_t mark = suspect.sight.mark;
        if (mark != 0 && (!asleep(suspect) || suspect.sight.mark != mark)) continue;
        any |= hand_over(pool, suspect);
    }
    return any ? Outcome::handed_over : Outcome::changing;
}

// Accounts the CPU time of who runs, and tells those that go by it.
void Monitor::tick(Watched& watched, std::vector<Suspect>& running) {
    WorkerPool& pool = *watched.pool;
    const Nanoseconds now = domain_.now();
    std::vector<Seen> seen;
    for (Suspect& suspect : running) {
        const Nanoseconds cpu = watcher_->cpu_time(suspect.tid);
        if (cpu < 0) continue;
        Seen entry{suspect.worker, suspect.item, cpu, cpu, now};
        for (const Seen& old : watched.seen) {
            if (old.worker != suspect.worker || old.item != suspect.item) continue;
            entry.cpu_at_first = old.cpu_at_first;
            if (cpu - old.cpu < kStir) entry.cpu = old.cpu, entry.since = old.since;
        }
        seen.push_back(entry);
        suspect.used = cpu - entry.cpu_at_first;
        RawGuard guard(pool.lock);
        if (Worker* worker = find(pool, suspect)) worker_tick(*worker, suspect.used);
    }
    watched.seen = std::move(seen);
}

// Has this item, which has just been seen awake, computed for long? Outside its gate: lets the next one start.
bool Monitor::found_long(WorkerPool& pool, const Suspect& suspect) noexcept {
    if (pool.kind != PoolKind::managed || suspect.used < kLongInside || suspect.sight.state != Sight::State::running)
        return false;
    RawGuard guard(pool.lock);
    Worker* const worker = find(pool, suspect);
    if (worker == nullptr || worker->has(Worker::kNotRunning)) return false;
    const Gate* gate = gate_of(worker->current_func);
    if (gate != nullptr && gate->holds(*worker->task)) {
        habits_.doubt(Habit::is_long, worker->habit);
        if (worker->lane == nullptr) habits_.found(Habit::keeps_gate, worker->habit);
        return false;
    }
    habits_.doubt(Habit::keeps_gate, worker->habit);
    if (suspect.used < kLong) return false;
    worker->leave_lane();
    worker->enter_lane(pool.outside);
    // Nobody asked for its name at its beginning; that of an object behind a gate may be gone with the object by now.
    if (worker->habit == nullptr && gate == nullptr)
        worker->habit = reinterpret_cast<const void*>(worker->current_func);
    habits_.found(Habit::is_long, worker->habit);
    return true;
}

bool Monitor::asleep(Suspect& suspect) noexcept {
    if (watcher_->means() == Detection::budget) return false;
    ++looks_;
    suspect.sight = watcher_->look(suspect.tid);
    if (suspect.sight.state != Sight::State::blocked) return false;
    // What the engine itself sleeps on has said so, or does not count.
    return suspect.sight.word == 0 || (suspect.sight.word != suspect.permit && !is_gate_wait(suspect.sight.word));
}

bool Monitor::out_of_budget(Watched& watched, const Suspect& suspect) noexcept {
    if (watcher_->means() != Detection::budget) return false;
    const Nanoseconds now = domain_.now();
    return std::any_of(watched.seen.begin(), watched.seen.end(), [&](const Seen& s) {
        return s.worker == suspect.worker && s.item == suspect.item && now - s.since >= kBudget;
    });
}

// The worker as it was seen, still in that item, or null. Under the pool's lock.
Worker* Monitor::find(WorkerPool& pool, const Suspect& suspect) noexcept {
    for (ListNode* n = pool.workers.begin(); n != pool.workers.end(); n = n->next) {
        Worker* worker = container_of(n, &Worker::pool_node);
        if (worker != suspect.worker) continue;
        const bool same = worker->items == suspect.item && worker->in_item() && is_watched(*worker) &&
                          worker->task != nullptr && tid_of(*worker) == suspect.tid;
        return same ? worker : nullptr;
    }
    return nullptr;
}

bool Monitor::hand_over(WorkerPool& pool, const Suspect& suspect) noexcept {
    RawGuard guard(pool.lock);
    pool.splice_inbox();
    Worker* worker = find(pool, suspect);
    if (worker == nullptr || (pool.worklist.empty() && !pool.holds_any())) return false;
    worker->leave_lane();
    worker->doze_off(Nap::found);
    habits_.found(Habit::sleeps, worker->habit);
    ++handovers_;
    return true;
}

}  // namespace bottomhalf
