/* A workqueue of the module's own, ordered, with jobs from the heap that free themselves. */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

struct job {
	int number;
	struct work_struct work;
};

static int jobs = 4;
module_param(jobs, int, 0444);

static struct workqueue_struct *queue;

static void do_job(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);

	pr_info("dedicated: job %d\n", job->number);
	kfree(job);
}

static int __init dedicated_start(void)
{
	int i;

	queue = alloc_ordered_workqueue("jobs", 0);
	if (!queue)
		return -ENOMEM;
	for (i = 0; i < jobs; i++) {
		struct job *job = kmalloc(sizeof(*job), GFP_KERNEL);

		if (!job)
			break;
		job->number = i;
		INIT_WORK(&job->work, do_job);
		queue_work(queue, &job->work);
	}
	return 0;
}

static void __exit dedicated_stop(void)
{
	destroy_workqueue(queue);
	pr_info("dedicated: all done\n");
}

module_init(dedicated_start);
module_exit(dedicated_stop);
MODULE_LICENSE("Dual BSD/GPL");
