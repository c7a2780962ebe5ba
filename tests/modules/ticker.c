/* A timer that arms itself again, and what deleting it says. */
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/timer.h>

struct ticker {
	int ticks;
	struct timer_list timer;
};

static int period_ms = 10;
module_param(period_ms, int, 0444);
static int limit = 3;
module_param(limit, int, 0444);

static struct ticker ticker;

static void on_tick(struct timer_list *t)
{
	struct ticker *self = container_of(t, struct ticker, timer);

	pr_info("ticker: tick %d, pending %d\n", ++self->ticks, timer_pending(t));
	if (self->ticks < limit)
		mod_timer(t, jiffies + msecs_to_jiffies(period_ms));
}

static int __init ticker_start(void)
{
	timer_setup(&ticker.timer, on_tick, 0);
	pr_info("ticker: was armed %d\n", mod_timer(&ticker.timer, jiffies + msecs_to_jiffies(period_ms)));
	return 0;
}

static void __exit ticker_stop(void)
{
	pr_info("ticker: was armed at the end: %d\n", timer_delete_sync(&ticker.timer));
}

module_init(ticker_start);
module_exit(ticker_stop);
MODULE_LICENSE("Dual BSD/GPL");
