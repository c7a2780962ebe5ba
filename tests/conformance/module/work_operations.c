/* Operations on workqueues and work items. Each is the kernel's function of its name. */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "operations.h"
#include "scene.h"

/* The CPUs of the recorded kernel shared one cache, so all unbound workqueues of a nice level shared one pool. */
static int one_pool(struct workqueue_struct *wq, unsigned int flags)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	int error;

	if (!attrs)
		return -ENOMEM;
	cpumask_copy(attrs->cpumask, cpu_possible_mask);
	attrs->nice = flags & WQ_HIGHPRI ? MIN_NICE : 0;
	attrs->affn_scope = WQ_AFFN_SYSTEM;
	error = apply_workqueue_attrs(wq, attrs);
	free_workqueue_attrs(attrs);
	return error;
}

static int add_queue(struct queue *queue, struct workqueue_struct *wq, unsigned int flags, bool ordered)
{
	if (!wq)
		return NO_WORKQUEUE;
	queue->wq = wq;
	queue->anywhere = ordered || flags & WQ_UNBOUND;
	if (flags & WQ_BH)
		queue->lane = LANE_BH;
	else if (queue->anywhere)
		queue->lane = ordered ? LANE_ORDERED : LANE_UNBOUND;
	else
		queue->lane = flags & WQ_HIGHPRI ? LANE_HIGHPRI : LANE_BOUND;
	return OK;
}

static int do_alloc_workqueue(const struct words *words, struct text *text)
{
	const int id = number(words, 0, QUEUES);
	struct workqueue_struct *wq;
	unsigned int flags;
	int max_active;

	if (id < 0 || queues[id].wq || wq_flags(words, &flags) || integer(words, 2, &max_active))
		return -EINVAL;
	wq = alloc_workqueue("ops%d", flags, max_active, id);
	if (wq && flags & WQ_UNBOUND && one_pool(wq, flags))
		pr_warn("workqueue ops%d keeps a pool for each cache\n", id);
	return add_queue(&queues[id], wq, flags, false);
}

static int do_alloc_ordered_workqueue(const struct words *words, struct text *text)
{
	const int id = number(words, 0, QUEUES);
	unsigned int flags;

	if (id < 0 || queues[id].wq || wq_flags(words, &flags))
		return -EINVAL;
	return add_queue(&queues[id], alloc_ordered_workqueue("ops%d", flags, id), flags, true);
}

static int do_destroy_workqueue(const struct words *words, struct text *text)
{
	struct queue *queue = find_queue(words, 0);

	if (!queue)
		return -EINVAL;
	destroy_workqueue(queue->wq);
	queue->wq = NULL;
	return OK;
}

static int do_flush_workqueue(const struct words *words, struct text *text)
{
	struct queue *queue = find_queue(words, 0);

	if (!queue)
		return -EINVAL;
	flush_workqueue(queue->wq);
	return OK;
}

static int do_drain_workqueue(const struct words *words, struct text *text)
{
	struct queue *queue = find_queue(words, 0);

	if (!queue)
		return -EINVAL;
	drain_workqueue(queue->wq);
	return OK;
}

static int new_item(const struct words *words, bool delayed)
{
	const int id = number(words, 0, WORKS);
	struct options options;

	if (id < 0 || items[id].exists || parse_options(words, &options))
		return -EINVAL;
	make_item(&items[id], delayed, &options);
	return OK;
}

static int do_init_work(const struct words *words, struct text *text)
{
	return new_item(words, false);
}

static int do_init_delayed_work(const struct words *words, struct text *text)
{
	return new_item(words, true);
}

/* The CPU that the first word is. */
static int cpu_of(const struct words *words)
{
	return number(words, 0, num_possible_cpus());
}

static int do_queue_work(const struct words *words, struct text *text)
{
	struct queue *queue = find_queue(words, 0);
	struct item *item = find_item(words, 1);

	return queue && item ? queue_item(queue, item) : -EINVAL;
}

static int do_queue_work_on(const struct words *words, struct text *text)
{
	struct queue *queue = find_queue(words, 1), *before;
	struct item *item = find_item(words, 2);
	const int cpu = cpu_of(words);
	bool queued;

	if (!queue || !item || cpu < 0)
		return -EINVAL;
	before = note_queue(item, queue);
	queued = item->delayed ? queue_delayed_work_on(cpu, queue->wq, &item->dwork, 0) :
				 queue_work_on(cpu, queue->wq, &item->work);
	if (!queued)
		note_queue(item, before);
	return queued;
}

/* cpu: that of the words, or WORK_CPU_UNBOUND. */
static int queue_delayed(struct queue *queue, struct item *item, const struct words *words, int at, int cpu)
{
	struct queue *before;
	unsigned long later;

	if (!queue || !item || cpu < 0 || delay(words, at, &later))
		return -EINVAL;
	before = note_queue(item, queue);
	if (queue_delayed_work_on(cpu, queue->wq, &item->dwork, later)) {
		item->brief = later && later < SHORT_DELAY;
		return 1;
	}
	note_queue(item, before);
	return 0;
}

static int do_queue_delayed_work(const struct words *words, struct text *text)
{
	return queue_delayed(find_queue(words, 0), find_delayed(words, 1), words, 2, WORK_CPU_UNBOUND);
}

static int do_queue_delayed_work_on(const struct words *words, struct text *text)
{
	return queue_delayed(find_queue(words, 1), find_delayed(words, 2), words, 3, cpu_of(words));
}

