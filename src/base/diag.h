/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_BASE_DIAG_H
#define EGRESS_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct arena;

/* Where in a file something was written: lines and columns count from 1, columns in characters;
 * line 0 is the file as a whole. */
struct place {
	const char *file;
	unsigned line;
	unsigned column;
	unsigned width; /* characters to underline, at least 1 */
};

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* What a user got wrong, collected so that all of it is shown together. */
struct diag;

/* An empty list in `arena`. NULL when the arena is full. At most 100 messages are kept, the rest
 * is counted. */
struct diag *diag_new(struct arena *arena);

/* Remembers the text of `file` (kept by reference, as long as the list) for showing lines of it. */
void diag_source(struct diag *diag, const char *file, const char *text, size_t size);

/* `code` is the number under which the manual explains the message, 0 for none. */
void diag_error(struct diag *diag, unsigned code, struct place place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void diag_warning(struct diag *diag, unsigned code, struct place place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether any error (not warning) was recorded. */
bool diag_failed(const struct diag *diag);

/* Whether any warning was recorded. */
bool diag_warned(const struct diag *diag);

/* A recorded message, for those who show it otherwise. */
struct diag_message {
	enum diag_level level;
	unsigned code;
	struct place place;
	const char *text;
};

/* Calls `visit` for all that is kept, in the order of places. */
void diag_visit(const struct diag *diag,
	void (*visit)(void *context, const struct diag_message *message), void *context);

/*
 * Prints all of it in the order of places:
 *
 *	policy.toml:4:9: error: unknown key 'prots' [E010]
 *	    4 | prots = ["tcp/443"]
 *	      | ^~~~~
 *
 * Tabs stay tabs under which the caret line is aligned; control characters are shown as '?'; a long
 * line is cut around the place.
 */
void diag_print(const struct diag *diag, FILE *out);

#endif
