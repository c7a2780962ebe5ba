/* Operations that may block, in tasks of their own. */
#ifndef CONFORMANCE_CALLERS_H
#define CONFORMANCE_CALLERS_H

#include "operations.h"

#define CALLERS 4

/* What does an operation by its words. */
typedef int (*execute_t)(const struct words *words, struct text *text);

/* What async, poll and join answer. */
int call_async(const struct words *words, execute_t execute);
int call_poll(const struct words *words, struct text *text);
int call_join(const struct words *words);
/* Waits for all; the slot of a call that hangs, or -1. */
int join_all(void);

int start_callers(void);
/* Those that hang are left. */
void stop_callers(void);

#endif
