#include "text.h"

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "words.h"

#define FIRST_SIZE 65536

static bool grow(struct text *text, size_t needed)
{
	size_t size = max3(needed, 2 * text->size, (size_t)FIRST_SIZE);
	char *start = krealloc(text->start, size, GFP_ATOMIC); /* bottom halves may be off */

	if (!start) {
		text->short_of_memory = true;
		return false;
	}
	text->start = start;
	text->size = size;
	return true;
}

void add(struct text *text, const char *format, ...)
{
	int length;

	for (;;) {
		size_t room = text->size - text->length;
		va_list arguments;

		va_start(arguments, format);
		length = vsnprintf(text->start + text->length, room, format, arguments);
		va_end(arguments);
		if (length < room)
			break;
		if (!grow(text, text->length + length + 1))
			return;
	}
	text->length += length;
}

void add_answer(struct text *text, int answer)
{
	switch (answer) {
	case OK:
		return add(text, "ok");
	case NO_WORKQUEUE:
		return add(text, "null");
	case STARTED:
		return add(text, "started");
	case BLOCKED:
		return add(text, "blocked");
	case STUCK:
		return add(text, "STUCK");
	case TIMEOUT:
		return add(text, "TIMEOUT");
	case WRITTEN:
		return;
	case -EINVAL:
		return add(text, "EINVAL");
	case -ENOSYS:
		return add(text, "ENOSYS");
	default:
		return add(text, "%d", answer);
	}
}

void text_clear(struct text *text)
{
	text->length = 0;
	text->short_of_memory = false;
}

void text_free(struct text *text)
{
	kfree(text->start);
	*text = (struct text){};
}
