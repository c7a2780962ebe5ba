/* What work items, tasklets and timers do when they run. */
#include <linux/delay.h>
#include <linux/preempt.h>
#include <linux/smp.h>

#include "scene.h"

#define TICKS_AGAIN msecs_to_jiffies(8)

static void note_context(struct context *context, int cpu, bool anywhere)
{
	*context = (struct context){
		.known = true,
		.task = in_task(),
		.softirq = in_softirq(),
		.serving = in_serving_softirq(),
		.hardirq = in_hardirq(),
		.worker = current_work() != NULL,
		.anywhere = anywhere,
		.cpu = cpu,
	};
}

struct queue *note_queue(struct item *item, struct queue *queue)
{
	struct queue *before = item->queue;

	WRITE_ONCE(item->queue, queue);
	return before;
}

bool queue_item(struct queue *queue, struct item *item)
{
	struct queue *before = note_queue(item, queue);
	const bool queued = item->delayed ? queue_delayed_work(queue->wq, &item->dwork, 0) :
					    queue_work(queue->wq, &item->work);

	if (!queued)
		note_queue(item, before);
	return queued;
}

void open_gate(struct item *item)
{
	item->open = true;
	complete_all(&item->gate);
}

void close_gate(struct item *item)
{
	item->open = false;
	reinit_completion(&item->gate);
}

static unsigned int lane_number(const struct queue *queue, int cpu)
{
	if (queue->lane == LANE_ORDERED)
		return queue - queues;
	return queue->lane == LANE_UNBOUND ? 0 : cpu;
}

static void run_item(struct work_struct *work)
{
	struct item *item = container_of(work, struct item, work);
	struct queue *queue = READ_ONCE(item->queue);
	const int cpu = raw_smp_processor_id();

	atomic_inc(&item->starts);
	log_start(queue->lane, lane_number(queue, cpu), 'w', item - items);
	note_context(&item->context, cpu, queue->anywhere);
	if (item->gated) {
		atomic_inc(&item->waiting);
		wait_for_completion(&item->gate);
		atomic_dec(&item->waiting);
	}
	if (item->sleep)
		msleep(item->sleep);
	if (item->requeue > 0) {
		item->requeue--;
		if (queue_item(queue, item))
			atomic_inc(&item->requeued);
	}
	atomic_inc(&item->dones);
}

/* Signs in the log and queues what it is to. */
static void sign(struct signer *signer, enum lane lane, char kind, int id)
{
	const int cpu = smp_processor_id();

	WRITE_ONCE(signer->runs, signer->runs + 1);
	log_start(lane, cpu, kind, id);
	note_context(&signer->context, cpu, false);
	if (signer->kickq < 0 || signer->kickq >= QUEUES || signer->kickw < 0 || signer->kickw >= WORKS)
		return;
	if (queues[signer->kickq].wq && items[signer->kickw].exists &&
	    queue_item(&queues[signer->kickq], &items[signer->kickw]))
		signer->kicks++;
}

static void run_tasklet(struct tasklet_struct *tasklet)
{
	struct soft_tasklet *soft = from_tasklet(soft, tasklet, tasklet);

	sign(&soft->signer, LANE_TASKLET, 't', soft - tasklets);
	if (soft->signer.again > 0) {
		soft->signer.again--;
		tasklet_schedule(tasklet);
	}
}

static void run_timer(struct timer_list *timer)
{
	struct soft_timer *soft = from_timer(soft, timer, timer);

	sign(&soft->signer, LANE_TIMER, 'm', soft - timers);
	if (soft->signer.again > 0) {
		soft->signer.again--;
		soft->brief = true;
		mod_timer(timer, jiffies + TICKS_AGAIN);
	}
}

void make_item(struct item *item, bool delayed, const struct options *options)
{
	*item = (struct item){
		.exists = true,
		.delayed = delayed,
		.gated = options->gate,
		.sleep = options->sleep,
		.requeue = options->requeue,
	};
	init_completion(&item->gate);
	if (delayed)
		INIT_DELAYED_WORK(&item->dwork, run_item);
	else
		INIT_WORK(&item->work, run_item);
}

static struct signer new_signer(const struct options *options, int again)
{
	return (struct signer){ .exists = true, .again = again, .kickq = options->kickq, .kickw = options->kickw };
}

void make_tasklet(struct soft_tasklet *soft, const struct options *options)
{
	soft->signer = new_signer(options, options->requeue);
	tasklet_setup(&soft->tasklet, run_tasklet);
}

void make_timer(struct soft_timer *soft, const struct options *options)
{
	*soft = (struct soft_timer){ .signer = new_signer(options, options->rearm) };
	timer_setup(&soft->timer, run_timer, TIMER_PINNED);
}
