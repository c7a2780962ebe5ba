/* Timers of nanoseconds. A task of the machine sleeps until the instant and then calls the function on the CPU where the
 * timer was started: in hard-interrupt context, or, when it was set up with HRTIMER_MODE_SOFT, in HRTIMER_SOFTIRQ. */
#ifndef _LINUX_HRTIMER_H
#define _LINUX_HRTIMER_H

#include <linux/ktime.h>
#include <linux/types.h>

enum hrtimer_mode {
    HRTIMER_MODE_ABS = 0x00,
    HRTIMER_MODE_REL = 0x01,
    HRTIMER_MODE_PINNED = 0x02,
    HRTIMER_MODE_SOFT = 0x04,
    HRTIMER_MODE_HARD = 0x08,
    HRTIMER_MODE_ABS_PINNED = HRTIMER_MODE_ABS | HRTIMER_MODE_PINNED,
    HRTIMER_MODE_REL_PINNED = HRTIMER_MODE_REL | HRTIMER_MODE_PINNED,
    HRTIMER_MODE_ABS_SOFT = HRTIMER_MODE_ABS | HRTIMER_MODE_SOFT,
    HRTIMER_MODE_REL_SOFT = HRTIMER_MODE_REL | HRTIMER_MODE_SOFT,
    HRTIMER_MODE_ABS_PINNED_SOFT = HRTIMER_MODE_ABS_PINNED | HRTIMER_MODE_SOFT,
    HRTIMER_MODE_REL_PINNED_SOFT = HRTIMER_MODE_REL_PINNED | HRTIMER_MODE_SOFT,
    HRTIMER_MODE_ABS_HARD = HRTIMER_MODE_ABS | HRTIMER_MODE_HARD,
    HRTIMER_MODE_REL_HARD = HRTIMER_MODE_REL | HRTIMER_MODE_HARD,
    HRTIMER_MODE_ABS_PINNED_HARD = HRTIMER_MODE_ABS_PINNED | HRTIMER_MODE_HARD,
    HRTIMER_MODE_REL_PINNED_HARD = HRTIMER_MODE_REL_PINNED | HRTIMER_MODE_HARD
};
enum hrtimer_restart { HRTIMER_NORESTART, HRTIMER_RESTART };

struct hrtimer {
    enum hrtimer_restart (*function)(struct hrtimer *);
    ktime_t __expires;
    u32 __set_up;
    u32 __soft;
};

#ifndef CLOCK_MONOTONIC
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7
#endif

void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode) __bh_symbol(hrtimer_init);
void hrtimer_start(struct hrtimer *timer, ktime_t time, const enum hrtimer_mode mode) __bh_symbol(hrtimer_start);
int hrtimer_try_to_cancel(struct hrtimer *timer) __bh_symbol(hrtimer_try_to_cancel);
int hrtimer_cancel(struct hrtimer *timer) __bh_symbol(hrtimer_cancel);
bool hrtimer_active(const struct hrtimer *timer) __bh_symbol(hrtimer_active);
bool hrtimer_is_queued(const struct hrtimer *timer) __bh_symbol(hrtimer_is_queued);
bool hrtimer_callback_running(const struct hrtimer *timer) __bh_symbol(hrtimer_callback_running);
u64 hrtimer_forward(struct hrtimer *timer, ktime_t now, ktime_t interval) __bh_symbol(hrtimer_forward);
static inline void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *), int clock,
                                 enum hrtimer_mode mode) {
    hrtimer_init(timer, clock, mode);
    timer->function = function;
}
static inline void hrtimer_start_range_ns(struct hrtimer *timer, ktime_t time, u64 range,
                                          const enum hrtimer_mode mode) {
    (void)range;
    hrtimer_start(timer, time, mode);
}
static inline u64 hrtimer_forward_now(struct hrtimer *timer, ktime_t interval) {
    return hrtimer_forward(timer, ktime_get(), interval);
}
static inline void hrtimer_restart(struct hrtimer *timer) { hrtimer_start(timer, timer->__expires, HRTIMER_MODE_ABS); }
static inline void hrtimer_set_expires(struct hrtimer *timer, ktime_t time) { timer->__expires = time; }
static inline ktime_t hrtimer_get_expires(const struct hrtimer *timer) { return timer->__expires; }
static inline ktime_t hrtimer_get_remaining(const struct hrtimer *timer) { return timer->__expires - ktime_get(); }
static inline ktime_t hrtimer_cb_get_time(struct hrtimer *timer) {
    (void)timer;
    return ktime_get();
}
#endif