static int mod_delayed(struct queue *queue, struct item *item, const struct words *words, int at, int cpu)
{
	unsigned long later;

	if (!queue || !item || cpu < 0 || delay(words, at, &later))
		return -EINVAL;
	note_queue(item, queue);
	item->brief = later && later < SHORT_DELAY;
	return mod_delayed_work_on(cpu, queue->wq, &item->dwork, later);
}

static int do_mod_delayed_work(const struct words *words, struct text *text)
{
	return mod_delayed(find_queue(words, 0), find_delayed(words, 1), words, 2, WORK_CPU_UNBOUND);
}

static int do_mod_delayed_work_on(const struct words *words, struct text *text)
{
	return mod_delayed(find_queue(words, 1), find_delayed(words, 2), words, 3, cpu_of(words));
}

/* A function that returns a number, of any item, of one without a timer, of one with. */
#define ITEM_OPERATION(function)						\
	static int do_##function(const struct words *words, struct text *text)	\
	{									\
		struct item *item = find_item(words, 0);			\
										\
		return item ? function(&item->work) : -EINVAL;			\
	}
#define PLAIN_OPERATION(function)						\
	static int do_##function(const struct words *words, struct text *text)	\
	{									\
		struct item *item = find_plain(words, 0);			\
										\
		return item ? function(&item->work) : -EINVAL;			\
	}
#define DELAYED_OPERATION(function)						\
	static int do_##function(const struct words *words, struct text *text)	\
	{									\
		struct item *item = find_delayed(words, 0);			\
										\
		return item ? function(&item->dwork) : -EINVAL;			\
	}

ITEM_OPERATION(flush_work)
ITEM_OPERATION(work_pending)
ITEM_OPERATION(work_busy)
PLAIN_OPERATION(cancel_work)
PLAIN_OPERATION(cancel_work_sync)
DELAYED_OPERATION(flush_delayed_work)
DELAYED_OPERATION(cancel_delayed_work)
DELAYED_OPERATION(cancel_delayed_work_sync)
DELAYED_OPERATION(delayed_work_pending)

#define dwork_timer_pending(dwork) timer_pending(&(dwork)->timer)
DELAYED_OPERATION(dwork_timer_pending)

/* Disabling counts, and enabling what is not disabled is a mistake. */
static int disable(struct item *item, bool (*plain)(struct work_struct *), bool (*delayed)(struct delayed_work *))
{
	if (!item)
		return -EINVAL;
	item->disabled++;
	return plain ? plain(&item->work) : delayed(&item->dwork);
}

static int do_disable_work(const struct words *words, struct text *text)
{
	return disable(find_plain(words, 0), disable_work, NULL);
}

static int do_disable_work_sync(const struct words *words, struct text *text)
{
	return disable(find_plain(words, 0), disable_work_sync, NULL);
}

static int do_disable_delayed_work(const struct words *words, struct text *text)
{
	return disable(find_delayed(words, 0), NULL, disable_delayed_work);
}

static int do_disable_delayed_work_sync(const struct words *words, struct text *text)
{
	return disable(find_delayed(words, 0), NULL, disable_delayed_work_sync);
}

static int do_enable_work(const struct words *words, struct text *text)
{
	struct item *item = find_plain(words, 0);

	if (!item || !item->disabled)
		return -EINVAL;
	item->disabled--;
	return enable_work(&item->work);
}

static int do_enable_delayed_work(const struct words *words, struct text *text)
{
	struct item *item = find_delayed(words, 0);

	if (!item || !item->disabled)
		return -EINVAL;
	item->disabled--;
	return enable_delayed_work(&item->dwork);
}

static int do_open(const struct words *words, struct text *text)
{
	struct item *item = find_item(words, 0);

	if (!item)
		return -EINVAL;
	open_gate(item);
	return OK;
}

static int do_close(const struct words *words, struct text *text)
{
	struct item *item = find_item(words, 0);

	if (!item)
		return -EINVAL;
	close_gate(item);
	return OK;
}

#define CALL(name) { #name, do_##name }
#define MAY_BLOCK(name) { #name, do_##name, true }

const struct operation work_operations[] = {
	CALL(queue_work),
	CALL(queue_work_on),
	CALL(queue_delayed_work),
	CALL(queue_delayed_work_on),
	CALL(mod_delayed_work),
	CALL(mod_delayed_work_on),
	MAY_BLOCK(flush_work),
	MAY_BLOCK(flush_delayed_work),
	MAY_BLOCK(flush_workqueue),
	MAY_BLOCK(drain_workqueue),
	CALL(cancel_work),
	CALL(cancel_delayed_work),
	MAY_BLOCK(cancel_work_sync),
	MAY_BLOCK(cancel_delayed_work_sync),
	CALL(disable_work),
	CALL(disable_delayed_work),
	MAY_BLOCK(disable_work_sync),
	MAY_BLOCK(disable_delayed_work_sync),
	CALL(enable_work),
	CALL(enable_delayed_work),
	CALL(work_pending),
	CALL(delayed_work_pending),
	CALL(dwork_timer_pending),
	CALL(work_busy),
	CALL(open),
	CALL(close),
	CALL(alloc_workqueue),
	CALL(alloc_ordered_workqueue),
	MAY_BLOCK(destroy_workqueue),
	CALL(init_work),
	CALL(init_delayed_work),
	{},
};
