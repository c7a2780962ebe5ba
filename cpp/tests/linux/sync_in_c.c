/* Completions, wait queues, locks and tasks of a module's own. */
#include <linux/circ_buf.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kfifo.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/semaphore.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "check.h"

static DECLARE_COMPLETION(declared_completion);
int c_completions(void);
int c_completions(void) {
    DECLARE_COMPLETION_ONSTACK(on_stack);
    CHECK(!completion_done(&declared_completion) && !try_wait_for_completion(&declared_completion));
    CHECK(wait_for_completion_timeout(&declared_completion, 2) == 0);
    complete(&declared_completion);
    CHECK(declared_completion.done == 1);
    CHECK(wait_for_completion_timeout(&declared_completion, HZ) > 0);
    complete_all(&on_stack);
    wait_for_completion(&on_stack);
    CHECK(wait_for_completion_interruptible(&on_stack) == 0 && completion_done(&on_stack));
    reinit_completion(&on_stack);
    CHECK(!completion_done(&on_stack));
    return 0;
}

static DECLARE_WAIT_QUEUE_HEAD(declared_queue);
static int condition;
static int waker(void *data) {
    msleep(2);
    WRITE_ONCE(condition, 1);
    if (data == NULL)
        wake_up_interruptible(&declared_queue);
    else
        wake_up((wait_queue_head_t *)data);
    return 17;
}
int c_wait_queues(void);
int c_wait_queues(void) {
    wait_queue_head_t own;
    struct task_struct *task;
    DEFINE_WAIT(by_hand);
    DECLARE_WAITQUEUE(old_style, current);
    init_waitqueue_head(&own);
    condition = 0;
    CHECK(wait_event_interruptible_timeout(own, READ_ONCE(condition), 2) == 0);
    CHECK(wait_event_timeout(own, true, 5) == 5);
    task = kthread_run(waker, NULL, "waker/%d", 1);
    CHECK(!IS_ERR(task));
    CHECK(wait_event_interruptible(declared_queue, READ_ONCE(condition) != 0) == 0);
    CHECK(kthread_stop(task) == 17);
    condition = 0;
    task = kthread_run(waker, &own, "waker2");
    while (!READ_ONCE(condition)) {
        prepare_to_wait(&own, &by_hand, TASK_UNINTERRUPTIBLE);
        if (!READ_ONCE(condition)) schedule();
    }
    finish_wait(&own, &by_hand);
    kthread_stop(task);
    condition = 0;
    task = kthread_run(waker, &own, "waker3");
    add_wait_queue(&own, &old_style);
    for (;;) {
        set_current_state(TASK_INTERRUPTIBLE);
        if (READ_ONCE(condition)) break;
        schedule();
    }
    set_current_state(TASK_RUNNING);
    remove_wait_queue(&own, &old_style);
    CHECK(!waitqueue_active(&own));
    kthread_stop(task);
    condition = 0;
    task = kthread_run(waker, &own, "waker4");
    wait_event(own, READ_ONCE(condition));
    kthread_stop(task);
    return 0;
}

static int until_stopped(void *data) {
    int *turns = (int *)data;
    while (!kthread_should_stop()) {
        ++*turns;
        set_current_state(TASK_INTERRUPTIBLE);
        if (!kthread_should_stop()) schedule_timeout(1);
        __set_current_state(TASK_RUNNING);
    }
    return *turns > 0 ? 5 : 0;
}
static int ends_itself(void *data) {
    complete_and_exit((struct completion *)data, 3);
    return 0;
}
int c_kthreads(void);
int c_kthreads(void) {
    int turns = 0;
    DECLARE_COMPLETION_ONSTACK(ended);
    struct task_struct *task = kthread_create(until_stopped, &turns, "never-run");
    CHECK(!IS_ERR(task));
    CHECK(kthread_stop(task) == -EINTR && turns == 0);
    task = kthread_create(until_stopped, &turns, "bound/%d", 1);
    kthread_bind(task, 1);
    CHECK(wake_up_process(task) == 1);
    CHECK(strcmp(task->comm, "bound/1") == 0 && task->pid > 0);
    while (READ_ONCE(turns) < 2) msleep(1);
    CHECK(task_cpu(task) == 1);
    CHECK(kthread_stop(task) == 5);
    task = kthread_run(ends_itself, &ended, "ends");
    wait_for_completion(&ended);
    CHECK(kthread_stop(task) == 3);
    return 0;
}

