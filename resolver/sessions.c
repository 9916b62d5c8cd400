/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolver/sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/guard.h"
#include "resolver/slate.h"
#include "resolver/state.h"
#include "src/base/fd.h"
#include "src/base/log.h"

/*
 * Theory of operation
 *
 * A session is this process's own where it was given a name, or where there is no folder to keep it
 * in; else it goes on from one resolver to the next until somebody says that another one begins, or
 * the system is started anew: what the kernel counts is gone then, too.
 *
 * What watchers publish is taken along as it is: to the next watcher, and once a second, if it has
 * changed, to a file. It is anybody's bytes, and only a watcher looks into them.
 */

enum { WRITE_MS = 1000, SECOND_US = 1000000 };

struct sessions {
	struct state *state; /* NULL: nothing is kept */
	struct slate *slate;
	bool own; /* it ends with this process */
	bool begun;
	enum session_phase phase;
	char name[STATE_ID];
	int64_t began;         /* microseconds since 1970 */
	char before[STATE_ID]; /* the name of the one before; "": there was none */
	char *text; /* of the session that goes on, SESSION_SAVED bytes; NULL: none yet */
	size_t text_size;
	char *earlier; /* records of sessions that are over; NULL: none */
	size_t earlier_size;
	uint32_t written; /* the publication that the file has */
	bool write_failed;
	bool add_failed;
	bool names_prepared; /* there is a file for the next guard's */
	struct mono write_at;
};

/* "20261121T130502.123456Z-4711": no other run of this machine has it. */
static void make_name(char out[STATE_ID])
{
	int64_t now = event_time();
	time_t seconds = (time_t)(now / 1000000);
	struct tm broken;
	char date[32];

	gmtime_r(&seconds, &broken);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%S", &broken);
	snprintf(out, STATE_ID, "%s.%06dZ-%d", date, (int)(now % 1000000), (int)getpid());
}

static void begin(struct sessions *sessions, const char *name, enum session_phase phase)
{
	if (name)
		snprintf(sessions->name, sizeof(sessions->name), "%s", name);
	else
		make_name(sessions->name);
	sessions->phase = phase;
	sessions->began = event_time();
	sessions->text_size = 0;
	sessions->written = 0;
	slate_clear(sessions->slate);
}

int sessions_new(const struct sessions_config *config, struct sessions **ret_sessions)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	int error = sessions ? 0 : -ENOMEM;

	if (!error)
		error = slate_new(&sessions->slate);
	if (!error) {
		sessions->text = malloc(SESSION_SAVED);
		error = sessions->text ? 0 : -ENOMEM;
	}
	if (!error && config->folder)
		error = state_open(config->folder, &sessions->state);
	if (error) {
		sessions_free(sessions);
		return error;
	}
	sessions->own = config->name || !config->folder;
	begin(sessions, config->name, SESSION_START);
	*ret_sessions = sessions;
	return 0;
}

void sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	slate_free(sessions->slate);
	state_close(sessions->state);
	free(sessions->text);
	free(sessions->earlier);
	free(sessions);
}

bool sessions_have_folder(const struct sessions *sessions)
{
	return sessions->state;
}

bool sessions_end_here(const struct sessions *sessions)
{
	return sessions->own;
}

bool sessions_are_new(const struct sessions *sessions)
{
	return sessions->text_size == 0;
}

const char *sessions_name(const struct sessions *sessions)
{
	return sessions->name;
}

int64_t sessions_since(const struct sessions *sessions)
{
	return sessions->began / SECOND_US;
}

int64_t sessions_began(const struct sessions *sessions)
{
	return sessions->began;
}

const char *sessions_earlier(const struct sessions *sessions)
{
	return sessions->before[0] ? sessions->before : NULL;
}

struct slate *sessions_slate(const struct sessions *sessions)
{
	return sessions->slate;
}

/* --- Files --- */

static void read_earlier(struct sessions *sessions)
{
	free(sessions->earlier);
	sessions->earlier = NULL;
	sessions->earlier_size = 0;
	if (sessions->state)
		state_read_sessions(sessions->state, &sessions->earlier, &sessions->earlier_size);
}

static void add_record(struct sessions *sessions, const char *record, size_t size)
{
	int error = sessions->state ? state_add_session(sessions->state, record, size) : 0;

	if (error && !sessions->add_failed)
		log_warning(
			"what the session was is not kept for later ones: %s", strerror(-error));
	sessions->add_failed = error != 0;
}

/* Goes on with what the resolver before has left, or begins where the system has been started anew
 * since then. */
static void go_on(struct sessions *sessions)
{
	struct state_session found;

	if (state_read_session(sessions->state, &found) != 0)
		return;
	if (found.fresh) {
		if (found.record_size > 0)
			add_record(sessions, found.record, found.record_size);
		state_forget_session(sessions->state);
	} else if (found.text_size <= SESSION_SAVED) {
		memcpy(sessions->name, found.id, sizeof(sessions->name));
		if (found.since < sessions_since(sessions))
			sessions->began = found.since * SECOND_US;
		memcpy(sessions->text, found.text, found.text_size);
		sessions->text_size = found.text_size;
		log_info("session %s goes on", sessions->name);
	}
	state_session_free(&found);
}

