/* A kernel thread that waits for something to do and for the end. */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

static DECLARE_WAIT_QUEUE_HEAD(bell);
static DECLARE_COMPLETION(served);
static int rings;
static struct task_struct *servant;

static int serve(void *unused)
{
	int seen = 0;

	while (!kthread_should_stop()) {
		wait_event_interruptible(bell, READ_ONCE(rings) != seen || kthread_should_stop());
		if (READ_ONCE(rings) == seen)
			continue;
		seen = READ_ONCE(rings);
		pr_info("thread: %s answers ring %d\n", current->comm, seen);
		complete(&served);
	}
	return 42;
}

static void ring(struct work_struct *work)
{
	rings++;
	wake_up_interruptible(&bell);
}
static DECLARE_WORK(ringer, ring);

static int __init thread_start(void)
{
	servant = kthread_run(serve, NULL, "servant");
	if (IS_ERR(servant))
		return PTR_ERR(servant);
	schedule_work(&ringer);
	wait_for_completion(&served);
	return 0;
}

static void __exit thread_stop(void)
{
	cancel_work_sync(&ringer);
	pr_info("thread: returned %d\n", kthread_stop(servant));
}

module_init(thread_start);
module_exit(thread_stop);
MODULE_LICENSE("Dual BSD/GPL");
