/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_LINES_H
#define EGRESS_AUDIT_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "src/audit/record.h"

/* Bytes as they come, cut into lines. Zeroed, nothing has come. */
struct lines {
	char kept[RECORD_LINE_MAX]; /* of a line whose end has not come */
	size_t n_kept;
	bool skipping; /* the line is too long */
};

/* Calls `visit` with each line that is complete, without its line feed; with NULL for one that is
 * longer than any record. */
void lines_take(struct lines *lines, const char *bytes, size_t size,
	void (*visit)(void *context, const char *line, size_t size), void *context);

/* No more bytes will come: the same with the line that has no end, if there is one. */
void lines_finish(struct lines *lines, void (*visit)(void *context, const char *line, size_t size),
	void *context);

#endif
