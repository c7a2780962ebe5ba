/* Interrupts, softirqs, tasklets and timers through <linux/interrupt.h> and <linux/timer.h>. */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/timer.h>

#include "check.h"

static char order[32];
static int at;
static void mark(char c) {
    if (at < (int)sizeof(order) - 1) order[at++] = c;
    order[at] = '\0';
}

struct counted {
    struct tasklet_struct tasklet;
    int runs, context, again;
};
static void count(struct tasklet_struct *t) {
    struct counted *c = from_tasklet(c, t, tasklet);
    ++c->runs;
    c->context = in_serving_softirq() && !in_task() && in_interrupt() && !in_hardirq();
    if (c->again-- > 0) tasklet_schedule(t);
}
static void old_style(unsigned long data) { mark((char)data); }
static void mark_b(struct tasklet_struct *t) {
    (void)t;
    mark('b');
}
static void mark_h(struct tasklet_struct *t) {
    (void)t;
    mark('h');
}
static DECLARE_TASKLET(declared, mark_b);
static DECLARE_TASKLET(high, mark_h);
static DECLARE_TASKLET_DISABLED(disabled, mark_b);
static DECLARE_TASKLET_OLD(old, old_style);

int c_tasklets(void);
int c_tasklets(void) {
    struct counted c = {.runs = 0, .context = 0, .again = 2};
    struct tasklet_struct initialised;
    tasklet_setup(&c.tasklet, count);
    local_bh_disable(); /* it does not begin before the second call */
    tasklet_schedule(&c.tasklet);
    tasklet_schedule(&c.tasklet);
    local_bh_enable();
    while (READ_ONCE(c.runs) < 3) msleep(1);
    tasklet_kill(&c.tasklet);
    CHECK(c.runs == 3 && c.context);
    CHECK(atomic_read(&c.tasklet.count) == 0 && !test_bit(TASKLET_STATE_SCHED, &c.tasklet.state));

    at = 0;
    tasklet_init(&initialised, old_style, 'i');
    old.data = 'o';
    CHECK(atomic_read(&disabled.count) == 1);
    local_bh_disable();
    tasklet_schedule(&declared);
    tasklet_schedule(&initialised);
    tasklet_schedule(&old);
    tasklet_hi_schedule(&high);
    tasklet_schedule(&disabled);
    CHECK(local_softirq_pending() & (1 << TASKLET_SOFTIRQ));
    CHECK(at == 0);
    local_bh_enable();
    tasklet_kill(&old);
    CHECK(strcmp(order, "hbio") == 0);
    tasklet_enable(&disabled);
    tasklet_kill(&disabled);
    CHECK(strcmp(order, "hbiob") == 0);
    tasklet_disable(&disabled); /* as it was declared: the next machine begins with it */
    tasklet_disable(&declared);
    tasklet_disable_nosync(&declared);
    tasklet_enable(&declared);
    tasklet_enable(&declared);
    return 0;
}

int c_tasklet_locks(void);
int c_tasklet_locks(void) {
    struct counted c = {.runs = 0, .context = 0, .again = 0};
    tasklet_setup(&c.tasklet, count);
    CHECK(tasklet_trylock(&c.tasklet) && test_bit(TASKLET_STATE_RUN, &c.tasklet.state));
    CHECK(!tasklet_trylock(&c.tasklet));
    tasklet_schedule(&c.tasklet);
    msleep(5);
    CHECK(c.runs == 0 && test_bit(TASKLET_STATE_SCHED, &c.tasklet.state));
    tasklet_unlock(&c.tasklet);
    tasklet_kill(&c.tasklet);
    tasklet_unlock_wait(&c.tasklet);
    tasklet_unlock_spin_wait(&c.tasklet);
    CHECK(c.runs == 1 && !test_bit(TASKLET_STATE_RUN, &c.tasklet.state));
    return 0;
}

static int line_dev, primary_runs, primary_context;
static struct completion thread_ran;
static irqreturn_t primary(int irq, void *dev) {
    primary_runs += irq == 42 && dev == &line_dev;
    primary_context = in_hardirq() && irqs_disabled();
    return IRQ_WAKE_THREAD;
}
static irqreturn_t threaded(int irq, void *dev) {
    (void)irq;
    (void)dev;
    complete(&thread_ran);
    return IRQ_HANDLED;
}
int c_interrupts(void);
int c_interrupts(void) {
    init_completion(&thread_ran);
    primary_runs = 0;
    CHECK(request_irq(42, NULL, 0, "none", NULL) == -EINVAL);
    CHECK(request_threaded_irq(42, primary, threaded, IRQF_ONESHOT, "line", &line_dev) == 0);
    CHECK(request_irq(42, primary, 0, "other", &primary_runs) == -EBUSY);
    CHECK(irq_has_action(42));
    irq_inject_interrupt(42);
    wait_for_completion(&thread_ran);
    CHECK(primary_runs == 1 && primary_context);
    disable_irq(42);
    irq_inject_interrupt(42);
    CHECK(primary_runs == 1);
    enable_irq(42);
    wait_for_completion(&thread_ran);
    CHECK(primary_runs == 2);
    irq_wake_thread(42, &line_dev);
    wait_for_completion(&thread_ran);
    synchronize_irq(42);
    free_irq(42, &line_dev);
    CHECK(!irq_has_action(42));
    enable_irq(42);          /* unbalanced: warns */
    free_irq(42, &line_dev); /* already free: warns */
    return 0;
}

