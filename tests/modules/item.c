/* A work item on the system workqueue: what queueing returns, where it runs, that it may queue itself. */
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

static int rounds = 1;
module_param(rounds, int, 0444);
MODULE_PARM_DESC(rounds, "how often the item runs");

static int runs;

static void greet(struct work_struct *work)
{
	runs++;
	pr_info("item: run %d of %d, in_task=%d\n", runs, rounds, in_task());
	if (runs < rounds)
		pr_info("item: queued itself: %d\n", schedule_work(work));
}

static DECLARE_WORK(item, greet);

static int __init item_start(void)
{
	bool first, second;

	preempt_disable();
	first = schedule_work(&item);
	second = schedule_work(&item);
	preempt_enable();
	pr_info("item: queued %d, again %d\n", first, second);
	return 0;
}

static void __exit item_stop(void)
{
	flush_work(&item);
	pr_info("item: pending at the end: %d\n", cancel_work_sync(&item));
}

module_init(item_start);
module_exit(item_stop);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("a work item");
