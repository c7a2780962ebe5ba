#include "bottomhalf/sched/host/stall_watch.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bottomhalf/base/thread_number.hpp"

namespace bottomhalf::stall_watch {

namespace {

Nanoseconds clock_now() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
}

// As the system calls it.
int this_thread() noexcept { return static_cast<int>(syscall(SYS_gettid)); }

class Watcher {
public:
    static Watcher& instance() {
        static Watcher* watcher = new Watcher;  // outlives every thread
        return *watcher;
    }

    void add(std::shared_ptr<Shown> shown) {
        Guard guard(*this);
        threads_.push_back(std::move(shown));
    }
    void remove(const Shown* shown) noexcept {
        Guard guard(*this);
        std::erase_if(threads_, [&](auto& s) { return s.get() == shown; });
    }
    void start() noexcept {
        if (alive_.raw().load(std::memory_order_relaxed)) [[likely]]
            return;
        Guard guard(*this);
        if (alive_.raw().load(std::memory_order_relaxed)) return;
        // Signals belong to the host program's own threads.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        // Without it nothing is noticed, and nothing else goes wrong.
        const bool started = pthread_create(&thread_, nullptr, &Watcher::main, this) == 0;
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        if (started) pthread_setname_np(thread_, "bh-watch");
        alive_.raw().store(started, std::memory_order_relaxed);
    }
    void set_patience(Nanoseconds patience) noexcept {
        Guard guard(*this);
        patience_ = std::max(patience, kMillisecond);
        pthread_cond_signal(&wake_);
    }
    Atomic<bool (*)(const Stall&)> reporter{nullptr};

private:
    struct Guard {
        explicit Guard(Watcher& w) noexcept : watcher(w) { pthread_mutex_lock(&watcher.mutex_); }
        ~Guard() { pthread_mutex_unlock(&watcher.mutex_); }
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        Watcher& watcher;
    };

    Watcher() noexcept {
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&wake_, &attributes);
        pthread_condattr_destroy(&attributes);
        pthread_atfork([] { instance().before_fork(); }, [] { pthread_mutex_unlock(&instance().mutex_); },
                       [] { instance().in_child(); });
    }

    // A process of one thread is to stay one for those who fork; the parent's next machine starts it again. A watcher
    // that is just reporting stays: it may wait for what the forking thread holds.
    void before_fork() noexcept {
        pthread_mutex_lock(&mutex_);
        if (!parked_ || quit_) return;
        quit_ = true;
        pthread_cond_signal(&wake_);
        pthread_mutex_unlock(&mutex_);
        pthread_join(thread_, nullptr);
        pthread_mutex_lock(&mutex_);
    }
    void in_child() noexcept {
        alive_.raw().store(false, std::memory_order_relaxed);
        parked_ = quit_ = false;
        threads_.clear();
        pthread_mutex_unlock(&mutex_);
    }

    static void* main(void* self) {
        static_cast<Watcher*>(self)->watch();
        return nullptr;
    }

    void watch() {
        std::vector<std::shared_ptr<Shown>> suspects;
        pthread_mutex_lock(&mutex_);
        for (;;) {
            const bool woken = park();
            if (quit_) break;
            const Nanoseconds now = clock_now();
            bool any = false;
            for (auto& shown : threads_) {
                any = any || shown->machines.load() != 0;
                if (suspect(*shown, now)) suspects.push_back(shown);
            }
            if (!any && !woken) {
                pthread_detach(pthread_self());
                break;
            }
            pthread_mutex_unlock(&mutex_);
            for (auto& shown : suspects) judge(shown, now);
            suspects.clear();
            pthread_mutex_lock(&mutex_);
        }
        quit_ = false;
        alive_.raw().store(false, std::memory_order_relaxed);
        pthread_mutex_unlock(&mutex_);
    }

