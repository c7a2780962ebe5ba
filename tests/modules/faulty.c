/* Faults where its parameter says. */
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

struct thing {
	long head;
	long value;
};

static char *where = "";
module_param(where, charp, 0444);
static char *how = "read";
module_param(how, charp, 0444);

static struct thing *volatile nothing; /* the compiler is not to know */
static int zero;
static size_t length = 40;
static char buffer[64];
static void (*nobody)(void);
static int worked;
module_param(worked, int, 0444);
static bool early;
module_param(early, bool, 0444);
static struct task_struct *thread;

static noinline void fault(void)
{
	if (strcmp(how, "write") == 0)
		nothing->value = 1;
	else if (strcmp(how, "call") == 0)
		nobody();
	else if (strcmp(how, "divide") == 0)
		worked = 100 / READ_ONCE(zero);
	else if (strcmp(how, "library") == 0)
		worked = *(char *)memcpy(buffer, (void *)&nothing->value, READ_ONCE(length));
	else
		worked = (int)nothing->value;
	worked++;
}

static bool here(const char *name)
{
	return strcmp(where, name) == 0;
}

static void do_work(struct work_struct *work)
{
	if (here("work"))
		fault();
	pr_info("faulty: the item went on\n");
}
static void do_more(struct work_struct *work)
{
	pr_info("faulty: the second item ran\n");
}
static void on_timer(struct timer_list *t)
{
	if (here("timer"))
		fault();
}
static void on_tasklet(struct tasklet_struct *t)
{
	if (here("tasklet"))
		fault();
}
static int in_thread(void *data)
{
	if (here("thread"))
		fault();
	return 0;
}

static DECLARE_WORK(item, do_work);
static DECLARE_DELAYED_WORK(more, do_more);
static DEFINE_TIMER(timer, on_timer);
static DECLARE_TASKLET(tasklet, on_tasklet);

/* By an interrupt, not by init: whoever loads the module is through with that before anything faults. */
static void begin(void)
{
	if (here("work"))
		schedule_work(&item);
	if (here("timer"))
		mod_timer(&timer, jiffies + 1);
	if (here("tasklet"))
		tasklet_schedule(&tasklet);
	if (here("thread"))
		wake_up_process(thread);
}
static irqreturn_t on_irq(int irq, void *dev)
{
	if (here("irq"))
		fault();
	begin();
	return IRQ_HANDLED;
}

static int __init faulty_start(void)
{
	if (here("init"))
		fault();
	schedule_delayed_work(&more, msecs_to_jiffies(50));
	thread = kthread_create(in_thread, NULL, "faulty");
	if (early)
		begin();
	return request_irq(11, on_irq, 0, "faulty", NULL);
}

static void __exit faulty_stop(void)
{
	free_irq(11, NULL);
	kthread_stop(thread);
	cancel_work_sync(&item);
	cancel_delayed_work_sync(&more);
	timer_delete_sync(&timer);
	tasklet_kill(&tasklet);
	if (here("exit"))
		fault();
	pr_info("faulty: exit was there\n");
}

module_init(faulty_start);
module_exit(faulty_stop);
MODULE_LICENSE("Dual BSD/GPL");
