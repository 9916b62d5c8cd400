/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WATCHING_H
#define EGRESS_RESOLVER_WATCHING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolver/engine.h"
#include "src/base/clock.h"
#include "src/base/log.h"

/* The parent's side of records: where they come from, where they go, and the process between. */
struct watching;

struct namering;
struct rings;
struct setting;

struct watching_config {
	int events_fd;       /* gets all records; -1: there is none */
	const char *session; /* its name; NULL: one is made */
	unsigned crew_rings; /* that a crew takes */
	unsigned crews_max;
	uid_t uid;
	gid_t gid;
	const struct namering *names;
	const char *program;
	enum log_level log_level;
};

/* 0 or -errno. */
int watching_new(const struct watching_config *config, struct watching **ret_watching);

/* Its process has ended, or ends with this one. NULL is allowed. */
void watching_free(struct watching *watching);

/* What crews of a setting are to record, and the rings they share; NULL: none. */
enum engine_recording watching_recording(
	const struct watching *watching, const struct setting *setting);
struct rings *watching_rings(const struct watching *watching);

/* The setting in force is about to be replaced. */
void watching_leave(struct watching *watching);

/* Another setting is in force; the one before is not used any more. */
void watching_change(struct watching *watching, struct setting *setting);

/* Nothing more is recorded: what has been is written to its end, for which watching_is_idle() is to
 * be waited for; then watching_end() records the flows that are left. */
void watching_stop(struct watching *watching);
void watching_end(struct watching *watching);

/* Does what is due. How long, in milliseconds, nothing will be; -1: for ever. */
int watching_tick(struct watching *watching, struct mono now);

/* If the process that ended was its own: takes note, and answers true. */
bool watching_reap(struct watching *watching, pid_t pid, int status, struct mono now);

/* Whether there is no process. */
bool watching_is_idle(const struct watching *watching);

#endif
