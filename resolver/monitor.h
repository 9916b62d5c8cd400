/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_MONITOR_H
#define EGRESS_RESOLVER_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/compile.h"
#include "src/event/session-json.h"

/* In the watcher: the running session of a policy, from the records that it is told of to the lines
 * that say what it is. */
struct monitor;

struct slate;

/* What the parent has for a watcher that begins; all of it may be anybody's bytes and must stay. */
struct monitor_past {
	const char *text; /* of the session, saved by another watcher; NULL: it is new */
	size_t text_size;
	const char *sessions; /* records of earlier ones; NULL: there are none */
	size_t sessions_size;
};

struct monitor_config {
	struct compiled compiled;
	const char *session; /* its name */
	struct monitor_past past;
	enum session_phase phase; /* that a new one begins with */
	struct slate *slate;      /* where it is published */
	/* Gets each line, with its newline. Alerts come with what they are, too; else NULL. */
	void (*write)(void *context, const char *line, size_t size, const struct alert *alert);
	void *context;
};

/* 0 or -errno. What was not in order of the past has been logged. */
int monitor_new(const struct monitor_config *config, struct monitor **ret_monitor);

/* NULL is allowed. */
void monitor_free(struct monitor *monitor);

/* Takes a record that is sound; `now` is microseconds since 1970, and bounds the record's time. */
void monitor_take(struct monitor *monitor, const struct event *event,
	const struct session_note *note, int64_t now);

/* Does what is due: how long nothing more will be, in milliseconds; -1: until there is a record. */
int monitor_tick(struct monitor *monitor, int64_t now);

/* A ceiling of the session is raised. */
void monitor_extend(struct monitor *monitor, enum session_key key, uint64_t amount, int64_t now);

/* Nothing more comes. With `over` the session has ended, else another watcher goes on with it. */
void monitor_finish(struct monitor *monitor, bool over, int64_t now);

/* For who shows them. */
void monitor_figures(const struct monitor *monitor, struct session_figures *ret_figures);

#endif
