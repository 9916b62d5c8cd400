/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_WATCHING_H
#define EGRESS_RESOLVER_WATCHING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "resolver/engine.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/event/session.h"

/* The parent's side of records: where they come from, where they go, and the process between. */
struct watching;

struct namering;
struct rings;
struct setting;
struct tally_numbers;

struct watching_config {
	int events_fd;       /* gets all records; -1: there is none */
	const char *session; /* its name, and then it ends with this process; NULL: one is made */
	const char *state;   /* the folder where sessions are kept; NULL: nowhere */
	unsigned crew_rings; /* that a crew takes */
	unsigned crews_max;
	uid_t uid;
	gid_t gid;
	const struct namering *names;
	/* What the metrics tell of the other children, without what watching itself knows. */
	void (*tell)(const void *context, struct tally_numbers *ret_numbers);
	const void *context;
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

/* Nothing more is recorded: what has been is written to its end, the flows that are left too, for
 * which watching_is_idle() is to be waited for; then watching_end() keeps the session. */
void watching_stop(struct watching *watching);
void watching_end(struct watching *watching);

/* Does what is due. How long, in milliseconds, nothing will be; -1: for ever. */
int watching_tick(struct watching *watching, struct mono now);

/* The session ends, and the next one begins: soon, once what came before is written. What the
 * kernel and the keepers count is not its matter. */
void watching_new_session(struct watching *watching);

/* A ceiling of the running session has been raised by so much. */
void watching_extend(struct watching *watching, enum session_key key, uint64_t amount);

/* See resolver/sessions.h: of the first guard, and of one that is to replace it, before who uses it
 * is forked; watching_change() says that it has. And when its session or a ceiling is another. */
struct guard;
void watching_recall_names(struct watching *watching, struct guard *guard);
void watching_prepare_names(struct watching *watching, struct guard *guard);
void watching_note_names(struct watching *watching, const struct guard *guard);

/* What the session has come to, about a second ago. 0; -EAGAIN: not known yet; or -EPROTO: a
 * watcher that was taken over has left nonsense. */
int watching_figures(const struct watching *watching, struct session_figures *ret_figures);

/* What the session is called, and since when it runs, in seconds since 1970. */
const char *watching_session(const struct watching *watching);
int64_t watching_session_since(const struct watching *watching);

/* If the process that ended was its own: takes note, and answers true. */
bool watching_reap(struct watching *watching, pid_t pid, int status, struct mono now);

/* Whether there is no process. */
bool watching_is_idle(const struct watching *watching);

#endif
