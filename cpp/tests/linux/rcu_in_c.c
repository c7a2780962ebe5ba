/* Callbacks after a grace period, through <linux/rcupdate.h>. */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "check.h"

struct item {
    struct list_head list;
    int number;
    struct rcu_head rcu;
};
static atomic_t freed = ATOMIC_INIT(0);
static int in_order, in_softirqs, again;
static struct completion last_of_chain;

static void free_item(struct rcu_head *head) {
    struct item *i = container_of(head, struct item, rcu);
    in_order += i->number == atomic_read(&freed);
    in_softirqs += in_serving_softirq() && !in_task();
    atomic_inc(&freed);
    kfree(i);
}
static struct item *new_item(int number) {
    struct item *i = kzalloc(sizeof(*i), GFP_KERNEL);
    i->number = number;
    return i;
}

int c_rcu_callbacks(void);
int c_rcu_callbacks(void) {
    LIST_HEAD(items);
    struct item *i, *next;
    int n = 0;
    atomic_set(&freed, 0);
    in_order = in_softirqs = 0;
    for (n = 0; n < 5; ++n) list_add_tail_rcu(&new_item(n)->list, &items);
    n = 0;
    rcu_read_lock();
    list_for_each_entry_rcu(i, &items, list) n += i->number;
    CHECK(n == 10 && rcu_read_lock_held());
    list_for_each_entry_safe(i, next, &items, list) {
        list_del_rcu(&i->list);
        call_rcu(&i->rcu, free_item);
    }
    CHECK(atomic_read(&freed) == 0);
    local_bh_disable(); /* not even where nothing is in the way does the caller run them */
    rcu_read_unlock();
    CHECK(atomic_read(&freed) == 0);
    i = new_item(5);
    call_rcu(&i->rcu, free_item);
    CHECK(atomic_read(&freed) == 0);
    local_bh_enable();
    rcu_barrier();
    CHECK(atomic_read(&freed) == 6 && in_order == 6 && in_softirqs == 6);
    rcu_barrier();
    i = new_item(6);
    kfree_rcu(i, rcu);
    synchronize_rcu();
    return 0;
}

static void call_again(struct rcu_head *head) {
    if (--again > 0)
        call_rcu(head, call_again);
    else
        complete(&last_of_chain);
}
int c_rcu_callback_that_calls_again(void);
int c_rcu_callback_that_calls_again(void) {
    struct rcu_head head;
    init_completion(&last_of_chain);
    again = 50;
    call_rcu(&head, call_again);
    wait_for_completion(&last_of_chain);
    rcu_barrier();
    return 0;
}
