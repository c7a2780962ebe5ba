#include "scene.h"

#include <linux/kernel.h>
#include <linux/string.h>

struct queue queues[QUEUES];
struct item items[WORKS];
struct soft softs[TASKLETS];
struct alarm alarms[TIMERS];

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

struct soft *find_soft(const struct words *words, int at)
{
	const int id = number(words, at, TASKLETS);

	return id < 0 || !softs[id].signer.exists ? NULL : &softs[id];
}

struct alarm *find_alarm(const struct words *words, int at)
{
	const int id = number(words, at, TIMERS);

	return id < 0 || !alarms[id].signer.exists ? NULL : &alarms[id];
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
		struct tasklet_struct *tasklet = &softs[i].tasklet;

		if (softs[i].signer.exists && test_bit(TASKLET_STATE_SCHED, &tasklet->state) &&
		    !atomic_read(&tasklet->count))
			return true;
	}
	for (i = 0; i < TIMERS; i++)
		if (alarms[i].signer.exists && alarms[i].brief && timer_pending(&alarms[i].timer))
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
		sum += READ_ONCE(softs[i].signer.runs);
	for (i = 0; i < TIMERS; i++)
		sum += READ_ONCE(alarms[i].signer.runs);
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
		if (softs[i].signer.exists)
			add(text, "%st%d=%d/%d", SPACE, i, softs[i].signer.runs, softs[i].signer.kicks);
	for (i = 0; i < TIMERS; i++)
		if (alarms[i].signer.exists)
			add(text, "%sm%d=%d/%d", SPACE, i, alarms[i].signer.runs, alarms[i].signer.kicks);
#undef SPACE
	if (text->length == before)
		add(text, "-");
}

void tear_down(void)
{
	int i;

	for (i = 0; i < TIMERS; i++)
		if (alarms[i].signer.exists)
			timer_delete_sync(&alarms[i].timer);
	for (i = 0; i < TASKLETS; i++)
		if (softs[i].signer.exists)
			tasklet_kill(&softs[i].tasklet);
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
	memset(alarms, 0, sizeof(alarms));
	memset(softs, 0, sizeof(softs));
	memset(items, 0, sizeof(items));
	memset(queues, 0, sizeof(queues));
}
