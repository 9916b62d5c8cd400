/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_SESSIONS_H
#define EGRESS_RESOLVER_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/monitor.h"
#include "src/base/clock.h"

/* The parent's side of sessions: what they are called, when they begin and end, and what of them
 * outlives watchers and resolvers. */
struct sessions;

struct slate;

struct sessions_config {
	const char *folder; /* where files are kept; NULL: nowhere */
	/* The session's name: then it is this process's, and ends with it. NULL: one is made, and
	 * where there is a folder it goes on when another resolver follows. */
	const char *name;
};

/* 0 or -errno, which has been logged. */
int sessions_new(const struct sessions_config *config, struct sessions **ret_sessions);

/* NULL is allowed. */
void sessions_free(struct sessions *sessions);

/* The policy has this name from now on. The first time the session begins, or goes on. */
void sessions_set_policy(struct sessions *sessions, const char *policy);

/* Whether files are kept. */
bool sessions_have_folder(const struct sessions *sessions);

/* The running one: its name, and since when it runs, in seconds since 1970. */
const char *sessions_name(const struct sessions *sessions);
int64_t sessions_since(const struct sessions *sessions);

/* The same in microseconds; and the name of the one that this process had before, or NULL. */
int64_t sessions_began(const struct sessions *sessions);
const char *sessions_earlier(const struct sessions *sessions);

/* Where watchers publish it. */
struct slate *sessions_slate(const struct sessions *sessions);

/* What a watcher that begins now has to know, and how a new session's record begins. What it refers
 * to stays until the next call. */
struct monitor_past sessions_past(struct sessions *sessions, enum session_phase *ret_phase);

/* The session is over, and its watcher gone: it becomes one of the earlier ones, and the next one
 * begins, with a name that is made. */
void sessions_next(struct sessions *sessions);

/*
 * The names that the guard counts are kept in a file, where the session is. At the start: what is
 * there is counted. Before a guard that replaces another one is used: they are in another file,
 * which takes the place of the first one when the guard is in force, and is nobody's until then.
 * When a session has begun, or a ceiling was raised: that is written.
 */
struct guard;
void sessions_recall_names(struct sessions *sessions, struct guard *guard);
void sessions_prepare_names(struct sessions *sessions, struct guard *guard);
void sessions_commit_names(struct sessions *sessions);
void sessions_note_names(struct sessions *sessions, const struct guard *guard);

/* Writes what has changed, if that is due. How long, in milliseconds, nothing will be; -1: for
 * ever. */
int sessions_tick(struct sessions *sessions, struct mono now);

/* The process ends, and no watcher is there: its own session is over, another one is kept. */
void sessions_stop(struct sessions *sessions);

/* Whether it has just begun: no watcher has published anything of it. */
bool sessions_are_new(const struct sessions *sessions);

/* Whether the session ends with this process. */
bool sessions_end_here(const struct sessions *sessions);

#endif
