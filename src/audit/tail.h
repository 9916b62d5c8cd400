/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_AUDIT_TAIL_H
#define EGRESS_AUDIT_TAIL_H

#include <stdbool.h>
#include <stddef.h>

/* A log that is being written to: its lines as they come, also when it is renamed and begun anew,
 * or cut to nothing. */
struct tail;

/* "-" is standard input. `from_end`: only what comes from now on, of a file. 0 or -errno. */
int tail_open(const char *path, bool from_end, struct tail **ret_tail);

/* NULL is allowed. */
void tail_close(struct tail *tail);

/*
 * Reads a bounded part of what is there, and calls `visit` with each line that is complete, without
 * its line feed; with NULL for one that is longer than any record. 1: there may be more at once; 0:
 * not now; or -errno.
 */
int tail_take(struct tail *tail, void (*visit)(void *context, const char *line, size_t size),
	void *context);

/* Whether tail_take() would not wait. */
bool tail_is_ready(const struct tail *tail);

/* Nothing more will come: calls `visit` with the line that has no end, if there is one. */
void tail_finish(struct tail *tail, void (*visit)(void *context, const char *line, size_t size),
	void *context);

/* Of what isn't a file: its end was read. */
bool tail_has_ended(const struct tail *tail);

/* Of what isn't a file: a descriptor to wait for; -1 of a file. */
int tail_descriptor(const struct tail *tail);

#endif
