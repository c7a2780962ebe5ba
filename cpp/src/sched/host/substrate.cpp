// Threads, futexes and clocks of Linux: the one place that uses them.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "bottomhalf/sched/host/factory.hpp"
#include "sched/host/pause.hpp"
#include "sched/running_task.hpp"

namespace bottomhalf {

namespace {

// Task::permit
constexpr std::uint32_t kNone = 0, kPermit = 1, kParked = 2;

// A CPU of the machine that its callers have woken from another of the host so many times in a row is brought to them;
// a wake that is followed by a wait counts for more, for then nothing is gained by the other one's being free.
constexpr unsigned kPatience = 64, kMostPatience = 1u << 16, kWaited = 8;
// A CPU that has been brought elsewhere within that time takes twice the patience: its callers may be of two minds.
constexpr Nanoseconds kSettled = kSecond;

// A wait that serves signals looks at its Interrupter at least this often: the signal may have reached another thread.
constexpr Nanoseconds kInterruptSlice = 100 * kMillisecond;

Nanoseconds read_clock(clockid_t id) noexcept {
    timespec t;
    clock_gettime(id, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
}

int futex(std::atomic<std::uint32_t>& word, int op, std::uint32_t value, const timespec* deadline) noexcept {
    return static_cast<int>(
        syscall(SYS_futex, &word, op | FUTEX_PRIVATE_FLAG, value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY));
}

void relax_pause() noexcept { clock_nanosleep(CLOCK_MONOTONIC, 0, &kRelaxPause, nullptr); }

class HostSubstrate final : public Substrate {
public:
    explicit HostSubstrate(Domain& domain)
        : domain_(domain), boot_(read_clock(CLOCK_MONOTONIC)), events_(domain.nr_cpus) {
        for (auto& event : events_) event = std::make_unique<Atomic<Nanoseconds>>(kForever);
        CPU_ZERO(&allowed_);
        sched_getaffinity(0, sizeof allowed_, &allowed_);
        for (unsigned cpu = 0; cpu < domain.nr_cpus; ++cpu)
            seats_.push_back(
                std::make_unique<Seat>(cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed_) ? static_cast<int>(cpu) : -1));
    }
    ~HostSubstrate() override { stop_clock(); }

    bool simulated() const noexcept override { return false; }
    Nanoseconds now() noexcept override { return read_clock(CLOCK_MONOTONIC) - boot_; }

    void start(Task& task) override {
        auto* thread = new pthread_t;
        task.substrate_data = thread;
        // Signals belong to the host program's own threads; but a fault is this thread's, and whoever reports faults
        // is not asked where they are blocked.
        sigset_t all, before;
        sigfillset(&all);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&all, fault);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int error = pthread_create(thread, nullptr, &HostSubstrate::main, &task);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        if (error != 0) {
            delete thread;
            task.substrate_data = nullptr;
            throw Error(std::string("cannot create thread ") + task.name + ": " + std::strerror(error));
        }
    }

    void join(Task& task) override {
        auto* thread = static_cast<pthread_t*>(task.substrate_data);
        if (thread == nullptr) return;
        pthread_join(*thread, nullptr);
        delete thread;
        task.substrate_data = nullptr;
    }

    void adopt(Task& task) override {
        task.pid.store(static_cast<int>(syscall(SYS_gettid)));
        pthread_getname_np(pthread_self(), task.name, sizeof task.name);
    }
    void release(Task&) override {}

    Wake block(Task& self, Nanoseconds deadline) override {
        std::atomic<std::uint32_t>& word = self.permit.raw();
        if (self.summoned) {
            self.summoned = false;
            count_summons(*seats_[static_cast<unsigned>(self.cpu.load())], kWaited - 1);
        }
        if (const int seat = self.seat.load(std::memory_order_relaxed); seat >= 0 && seat != seat_of(self.bound_cpu))
            [[unlikely]]
            sit_down(self);
        for (;;) {
            std::uint32_t seen = kNone;
            if (!word.compare_exchange_strong(seen, kParked)) {
                // A thread parks itself only, so the word can only be a permit.
                word.store(kNone);
                return Wake::woken;
            }
            Nanoseconds limit = deadline;
            if (self.interrupter != nullptr) limit = std::min(limit, now() + kInterruptSlice);
            timespec t, *until = nullptr;
            if (limit != kForever) {
                Nanoseconds absolute = limit + boot_;
                t.tv_sec = absolute / kSecond;
                t.tv_nsec = absolute % kSecond;
                until = &t;
            }
            int error = futex(word, FUTEX_WAIT_BITSET, kParked, until) == 0 ? 0 : errno;
            if (word.exchange(kNone) == kPermit) return Wake::woken;
            if (self.interrupter != nullptr && (error == EINTR || error == ETIMEDOUT) && self.interrupter->pending())
                return Wake::interrupted;
            if (error == ETIMEDOUT && deadline != kForever && now() >= deadline) return Wake::timeout;
        }
    }