static DEFINE_SPINLOCK(declared_lock);
static DEFINE_MUTEX(declared_mutex);
static DEFINE_RWLOCK(declared_rwlock);
static DECLARE_RWSEM(declared_rwsem);
static DEFINE_SEMAPHORE(declared_semaphore, 2);
static DEFINE_SEQLOCK(declared_seqlock);
enum { TURNS = 200 };
static int guarded[4]; /* each by one kind of lock */
static atomic_t adders_done;
static int adder(void *data) {
    (void)data;
    for (int i = 0; i < TURNS; ++i) {
        unsigned long flags;
        spin_lock_irqsave(&declared_lock, flags);
        ++guarded[0];
        spin_unlock_irqrestore(&declared_lock, flags);
        mutex_lock(&declared_mutex);
        ++guarded[1];
        mutex_unlock(&declared_mutex);
        write_lock(&declared_rwlock);
        ++guarded[2];
        write_unlock(&declared_rwlock);
        down_write(&declared_rwsem);
        ++guarded[3];
        up_write(&declared_rwsem);
        cond_resched();
    }
    atomic_inc(&adders_done);
    return 0;
}
/* Threads that ended by themselves, each with an address of its own until it is stopped. */
static DECLARE_COMPLETION(begun); /* one that is stopped before has another result */
static int ends_at_once(void *data) {
    complete(&begun);
    return (int)(long)data;
}
int c_kthreads_that_ended(void);
int c_kthreads_that_ended(void) {
    struct task_struct *ended[8], *many;
    for (long i = 0; i < 8; ++i) {
        ended[i] = kthread_run(ends_at_once, (void *)i, "ended/%ld", i);
        CHECK(!IS_ERR(ended[i]));
        wait_for_completion(&begun);
        msleep(1);
    }
    for (int i = 0; i < 8; ++i) CHECK(kthread_stop(ended[i]) == i);
    for (int i = 0; i < 600; ++i) {
        many = kthread_run(ends_at_once, NULL, "many");
        CHECK(!IS_ERR(many));
    }
    for (int i = 0; i < 600; ++i) wait_for_completion(&begun);
    CHECK(kthread_stop(many) == 0);
    return 0;
}

int c_locks(void);
int c_locks(void) {
    struct task_struct *tasks[3];
    spinlock_t *zeroed = kzalloc(sizeof(*zeroed), GFP_KERNEL);
    unsigned sequence;
    spin_lock_bh(&declared_lock);
    CHECK(in_softirq() && in_atomic() && spin_is_locked(&declared_lock) && preempt_count() == 0x201);
    spin_unlock_bh(&declared_lock);
    spin_lock_irq(&declared_lock);
    CHECK(irqs_disabled() && preempt_count() == 1);
    spin_unlock_irq(&declared_lock);
    spin_lock(zeroed);
    CHECK(spin_trylock_bh(&declared_lock));
    spin_unlock_bh(&declared_lock);
    spin_unlock(zeroed);
    kfree(zeroed);
    CHECK(mutex_trylock(&declared_mutex) && mutex_is_locked(&declared_mutex));
    mutex_unlock(&declared_mutex);
    CHECK(mutex_lock_interruptible(&declared_mutex) == 0);
    mutex_unlock(&declared_mutex);
    down(&declared_semaphore);
    CHECK(down_interruptible(&declared_semaphore) == 0 && down_trylock(&declared_semaphore) == 1);
    CHECK(down_timeout(&declared_semaphore, 1) == -ETIME);
    up(&declared_semaphore);
    up(&declared_semaphore);
    read_lock(&declared_rwlock);
    CHECK(read_trylock(&declared_rwlock) && !write_trylock(&declared_rwlock));
    read_unlock(&declared_rwlock);
    read_unlock(&declared_rwlock);
    down_read(&declared_rwsem);
    CHECK(!down_write_trylock(&declared_rwsem) && rwsem_is_locked(&declared_rwsem));
    up_read(&declared_rwsem);
    sequence = read_seqbegin(&declared_seqlock);
    write_seqlock(&declared_seqlock);
    write_sequnlock(&declared_seqlock);
    CHECK(read_seqretry(&declared_seqlock, sequence));
    memset(guarded, 0, sizeof(guarded));
    atomic_set(&adders_done, 0);
    for (int i = 0; i < 3; ++i) tasks[i] = kthread_run(adder, NULL, "adder/%d", i);
    while (atomic_read(&adders_done) < 3) msleep(1);
    for (int i = 0; i < 3; ++i) CHECK(kthread_stop(tasks[i]) == 0);
    for (int i = 0; i < 4; ++i) CHECK(guarded[i] == 3 * TURNS);
    return 0;
}

