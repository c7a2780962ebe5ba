// <linux/kthread.h>.
#include "kthread.hpp"

#include <cerrno>
#include <map>

#include "glue.hpp"
#include "kernel_side.hpp"

namespace bottomhalf::linux_api {

namespace {

struct Exit {  // thrown by kthread_exit()
    int result;
    Completion* done;  // of kthread_complete_and_exit(); null: nobody is told
};

// One of them, kept until it is stopped or the machine ends.
struct Kthread {
    int (*function)(void*) = nullptr;  // I
    void* data = nullptr;              // I
    std::shared_ptr<UserTask> task;    // I
    Atomic<bool> started{false}, should_stop{false}, should_park{false};
    Atomic<int> cpu{kCpuUnbound};  // A: where it is to go before it begins
    Completion begun;              // it has a pid
    Completion parked;             // somebody waits for it in kthread_park()
    Atomic<int> result{-EINTR};
    Atomic<bool> over{false};
    std::uint64_t number = 0;  // by who adds it to the others

    void run(Task& self);
};

struct Kthreads {
    explicit Kthreads(Domain&) {}
    RawLock lock;
    std::map<const Task*, std::shared_ptr<Kthread>> by_task;  // L
    std::uint64_t made = 0;                                   // L

    // Whoever made it may stop it long after it has ended: until then its task is no other one's. But most are
    // forgotten, so only so many of those that ended are kept.
    void add(const std::shared_ptr<Kthread>& fresh) {
        constexpr std::size_t kKept = 256;
        fresh->task->keep(true);
        RawGuard guard(lock);
        fresh->number = ++made;
        by_task[fresh->task->task()] = fresh;
        auto oldest = by_task.end();
        if (by_task.size() > kKept)
            for (auto at = by_task.begin(); at != by_task.end(); ++at)
                if (at->second->task->finished() &&
                    (oldest == by_task.end() || at->second->number < oldest->second->number))
                    oldest = at;
        if (oldest == by_task.end()) return;
        oldest->second->task->keep(false);
        by_task.erase(oldest);
    }
    std::shared_ptr<Kthread> find(const Task* task) {
        RawGuard guard(lock);
        auto found = by_task.find(task);
        return found != by_task.end() ? found->second : nullptr;
    }
};
Kthreads& kthreads(Domain& domain) { return KernelSide::of(domain).part<Kthreads>(); }
Kthread* own() { return static_cast<Kthread*>(me().owner_data); }

void move_to(Task& self, int cpu) {
    Domain& domain = *self.domain.load();
    domain.substrate->rebind(self, cpu);
    self.cpu.store(cpu);
}

void Kthread::run(Task& self) {
    self.owner_data = this;
    begun.complete();
    while (!started.load()) task_sleep(self, kForever, "kthread");
    if (cpu.load() != kCpuUnbound) move_to(self, cpu.load());
    Completion* told = nullptr;
    if (!should_stop.load()) {
        try {
            result.store(function(data));
        } catch (const Exit& e) {
            result.store(e.result);
            told = e.done;
        } catch (const ModuleExit&) {
        } catch (const std::exception& e) {
            log(*self.domain.load(), LogLevel::err,
                std::string("kthread ") + self.name + ": exception left its function: " + e.what());
        }
    }
    over.store(true);
    parked.complete_all();
    // Nothing of the module's is on the stack any more: who waits for this may unload it.
    if (told != nullptr) told->complete();
}

// Out of the thread's function. Elsewhere Linux would end a task that is not the module's.
[[noreturn]] void leave_thread(long result, Completion* done, const char* call) {
    if (own() == nullptr) throw MisuseError("kernel-bug", std::string(call) + ": the caller is no kthread");
    throw Exit{static_cast<int>(result), done};
}

Task* create(int (*function)(void*), void* data, const std::string& name, int cpu) {
    Domain& domain = here();
    auto made = std::make_shared<Kthread>();
    made->function = function;
    made->data = data;
    made->cpu.store(cpu);
    // The task keeps itself: who created it may forget it.
    auto* keep = new std::shared_ptr<Kthread>(made);
    try {
        made->task = machine().tasks().spawn(
            name,
            [](Task& self, void* arg) {
                const std::unique_ptr<std::shared_ptr<Kthread>> mine(static_cast<std::shared_ptr<Kthread>*>(arg));
                (*mine)->run(self);
            },
            keep, kCpuUnbound);
    } catch (...) {
        delete keep;
        throw;
    }
    Task* task = made->task->task();
    kthreads(domain).add(made);
    // A module may print its pid, which the thread itself has to ask for on a host.
    if (!domain.simulated) static_cast<void>(made->begun.wait(me(), kForever, "kthread_create"));
    return task;
}

}  // namespace

Task* create_kthread(const char* call, int (*function)(void*), void* data, const std::string& name, int cpu) {
    return as_linux(call, reinterpret_cast<Task*>(-static_cast<std::intptr_t>(ENOMEM)),
                    [&] { return create(function, data, name, cpu); });
}

int wake_kthread(Domain& domain, const Task* task) {
    auto kthread = kthreads(domain).find(task);
    if (kthread == nullptr) return -1;
    const bool was_new = !kthread->started.exchange(true);
    return kthread->task->wake() || was_new ? 1 : 0;
}

void bind_task(Domain& domain, Task& task, int cpu) {
    if (current_task() == &task)
        move_to(task, cpu);
    else if (auto kthread = kthreads(domain).find(&task))
        kthread->cpu.store(cpu);
}

std::vector<RunningKthread> running_kthreads(Domain& domain) {
    std::vector<RunningKthread> running;
    Kthreads& all = kthreads(domain);
    RawGuard guard(all.lock);
    for (const auto& entry : all.by_task) {
        const std::shared_ptr<Kthread> kthread = entry.second;
        if (kthread->over.load() || kthread->task->finished()) continue;
        running.push_back({kthread->task->name(), kthread->function, kthread->data, [kthread] {
                               kthread->should_stop.store(true);
                               kthread->should_park.store(false);
                               kthread->started.store(true);
                               kthread->task->wake();
                           }});
    }
    return running;
}

extern "C" {

Task* bh_linux_kthread_create_on_node(int (*function)(void*), void* data, int, const char* namefmt, ...) {
    va_list args;
    va_start(args, namefmt);
    const std::string name = format(namefmt, args);
    va_end(args);
    return create_kthread("kthread_create", function, data, name, kCpuUnbound);
}
Task* bh_linux_kthread_create_on_cpu(int (*function)(void*), void* data, unsigned cpu, const char* namefmt) {
    std::string name = namefmt;
    const std::size_t at = name.find("%u");
    if (at != std::string::npos) name.replace(at, 2, std::to_string(cpu));
    return create_kthread("kthread_create_on_cpu", function, data, name, static_cast<int>(cpu));
}
void bh_linux_kthread_bind(Task* task, unsigned cpu) { bind_task(here(), *task, static_cast<int>(cpu)); }

int bh_linux_kthread_stop(Task* task) {
    Domain& domain = here();
    Kthreads& all = kthreads(domain);
    auto kthread = all.find(&deref(task, "kthread_stop"));
    if (kthread == nullptr) {
        warn(domain, "kthread_stop", "kthread_stop: this task was not made by kthread_create(), or was stopped before");
        return -EINTR;
    }
    const bool begun = kthread->started.load();
    kthread->should_stop.store(true);
    kthread->should_park.store(false);
    kthread->started.store(true);
    order_release(kthread.get());
    kthread->task->wake();
    as_linux("kthread_stop", [&] { machine().tasks().join(*kthread->task); });
    {
        RawGuard guard(all.lock);
        all.by_task.erase(task);
    }
    return begun ? kthread->result.load() : -EINTR;
}
bool bh_linux_kthread_should_stop() {
    poll();
    const Kthread* mine = own();
    return mine != nullptr && mine->should_stop.load();
}

bool bh_linux_kthread_should_park() {
    const Kthread* mine = own();
    return mine != nullptr && mine->should_park.load();
}
int bh_linux_kthread_park(Task* task) {
    auto kthread = kthreads(here()).find(task);
    if (kthread == nullptr || kthread->over.load()) return -ENOSYS;
    kthread->parked.reinit();
    kthread->should_park.store(true);
    kthread->started.store(true);
    kthread->task->wake();
    as_linux("kthread_park", [&] { kthread->parked.wait(me(), kForever, "kthread_park"); });
    return 0;
}
void bh_linux_kthread_unpark(Task* task) {
    auto kthread = kthreads(here()).find(task);
    if (kthread == nullptr || !kthread->should_park.exchange(false) || kthread->over.load()) return;
    kthread->task->wake();
}
void bh_linux_kthread_parkme() {
    Kthread* mine = own();
    if (mine == nullptr) return;
    while (mine->should_park.load()) {
        mine->parked.complete_all();
        task_sleep(me(), kForever, "kthread_parkme");
    }
}
void* bh_linux_kthread_data(Task* task) {
    auto kthread = kthreads(here()).find(task);
    return kthread != nullptr ? kthread->data : nullptr;
}
void bh_linux_kthread_exit(long result) { leave_thread(result, nullptr, "kthread_exit"); }
void bh_linux_kthread_complete_and_exit(Completion* done, long code) {
    leave_thread(code, done, "kthread_complete_and_exit");
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
