/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/audit/lines.h"

#include <string.h>

/* The part of a line that ends here. */
static void end_line(struct lines *lines, const char *part, size_t size,
	void (*visit)(void *context, const char *line, size_t size), void *context)
{
	if (lines->skipping || lines->n_kept + size > RECORD_LINE_MAX) {
		visit(context, NULL, 0);
	} else if (lines->n_kept == 0) {
		visit(context, part, size);
	} else {
		memcpy(lines->kept + lines->n_kept, part, size);
		visit(context, lines->kept, lines->n_kept + size);
	}
	lines->n_kept = 0;
	lines->skipping = false;
}

void lines_take(struct lines *lines, const char *bytes, size_t size,
	void (*visit)(void *context, const char *line, size_t size), void *context)
{
	const char *end;

	while (size > 0 && (end = memchr(bytes, '\n', size))) {
		size_t length = (size_t)(end - bytes);

		end_line(lines, bytes, length, visit, context);
		bytes += length + 1;
		size -= length + 1;
	}
	lines->skipping |= size > RECORD_LINE_MAX - lines->n_kept;
	if (lines->skipping || size == 0)
		return;
	memcpy(lines->kept + lines->n_kept, bytes, size);
	lines->n_kept += size;
}

void lines_finish(struct lines *lines, void (*visit)(void *context, const char *line, size_t size),
	void *context)
{
	if (lines->n_kept > 0 || lines->skipping)
		end_line(lines, "", 0, visit, context);
}
