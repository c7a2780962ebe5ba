/* Leaves behind what its parameter names, of the kinds that are not seen by their object's address. Nothing here is to
 * be copied. */
#define BOTTOMHALF_LEGACY_API
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wattribute-warning"
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

static char *what = "";
module_param(what, charp, 0444);

static void old_work(void *data)
{
	pr_err("forgetful: %s ran\n", (char *)data);
}
static void old_timer(unsigned long data)
{
	pr_err("forgetful: a timer fired\n");
}
static void on_softirq(void)
{
	pr_info("forgetful: softirq\n");
}
static void on_grace(struct rcu_head *head)
{
	pr_err("forgetful: a callback ran\n");
}

static bool wanted(const char *name)
{
	return strcmp(what, name) == 0;
}

static int __init forgetful_start(void)
{
	if (wanted("old item")) {
		struct work_struct *work = kmalloc(sizeof(*work), GFP_KERNEL);

		INIT_WORK(work, old_work, "an item");
		schedule_delayed_work(work, 10 * HZ);
	}
	if (wanted("old timer")) {
		struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

		setup_timer(timer, old_timer, 0);
		mod_timer(timer, jiffies + 10 * HZ);
	}
	if (wanted("softirq")) {
		open_softirq(BLOCK_SOFTIRQ, on_softirq);
		local_bh_disable();
		raise_softirq(BLOCK_SOFTIRQ);
		local_bh_enable();
	}
	if (wanted("callback")) {
		struct rcu_head *head = kmalloc(sizeof(*head), GFP_KERNEL);

		/* Its section is never left. */
		rcu_read_lock();
		call_rcu(head, on_grace);
	}
	return 0;
}

static void __exit forgetful_stop(void)
{
}

static int set_checked(const char *value, const struct kernel_param *kp)
{
	if (strcmp(value, "null") == 0)
		*(volatile int *)NULL = 1;
	return param_set_int(value, kp);
}
static int get_checked(char *buffer, const struct kernel_param *kp)
{
	if (*(int *)kp->arg == 13)
		*(volatile int *)NULL = 1;
	return param_get_int(buffer, kp);
}
static const struct kernel_param_ops checked_ops = {.set = set_checked, .get = get_checked};
static int checked;
static unsigned int plain;
module_param_cb(plain, &param_ops_uint, &plain, 0644);
static int called;
static int call_set(const char *value, const struct kernel_param *kp)
{
	++called;
	return param_set_int(value, kp);
}
static int by_call;
module_param_call(by_call, call_set, param_get_int, &by_call, 0644);
module_param_cb(checked, &checked_ops, &checked, 0644);

module_init(forgetful_start);
module_exit(forgetful_stop);
MODULE_LICENSE("Dual BSD/GPL");
