// <linux/workqueue.h>: workqueues and what runs on them. Delayed items are in delayed_work.cpp.
#include "workqueue.hpp"

#include <cerrno>
#include <cstring>

#include "glue.hpp"
#include "kernel_side.hpp"
#include "queueing.hpp"

namespace bottomhalf::linux_api {

namespace {

WorkqueueSubsystem& subsystem() { return *here().workqueues; }

// What a module may pass and the engine would refuse, Linux only warns of.
int clamped(int max_active, const std::string& name) {
    if (max_active >= 0 && max_active <= kWqMaxActive) return max_active;
    log(here(), LogLevel::warning,
        "workqueue: max_active " + std::to_string(max_active) + " requested for " + name +
            " is out of range, clamping between 1 and " + std::to_string(kWqMaxActive));
    return max_active < 1 ? 1 : kWqMaxActive;
}

Workqueue* make(std::string name, unsigned flags, int max_active) {
    using namespace wq_flag;
    flags &= kPublic | kOrdered | kLegacy;
    // Flags that mean nothing beside these.
    if ((flags & (kUnbound | kOrdered)) != 0) flags &= ~(kPercpu | kCpuIntensive);
    if ((flags & kBh) == 0) max_active = clamped(max_active, name);
    return as_linux("alloc_workqueue", static_cast<Workqueue*>(nullptr),
                    [&] { return KernelSide::of(here()).keep(subsystem().alloc(std::move(name), flags, max_active)); });
}

void flush(Workqueue& wq, const char* call) {
    static constexpr SystemWq shared[] = {SystemWq::percpu,
                                          SystemWq::highpri,
                                          SystemWq::long_running,
                                          SystemWq::unbound,
                                          SystemWq::freezable,
                                          SystemWq::power_efficient,
                                          SystemWq::freezable_power_efficient};
    for (const SystemWq which : shared)
        if (subsystem().system(which).get() == &wq)
            warn_once(here(), call, "workqueue: Flushing system-wide workqueues will be prohibited in near future.");
    as_linux(call, [&] {
        past_lockdep([&] {
            wq.flush();
            return 0;
        });
    });
}

}  // namespace

extern "C" {

void bh_linux_init_work(Work* work, WorkFunction func) {
    take_back_before_init(work);
    new (work) Work(func);
}

Workqueue* bh_linux_system_wq(int which) { return subsystem().system(static_cast<SystemWq>(which)).get(); }

Workqueue* bh_linux_alloc_workqueue(const char* fmt, unsigned flags, int max_active, ...) {
    va_list args;
    va_start(args, max_active);
    std::string name = format(fmt, args);
    va_end(args);
    return make(std::move(name), flags & ~wq_flag::kOrdered, max_active);
}
Workqueue* bh_linux_alloc_ordered_workqueue(const char* fmt, unsigned flags, ...) {
    va_list args;
    va_start(args, flags);
    std::string name = format(fmt, args);
    va_end(args);
    return make(std::move(name), flags | wq_flag::kOrdered, 1);
}
void bh_linux_destroy_workqueue(Workqueue* wq) {
    as_linux("destroy_workqueue", [&] {
        past_lockdep([&] {
            deref(wq, "destroy_workqueue").destroy();
            return 0;
        });
    });
}
void bh_linux_drain_workqueue(Workqueue* wq) {
    as_linux("drain_workqueue", [&] {
        past_lockdep([&] {
            deref(wq, "drain_workqueue").drain();
            return 0;
        });
    });
}
void bh_linux_flush_workqueue(Workqueue* wq) { flush(deref(wq, "flush_workqueue"), "flush_workqueue"); }
void bh_linux_flush_scheduled_work() { flush(*subsystem().system(SystemWq::percpu), "flush_scheduled_work"); }
void bh_linux_workqueue_set_max_active(Workqueue* wq, int max_active) {
    as_linux("workqueue_set_max_active", [&] { wq->set_max_active(clamped(max_active, wq->name())); });
}
void bh_linux_workqueue_set_min_active(Workqueue* wq, int min_active) {
    as_linux("workqueue_set_min_active", [&] { wq->set_min_active(min_active < 0 ? 0 : min_active); });
}
int bh_linux_workqueue_sysfs_register(Workqueue* wq) {
    if (!wq->ordered()) return 0;
    warn(here(), "workqueue_sysfs_register", "");
    return -EINVAL;
}

bool bh_linux_queue_work_on(int cpu, Workqueue* wq, Work* work) {
    return queueing("queue_work_on", [&] { return deref(wq, "queue_work_on").queue(*work, cpu_argument(cpu)); });
}
bool bh_linux_queue_work_node(int node, Workqueue* wq, Work* work) {
    return queueing("queue_work_node", [&] {
        Workqueue& to = deref(wq, "queue_work_node");
        try {
            return node < 0 ? to.queue(*work) : to.queue_node(*work, node);
        } catch (const MisuseError& e) {
            if (e.rule() != "queue-node-bound") throw;
            warn_once(here(), "queue_work_node", e.what());
        } catch (const InvalidArgument&) {  // no such node: nobody is nearer than another
        }
        return to.queue(*work);
    });
}

bool bh_linux_flush_work(Work* work) {
    return as_linux("flush_work", false, [&] { return past_lockdep([&] { return flush_work(*work); }); });
}
bool bh_linux_cancel_work(Work* work) { return cancel_work(*work); }
bool bh_linux_cancel_work_sync(Work* work) {
    return taking_back(
        "cancel_work_sync", [&](bool* was) { cancel_work_sync(*work, kForever, was); },
        [&] { return cancel_work(*work); });
}
bool bh_linux_disable_work(Work* work) {
    return as_linux("disable_work", false, [&] { return disable_work(*work); });
}
bool bh_linux_disable_work_sync(Work* work) {
    return taking_back(
        "disable_work_sync", [&](bool* was) { disable_work_sync(*work, kForever, was); },
        [&] { return disable_work(*work); });
}
bool bh_linux_enable_work(Work* work) {
    return as_linux("enable_work", true, [&] { return enable_work(*work); });
}

bool bh_linux_work_pending(const Work* work) {
    poll();
    return work->pending();
}
bool bh_linux_workqueue_congested(int cpu, Workqueue* wq) {
    return as_linux("workqueue_congested", false, [&] { return wq->congested(cpu_argument(cpu)); });
}
unsigned bh_linux_work_busy(Work* work) {
    poll();
    return work_busy(*work);
}

void bh_linux_set_worker_desc(const char* fmt, ...) {
    Worker* worker = me().worker;
    if (worker == nullptr) return;
    va_list args;
    va_start(args, fmt);
    const std::string text = format(fmt, args);
    va_end(args);
    const std::size_t n = text.copy(worker->desc, sizeof worker->desc - 1);
    worker->desc[n] = '\0';
}
Work* bh_linux_current_work() {
    const Task& self = me();
    return self.worker != nullptr && preempt::in_task(self.preempt_count) ? self.worker->current_work : nullptr;
}
bool bh_linux_current_is_workqueue_rescuer() {
    const Worker* worker = me().worker;
    return worker != nullptr && worker->has(Worker::kRescuer);
}
void bh_linux_show_all_workqueues() {
    for (const std::string& line : subsystem().show_all(me())) log(here(), LogLevel::info, line);
}
void bh_linux_show_one_workqueue(Workqueue* wq) {
    bool mine = false;
    for (const std::string& line : subsystem().show_all(me())) {
        if (!line.starts_with("  ")) mine = line.starts_with("workqueue " + wq->name() + ":");
        if (mine) log(here(), LogLevel::info, line);
    }
}

int bh_linux_schedule_on_each_cpu(WorkFunction func) {
    as_linux("schedule_on_each_cpu", [&] { subsystem().on_each_cpu(func); });
    return 0;
}
int bh_linux_execute_in_process_context(WorkFunction func, Work* work) {
    if (!preempt::in_interrupt(me().preempt_count)) {
        func(work);
        return 0;
    }
    bh_linux_init_work(work, func);
    bh_linux_queue_work_on(static_cast<int>(kMaxCpus), bh_linux_system_wq(0), work);
    return 1;
}
long bh_linux_work_on_cpu(int cpu, long (*fn)(void*), void* arg) {
    return as_linux("work_on_cpu", -static_cast<long>(EINVAL),
                    [&] { return subsystem().on_cpu(here().check_cpu(cpu, "cpu"), fn, arg); });
}
long bh_linux_work_on_cpu_safe(int cpu, long (*fn)(void*), void* arg) {
    Domain& domain = here();
    if (cpu < 0 || static_cast<unsigned>(cpu) >= domain.nr_cpus || !domain.online(static_cast<unsigned>(cpu)))
        return -ENODEV;
    return bh_linux_work_on_cpu(cpu, fn, arg);
}

// The C struct workqueue_attrs; layout.cpp holds it against this one.
struct bh_linux_attrs {
    int nice;
    CpuMask cpumask;
    bool strict;
    int scope;
    bool ordered;
};
bh_linux_attrs* bh_linux_alloc_workqueue_attrs() {
    return new bh_linux_attrs{0, CpuMask::first_n(here().nr_cpus), false, static_cast<int>(AffinityScope::cache),
                              false};
}
void bh_linux_free_workqueue_attrs(bh_linux_attrs* attrs) { delete attrs; }
int bh_linux_apply_workqueue_attrs(Workqueue* wq, const bh_linux_attrs* attrs) {
    return as_linux("apply_workqueue_attrs", -EINVAL, [&] {
        if (attrs->scope < 0 || attrs->scope > static_cast<int>(AffinityScope::system)) return -EINVAL;
        WorkqueueAttrs wanted;
        wanted.nice = attrs->nice;
        wanted.cpumask = attrs->cpumask;
        wanted.strict = attrs->strict;
        wanted.scope = static_cast<AffinityScope>(attrs->scope);
        wq->set_attrs(wanted);
        return 0;
    });
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