static DEFINE_PER_CPU(int, per_cpu_number) = 3;
static DEFINE_KFIFO(declared_fifo, int, 4);
struct counted {
    struct kref ref;
    int released;
};
static struct completion thread_over;
static int completes_and_exits(void *data) {
    (void)data;
    kthread_complete_and_exit(&thread_over, 5);
}
static void exits(struct work_struct *work) {
    (void)work;
    kthread_exit(0);
}
int c_kthread_that_ends_itself(void);
int c_kthread_that_ends_itself(void) {
    DECLARE_RWSEM(sem);
    DEFINE_MUTEX(mutex);
    struct work_struct work;
    init_completion(&thread_over);
    CHECK(!IS_ERR(kthread_run(completes_and_exits, NULL, "leaves")));
    wait_for_completion(&thread_over);
    INIT_WORK(&work, exits); /* a worker is not the module's to end */
    schedule_work(&work);
    flush_work(&work);
    mutex_lock(&mutex);
    CHECK(lockdep_is_held(&mutex) && !lockdep_is_held(&sem));
    mutex_unlock(&mutex);
    down_read(&sem);
    lockdep_assert_held(&sem);
    up_read(&sem);
    up_read(&sem); /* warns */
    CHECK(!rwsem_is_locked(&sem) && down_write_trylock(&sem));
    up_write(&sem);
    return 0;
}

static void release(struct kref *ref) { container_of(ref, struct counted, ref)->released = 1; }
int c_containers(void);
int c_containers(void) {
    int *dynamic = alloc_percpu(int), cpu, value = 0;
    unsigned char bytes[4] = {0};
    struct kfifo allocated;
    struct counted counted = {.released = 0};
    for_each_possible_cpu(cpu) {
        CHECK(per_cpu(per_cpu_number, cpu) == 3);
        per_cpu(per_cpu_number, cpu) = cpu;
        *per_cpu_ptr(dynamic, cpu) = 10 + cpu;
    }
    CHECK(per_cpu(per_cpu_number, 1) == 1 && *per_cpu_ptr(dynamic, 1) == 11);
    per_cpu(per_cpu_number, 0) = per_cpu(per_cpu_number, 1) = 3;
    this_cpu_inc(per_cpu_number);
    CHECK(get_cpu_var(per_cpu_number) == 4);
    put_cpu_var(per_cpu_number);
    this_cpu_dec(per_cpu_number);
    free_percpu(dynamic);
    for (int i = 0; i < 5; ++i) kfifo_put(&declared_fifo, i);
    CHECK(kfifo_is_full(&declared_fifo) && kfifo_len(&declared_fifo) == 4);
    CHECK(kfifo_peek(&declared_fifo, &value) && value == 0);
    for (int i = 0; i < 4; ++i) CHECK(kfifo_get(&declared_fifo, &value) && value == i);
    CHECK(kfifo_is_empty(&declared_fifo));
    CHECK(kfifo_alloc(&allocated, 100, GFP_KERNEL) == 0 && kfifo_size(&allocated) == 128);
    CHECK(kfifo_in(&allocated, "abc", 3) == 3 && kfifo_out(&allocated, bytes, sizeof(bytes)) == 3);
    CHECK(bytes[2] == 'c');
    kfifo_free(&allocated);
    CHECK(CIRC_CNT(5, 2, 8) == 3 && CIRC_SPACE(5, 2, 8) == 4 && CIRC_CNT_TO_END(1, 6, 8) == 2);
    kref_init(&counted.ref);
    kref_get(&counted.ref);
    CHECK(!kref_put(&counted.ref, release) && kref_put(&counted.ref, release) && counted.released);
    CHECK(get_random_u32_below(10) < 10);
    return 0;
}
