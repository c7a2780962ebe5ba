#ifndef _LINUX_SCHED_PRIO_H
#define _LINUX_SCHED_PRIO_H
#define MIN_NICE (-20)
#define MAX_NICE 19
#define NICE_WIDTH (MAX_NICE - MIN_NICE + 1)
#endif
