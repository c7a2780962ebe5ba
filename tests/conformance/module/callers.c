#include "callers.h"

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/string.h>

#include "rest.h"

/* A task on CPU 0 that does one operation at a time. */
static struct caller {
	struct task_struct *task;
	struct completion begin, end;
	bool busy; /* it has an operation, whose answer nobody has taken yet */
	bool leave;
	execute_t execute;
	struct words words;
	char line[128]; /* where the words are */
	int answer;
} callers[CALLERS];

static int serve(void *data)
{
	struct caller *caller = data;

	for (;;) {
		wait_for_completion(&caller->begin);
		if (caller->leave)
			return 0;
		caller->answer = caller->execute(&caller->words, NULL);
		complete(&caller->end);
	}
}

/* The words of the line that has the operation, which lives on when the program's text is gone. */
static bool keep_words(struct caller *caller, const struct words *words)
{
	char *end = caller->line;
	int i;

	caller->words.count = words->count;
	for (i = 0; i < words->count; i++) {
		const size_t size = strlen(words->word[i]) + 1;

		if (size > caller->line + sizeof(caller->line) - end)
			return false;
		caller->words.word[i] = memcpy(end, words->word[i], size);
		end += size;
	}
	return true;
}

static struct caller *find_caller(const struct words *words, bool busy)
{
	const int id = number(words, 0, CALLERS);

	return id < 0 || callers[id].busy != busy ? NULL : &callers[id];
}

int call_async(const struct words *words, execute_t execute)
{
	struct caller *caller = find_caller(words, false);
	const struct words operation = rest_of(words);

	if (!caller || !operation.count || !keep_words(caller, &operation))
		return -EINVAL;
	caller->execute = execute;
	caller->busy = true;
	complete(&caller->begin);
	return STARTED;
}

int call_poll(const struct words *words, struct text *text)
{
	struct caller *caller = find_caller(words, true);

	if (!caller)
		return -EINVAL;
	if (!completion_done(&caller->end))
		return BLOCKED;
	add(text, "done:");
	add_answer(text, caller->answer);
	return WRITTEN;
}

static int join(struct caller *caller)
{
	if (!wait_for_completion_timeout(&caller->end, PATIENCE * HZ))
		return STUCK;
	caller->busy = false;
	return caller->answer;
}

int call_join(const struct words *words)
{
	struct caller *caller = find_caller(words, true);

	return caller ? join(caller) : -EINVAL;
}

int join_all(void)
{
	int i;

	for (i = 0; i < CALLERS; i++)
		if (callers[i].busy && join(&callers[i]) == STUCK)
			return i;
	return -1;
}

int start_callers(void)
{
	int i;

	for (i = 0; i < CALLERS; i++) {
		struct caller *caller = &callers[i];

		init_completion(&caller->begin);
		init_completion(&caller->end);
		caller->task = kthread_create(serve, caller, "async%d", i);
		if (IS_ERR(caller->task)) {
			const int error = PTR_ERR(caller->task);

			caller->task = NULL;
			stop_callers();
			return error;
		}
		kthread_bind(caller->task, 0);
		wake_up_process(caller->task);
	}
	return 0;
}

void stop_callers(void)
{
	int i;

	for (i = 0; i < CALLERS && callers[i].task; i++) {
		if (callers[i].busy)
			continue;
		callers[i].leave = true;
		complete(&callers[i].begin);
		kthread_stop(callers[i].task);
	}
}
