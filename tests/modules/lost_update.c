/* Two items add to a counter, one on each CPU. With locked=0 an addition can get lost, on some schedules. */
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static bool locked;
module_param(locked, bool, 0444);
static int counter;
module_param(counter, int, 0444);

static DEFINE_SPINLOCK(lock);

static void add(struct work_struct *work)
{
	int seen;

	spin_lock(&lock);
	seen = counter;
	if (!locked) {
		/* The other item may add here. */
		spin_unlock(&lock);
		spin_lock(&lock);
	}
	counter = seen + 1;
	spin_unlock(&lock);
}

static DECLARE_WORK(one, add);
static DECLARE_WORK(other, add);

static int __init lost_update_start(void)
{
	schedule_work_on(0, &one);
	schedule_work_on(1, &other);
	return 0;
}

static void __exit lost_update_stop(void)
{
	flush_work(&one);
	flush_work(&other);
	pr_info("lost_update: %d\n", counter);
}

module_init(lost_update_start);
module_exit(lost_update_stop);
MODULE_LICENSE("Dual BSD/GPL");
