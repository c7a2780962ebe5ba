#ifndef _LINUX_TIMER_TYPES_H
#define _LINUX_TIMER_TYPES_H
#include <linux/types.h>

/* The engine's timer. Zeroed but for its function it is valid and idle. */
struct timer_list {
    struct {
        void *next, *link;
    } entry;
    unsigned long expires;
    void (*function)(struct timer_list *);
    u32 flags;
    u32 __base;
};
#endif
