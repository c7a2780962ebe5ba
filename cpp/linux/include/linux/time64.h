#ifndef _LINUX_TIME64_H
#define _LINUX_TIME64_H
#include <linux/types.h>
#define MSEC_PER_SEC 1000L
#define USEC_PER_MSEC 1000L
#define NSEC_PER_USEC 1000L
#define NSEC_PER_MSEC 1000000L
#define USEC_PER_SEC 1000000L
#define NSEC_PER_SEC 1000000000L
#define PSEC_PER_NSEC 1000L
#define FSEC_PER_SEC 1000000000000000LL
struct timespec64 {
    time64_t tv_sec;
    long tv_nsec;
};
struct itimerspec64 {
    struct timespec64 it_interval, it_value;
};
static inline s64 timespec64_to_ns(const struct timespec64 *ts) { return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec; }
static inline struct timespec64 ns_to_timespec64(s64 nsec) {
    struct timespec64 ts;
    ts.tv_sec = nsec / NSEC_PER_SEC;
    ts.tv_nsec = (long)(nsec % NSEC_PER_SEC);
    if (ts.tv_nsec < 0) {
        --ts.tv_sec;
        ts.tv_nsec += NSEC_PER_SEC;
    }
    return ts;
}
static inline struct timespec64 timespec64_sub(struct timespec64 lhs, struct timespec64 rhs) {
    return ns_to_timespec64(timespec64_to_ns(&lhs) - timespec64_to_ns(&rhs));
}
static inline struct timespec64 timespec64_add(struct timespec64 lhs, struct timespec64 rhs) {
    return ns_to_timespec64(timespec64_to_ns(&lhs) + timespec64_to_ns(&rhs));
}
static inline int timespec64_compare(const struct timespec64 *lhs, const struct timespec64 *rhs) {
    const s64 a = timespec64_to_ns(lhs), b = timespec64_to_ns(rhs);
    return a < b ? -1 : a > b;
}
#endif
