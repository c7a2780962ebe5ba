/* Sleeping and spinning. msleep() goes by the timer wheel, late by its granularity. */
#ifndef _LINUX_DELAY_H
#define _LINUX_DELAY_H

#include <linux/sched.h>
#include <linux/types.h>

void msleep(unsigned int msecs) __bh_symbol(msleep);
unsigned long msleep_interruptible(unsigned int msecs) __bh_symbol(msleep_interruptible);
void usleep_range(unsigned long min, unsigned long max) __bh_symbol(usleep_range);
void __bh_ndelay(unsigned long nsecs) __bh_symbol(ndelay);

#define usleep_range_idle(min, max) usleep_range(min, max)
static inline void ssleep(unsigned int seconds) { msleep(seconds * 1000); }
static inline void ndelay(unsigned long nsecs) { __bh_ndelay(nsecs); }
static inline void udelay(unsigned long usecs) { __bh_ndelay(usecs * 1000); }
static inline void mdelay(unsigned long msecs) { __bh_ndelay(msecs * 1000000); }
static inline void fsleep(unsigned long usecs) {
    if (usecs <= 10)
        udelay(usecs);
    else if (usecs <= 20000)
        usleep_range(usecs, 2 * usecs);
    else
        msleep((unsigned int)((usecs + 999) / 1000));
}
#endif
