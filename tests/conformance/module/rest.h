/* Waiting until nothing changes by itself any more. */
#ifndef CONFORMANCE_REST_H
#define CONFORMANCE_REST_H

#include <linux/types.h>

/* How long something may take before it counts as hung; s. */
#define PATIENCE 20

/* Waits for rest, which begins another epoch; false when it does not come. Task context, may sleep. */
bool settle(void);
/* Opens every gate, one after the other; false when the machine did not come to rest. */
bool open_all(void);

/* The device's: asks the reader of the results to say when all threads of the machine sleep. */
bool ask_for_rest(void);

#endif
