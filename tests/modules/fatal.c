/* Makes the mistake that its parameter names, where its other parameter says. */
#include <linux/bug.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

static char *where = "";
module_param(where, charp, 0444);
static char *how = "bug";
module_param(how, charp, 0444);

static DEFINE_SPINLOCK(lock);
static struct hrtimer timer;
static struct task_struct *parked;

static noinline void end_it(void)
{
	if (strcmp(how, "null") == 0)
		queue_work(NULL, NULL);
	if (strcmp(how, "deadlock") == 0) {
		spin_lock(&lock);
		spin_lock(&lock);
	}
	BUG_ON(strcmp(how, "bug") == 0);
	pr_info("fatal: it went on\n");
}

static bool here(const char *name)
{
	return strcmp(where, name) == 0;
}

static void do_work(struct work_struct *work)
{
	end_it();
}
static DECLARE_WORK(item, do_work);

static enum hrtimer_restart on_time(struct hrtimer *t)
{
	if (here("hrtimer"))
		end_it();
	return HRTIMER_NORESTART;
}

static int in_thread(void *data)
{
	end_it();
	return 0;
}

static int show(struct seq_file *m, void *v)
{
	seq_puts(m, "fatal\n");
	return 0;
}

/* What is to die begins here: init has returned by then. */
static irqreturn_t on_irq(int irq, void *dev)
{
	if (here("work") || here("work and file"))
		schedule_work(&item);
	if (here("thread"))
		wake_up_process(parked);
	if (here("hrtimer"))
		hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL);
	return IRQ_HANDLED;
}

static int __init fatal_start(void)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer.function = on_time;
	if (here("init"))
		end_it();
	parked = kthread_create(in_thread, NULL, "fatal");
	if (request_irq(12, on_irq, 0, "fatal", NULL) != 0)
		return -EBUSY;
	if (here("forgotten hrtimer"))
		hrtimer_start(&timer, ms_to_ktime(3600000), HRTIMER_MODE_REL);
	if (here("forgotten file") || here("file") || here("work and file"))
		return proc_create_single("fatal", 0, NULL, show) != NULL ? 0 : -ENOMEM;
	return 0;
}

static void __exit fatal_stop(void)
{
	free_irq(12, NULL);
	kthread_stop(parked);
	if (here("file"))
		remove_proc_entry("fatal", NULL);
}

module_init(fatal_start);
module_exit(fatal_stop);
MODULE_LICENSE("Dual BSD/GPL");
