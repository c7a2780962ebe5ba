#ifndef _LINUX_SCHED_SIGNAL_H
#define _LINUX_SCHED_SIGNAL_H
#include <linux/sched.h>
/* Accepted: a task is ended by kthread_stop(), not by signals. */
static inline int send_sig(int sig, struct task_struct *task, int priv) {
    (void)sig;
    (void)priv;
    return wake_up_process(task);
}
#endif
