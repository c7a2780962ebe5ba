/* Operations on tasklets, timers and bottom halves. Each is the kernel's function of its name. */
#include <linux/bottom_half.h>
#include <linux/errno.h>
#include <linux/minmax.h>

#include "operations.h"
#include "scene.h"

/* A void function of a tasklet's, by its name. */
#define TASKLET_OPERATION(function)						\
	static int do_##function(const struct words *words, struct text *text)	\
	{									\
		struct soft_tasklet *soft = find_tasklet(words, 0);		\
										\
		if (!soft)							\
			return -EINVAL;						\
		function(&soft->tasklet);					\
		return OK;							\
	}
/* A function of a timer's that returns a bool. */
#define TIMER_OPERATION(function)						\
	static int do_##function(const struct words *words, struct text *text)	\
	{									\
		struct soft_timer *soft = find_timer(words, 0);			\
										\
		return soft ? function(&soft->timer) : -EINVAL;			\
	}

TASKLET_OPERATION(tasklet_schedule)
TASKLET_OPERATION(tasklet_hi_schedule)
TASKLET_OPERATION(tasklet_disable)
TASKLET_OPERATION(tasklet_disable_nosync)
TASKLET_OPERATION(tasklet_kill)
TIMER_OPERATION(del_timer)
TIMER_OPERATION(del_timer_sync)
TIMER_OPERATION(timer_shutdown_sync)
TIMER_OPERATION(timer_pending)

static int do_tasklet_init(const struct words *words, struct text *text)
{
	const int id = number(words, 0, TASKLETS);
	struct options options;

	if (id < 0 || tasklets[id].signer.exists || parse_options(words, &options))
		return -EINVAL;
	make_tasklet(&tasklets[id], &options);
	return OK;
}

static int do_tasklet_enable(const struct words *words, struct text *text)
{
	struct soft_tasklet *soft = find_tasklet(words, 0);

	if (!soft || !atomic_read(&soft->tasklet.count))
		return -EINVAL;
	tasklet_enable(&soft->tasklet);
	return OK;
}

static int do_tasklet_state(const struct words *words, struct text *text)
{
	struct soft_tasklet *soft = find_tasklet(words, 0);

	if (!soft)
		return -EINVAL;
	add(text, "sched=%d count=%d", test_bit(TASKLET_STATE_SCHED, &soft->tasklet.state),
	    atomic_read(&soft->tasklet.count));
	return WRITTEN;
}

static int do_timer_setup(const struct words *words, struct text *text)
{
	const int id = number(words, 0, TIMERS);
	struct options options;

	if (id < 0 || timers[id].signer.exists || parse_options(words, &options))
		return -EINVAL;
	make_timer(&timers[id], &options);
	return OK;
}

static int do_mod_timer(const struct words *words, struct text *text)
{
	struct soft_timer *soft = find_timer(words, 0);
	unsigned long later;

	if (!soft || delay(words, 1, &later))
		return -EINVAL;
	soft->brief = later < SHORT_DELAY;
	return mod_timer(&soft->timer, jiffies + later);
}

static int do_mod_timer_pending(const struct words *words, struct text *text)
{
	struct soft_timer *soft = find_timer(words, 0);
	unsigned long later;

	if (!soft || delay(words, 1, &later))
		return -EINVAL;
	if (timer_pending(&soft->timer))
		soft->brief = later < SHORT_DELAY;
	return mod_timer_pending(&soft->timer, jiffies + later);
}

static int do_timer_reduce(const struct words *words, struct text *text)
{
	struct soft_timer *soft = find_timer(words, 0);
	unsigned long later;

	if (!soft || delay(words, 1, &later))
		return -EINVAL;
	/* The shorter delay stays. */
	soft->brief = later < SHORT_DELAY || (soft->brief && timer_pending(&soft->timer));
	return timer_reduce(&soft->timer, jiffies + later);
}

static bool section; /* bottom halves are off */

static int do_bh_off(const struct words *words, struct text *text)
{
	if (section)
		return -EINVAL;
	section = true;
	local_bh_disable();
	return OK;
}

static int do_bh_on(const struct words *words, struct text *text)
{
	if (!section)
		return -EINVAL;
	close_section();
	return OK;
}

void close_section(void)
{
	if (!section)
		return;
	section = false;
	local_bh_enable();
}

#define CALL(name) { #name, do_##name }
#define MAY_BLOCK(name) { #name, do_##name, true }

const struct operation softirq_operations[] = {
	CALL(tasklet_init),	CALL(tasklet_schedule),	    CALL(tasklet_hi_schedule),
	CALL(tasklet_disable),	CALL(tasklet_disable_nosync), CALL(tasklet_enable),
	CALL(tasklet_state),	MAY_BLOCK(tasklet_kill),    CALL(timer_setup),
	CALL(mod_timer),	CALL(mod_timer_pending),    CALL(timer_reduce),
	CALL(del_timer),	CALL(del_timer_sync),	    CALL(timer_shutdown_sync),
	CALL(timer_pending),	CALL(bh_off),		    CALL(bh_on),
	{},
};
