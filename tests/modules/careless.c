/* Leaves behind what its parameter names. Nothing here is to be copied. */
#include <linux/delay.h>
#include <linux/gpio.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

static char *what = "";
module_param(what, charp, 0444);
static int asleep; /* how many sleepers there are: to be read */
module_param(asleep, int, 0444);

static void do_work(struct work_struct *work)
{
	pr_err("careless: an item ran\n");
}
static void do_sleep(struct work_struct *work)
{
	WRITE_ONCE(asleep, asleep + 1);
	msleep(100000);
	pr_err("careless: a sleeper came back\n");
}
static void on_timer(struct timer_list *t)
{
	pr_err("careless: a timer fired\n");
}
static void on_tasklet(struct tasklet_struct *t)
{
	pr_err("careless: a tasklet ran\n");
}
static irqreturn_t on_irq(int irq, void *dev)
{
	pr_err("careless: an interrupt came\n");
	return IRQ_HANDLED;
}

static void on_irq_work(struct irq_work *work)
{
	pr_err("careless: an irq_work ran\n");
}

static DECLARE_WORK(item, do_work);
static DECLARE_WORK(sleeper, do_sleep);
static DECLARE_DELAYED_WORK(later, do_work);
static DEFINE_TIMER(timer, on_timer);
static DECLARE_TASKLET_DISABLED(tasklet, on_tasklet);
static DECLARE_TASKLET(held, on_tasklet);
static DEFINE_IRQ_WORK(irq_work, on_irq_work);
static struct workqueue_struct *queue;

static bool wanted(const char *name)
{
	return strcmp(what, name) == 0;
}

static int __init careless_start(void)
{
	if (wanted("delayed"))
		schedule_delayed_work(&later, 10 * HZ);
	if (wanted("heap")) {
		struct delayed_work *dwork = kzalloc(sizeof(*dwork), GFP_KERNEL);

		INIT_DELAYED_WORK(dwork, do_work);
		schedule_delayed_work(dwork, 10 * HZ);
	}
	if (wanted("timer"))
		mod_timer(&timer, jiffies + 10 * HZ);
	if (wanted("tasklet"))
		tasklet_schedule(&tasklet);
	if (wanted("locked tasklet") && tasklet_trylock(&held))
		tasklet_schedule(&held);
	if (wanted("irq_work"))
		irq_work_queue_on(&irq_work, 1);
	if (wanted("worker"))
		kthread_create_worker(0, "servant/%d", 1);
	if (wanted("irq"))
		return request_irq(9, on_irq, 0, "careless", NULL);
	if (wanted("gpio"))
		return gpio_request(3, "careless");
	if (wanted("running"))
		schedule_work(&sleeper);
	if (wanted("item")) {
		/* The one place of an ordered workqueue is taken. */
		queue = alloc_ordered_workqueue("careless", 0);
		queue_work(queue, &sleeper);
		queue_work(queue, &item);
	}
	if (wanted("failure")) {
		schedule_delayed_work(&later, 10 * HZ);
		return -ENODEV;
	}
	return 0;
}

static void __exit careless_stop(void)
{
}

module_init(careless_start);
module_exit(careless_stop);
MODULE_LICENSE("Dual BSD/GPL");
