/* The words of an operation. What does not make sense is -EINVAL. */
#ifndef CONFORMANCE_WORDS_H
#define CONFORMANCE_WORDS_H

#include <linux/types.h>

#define MOST_WORDS 12

/* What an operation answers: a number from 0 on, -EINVAL, -ENOSYS, or one of these. */
enum answer {
	OK = -1000, /* below every errno */
	NO_WORKQUEUE, /* "null" */
	STARTED,
	BLOCKED,
	STUCK,
	TIMEOUT, /* the machine did not come to rest */
	WRITTEN, /* the operation wrote its result itself */
};

struct words {
	int count;
	const char *word[MOST_WORDS];
};

/* The "key=value" words behind the id; 0 where there is none, -1 for an id. */
struct options {
	int gate, sleep, requeue, rearm, kickq, kickw;
};

/* Splits a line, which is changed. Words beyond the most are left out: no operation has that many. */
void split(struct words *words, char *line);
/* The words behind the first. */
struct words rest_of(const struct words *words);

/* The word there as a number from 0 to below the limit. */
int number(const struct words *words, int at, int limit);
/* The word there as a number of either sign. */
int integer(const struct words *words, int at, int *value);
/* The milliseconds there, as ticks. */
int delay(const struct words *words, int at, unsigned long *ticks);
/* The second word as flags of a workqueue: "0", or names between bars. */
int wq_flags(const struct words *words, unsigned int *flags);
int parse_options(const struct words *words, struct options *options);

#endif
