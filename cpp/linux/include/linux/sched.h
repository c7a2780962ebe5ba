/* Tasks, their states, and sleeping by hand. */
#ifndef _LINUX_SCHED_H
#define _LINUX_SCHED_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <linux/sched/prio.h>
#include <linux/smp.h>
#include <linux/types.h>

#define TASK_COMM_LEN 16

#define _NSIG 64
#define _NSIG_BPW BITS_PER_LONG
#define _NSIG_WORDS (_NSIG / _NSIG_BPW)
struct __bh_sigset {
    unsigned long sig[_NSIG_WORDS];
};
#ifndef __cplusplus /* its C library has one */
typedef struct __bh_sigset sigset_t;
#endif
struct sigpending {
    struct __bh_sigset signal;
};

/* What the threads of a process share: nobody has a terminal. */
struct tty_struct;
struct signal_struct {
    struct tty_struct *tty;
};

/* The engine's task; what modules look at has Linux's names. */
struct task_struct {
    void *__domain;
    int __cpu;
    int __bound_cpu;
    int nice;
    const void *__limits;
    pid_t pid;
    bool __adopted, __quiet;
    char comm[32];
    struct mm_struct *mm; /* NULL: a thread of the kernel */
    /* Always empty: nobody sends signals; an interrupted wait says so by signal_pending(). */
    struct sigpending pending;
    struct __bh_sigset blocked;
    struct signal_struct *signal;
};

#define TASK_RUNNING 0x0000
#define TASK_INTERRUPTIBLE 0x0001
#define TASK_UNINTERRUPTIBLE 0x0002
#define __TASK_STOPPED 0x0004
#define __TASK_TRACED 0x0008
#define TASK_DEAD 0x0080
#define TASK_WAKEKILL 0x0100
#define TASK_NOLOAD 0x0400
#define TASK_FREEZABLE 0x2000
#define TASK_KILLABLE (TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define TASK_NORMAL (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGTERM 15
#define SIGUSR1 10
#define SIGUSR2 12
#define SIGIO 29

struct task_struct *__bh_current(void) __bh_symbol(current);
void __bh_set_state(unsigned int state) __bh_symbol(set_current_state);
unsigned int __bh_get_state(void) __bh_symbol(get_current_state);
void schedule(void) __bh_symbol(schedule);
long schedule_timeout(long timeout) __bh_symbol(schedule_timeout);
long schedule_timeout_interruptible(long timeout) __bh_symbol(schedule_timeout_interruptible);
long schedule_timeout_uninterruptible(long timeout) __bh_symbol(schedule_timeout_uninterruptible);
int wake_up_process(struct task_struct *task) __bh_symbol(wake_up_process);
int __bh_cond_resched(void) __bh_symbol(cond_resched);
void yield(void) __bh_symbol(yield);
int signal_pending(struct task_struct *task) __bh_symbol(signal_pending);
int set_cpus_allowed_ptr(struct task_struct *task, const struct cpumask *mask) __bh_symbol(set_cpus_allowed_ptr);
void io_schedule(void) __bh_symbol(schedule);

#define current __bh_current()
#define set_current_state(state) __bh_set_state(state)
#define __set_current_state(state) __bh_set_state(state)
#define get_current_state() __bh_get_state()
#define schedule_timeout_killable(timeout) schedule_timeout_uninterruptible(timeout)
#define schedule_timeout_idle(timeout) schedule_timeout_uninterruptible(timeout)
#define wake_up_state(task, state) wake_up_process(task)
#define cond_resched() __bh_cond_resched()
#define need_resched() 0
#define fatal_signal_pending(task) 0
static inline void flush_signals(struct task_struct *task) { (void)task; }
static inline pid_t task_pid_nr(const struct task_struct *task) { return task->pid; }
static inline pid_t task_tgid_nr(const struct task_struct *task) { return task->pid; }
static inline int task_cpu(const struct task_struct *task) { return READ_ONCE(task->__cpu); }
static inline int task_nice(const struct task_struct *task) { return task->nice; }
static inline char *get_task_comm(char *buffer, struct task_struct *task) {
    unsigned i = 0;
    for (; i + 1 < TASK_COMM_LEN && task->comm[i] != '\0'; ++i) buffer[i] = task->comm[i];
    buffer[i] = '\0';
    return buffer;
}
/* Accepted: priorities are set when a task is started. */
static inline void set_user_nice(struct task_struct *task, long nice) {
    (void)task;
    (void)nice;
}
static inline void sched_set_fifo(struct task_struct *task) { (void)task; }
static inline void sched_set_fifo_low(struct task_struct *task) { (void)task; }
static inline void sched_set_normal(struct task_struct *task, int nice) {
    (void)task;
    (void)nice;
}
static inline struct task_struct *get_task_struct(struct task_struct *task) { return task; }
static inline void put_task_struct(struct task_struct *task) { (void)task; }
static inline int allow_signal(int sig) { return sig; }
#endif
