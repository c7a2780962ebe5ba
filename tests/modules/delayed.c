/* A delayed item that arms itself again, until exit cancels it. */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/workqueue.h>

static unsigned int delay_ms = 20;
module_param(delay_ms, uint, 0444);
static int limit = 3;
module_param(limit, int, 0444);

static struct delayed_work beat;
static unsigned long begun;
static int beats;

static void on_beat(struct work_struct *work)
{
	struct delayed_work *dwork = to_delayed_work(work);

	pr_info("delayed: beat %d, %s\n", ++beats,
		time_before(jiffies, begun + msecs_to_jiffies(delay_ms)) ? "early" : "not early");
	begun = jiffies;
	if (beats < limit)
		schedule_delayed_work(dwork, msecs_to_jiffies(delay_ms));
}

static int __init delayed_start(void)
{
	begun = jiffies;
	INIT_DELAYED_WORK(&beat, on_beat);
	pr_info("delayed: armed %d\n", schedule_delayed_work(&beat, msecs_to_jiffies(delay_ms)));
	pr_info("delayed: armed again %d\n", schedule_delayed_work(&beat, 0));
	return 0;
}

static void __exit delayed_stop(void)
{
	pr_info("delayed: was armed at the end: %d\n", cancel_delayed_work_sync(&beat));
}

module_init(delayed_start);
module_exit(delayed_stop);
MODULE_LICENSE("Dual BSD/GPL");
