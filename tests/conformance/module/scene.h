/* What a program has made so far: its workqueues, items at gates, tasklets and timers, by their ids. The task that does
 * the operations makes and removes objects; handlers run anywhere. */
#ifndef CONFORMANCE_SCENE_H
#define CONFORMANCE_SCENE_H

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "log.h"
#include "words.h"

#define QUEUES 6
#define WORKS 10
#define TASKLETS 4
#define TIMERS 4

/* Delays below that run down within a settle. */
#define SHORT_DELAY msecs_to_jiffies(1000)

/* What a handler could tell about where it ran. */
struct context {
	bool known, task, softirq, serving, hardirq, worker, anywhere;
	int cpu;
};

struct queue {
	struct workqueue_struct *wq; /* NULL: there is none of that id */
	enum lane lane;
	bool anywhere; /* its items may run on any CPU */
};

struct item {
	union {
		struct work_struct work;
		struct delayed_work dwork;
	};
	bool exists, delayed, gated, open;
	bool brief; /* the timer was armed with a short delay */
	unsigned int sleep; /* ms */
	int disabled; /* how often */
	int requeue; /* how often it is yet to queue itself */
	struct completion gate;
	struct queue *queue; /* where the pending instance was queued */
	struct context context;
	/* Counted by instances that may run beside each other. */
	atomic_t starts, dones, requeued;
	atomic_t waiting; /* at the gate */
};

/* What a tasklet and a timer have alike. */
struct signer {
	bool exists;
	int again; /* how often it is yet to schedule or arm itself */
	int kickq, kickw; /* what it queues; looked for when it runs */
	int runs, kicks;
	struct context context;
};

struct soft_tasklet {
	struct tasklet_struct tasklet;
	struct signer signer;
};

struct soft_timer {
	struct timer_list timer;
	struct signer signer;
	bool brief; /* it was armed with a short delay */
};

extern struct queue queues[QUEUES];
extern struct item items[WORKS];
extern struct soft_tasklet tasklets[TASKLETS];
extern struct soft_timer timers[TIMERS];

/* The object whose id is there, NULL: there is none. */
struct queue *find_queue(const struct words *words, int at);
struct item *find_item(const struct words *words, int at);
struct item *find_plain(const struct words *words, int at); /* without a timer */
struct item *find_delayed(const struct words *words, int at); /* with one */
struct soft_tasklet *find_tasklet(const struct words *words, int at);
struct soft_timer *find_timer(const struct words *words, int at);

void make_item(struct item *item, bool delayed, const struct options *options);
void make_tasklet(struct soft_tasklet *soft, const struct options *options);
void make_timer(struct soft_timer *soft, const struct options *options);

/* queue_work(), for a delayed item queue_delayed_work() with no delay. */
bool queue_item(struct queue *queue, struct item *item);
/* Notes the workqueue of an instance that is about to be queued; returns the one noted before. The handler may begin
 * before the queueing call returns: one that returns false puts it back. */
struct queue *note_queue(struct item *item, struct queue *queue);
void open_gate(struct item *item);
void close_gate(struct item *item);

/* Something goes on that will end by itself: a handler that is not held, a short delay, a tasklet on its way. */
bool anything_goes_on(void);
/* Moves whenever a handler began or ended. */
unsigned long activity(void);

void add_context(struct text *text, const struct context *context);
void add_counters(struct text *text);
/* Deletes timers, kills tasklets, cancels items, destroys workqueues. May sleep. */
void tear_down(void);

#endif
