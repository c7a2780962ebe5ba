/* Tasklets: order, priorities, and that one scheduled twice runs once. */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/preempt.h>

static void say(struct tasklet_struct *t);

static DECLARE_TASKLET(first, say);
static DECLARE_TASKLET(second, say);
static DECLARE_TASKLET(urgent, say);
static DECLARE_TASKLET_DISABLED(sleeper, say);

static const char *name_of(struct tasklet_struct *t)
{
	return t == &first ? "first" : t == &second ? "second" : t == &urgent ? "urgent" : "sleeper";
}

static void say(struct tasklet_struct *t)
{
	pr_info("soft: %s, in_softirq=%d in_task=%d\n", name_of(t), !!in_serving_softirq(), in_task());
}

static int __init soft_start(void)
{
	local_bh_disable();
	tasklet_schedule(&first);
	tasklet_schedule(&sleeper);
	tasklet_schedule(&second);
	tasklet_hi_schedule(&urgent);
	tasklet_schedule(&first);
	pr_info("soft: all scheduled\n");
	local_bh_enable();
	return 0;
}

static void __exit soft_stop(void)
{
	tasklet_enable(&sleeper);
	tasklet_kill(&first);
	tasklet_kill(&second);
	tasklet_kill(&urgent);
	tasklet_kill(&sleeper);
	pr_info("soft: gone\n");
}

module_init(soft_start);
module_exit(soft_stop);
MODULE_LICENSE("Dual BSD/GPL");
