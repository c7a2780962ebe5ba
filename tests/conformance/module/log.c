#include "log.h"

#include <linux/spinlock.h>
#include <linux/types.h>

#define CAPACITY 8192

struct start {
	u64 key; /* what it is sorted by, below */
	char kind;
	u8 id;
};

/* Held for moments by handlers in every context, on every CPU. */
static DEFINE_SPINLOCK(lock);
static struct start starts[2][CAPACITY]; /* lock: one to write to; the other is the reader's */
static unsigned int writing; /* lock: which */
static unsigned int count; /* lock */
static unsigned int lost; /* lock: starts that found no room */
static u32 epoch; /* lock */

static u64 lane_of(const struct start *start)
{
	return start->key >> 48;
}

/* Lane, number, and where no order is promised inside an epoch, epoch and id. */
static u64 key_of(enum lane lane, unsigned int number, unsigned int id)
{
	u64 key = (u64)lane << 60 | (u64)(number & 0xfff) << 48;

	if (lane == LANE_UNBOUND || lane == LANE_TIMER)
		key |= (u64)epoch << 8 | id;
	return key;
}

void log_start(enum lane lane, unsigned int number, char kind, unsigned int id)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	if (count < CAPACITY)
		starts[writing][count++] = (struct start){ key_of(lane, number, id), kind, id };
	else
		lost++;
	spin_unlock_irqrestore(&lock, flags);
}

void log_next_epoch(void)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	epoch++;
	spin_unlock_irqrestore(&lock, flags);
}

/* Stable, for equal keys stand in the order of their starts, and quick for the few starts of a program. */
static void sort_starts(struct start *first, unsigned int length)
{
	unsigned int i, at;

	for (i = 1; i < length; i++) {
		const struct start start = first[i];

		for (at = i; at > 0 && first[at - 1].key > start.key; at--)
			first[at] = first[at - 1];
		first[at] = start;
	}
}

static void add_lane(struct text *text, u64 lane)
{
	static const char letters[] = "BHUObTM";
	const char letter = letters[lane >> 12];

	if (letter == 'U')
		add(text, "U:");
	else
		add(text, "%c%u:", letter, (unsigned int)(lane & 0xfff));
}

void log_take(struct text *text)
{
	const struct start *first;
	unsigned int length, missing, i;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	first = starts[writing];
	length = count;
	missing = lost;
	writing = !writing;
	count = lost = 0;
	spin_unlock_irqrestore(&lock, flags);

	sort_starts((struct start *)first, length);
	for (i = 0; i < length; i++) {
		const bool begins = i == 0 || lane_of(&first[i]) != lane_of(&first[i - 1]);

		if (begins) {
			add(text, "%s", i ? " " : "");
			add_lane(text, lane_of(&first[i]));
		}
		add(text, "%s%c%u", begins ? "" : ",", first[i].kind, first[i].id);
	}
	if (!length)
		add(text, "-");
	if (missing)
		add(text, " (and %u more than the log holds)", missing);
}