static int vector_runs;
static void block_action(void) { vector_runs += in_serving_softirq() ? 1 : 100; }
int c_softirq_vector(void);
int c_softirq_vector(void) {
    vector_runs = 0;
    open_softirq(BLOCK_SOFTIRQ, block_action);
    local_bh_disable();
    raise_softirq(BLOCK_SOFTIRQ);
    raise_softirq(BLOCK_SOFTIRQ);
    CHECK(vector_runs == 0 && in_softirq() && in_interrupt() && in_task());
    local_bh_enable();
    CHECK(vector_runs == 1 && !in_softirq());
    CHECK(strcmp(softirq_to_name(BLOCK_SOFTIRQ), "BLOCK") == 0);
    return 0;
}

static void fired(struct timer_list *timer);
static DEFINE_TIMER(declared_timer, fired);
static atomic_t fires = ATOMIC_INIT(0);
static void fired(struct timer_list *timer) {
    if (timer == &declared_timer && !timer_pending(timer)) atomic_inc(&fires);
}
struct ticking {
    struct timer_list timer;
    struct completion done;
    int left;
};
static void tick(struct timer_list *timer) {
    struct ticking *t = from_timer(t, timer, timer);
    if (--t->left > 0)
        mod_timer(timer, jiffies + 1);
    else
        complete(&t->done);
}
int c_timers(void);
int c_timers(void) {
    struct ticking t;
    unsigned long start;
    atomic_set(&fires, 0);
    declared_timer.expires = jiffies + 2;
    add_timer(&declared_timer);
    while (atomic_read(&fires) == 0) msleep(1);
    CHECK(mod_timer(&declared_timer, jiffies + 1000 * HZ) == 0);
    CHECK(mod_timer(&declared_timer, jiffies + 2000 * HZ) == 1 && timer_pending(&declared_timer));
    CHECK(timer_reduce(&declared_timer, jiffies + 3000 * HZ) == 1);
    CHECK(del_timer(&declared_timer) == 1 && del_timer_sync(&declared_timer) == 0);
    CHECK(mod_timer_pending(&declared_timer, jiffies + HZ) == 0 && !timer_pending(&declared_timer));
    timer_setup(&t.timer, tick, 0);
    init_completion(&t.done);
    t.left = 3;
    start = jiffies;
    mod_timer(&t.timer, jiffies + 1);
    wait_for_completion(&t.done);
    CHECK(time_after_eq(jiffies, start + 3));
    CHECK(timer_shutdown_sync(&t.timer) == 0);
    CHECK(mod_timer(&t.timer, jiffies + 1) == 0 && !timer_pending(&t.timer));
    return 0;
}

static int irq_work_context;
static void in_irq_work(struct irq_work *work) {
    (void)work;
    irq_work_context = in_hardirq();
}
static DEFINE_IRQ_WORK(declared_irq_work, in_irq_work);
int c_contexts(void);
int c_contexts(void) {
    unsigned long flags;
    CHECK(in_task() && !in_interrupt() && !in_atomic() && !irqs_disabled() && preempt_count() == 0);
    preempt_disable();
    CHECK(in_atomic() && in_task() && preempt_count() == 1);
    preempt_enable();
    local_irq_save(flags);
    CHECK(irqs_disabled() && !in_atomic());
    local_irq_disable();
    local_irq_restore(flags);
    CHECK(!irqs_disabled());
    irq_work_context = 0;
    CHECK(irq_work_queue(&declared_irq_work));
    irq_work_sync(&declared_irq_work);
    CHECK(irq_work_context);
    CHECK(get_cpu() == (int)smp_processor_id());
    put_cpu();
    CHECK(num_online_cpus() == 2 && nr_cpu_ids == 2 && cpu_online(1) && !cpu_online(2));
    return 0;
}

int c_jiffies(void);
int c_jiffies(void) {
    unsigned long before = jiffies;
    CHECK(msecs_to_jiffies(0) == 0 && msecs_to_jiffies(11) == (11 * HZ + 999) / 1000);
    CHECK(msecs_to_jiffies((unsigned)-1) == MAX_JIFFY_OFFSET && jiffies_to_msecs(HZ) == 1000);
    msleep(20);
    CHECK(time_after(jiffies, before + msecs_to_jiffies(20) - 1) && time_before(before, jiffies));
    CHECK(schedule_timeout_uninterruptible(2) == 0);
    set_current_state(TASK_RUNNING);
    usleep_range(100, 200);
    udelay(10);
    mdelay(1);
    CHECK(ktime_to_ms(ktime_get()) >= 20);
    return 0;
}

struct beating {
    struct hrtimer timer;
    struct completion done;
    int left, in_hard;
};
static enum hrtimer_restart beat(struct hrtimer *timer) {
    struct beating *b = container_of(timer, struct beating, timer);
    b->in_hard += in_hardirq();
    if (--b->left > 0) {
        hrtimer_forward_now(timer, us_to_ktime(300));
        return HRTIMER_RESTART;
    }
    complete(&b->done);
    return HRTIMER_NORESTART;
}
int c_hrtimers(void);
int c_hrtimers(void) {
    struct beating b;
    ktime_t start = ktime_get();
    init_completion(&b.done);
    b.left = 4;
    b.in_hard = 0;
    hrtimer_init(&b.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    b.timer.function = beat;
    hrtimer_start(&b.timer, us_to_ktime(300), HRTIMER_MODE_REL);
    wait_for_completion(&b.done);
    hrtimer_cancel(&b.timer);
    CHECK(b.left == 0 && b.in_hard == 4 && ktime_us_delta(ktime_get(), start) >= 1200);
    hrtimer_start(&b.timer, ktime_set(1000, 0), HRTIMER_MODE_REL);
    CHECK(hrtimer_active(&b.timer) && hrtimer_cancel(&b.timer) == 1 && hrtimer_cancel(&b.timer) == 0);
    return 0;
}
