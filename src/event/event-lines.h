/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_EVENT_LINES_H
#define EGRESS_EVENT_EVENT_LINES_H

#include "src/event/event-json.h"

/* Lines of records, written by one who writes many that differ by little from those before. */
struct event_lines;

/* 0 or -ENOMEM. */
int event_lines_new(struct event_lines **ret_lines);

/* NULL is allowed. */
void event_lines_free(struct event_lines *lines);

/*
 * What event_to_json() does, sooner. A text of the context that is at the same place as it was for
 * an earlier record must be the same text, but for the score.
 */
size_t event_lines_write(struct event_lines *lines, const struct event *event,
	const struct event_context *context, char out[EVENT_LINE]);

#endif
