#ifndef _LINUX_WORKQUEUE_TYPES_H
#define _LINUX_WORKQUEUE_TYPES_H
#include <linux/timer_types.h>
#include <linux/types.h>

struct workqueue_struct;
struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

/* The engine's work item. Zeroed but for its function it is valid and idle. */
struct work_struct {
    atomic_long_t data;
    struct list_head entry;
    work_func_t func;
};
#endif
