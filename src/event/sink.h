/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SINK_H
#define EGRESS_EVENT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/event/event.h"

/* Where lines go: a file, a pipe to who reads, or the socket of a daemon. What it takes no more is
 * counted and told once it takes some again; nobody waits for it. */
struct sink;

struct event_context;

enum sink_kind {
	SINK_LINES,
	SINK_JOURNAL, /* a datagram each (src/event/journal.h) */
	SINK_SYSLOG,  /* the same (src/event/syslog.h) */
};

/* What lines are written as (egress-events(5)). */
enum sink_format { SINK_NATIVE, SINK_ECS, SINK_OCSF };

struct sink_style {
	enum sink_kind kind;
	enum sink_format format;
	const char *host; /* of syslog's messages; it must stay. NULL: not known */
	bool whole;       /* of lines: writing never waits, and of what is written at once nobody
			     else's is in between: a file that is appended to, no pipe */
};

/* `fd` stays the caller's, and so does the style. With `all` permitted things are recorded, too,
 * leases and flows among them; else only what was flagged, observed or refused. 0 or -ENOMEM. */
int sink_new(int fd, bool all, const struct sink_style *style, struct sink **ret_sink);

/* Without writing what waits. NULL is allowed. */
void sink_free(struct sink *sink);

/* Whether a record goes there at all. */
bool sink_wants(const struct sink *sink, const struct event *event);

/* Puts a line of `size` bytes, with its newline, behind those that wait; `kind` says what it would
 * be lost as. False: it was lost, which is counted, unless it is EVENT_LOST itself. */
bool sink_put(struct sink *sink, enum event_kind kind, const char *line, size_t size);

/* Counts what was lost before it was a line. */
void sink_lose(struct sink *sink, enum event_loss loss, uint64_t count);

/* Writes what waits, behind it what was lost. 0 when that was all; -EAGAIN when the rest has to
 * wait; -EPIPE when nobody reads any more; or another -errno, such as -ENOSPC: then it is tried
 * again the next time. */
int sink_flush(struct sink *sink, const struct event_context *context);

/* Whether lines wait that were not written. */
bool sink_waits(const struct sink *sink);

/* The descriptor. */
int sink_fd(const struct sink *sink);

#endif
