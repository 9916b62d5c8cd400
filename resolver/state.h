/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_RESOLVER_STATE_H
#define EGRESS_RESOLVER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files in which a policy's session outlives the resolver, and its sessions what they were
 * (egress-resolver(8)). All of it is written by the parent, which knows nothing of the contents. */
struct state;

/* Room for what names a session, with its NUL. */
#define STATE_ID 64

/* Whether a text may name a session: letters, digits and "._:-". */
bool state_is_id(const char *id);

/* Opens the folder, which is made if it isn't there. 0 or -errno, which has been logged. */
int state_open(const char *path, struct state **ret_state);

/* NULL is allowed. */
void state_close(struct state *state);

/*
 * The files of this policy from now on. With `alone` the running session is kept there, which one
 * resolver at a time may; else only what sessions were is. What goes wrong has been logged, and is
 * done without.
 */
void state_name(struct state *state, const char *policy, bool alone);

/* Whether they are. */
bool state_has_name(const struct state *state, const char *policy);

/* A running session. */
struct state_session {
	char id[STATE_ID];
	int64_t since; /* seconds since 1970 */
	bool fresh;    /* the system has been started anew since it was written */
	char *record;  /* what it would be as one that is over: a line. Size 0: nothing */
	size_t record_size;
	char *text; /* what it is */
	size_t text_size;
};

/* Reads the session that was running when the last resolver ended; the record and the text are
 * anybody's bytes. 0, and state_session_free() is due; -ENOENT: there is none, or something is
 * wrong with it, which has been logged. */
int state_read_session(struct state *state, struct state_session *ret_session);
void state_session_free(struct state_session *session);

/* Writes the running session under its id, in place of the one before. 0 or -errno. */
int state_write_session(struct state *state, const struct state_session *session, const char *id);

/* There is no running session any more. */
void state_forget_session(struct state *state);

/* The records of earlier sessions, as text that is anybody's: malloc'ed. Nothing where there are
 * none, or they are not read, which has been logged. */
void state_read_sessions(struct state *state, char **ret_text, size_t *ret_size);

/*
 * The file of names that the running session has counted, which is the guard's
 * (resolver/guard-keep.c): the present one to be read or written, or another one that is empty and
 * takes its place with state_commit_names(). A descriptor, or -errno; -ENOENT: there is none, or
 * none is kept. state_boot() is what tells this start of the system from others.
 */
int state_open_names(const struct state *state, bool next);
void state_commit_names(const struct state *state);
void state_drop_names(const struct state *state);
const char *state_boot(const struct state *state);

/* Adds the record of a session that is over. Nothing that isn't one line is added. 0 or -errno. */
int state_add_session(struct state *state, const char *record, size_t size);

#endif