    void wake(Task& task) noexcept override {
        const RestOfWake rest = begin_wake(task);
        if (rest.finish != nullptr) rest.finish(rest.word);
    }
    RestOfWake begin_wake(Task& task) noexcept override {
        std::atomic<std::uint32_t>& word = task.permit.raw();
        if (word.exchange(kPermit) != kParked) return {};
        const int here = sched_getcpu();
        task.woken_from.store(here, std::memory_order_relaxed);
        const int seat = task.seat.load(std::memory_order_relaxed);
        if (Task* self = running_task(); seat >= 0 && self != nullptr && self->adopted &&
                                         self->cpu.load() == task.cpu.load() &&
                                         self->domain.load(std::memory_order_relaxed) == &domain_)
            note_summons(*self, seat, here);
        // The word may have become another's by then, or none: who waits there looks again, and an address that is not
        // mapped is an error that nobody asks for.
        return {[](void* w) { futex(*static_cast<std::atomic<std::uint32_t>*>(w), FUTEX_WAKE, 1, nullptr); }, &word};
    }

    bool displaced_waker(Task& self) noexcept override {
        const int from = self.woken_from.load(std::memory_order_relaxed);
        if (from < 0 || self.bound_cpu == kCpuUnbound) return false;
        self.woken_from.store(-1, std::memory_order_relaxed);
        return from == sched_getcpu();
    }

    void relax(Task&) override {
        // A poller that has turned often is waiting for a thread that is off its CPU: it stops competing.
        [[gnu::tls_model("initial-exec")]] thread_local std::uint32_t turns = 0;
        if (++turns % 64 != 0) return spin_pause();
        if (turns % 4096 != 0) {
            sched_yield();
            return;
        }
        relax_pause();
    }
    void yield(Task&) override { sched_yield(); }
    void burn(Task&, Nanoseconds duration) override {
        const Nanoseconds end = read_clock(CLOCK_THREAD_CPUTIME_ID) + duration;
        while (read_clock(CLOCK_THREAD_CPUTIME_ID) < end) spin_pause();
    }
    void preemption_point(Task&) override {}

    void set_clock_event(unsigned cpu, Nanoseconds when) noexcept override {
        events_[cpu]->store(when);
        // The clock stores next_ and then looks at the events again; here it is the other way round.
        if (when >= next_.load()) return;
        RawGuard guard(clock_lock_);
        if (clock_ != nullptr) wake(*clock_);
    }

    void rebind(Task& self, int cpu) override {
        self.bound_cpu = cpu;
        self.cpu.store(cpu == kCpuUnbound ? 0 : cpu);
        self.seat.store(-1, std::memory_order_relaxed);
        sched_setaffinity(0, sizeof allowed_, &allowed_);
        if (cpu != kCpuUnbound) sit_down(self);
    }

    std::unique_ptr<Watcher> make_watcher(Detection wanted) override { return make_host_watcher(wanted); }
    bool repatriate(Task& self) override {
        const int here = sched_getcpu();
        if (here < 0 || self.limits->preferred.test(static_cast<unsigned>(here))) return false;
        // There and then free again: where it stays is the system's business.
        if (!confine(self.limits->preferred)) return false;
        confine(self.limits->allowed);
        return true;
    }

    void start_clock() override {
        clock_ = &domain_.spawn("bh-clock", &HostSubstrate::clock_main, this, kCpuUnbound, 0, true);
    }
    void stop_clock() override {
        Task* clock = nullptr;
        {
            RawGuard guard(clock_lock_);
            std::swap(clock, clock_);
        }
        if (clock == nullptr) return;
        stopping_.store(true);
        wake(*clock);
        domain_.join_task(*clock);
    }

private:
    static void* main(void* argument) {
        Task& task = *static_cast<Task*>(argument);
        set_current_task(&task);
        task.pid.store(static_cast<int>(syscall(SYS_gettid)));
        char short_name[16];
        std::snprintf(short_name, sizeof short_name, "%.15s", task.name);
        pthread_setname_np(pthread_self(), short_name);
        auto& substrate = static_cast<HostSubstrate&>(*task.domain.load()->substrate);
        if (task.bound_cpu != kCpuUnbound)
            substrate.sit_down(task);
        else if (task.limits != nullptr)
            substrate.confine(task.limits->allowed);
        // Needs a privilege when negative; without it the level is a wish.
        if (task.nice != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(task.pid.load()), task.nice);
        try {
            task.entry(task, task.entry_arg);
        } catch (const MachineExit&) {
        }
        if (task.gate_cleanup != nullptr) task.gate_cleanup(task);
        task.state.store(TaskState::dead);
        set_current_task(nullptr);
        return nullptr;
    }

    // The calling thread runs on these CPUs, as far as this process may use them.
    bool confine(const CpuMask& cpus) const noexcept {
        cpu_set_t mine;
        CPU_ZERO(&mine);
        for (unsigned cpu = cpus.first(); cpu < CPU_SETSIZE; cpu = cpus.next(cpu + 1))
            if (CPU_ISSET(cpu, &allowed_)) CPU_SET(cpu, &mine);
        return CPU_COUNT(&mine) != 0 && sched_setaffinity(0, sizeof mine, &mine) == 0;
    }

