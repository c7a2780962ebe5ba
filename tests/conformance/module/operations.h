/* Operations. An operation gets the words behind its name and returns its answer; what makes no sense is -EINVAL, and
 * then nothing happened. */
#ifndef CONFORMANCE_OPERATIONS_H
#define CONFORMANCE_OPERATIONS_H

#include "text.h"
#include "words.h"

struct operation {
	const char *name;
	int (*call)(const struct words *words, struct text *text);
	bool may_block; /* and so it may be called in a task of its own */
};

/* The kernel's functions by their names; the last has no name. */
extern const struct operation work_operations[];
extern const struct operation softirq_operations[];
/* bh_on(), if bottom halves are off. */
void close_section(void);

#endif
