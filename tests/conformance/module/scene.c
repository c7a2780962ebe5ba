#include "scene.h"

#include <linux/kernel.h>
#include <linux/string.h>

struct queue queues[QUEUES];
struct item items[WORKS];
struct soft_tasklet tasklets[TASKLETS];
struct soft_timer timers[TIMERS];

struct queue *find_queue(const struct words *words, int at)
{
	const int id = number(words, at, QUEUES);

	return id < 0 || !queues[id].wq ? NULL : &queues[id];
}

struct item *find_item(const struct words *words, int at)
{
	const int id = number(words, at, WORKS);

	return id < 0 || !items[id].exists ? NULL : &items[id];
}

struct item *find_plain(const struct words *words, int at)
{
	struct item *item = find_item(words, at);

	return item && !item->delayed ? item : NULL;
}

struct item *find_delayed(const struct words *words, int at)
{
	struct item *item = find_item(words, at);

	return item && item->delayed ? item : NULL;
}

struct soft_tasklet *find_tasklet(const struct words *words, int at)
{
	const int id = number(words, at, TASKLETS);

	return id < 0 || !tasklets[id].signer.exists ? NULL : &tasklets[id];
}

struct soft_timer *find_timer(const struct words *words, int at)
{
	const int id = number(words, at, TIMERS);

	return id < 0 || !timers[id].signer.exists ? NULL : &timers[id];
}

static bool held_or_over(struct item *item)
{
	const int held = item->open ? 0 : atomic_read(&item->waiting);

	return atomic_read(&item->starts) - atomic_read(&item->dones) == held;
}

bool anything_goes_on(void)
{
	int i;

	for (i = 0; i < WORKS; i++) {
		struct item *item = &items[i];

		if (item->exists && (!held_or_over(item) || (item->brief && timer_pending(&item->dwork.timer))))
			return true;
	}
	for (i = 0; i < TASKLETS; i++) {
		struct tasklet_struct *tasklet = &tasklets[i].tasklet;

		if (tasklets[i].signer.exists && test_bit(TASKLET_STATE_SCHED, &tasklet->state) &&
		    !atomic_read(&tasklet->count))
			return true;
	}
	for (i = 0; i < TIMERS; i++)
		if (timers[i].signer.exists && timers[i].brief && timer_pending(&timers[i].timer))
			return true;
	return false;
}

unsigned long activity(void)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < WORKS; i++)
		sum += atomic_read(&items[i].starts) + atomic_read(&items[i].dones);
	for (i = 0; i < TASKLETS; i++)
		sum += READ_ONCE(tasklets[i].signer.runs);
	for (i = 0; i < TIMERS; i++)
		sum += READ_ONCE(timers[i].signer.runs);
	return sum;
}

void add_context(struct text *text, const struct context *context)
{
	if (!context->known)
		return add(text, "never");
	add(text, "task=%d softirq=%d serving=%d hardirq=%d wqworker=%d cpu=", context->task, context->softirq,
	    context->serving, context->hardirq, context->worker);
	if (context->anywhere)
		add(text, "*");
	else
		add(text, "%d", context->cpu);
}

void add_counters(struct text *text)
{
	const size_t before = text->length;
	int i;

#define SPACE (text->length > before ? " " : "")
	for (i = 0; i < WORKS; i++)
		if (items[i].exists)
			add(text, "%sw%d=%d/%d/%d", SPACE, i, atomic_read(&items[i].starts),
			    atomic_read(&items[i].dones), atomic_read(&items[i].requeued));
	for (i = 0; i < TASKLETS; i++)
		if (tasklets[i].signer.exists)
			add(text, "%st%d=%d/%d", SPACE, i, tasklets[i].signer.runs, tasklets[i].signer.kicks);
	for (i = 0; i < TIMERS; i++)
		if (timers[i].signer.exists)
			add(text, "%sm%d=%d/%d", SPACE, i, timers[i].signer.runs, timers[i].signer.kicks);
#undef SPACE
	if (text->length == before)
		add(text, "-");
}

void tear_down(void)
{
	int i;

	for (i = 0; i < TIMERS; i++)
		if (timers[i].signer.exists)
			timer_delete_sync(&timers[i].timer);
	for (i = 0; i < TASKLETS; i++)
		if (tasklets[i].signer.exists)
			tasklet_kill(&tasklets[i].tasklet);
	for (i = 0; i < WORKS; i++) {
		if (!items[i].exists)
			continue;
		items[i].requeue = 0;
		if (items[i].delayed)
			cancel_delayed_work_sync(&items[i].dwork);
		else
			cancel_work_sync(&items[i].work);
	}
	for (i = 0; i < QUEUES; i++)
		if (queues[i].wq)
			destroy_workqueue(queues[i].wq);
	memset(timers, 0, sizeof(timers));
	memset(tasklets, 0, sizeof(tasklets));
	memset(items, 0, sizeof(items));
	memset(queues, 0, sizeof(queues));
}
