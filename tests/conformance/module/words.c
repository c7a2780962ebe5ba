#include "words.h"

#include <linux/ctype.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include <linux/workqueue.h>

void split(struct words *words, char *line)
{
	char *word;

	words->count = 0;
	while (words->count < MOST_WORDS && (word = strsep(&line, " \t")) != NULL)
		if (*word)
			words->word[words->count++] = word;
}

struct words rest_of(const struct words *words)
{
	struct words rest = { .count = max(words->count - 1, 0) };

	memcpy(rest.word, words->word + 1, rest.count * sizeof(rest.word[0]));
	return rest;
}

int number(const struct words *words, int at, int limit)
{
	int value;

	/* kstrtoint() would take a sign. */
	if (at >= words->count || !isdigit(words->word[at][0]) || kstrtoint(words->word[at], 10, &value))
		return -EINVAL;
	return value < limit ? value : -EINVAL;
}

int integer(const struct words *words, int at, int *value)
{
	return at < words->count && !kstrtoint(words->word[at], 10, value) ? 0 : -EINVAL;
}

int delay(const struct words *words, int at, unsigned long *ticks)
{
	int milliseconds = number(words, at, INT_MAX);

	if (milliseconds < 0)
		return milliseconds;
	*ticks = msecs_to_jiffies(milliseconds);
	return 0;
}

static int wq_flag(const char *name, size_t length)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} known[] = {
		{ "0", 0 },
		{ "UNBOUND", WQ_UNBOUND },
		{ "HIGHPRI", WQ_HIGHPRI },
		{ "CPU_INTENSIVE", WQ_CPU_INTENSIVE },
		{ "MEM_RECLAIM", WQ_MEM_RECLAIM },
		{ "FREEZABLE", WQ_FREEZABLE },
		{ "BH", WQ_BH },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (strlen(known[i].name) == length && !strncmp(known[i].name, name, length))
			return known[i].flag;
	return -EINVAL;
}

int wq_flags(const struct words *words, unsigned int *flags)
{
	const char *name, *end;
	int flag;

	if (words->count < 2)
		return -EINVAL;
	*flags = 0;
	for (name = words->word[1];; name = end + 1) {
		end = strchrnul(name, '|');
		flag = wq_flag(name, end - name);
		if (flag < 0)
			return flag;
		*flags |= flag;
		if (!*end)
			return 0;
	}
}

int parse_options(const struct words *words, struct options *options)
{
	const struct {
		const char *key;
		int *value;
	} known[] = {
		{ "gate=", &options->gate },	   { "sleep=", &options->sleep }, { "requeue=", &options->requeue },
		{ "rearm=", &options->rearm }, { "kickq=", &options->kickq }, { "kickw=", &options->kickw },
	};
	int at, i;

	*options = (struct options){ .kickq = -1, .kickw = -1 };
	for (at = 1; at < words->count; at++) {
		for (i = 0; i < ARRAY_SIZE(known); i++)
			if (!strncmp(words->word[at], known[i].key, strlen(known[i].key)))
				break;
		if (i == ARRAY_SIZE(known))
			return -EINVAL;
		if (kstrtoint(words->word[at] + strlen(known[i].key), 10, known[i].value))
			return -EINVAL;
	}
	return 0;
}
