#ifndef _LINUX_POLL_H
#define _LINUX_POLL_H
#include <linux/types.h>
#include <linux/wait.h>
#define EPOLLIN 0x001u
#define EPOLLPRI 0x002u
#define EPOLLOUT 0x004u
#define EPOLLERR 0x008u
#define EPOLLHUP 0x010u
#define EPOLLRDNORM 0x040u
#define EPOLLWRNORM 0x100u
#ifndef POLLIN
#define POLLIN 0x001
#define POLLPRI 0x002
#define POLLOUT 0x004
#define POLLERR 0x008
#define POLLHUP 0x010
#define POLLRDNORM 0x040
#define POLLWRNORM 0x100
#endif
/* Where the poller notes the queues that it is to be woken by. */
typedef struct poll_table_struct {
    void *__poller;
} poll_table;
struct file;
void poll_wait(struct file *file, struct wait_queue_head *wq, poll_table *table) __bh_symbol(poll_wait);
#endif