    // RETURNS: somebody woke it.
    bool park() noexcept {
        const Nanoseconds until = clock_now() + std::max(patience_ / 2, kMillisecond);
        timespec t;
        t.tv_sec = until / kSecond;
        t.tv_nsec = until % kSecond;
        parked_ = true;
        const bool woken = pthread_cond_timedwait(&wake_, &mutex_, &t) == 0;
        parked_ = false;
        return woken;
    }

    bool suspect(Shown& shown, Nanoseconds now) noexcept {
        const std::uint64_t turns = shown.turns.get();
        if (turns != shown.turns_seen) {
            shown.turns_seen = turns;
            shown.seen_at = now;
        }
        return now - shown.seen_at >= patience_ && shown.turns_judged != turns &&
               shown.task.raw().load(std::memory_order_relaxed) != nullptr;
    }

    void judge(const std::shared_ptr<Shown>& shown, Nanoseconds now) {
        const std::uint64_t turns = shown->turns_seen;
        Stall stall{shown, shown->task.raw().load(std::memory_order_relaxed), turns, now - shown->seen_at,
                    waits_for(shown->thread)};
        auto* const report = reporter.load();
        if (stall.task == nullptr || stall.waits == kRunning || report == nullptr || !stall.still()) return;
        if (report(stall)) shown->turns_judged = turns;
    }

    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake_;
    pthread_t thread_{};                           // L: mutex_
    bool parked_ = false, quit_ = false;           // L: mutex_
    Nanoseconds patience_ = kSecond;               // L: mutex_
    std::vector<std::shared_ptr<Shown>> threads_;  // L: mutex_
    Atomic<bool> alive_{false};                    // L: mutex_ to write
};

// What the calling thread shows; the watcher may still be looking when the thread ends.
struct Mine {
    const std::shared_ptr<Shown> shown = std::make_shared<Shown>();
    Mine() { Watcher::instance().add(shown); }
    ~Mine() { Watcher::instance().remove(shown.get()); }
};

}  // namespace

Shown::Shown() noexcept { thread.set(this_thread()); }

std::shared_ptr<Shown> begin() {
    const Mine& mine = threads_one<Mine>();
    mine.shown->machines.fetch_add(1u);
    Watcher::instance().start();
    return mine.shown;
}

void executes_here() noexcept { threads_one<Mine>().shown->thread.set(this_thread()); }
void end(Shown& shown) noexcept { shown.machines.fetch_sub(1u); }

void set_reporter(bool (*reporter)(const Stall&)) noexcept { Watcher::instance().reporter.store(reporter); }
void set_patience(Nanoseconds patience) noexcept { Watcher::instance().set_patience(patience); }

std::uint64_t wait_of(void (*fn)()) {
    struct Probe {
        void (*fn)();
        Atomic<int> thread{0};
    };
    // Both look at it, and the thread may outlast this call.
    auto* probe = new std::shared_ptr<Probe>(new Probe{fn});
    const std::shared_ptr<Probe> mine = *probe;
    pthread_t thread;
    const auto main = [](void* arg) -> void* {
        auto* given = static_cast<std::shared_ptr<Probe>*>(arg);
        const std::shared_ptr<Probe> probe = *given;
        delete given;
        probe->thread.store(this_thread());
        probe->fn();
        return nullptr;
    };
    if (pthread_create(&thread, nullptr, main, probe) != 0) {
        delete probe;
        return kRunning;
    }
    pthread_detach(thread);
    for (int look = 0; look < 1000; ++look) {
        usleep(1000);
        const int id = mine->thread.load();
        const std::uint64_t waits = id != 0 ? waits_for(id) : kRunning;
        if (waits != kRunning && waits != 0) return waits;
    }
    return kRunning;
}

std::uint64_t waits_for(int thread) noexcept {
    char path[48], text[128];
    std::snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return kRunning;
    const ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0) return kRunning;
    text[length] = '\0';
    char* end = nullptr;
    const long call = std::strtol(text, &end, 10);
    if (end == text) return kRunning;  // "running"
    return call == SYS_futex ? std::strtoull(end, nullptr, 16) : 0;
}

}  // namespace bottomhalf::stall_watch
