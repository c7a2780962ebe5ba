/* Who started where, since the log was last read. An epoch goes from one settle to the next. */
#ifndef CONFORMANCE_LOG_H
#define CONFORMANCE_LOG_H

#include "text.h"

/* In the order in which the log shows them. */
enum lane { LANE_BOUND, LANE_HIGHPRI, LANE_UNBOUND, LANE_ORDERED, LANE_BH, LANE_TASKLET, LANE_TIMER };

/* A handler of the object begins; in any context. number: what stands behind the lane's letter. */
void log_start(enum lane lane, unsigned int number, char kind, unsigned int id);
void log_next_epoch(void);
/* Writes the lanes since the last call, each with its objects in the order of their starts; "-" for none. */
void log_take(struct text *text);

#endif
