#include "rest.h"

#include <linux/delay.h>
#include <linux/moduleparam.h>

#include "scene.h"

static bool virtual_time;
module_param(virtual_time, bool, 0444);
MODULE_PARM_DESC(virtual_time, "time passes only while nothing else does, so that a sleep is over when all have come to rest");

/* Between two looks at something that goes on pass two ticks: the one that has begun, and one. */
#define LOOKS (PATIENCE * HZ / 2)

/* Rest is a sleep in which nothing began or ended, and at whose ends nothing goes on: what ends at the very moment at
 * which the sleep does is seen to have let others start only by the next. */
static bool sleep_until_quiet(void)
{
	int looks;

	for (looks = 0; looks < LOOKS; looks++) {
		const unsigned long before = activity();
		const bool went_on = anything_goes_on();

		if (went_on)
			schedule_timeout_uninterruptible(1);
		else
			usleep_range(1, 1);
		if (!went_on && !anything_goes_on() && activity() == before)
			return true;
	}
	return false;
}

bool settle(void)
{
	const bool rested = virtual_time ? sleep_until_quiet() : ask_for_rest();

	if (rested)
		log_next_epoch();
	return rested;
}

bool open_all(void)
{
	bool rested = true;
	int i;

	for (i = 0; i < WORKS; i++) {
		const bool held = atomic_read(&items[i].waiting) > 0;

		if (!items[i].exists || items[i].open)
			continue;
		open_gate(&items[i]);
		/* One after the other, so that the order of what each lets start is known. */
		if (held && !settle())
			rested = false;
	}
	return rested;
}