    // A CPU of the machine begins on the host's of the same number, its *seat*, to which its tasks are bound. A thread
    // that calls in floats, while its home CPU stays: where each wake of its worker has to cross to another CPU, the
    // two CPUs of the machine exchange their seats. Their tasks follow before their next sleep. Not at once: a caller
    // that computes meanwhile gains by a worker elsewhere, and where the two get in each other's way the system moves
    // it.

    struct Seat {
        explicit Seat(int c) noexcept : cpu(c) {}
        Atomic<int> cpu;                // A, L: seats_lock_ to write; -1: the process may not run there
        Atomic<unsigned> summons{0};    // A, a hint: how often in a row its callers have woken it from elsewhere
        unsigned patience = kPatience;  // L: seats_lock_
        Nanoseconds moved = -kSettled;  // L: seats_lock_
    };

    int seat_of(int cpu) const noexcept {
        return seats_[static_cast<unsigned>(cpu)]->cpu.load(std::memory_order_relaxed);
    }

    // The calling thread is bound to the seat of its task's CPU.
    void sit_down(Task& self) const noexcept {
        const int seat = seat_of(self.bound_cpu);
        if (seat < 0) return;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(seat, &one);
        // Refused: the system has taken the CPU from the process, and is not asked again.
        self.seat.store(sched_setaffinity(0, sizeof one, &one) == 0 ? seat : -1, std::memory_order_relaxed);
    }

    static unsigned count_summons(Seat& seat, unsigned n) noexcept {
        const unsigned now = seat.summons.load(std::memory_order_relaxed) + n;
        seat.summons.store(now, std::memory_order_relaxed);
        return now;
    }
    // An adopted thread has woken a task of its CPU.
    void note_summons(Task& self, int from, int here) noexcept {
        const auto cpu = static_cast<unsigned>(self.cpu.load());
        Seat& seat = *seats_[cpu];
        self.summoned = from != here;
        if (!self.summoned)
            seat.summons.store(0, std::memory_order_relaxed);
        else if (count_summons(seat, 1) > kPatience) [[unlikely]]
            exchange_seats(cpu, here);
    }
    void exchange_seats(unsigned cpu, int wanted) noexcept {
        RawGuard guard(seats_lock_);
        Seat& seat = *seats_[cpu];
        const int left = seat.cpu.load();
        if (seat.summons.load() <= seat.patience || left == wanted || wanted < 0) return;
        seat.summons.store(0);
        for (unsigned other = 0; other < seats_.size(); ++other) {
            // No further than the cache they share: what a CPU is near to stays true.
            if (seats_[other]->cpu.load() != wanted || !domain_.topology.same_cache(other, cpu)) continue;
            const Nanoseconds present = now();
            seat.patience = present - seat.moved < kSettled ? std::min(2 * seat.patience, kMostPatience) : kPatience;
            seat.moved = present;
            seats_[other]->cpu.store(left);
            seat.cpu.store(wanted);
            return;
        }
    }

    Nanoseconds earliest() const noexcept {
        Nanoseconds when = kForever;
        for (auto& event : events_) when = std::min(when, event->load());
        return when;
    }

    static void clock_main(Task& self, void* argument) {
        auto& substrate = *static_cast<HostSubstrate*>(argument);
        self.may_gate = false;  // a thread that waited for one CPU's callbacks would be late for the others
        prctl(PR_SET_TIMERSLACK, 1UL);
        while (!substrate.stopping_.load()) {
            const Nanoseconds when = substrate.earliest();
            substrate.next_.store(when);
            if (substrate.earliest() < when) continue;
            const Nanoseconds now = substrate.now();
            if (when > now) {
                self.state.store(TaskState::idle);
                substrate.block(self, when);
                self.state.store(TaskState::running);
                continue;
            }
            for (unsigned cpu = 0; cpu < substrate.events_.size(); ++cpu) {
                auto& event = *substrate.events_[cpu];
                Nanoseconds due = event.load();
                // An event that was moved meanwhile stays.
                if (due > now || !event.compare_exchange(due, kForever)) continue;
                if (substrate.domain_.hooks.clock_event != nullptr)
                    substrate.domain_.hooks.clock_event(substrate.domain_, cpu);
            }
        }
    }

    Domain& domain_;
    const Nanoseconds boot_;
    cpu_set_t allowed_;  // I: the booting thread's
    std::vector<std::unique_ptr<Atomic<Nanoseconds>>> events_;
    RawLock seats_lock_;
    std::vector<std::unique_ptr<Seat>> seats_;  // I: the vector
    Atomic<Nanoseconds> next_{0};
    Atomic<bool> stopping_{false};
    RawLock clock_lock_;
    Task* clock_ = nullptr;  // L: clock_lock_; from boot, before timers exist, to stop_clock()
};

}  // namespace

std::unique_ptr<Substrate> make_host_substrate(Domain& domain) {
    set_lock_nap(&relax_pause);
    return std::make_unique<HostSubstrate>(domain);
}

unsigned host_cpus() noexcept {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    return static_cast<unsigned>(CPU_COUNT(&allowed));
}

}  // namespace bottomhalf