void sessions_set_policy(struct sessions *sessions, const char *policy)
{
	if (!sessions->state)
		return;
	if (sessions->begun && state_has_name(sessions->state, policy))
		return;
	/* The session goes on under the other name. */
	if (sessions->begun)
		state_forget_session(sessions->state);
	state_name(sessions->state, policy, !sessions->own);
	if (!sessions->begun)
		go_on(sessions);
	sessions->begun = true;
	sessions->written = 0;
	read_earlier(sessions);
}

/* --- Names that were counted --- */

static void warn_of_names(int error)
{
	log_warning("names under wildcards are counted anew when the resolver is started anew: %s",
		strerror(-error));
}

void sessions_prepare_names(struct sessions *sessions, struct guard *guard)
{
	CLEANUP_FD int fd = -1;
	int error;

	sessions->names_prepared = false;
	if (!sessions->state || !guard_is_to_keep(guard))
		return;
	fd = state_open_names(sessions->state, true);
	error = fd < 0 ? fd : guard_keep(guard, fd, state_boot(sessions->state));
	if (error && error != -ENOENT)
		warn_of_names(error);
	sessions->names_prepared = !error;
}

void sessions_commit_names(struct sessions *sessions)
{
	if (sessions->names_prepared)
		state_commit_names(sessions->state);
	sessions->names_prepared = false;
}

void sessions_recall_names(struct sessions *sessions, struct guard *guard)
{
	CLEANUP_FD int fd = sessions->state ? state_open_names(sessions->state, false) : -ENOENT;
	int error = fd < 0 ? fd : guard_recall(guard, fd, state_boot(sessions->state));

	if (error && error != -ENOENT && error != -ESTALE)
		warn_of_names(error);
	sessions_prepare_names(sessions, guard);
	/* What is there is of no use any more. */
	if (fd >= 0 && !sessions->names_prepared)
		state_drop_names(sessions->state);
	sessions_commit_names(sessions);
}

void sessions_note_names(struct sessions *sessions, const struct guard *guard)
{
	CLEANUP_FD int fd = sessions->state ? state_open_names(sessions->state, false) : -ENOENT;
	int error = fd < 0 ? fd : guard_note(guard, fd);

	if (error && error != -ENOENT)
		warn_of_names(error);
}

/* --- Watchers --- */

struct monitor_past sessions_past(struct sessions *sessions, enum session_phase *ret_phase)
{
	struct monitor_past past = {
		.sessions = sessions->earlier, .sessions_size = sessions->earlier_size};
	size_t size;

	if (slate_get_text(sessions->slate, sessions->text, &size) == 0)
		sessions->text_size = size;
	if (sessions->text_size > 0) {
		past.text = sessions->text;
		past.text_size = sessions->text_size;
	}
	*ret_phase = sessions->phase;
	return past;
}

/* The session has become one of the earlier ones. */
static void add_session(struct sessions *sessions)
{
	char record[EVENT_LINE];
	size_t size;

	if (slate_get_record(sessions->slate, record, &size) == 0)
		add_record(sessions, record, size);
}

void sessions_next(struct sessions *sessions)
{
	add_session(sessions);
	if (sessions->state)
		state_forget_session(sessions->state);
	memcpy(sessions->before, sessions->name, sizeof(sessions->before));
	begin(sessions, NULL, SESSION_NEW);
	read_earlier(sessions);
}

/* --- The running one --- */

static void write_session(struct sessions *sessions)
{
	uint32_t round = slate_round(sessions->slate);
	char record[EVENT_LINE];
	size_t size, record_size;
	int error;

	if (round == sessions->written ||
		slate_get_text(sessions->slate, sessions->text, &size) != 0 ||
		slate_get_record(sessions->slate, record, &record_size) != 0)
		return;
	sessions->text_size = size;
	error = state_write_session(sessions->state,
		&(struct state_session){.since = sessions_since(sessions),
			.record = record,
			.record_size = record_size,
			.text = sessions->text,
			.text_size = size},
		sessions->name);
	if (error && !sessions->write_failed)
		log_warning("the session is not kept in its file: %s", strerror(-error));
	sessions->write_failed = error != 0;
	sessions->written = round;
}

int sessions_tick(struct sessions *sessions, struct mono now)
{
	if (!sessions->state || sessions->own)
		return -1;
	if (mono_before(now, sessions->write_at))
		return (int)mono_between(now, sessions->write_at).ms;
	sessions->write_at = mono_add(now, (struct duration){WRITE_MS});
	write_session(sessions);
	return WRITE_MS;
}

void sessions_stop(struct sessions *sessions)
{
	if (!sessions->state)
		return;
	if (sessions->own)
		add_session(sessions);
	else
		write_session(sessions);
}
