/* Functions on other CPUs and in interrupts of their own: <linux/smp.h>, <linux/irq_work.h>; and per-CPU memory. */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "check.h"

static atomic_t calls = ATOMIC_INIT(0), cpus_seen = ATOMIC_INIT(0), bad = ATOMIC_INIT(0);
static void note(void *info) {
    if (info != &calls || !irqs_disabled()) atomic_inc(&bad);
    atomic_inc(&calls);
    atomic_or(1 << smp_processor_id(), &cpus_seen);
}

int c_cross_calls(void);
int c_cross_calls(void) {
    int own, other;
    atomic_set(&calls, 0);
    atomic_set(&cpus_seen, 0);
    atomic_set(&bad, 0);
    own = get_cpu(); /* as Linux wants it: who may not be moved calls */
    other = 1 - own;
    smp_call_function(note, &calls, 1);
    CHECK(atomic_read(&calls) == 1 && atomic_read(&cpus_seen) == 1 << other);
    CHECK(smp_call_function_single(other, note, &calls, 1) == 0 && atomic_read(&calls) == 2);
    CHECK(smp_call_function_single(own, note, &calls, 1) == 0 && atomic_read(&calls) == 3);
    CHECK(smp_call_function_single(77, note, &calls, 1) == -ENXIO);
    put_cpu();
    on_each_cpu(note, &calls, 1);
    CHECK(atomic_read(&calls) == 5 && atomic_read(&cpus_seen) == 3 && atomic_read(&bad) == 0);
    CHECK(smp_processor_id() == own);
    return 0;
}

static int ran, ran_in_hardirq, ran_on, queued_again;
static void run(struct irq_work *work) {
    ++ran;
    ran_in_hardirq = in_hardirq() != 0;
    ran_on = smp_processor_id();
    if (queued_again) {
        queued_again = 0;
        irq_work_queue(work);
    }
}
static DEFINE_SPINLOCK(lock);
int c_irq_work(void);
int c_irq_work(void) {
    struct irq_work work;
    unsigned long flags;
    int other = 1 - smp_processor_id();
    init_irq_work(&work, run);
    ran = ran_in_hardirq = 0;
    spin_lock_irqsave(&lock, flags);
    CHECK(irq_work_queue(&work) && !irq_work_queue(&work));
    CHECK(ran == 0 && irq_work_is_pending(&work)); /* when interrupts come on */
    spin_unlock_irqrestore(&lock, flags);
    irq_work_sync(&work);
    CHECK(ran == 1 && ran_in_hardirq && !irq_work_is_busy(&work));
    spin_lock(&lock);
    CHECK(irq_work_queue_on(&work, other));
    irq_work_sync(&work);
    spin_unlock(&lock);
    CHECK(ran == 2 && ran_on == other);
    CHECK(!irq_work_queue_on(&work, 99) && !irq_work_is_pending(&work)); /* no such CPU: warns */
    queued_again = 1;
    irq_work_queue(&work);
    irq_work_sync(&work);
    CHECK(ran == 4);
    return 0;
}

static int line_dev, depth_after;
static irqreturn_t enabling(int irq, void *dev) {
    (void)irq;
    (void)dev;
    local_irq_enable(); /* warns */
    depth_after = irqs_disabled();
    return IRQ_HANDLED;
}
int c_handler_that_enables_interrupts(void);
int c_handler_that_enables_interrupts(void) {
    const char *name = "enabling";
    CHECK(request_irq(50, enabling, 0, name, &line_dev) == 0);
    irq_inject_interrupt(50);
    CHECK(depth_after && !irqs_disabled());
    local_irq_disable();
    CHECK(irqs_disabled());
    local_irq_enable();
    CHECK(!irqs_disabled());
    CHECK(disable_hardirq(50));
    irq_inject_interrupt(50);
    enable_irq(50);
    CHECK(synchronize_hardirq(50));
    CHECK(strcmp((const char *)free_irq(50, &line_dev), name) == 0);
    /* Lines that are none. */
    disable_irq_nosync(100000);
    enable_irq(100000);
    CHECK(!irq_has_action(100000));
    raise_softirq(NR_SOFTIRQS);
    return 0;
}

struct stats {
    u64 packets, bytes, drops;
    char name[40];
    u64 last;
};
static DEFINE_PER_CPU(int, hits);
int c_percpu_fields(void);
int c_percpu_fields(void) {
    struct stats __percpu *stats = alloc_percpu(struct stats);
    unsigned int cpu;
    CHECK(stats != NULL && alloc_percpu(char[64 * 1024]) == NULL);
    for_each_possible_cpu(cpu) {
        struct stats *s = per_cpu_ptr(stats, cpu);
        CHECK(s->packets == 0 && s->last == 0);
        *per_cpu_ptr(&stats->last, cpu) = 100 + cpu;
        CHECK(s->last == 100 + cpu);
        per_cpu(hits, cpu) = (int)cpu;
    }
    this_cpu_inc(stats->drops);
    this_cpu_add(stats->bytes, 10);
    CHECK(this_cpu_cmpxchg(stats->drops, 1, 7) == 1);
    CHECK(this_cpu_read(stats->drops) == 7 && this_cpu_ptr(stats)->bytes == 10);
    CHECK(this_cpu_read(stats->last) == 100 + (unsigned)smp_processor_id());
    CHECK(this_cpu_read(hits) == smp_processor_id());
    free_percpu(stats);
    CHECK(cpumask_subset(cpu_online_mask, cpu_possible_mask) && cpumask_last(cpu_online_mask) == 1);
    CHECK(cpumask_intersects(cpumask_of(1), cpu_online_mask) && !cpumask_empty(cpumask_of(999)));
    return 0;
}
