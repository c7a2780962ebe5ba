/* Runs programs: their operations one after the other, and what comes at the end of each. */
#ifndef CONFORMANCE_INTERPRETER_H
#define CONFORMANCE_INTERPRETER_H

#include "text.h"


/* Runs the programs of a text, which is changed, and adds their result lines. To be called by one task on CPU 0.
 * False: something hangs, and the machine cannot be used any more. May sleep. */
bool run_programs(char *programs, struct text *results);

#endif
