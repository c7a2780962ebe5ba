/* Messages that are held back when there are too many of them. */
#ifndef _LINUX_RATELIMIT_H
#define _LINUX_RATELIMIT_H
#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

struct ratelimit_state {
    spinlock_t lock;
    int interval, burst;
    int printed, missed;
    unsigned long begin; /* 0: there was none yet */
};
#define DEFAULT_RATELIMIT_INTERVAL (5 * HZ)
#define DEFAULT_RATELIMIT_BURST 10
#define RATELIMIT_STATE_INIT(name, interval_init, burst_init) \
    { .lock = __SPIN_LOCK_UNLOCKED(name.lock), .interval = interval_init, .burst = burst_init }
#define DEFINE_RATELIMIT_STATE(name, interval_init, burst_init) \
    struct ratelimit_state name = RATELIMIT_STATE_INIT(name, interval_init, burst_init)

static inline void ratelimit_state_init(struct ratelimit_state *rs, int interval, int burst) {
    spin_lock_init(&rs->lock);
    rs->interval = interval;
    rs->burst = burst;
    rs->printed = rs->missed = 0;
    rs->begin = 0;
}
static inline void ratelimit_default_init(struct ratelimit_state *rs) {
    ratelimit_state_init(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
}
/* Nonzero: go on; `burst` times in an `interval` of jiffies. */
static inline int ___ratelimit(struct ratelimit_state *rs, const char *func) {
    unsigned long flags;
    int may;
    if (rs->interval == 0) return 1;
    if (!spin_trylock_irqsave(&rs->lock, flags)) return 0; /* somebody else prints */
    if (rs->begin == 0 || time_is_before_jiffies(rs->begin + (unsigned long)rs->interval)) {
        if (rs->missed != 0) printk(KERN_WARNING "%s: %d callbacks suppressed\n", func, rs->missed);
        rs->begin = jiffies != 0 ? jiffies : 1;
        rs->printed = rs->missed = 0;
    }
    may = rs->burst > rs->printed;
    if (may)
        rs->printed++;
    else
        rs->missed++;
    spin_unlock_irqrestore(&rs->lock, flags);
    return may;
}
#define __ratelimit(state) ___ratelimit(state, __func__)
#endif
