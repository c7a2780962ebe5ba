/* Tasks of a module's own. */
#ifndef _LINUX_KTHREAD_H
#define _LINUX_KTHREAD_H

#include <linux/bh_kthread_worker.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/types.h>

__printf(4, 5) struct task_struct *kthread_create_on_node(int (*threadfn)(void *data), void *data, int node,
                                                          const char *namefmt, ...)
    __bh_symbol(kthread_create_on_node);
struct task_struct *kthread_create_on_cpu(int (*threadfn)(void *data), void *data, unsigned int cpu,
                                          const char *namefmt) __bh_symbol(kthread_create_on_cpu);
void kthread_bind(struct task_struct *task, unsigned int cpu) __bh_symbol(kthread_bind);
int kthread_stop(struct task_struct *task) __bh_symbol(kthread_stop);
bool kthread_should_stop(void) __bh_symbol(kthread_should_stop);
int kthread_park(struct task_struct *task) __bh_symbol(kthread_park);
void kthread_unpark(struct task_struct *task) __bh_symbol(kthread_unpark);
bool kthread_should_park(void) __bh_symbol(kthread_should_park);
void kthread_parkme(void) __bh_symbol(kthread_parkme);
void *kthread_data(struct task_struct *task) __bh_symbol(kthread_data);
__noreturn void kthread_exit(long result) __bh_symbol(kthread_exit);
__noreturn void kthread_complete_and_exit(struct completion *done, long code) __bh_symbol(kthread_complete_and_exit);

#define do_exit(code) kthread_exit(code)
#define kthread_create(threadfn, data, namefmt, ...) \
    kthread_create_on_node(threadfn, data, -1, namefmt, ##__VA_ARGS__)
#define kthread_run(threadfn, data, namefmt, ...)                                           \
    __extension__({                                                                         \
        struct task_struct *__bh_k = kthread_create(threadfn, data, namefmt, ##__VA_ARGS__); \
        if (!IS_ERR(__bh_k)) wake_up_process(__bh_k);                                       \
        __bh_k;                                                                             \
    })
static inline struct task_struct *kthread_run_on_cpu(int (*threadfn)(void *data), void *data, unsigned int cpu,
                                                     const char *namefmt) {
    struct task_struct *task = kthread_create_on_cpu(threadfn, data, cpu, namefmt);
    if (!IS_ERR(task)) wake_up_process(task);
    return task;
}
static inline int kthread_stop_put(struct task_struct *task) { return kthread_stop(task); }
/* Accepted: freezing a machine holds workqueues back, not tasks. */
static inline bool kthread_freezable_should_stop(bool *was_frozen) {
    if (was_frozen != NULL) *was_frozen = false;
    return kthread_should_stop();
}
static inline bool try_to_freeze(void) { return false; }
static inline void set_freezable(void) {}
#endif
