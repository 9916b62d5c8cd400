/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_EVENT_SINK_H
#define EGRESS_EVENT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/event/event.h"

/* Where lines go: a file, or a pipe to who reads. What it takes no more is counted and told once it
 * takes some again; nobody waits for it. */
struct sink;

struct event_context;

/* `fd` stays the caller's. With `all` permitted things are recorded, too,
 * leases and flows among them; else only what was flagged, observed or refused. 0 or -ENOMEM. */
int sink_new(int fd, bool all, struct sink **ret_sink);

/* Without writing what waits. NULL is allowed. */
void sink_free(struct sink *sink);

/* Whether a record goes there at all. */
bool sink_wants(const struct sink *sink, const struct event *event);

/* Puts a line of `size` bytes, with its newline, behind those that wait; `kind` says what it would
 * be lost as. */
void sink_put(struct sink *sink, enum event_kind kind, const char *line, size_t size);

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
