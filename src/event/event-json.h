/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_EVENT_JSON_H
#define EGRESS_EVENT_EVENT_JSON_H

#include <stddef.h>

#include "src/event/event.h"

/* What a record's line has besides it: who writes it knows the policy. */
struct event_context {
	const char *policy;
	const char *session;
	const char *category; /* of the rule or the name; NULL: none */
	const char *reason;   /* the same */
	const char *score;    /* the number that the rule has decided by, as JSON; the same */
	const char *cgroup;   /* the path of the record's control group; NULL: not known */
};

/* No line is longer, its newline included: so a pipe takes it as a whole (PIPE_BUF). */
#define EVENT_LINE 4096

/*
 * Writes the record as a line of JSON (egress-events(5)), with its newline and no NUL; returns its
 * length, never 0. Whatever the record's texts and those of the context hold, it is one line of
 * UTF-8 without a control character; what is too long of the latter is cut.
 */
size_t event_to_json(
	const struct event *event, const struct event_context *context, char out[EVENT_LINE]);

/* Where in a line that is which differs between two records which are alike otherwise: its time and
 * its name, each with its quotes. `name` is 0 if it has none. */
struct event_gaps {
	size_t time;
	size_t time_end;
	size_t name;
	size_t name_end;
};

/* The same, and where these are. */
size_t event_to_json_with(const struct event *event, const struct event_context *context,
	char out[EVENT_LINE], struct event_gaps *ret_gaps);

#endif
