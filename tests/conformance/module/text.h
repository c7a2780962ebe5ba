/* Text that grows: the results. */
#ifndef CONFORMANCE_TEXT_H
#define CONFORMANCE_TEXT_H

#include <linux/compiler.h>
#include <linux/types.h>

struct text {
	char *start;
	size_t length, size;
	bool short_of_memory; /* something is missing */
};

__printf(2, 3) void add(struct text *text, const char *format, ...);
/* What an operation answered. */
void add_answer(struct text *text, int answer);
void text_clear(struct text *text);
void text_free(struct text *text);

#endif
