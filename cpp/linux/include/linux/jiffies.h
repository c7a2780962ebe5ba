/* Jiffies of the calling task's machine. HZ is a constant of the build, so the loader builds for a machine's hz. */
#ifndef _LINUX_JIFFIES_H
#define _LINUX_JIFFIES_H

#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/param.h>
#include <linux/time.h>
#include <linux/types.h>

unsigned long __bh_jiffies(void) __bh_symbol(jiffies);
unsigned long round_jiffies(unsigned long j) __bh_symbol(round_jiffies);
unsigned long round_jiffies_up(unsigned long j) __bh_symbol(round_jiffies_up);
unsigned long round_jiffies_relative(unsigned long j) __bh_symbol(round_jiffies_relative);
unsigned long round_jiffies_up_relative(unsigned long j) __bh_symbol(round_jiffies_up_relative);

#ifdef __BH_JIFFIES_VARIABLE
/* For a module that has a field or a variable of that name, beside which no macro can stand. The loader binds it. */
extern volatile unsigned long jiffies __bh_symbol(jiffies_variable);
#else
#define jiffies (__bh_jiffies())
#endif
#define jiffies_64 ((u64)__bh_jiffies())
static inline u64 get_jiffies_64(void) { return __bh_jiffies(); }

#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)
#define INITIAL_JIFFIES 0UL
#define TICK_NSEC (1000000000L / HZ)

#define time_after(a, b) ((long)((b) - (a)) < 0)
#define time_before(a, b) time_after(b, a)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#define time_in_range(a, b, c) (time_after_eq(a, b) && time_before_eq(a, c))
#define time_in_range_open(a, b, c) (time_after_eq(a, b) && time_before(a, c))
#define time_after64(a, b) ((s64)((b) - (a)) < 0)
#define time_before64(a, b) time_after64(b, a)
#define time_after_eq64(a, b) ((s64)((a) - (b)) >= 0)
#define time_before_eq64(a, b) time_after_eq64(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)
#define time_is_before_eq_jiffies(a) time_after_eq(jiffies, a)
#define time_is_after_eq_jiffies(a) time_before_eq(jiffies, a)

/* Rounds up; a negative number means "as long as possible". */
static inline unsigned long msecs_to_jiffies(unsigned int m) {
    if ((int)m < 0) return MAX_JIFFY_OFFSET;
    return (unsigned long)(((u64)m * HZ + 999) / 1000);
}
static inline unsigned long usecs_to_jiffies(unsigned int u) {
    if ((int)u < 0) return MAX_JIFFY_OFFSET;
    return (unsigned long)(((u64)u * HZ + 999999) / 1000000);
}
static inline unsigned long nsecs_to_jiffies(u64 n) { return (unsigned long)((unsigned __int128)n * HZ / 1000000000); }
#define secs_to_jiffies(s) ((unsigned long)((s) * HZ))
static inline unsigned int jiffies_to_msecs(unsigned long j) { return (unsigned int)(((u64)j * 1000 + HZ - 1) / HZ); }
static inline unsigned int jiffies_to_usecs(unsigned long j) {
    return (unsigned int)(((u64)j * 1000000 + HZ - 1) / HZ);
}
static inline u64 jiffies_to_nsecs(unsigned long j) { return (u64)((unsigned __int128)j * 1000000000 / HZ); }
static inline u64 jiffies64_to_nsecs(u64 j) { return jiffies_to_nsecs((unsigned long)j); }
static inline u64 jiffies64_to_msecs(u64 j) { return (j * 1000 + HZ - 1) / HZ; }
static inline u64 nsecs_to_jiffies64(u64 n) { return nsecs_to_jiffies(n); }
static inline unsigned int jiffies_delta_to_msecs(long delta) {
    return jiffies_to_msecs(delta > 0 ? (unsigned long)delta : 0);
}
static inline unsigned long clock_t_to_jiffies(unsigned long x) { return x * HZ / USER_HZ; }
static inline clock_t jiffies_to_clock_t(unsigned long j) { return (clock_t)((u64)j * USER_HZ / HZ); }
static inline unsigned long timespec64_to_jiffies(const struct timespec64 *value) {
    return (unsigned long)value->tv_sec * HZ + (unsigned long)(((u64)value->tv_nsec * HZ + 999999999) / 1000000000);
}
static inline void jiffies_to_timespec64(unsigned long j, struct timespec64 *value) {
    value->tv_sec = (time64_t)(j / HZ);
    value->tv_nsec = (long)((u64)(j % HZ) * 1000000000 / HZ);
}
#endif
