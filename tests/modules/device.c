/* An interrupt with two bottom halves: the handler counts, a tasklet looks at once, an item may sleep over it. */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/workqueue.h>

static int irq = 7;
module_param(irq, int, 0444);

static int interrupts;

static void look(struct tasklet_struct *t)
{
	pr_info("device: tasklet sees %d\n", interrupts);
}
static DECLARE_TASKLET(soon, look);

static void digest(struct work_struct *work)
{
	msleep(1);
	pr_info("device: item sees %d\n", interrupts);
}
static DECLARE_WORK(later, digest);

static irqreturn_t on_interrupt(int line, void *dev)
{
	if (dev != &interrupts)
		return IRQ_NONE;
	interrupts++;
	pr_info("device: interrupt %d on line %d, in_hardirq=%d\n", interrupts, line, !!in_hardirq());
	tasklet_schedule(&soon);
	schedule_work(&later);
	return IRQ_HANDLED;
}

static int __init device_start(void)
{
	return request_irq(irq, on_interrupt, IRQF_SHARED, "device", &interrupts);
}

static void __exit device_stop(void)
{
	free_irq(irq, &interrupts);
	tasklet_kill(&soon);
	cancel_work_sync(&later);
	pr_info("device: released\n");
}

module_init(device_start);
module_exit(device_stop);
MODULE_LICENSE("Dual BSD/GPL");
