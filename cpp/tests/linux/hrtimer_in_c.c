/* The ends of high-resolution timers, through <linux/hrtimer.h>. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "check.h"

static struct completion done;
static int result;

struct once {
    struct hrtimer timer;
    char payload[100];
};
static enum hrtimer_restart free_it(struct hrtimer *timer) {
    kfree(container_of(timer, struct once, timer));
    complete(&done);
    return HRTIMER_NORESTART;
}
int c_hrtimer_frees_itself(void);
int c_hrtimer_frees_itself(void) {
    struct once *o = kmalloc(sizeof(*o), GFP_KERNEL);
    CHECK(o != NULL);
    init_completion(&done);
    hrtimer_setup(&o->timer, free_it, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    hrtimer_start(&o->timer, us_to_ktime(10), HRTIMER_MODE_REL);
    wait_for_completion(&done);
    return 0;
}

/* The softirq at the end of the timer's interrupt finds the callback over. */
static struct hrtimer raising;
static void cancel_it(struct tasklet_struct *t) {
    (void)t;
    result = hrtimer_cancel(&raising);
    complete(&done);
}
static DECLARE_TASKLET(canceller, cancel_it);
static enum hrtimer_restart raise_it(struct hrtimer *timer) {
    (void)timer;
    tasklet_schedule(&canceller);
    return HRTIMER_NORESTART;
}
int c_hrtimer_cancelled_by_its_softirq(void);
int c_hrtimer_cancelled_by_its_softirq(void) {
    init_completion(&done);
    result = -2;
    hrtimer_setup(&raising, raise_it, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    hrtimer_start(&raising, us_to_ktime(10), HRTIMER_MODE_REL);
    wait_for_completion(&done);
    CHECK(result == 0);
    tasklet_kill(&canceller);
    return 0;
}

static enum hrtimer_restart never(struct hrtimer *timer) {
    (void)timer;
    result = 1;
    return HRTIMER_NORESTART;
}
int c_hrtimer_misuse(void);
int c_hrtimer_misuse(void) {
    static struct hrtimer unset;
    struct hrtimer t;
    result = 0;
    hrtimer_start(&unset, 0, HRTIMER_MODE_REL); /* never set up: warns */
    CHECK(!hrtimer_active(&unset));
    hrtimer_init(&t, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    hrtimer_start(&t, 0, HRTIMER_MODE_REL); /* without a function: warns */
    CHECK(!hrtimer_active(&t) && hrtimer_cancel(&t) == 0);
    t.function = never;
    hrtimer_start(&t, KTIME_MAX, HRTIMER_MODE_REL);
    CHECK(hrtimer_is_queued(&t) && !hrtimer_callback_running(&t));
    CHECK(hrtimer_forward(&t, KTIME_MAX, ms_to_ktime(1)) == 0); /* armed: warns */
    CHECK(hrtimer_cancel(&t) == 1);
    hrtimer_set_expires(&t, 10);
    CHECK(hrtimer_forward(&t, 9, 5) == 0 && hrtimer_forward(&t, 10, 5) == 1 && hrtimer_get_expires(&t) == 15);
    CHECK(hrtimer_forward(&t, 31, 5) == 4 && hrtimer_get_expires(&t) == 35);
    CHECK(hrtimer_forward(&t, KTIME_MAX, KTIME_MAX) == 1 && hrtimer_get_expires(&t) == KTIME_MAX);
    hrtimer_start(&t, ktime_set(1000, 0), HRTIMER_MODE_REL);
    hrtimer_set_expires(&t, 5); /* moves nothing, and loses nothing */
    CHECK(hrtimer_cancel(&t) == 1 && !hrtimer_active(&t));
    hrtimer_start(&t, ktime_set(1000, 0), HRTIMER_MODE_REL);
    hrtimer_setup(&t, never, CLOCK_MONOTONIC, HRTIMER_MODE_REL); /* armed: reports, and takes it back */
    CHECK(!hrtimer_active(&t) && result == 0);
    return 0;
}

/* Soft timers expire in the softirq, where the interrupt raised it; until then they are armed. */
struct soft {
    struct hrtimer timer;
    struct completion done;
    int left, contexts, states, own_cancel;
};
static enum hrtimer_restart in_softirq_context(struct hrtimer *timer) {
    struct soft *s = container_of(timer, struct soft, timer);
    s->contexts += in_serving_softirq() && !in_hardirq() && !irqs_disabled() && !in_task();
    s->states += hrtimer_callback_running(timer) && hrtimer_active(timer) && !hrtimer_is_queued(timer);
    s->own_cancel = hrtimer_try_to_cancel(timer);
    if (--s->left > 0) {
        hrtimer_forward_now(timer, us_to_ktime(200));
        return HRTIMER_RESTART;
    }
    complete(&s->done);
    return HRTIMER_NORESTART;
}
static enum hrtimer_restart in_hard_context(struct hrtimer *timer) {
    (void)timer;
    result = in_hardirq() && irqs_disabled() && !in_serving_softirq();
    complete(&done);
    return HRTIMER_NORESTART;
}
int c_hrtimers_soft(void);
int c_hrtimers_soft(void) {
    static struct hrtimer hard;
    struct soft s = {.left = 3};
    init_completion(&s.done);
    hrtimer_setup(&s.timer, in_softirq_context, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
    hrtimer_start(&s.timer, us_to_ktime(200), HRTIMER_MODE_REL_SOFT);
    wait_for_completion(&s.done);
    CHECK(hrtimer_cancel(&s.timer) == 0);
    CHECK(s.left == 0 && s.contexts == 3 && s.states == 3 && s.own_cancel == -1);

    /* With bottom halves off it stays armed, and a hard one fires. */
    init_completion(&done);
    reinit_completion(&s.done);
    s.left = 1;
    result = 0;
    hrtimer_setup(&hard, in_hard_context, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
    local_bh_disable();
    hrtimer_start(&s.timer, us_to_ktime(100), HRTIMER_MODE_REL_PINNED_SOFT);
    hrtimer_start(&hard, us_to_ktime(200), HRTIMER_MODE_REL);
    while (!try_wait_for_completion(&done)) udelay(100);
    CHECK(result == 1 && hrtimer_is_queued(&s.timer) && s.left == 1);
    CHECK(local_softirq_pending() & (1 << HRTIMER_SOFTIRQ));
    local_bh_enable();
    wait_for_completion(&s.done);
    CHECK(hrtimer_cancel(&s.timer) == 0 && s.left == 0 && s.contexts == 4);
    hrtimer_cancel(&hard);

    /* Expired and cancelled before the softirq came to it. */
    s.left = 1;
    local_bh_disable();
    hrtimer_start(&s.timer, us_to_ktime(100), HRTIMER_MODE_REL_SOFT);
    while (!(local_softirq_pending() & (1 << HRTIMER_SOFTIRQ))) udelay(100);
    CHECK(hrtimer_cancel(&s.timer) == 1);
    local_bh_enable();
    CHECK(s.left == 1 && !hrtimer_active(&s.timer));

    /* The mode of the start is not asked: it warns, and expires as it was set up. */
    hrtimer_start(&s.timer, us_to_ktime(100), HRTIMER_MODE_REL);
    wait_for_completion(&s.done);
    hrtimer_cancel(&s.timer);
    CHECK(s.contexts == 5);
    return 0;
}
