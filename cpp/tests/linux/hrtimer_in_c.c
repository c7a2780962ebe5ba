/* The ends of high-resolution timers, through <linux/hrtimer.h>. */
#include <linux/completion.h>
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
