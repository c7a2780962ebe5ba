#include "interpreter.h"

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "callers.h"
#include "operations.h"
#include "rest.h"
#include "scene.h"

#define LONGEST_SLEEP 100000 /* ms */

static const struct operation own_operations[];

static const struct operation *find_operation(const char *name)
{
	const struct operation *const tables[] = { work_operations, softirq_operations, own_operations };
	int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct operation *operation;

		for (operation = tables[i]; operation->name; operation++)
			if (!strcmp(operation->name, name))
				return operation;
	}
	return NULL;
}

static int execute(const struct words *words, struct text *text)
{
	const struct operation *operation = find_operation(words->word[0]);
	const struct words arguments = rest_of(words);

	return operation ? operation->call(&arguments, text) : -ENOSYS;
}

static int execute_blocking(const struct words *words, struct text *text)
{
	const struct operation *operation = find_operation(words->word[0]);

	return operation && operation->may_block ? execute(words, text) : -EINVAL;
}

/* --- operations that look and wait --- */

static int do_settle(const struct words *words, struct text *text)
{
	return settle() ? OK : TIMEOUT;
}

static int do_open_all(const struct words *words, struct text *text)
{
	return open_all() ? OK : TIMEOUT;
}

static int do_msleep(const struct words *words, struct text *text)
{
	const int milliseconds = number(words, 0, LONGEST_SLEEP);

	if (milliseconds < 0)
		return milliseconds;
	msleep(milliseconds);
	return OK;
}

static int do_async(const struct words *words, struct text *text)
{
	return call_async(words, execute_blocking);
}

static int do_poll(const struct words *words, struct text *text)
{
	return call_poll(words, text);
}

static int do_join(const struct words *words, struct text *text)
{
	return call_join(words);
}

static int do_log(const struct words *words, struct text *text)
{
	log_take(text);
	return WRITTEN;
}

static int do_counters(const struct words *words, struct text *text)
{
	add_counters(text);
	return WRITTEN;
}

static const struct context *find_context(const struct words *words)
{
	const struct item *item = find_item(words, 1);
	const struct soft_tasklet *tasklet = find_tasklet(words, 1);
	const struct soft_timer *timer = find_timer(words, 1);

	if (!words->count)
		return NULL;
	switch (words->word[0][0]) {
	case 'w':
		return item ? &item->context : NULL;
	case 't':
		return tasklet ? &tasklet->signer.context : NULL;
	case 'm':
		return timer ? &timer->signer.context : NULL;
	default:
		return NULL;
	}
}

static int do_ctx(const struct words *words, struct text *text)
{
	const struct context *context = find_context(words);

	if (!context)
		return -EINVAL;
	add_context(text, context);
	return WRITTEN;
}

static const struct operation own_operations[] = {
	{ "settle", do_settle }, { "open_all", do_open_all }, { "msleep", do_msleep },
	{ "async", do_async },	 { "poll", do_poll },	      { "join", do_join },
	{ "log", do_log },	 { "counters", do_counters }, { "ctx", do_ctx },
	{},
};

/* --- programs --- */

static void run_operation(const char *program, int index, char *line, struct text *results)
{
	struct words words;
	int answer;

	add(results, "PROG %s OP %d %s -> ", program, index, line);
	split(&words, line);
	answer = execute(&words, results);
	add_answer(results, answer);
	add(results, "\n");
}

static void enable_tasklets(void)
{
	int i;

	for (i = 0; i < TASKLETS; i++)
		while (tasklets[i].signer.exists && atomic_read(&tasklets[i].tasklet.count))
			tasklet_enable(&tasklets[i].tasklet);
}

/* Lets everything come to its end, and takes it off the machine; false when something hangs. */
static bool finish(const char *program, struct text *results)
{
	bool rested;
	int hanging;

	close_section();
	rested = settle();
	rested = open_all() && rested;
	enable_tasklets();
	rested = settle() && rested;
	hanging = join_all();
	if (hanging >= 0) {
		add(results, "PROG %s ASYNC %d STUCK\n", program, hanging);
		return false;
	}
	rested = settle() && rested;

	add(results, "PROG %s END log -> ", program);
	log_take(results);
	add(results, "\nPROG %s END counters -> ", program);
	add_counters(results);
	add(results, "\n");
	if (!rested) {
		add(results, "PROG %s END SETTLE-TIMEOUT\n", program);
		return false;
	}
	tear_down();
	return true;
}

bool run_programs(char *programs, struct text *results)
{
	const char *program = "?";
	char *line;
	int index = 0;

	while ((line = strsep(&programs, "\n")) != NULL) {
		line = strim(line);
		if (!*line || *line == '#')
			continue;
		if (!strncmp(line, "PROG ", 5)) {
			program = line + 5;
			index = 0;
		} else if (strcmp(line, "END")) {
			run_operation(program, index++, line, results);
		} else if (!finish(program, results)) {
			return false;
		}
	}
	return true;
}
