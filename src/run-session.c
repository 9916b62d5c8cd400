/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/run-session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/audit/lines.h"
#include "src/audit/rendering.h"
#include "src/base/clock.h"
#include "src/base/fd.h"
#include "src/base/memstream.h"
#include "src/event/event.h"
#include "src/output.h"
#include "src/run-options.h"
#include "src/run-policies.h"
#include "src/run/barrier.h"

/*
 * Theory of operation
 *
 * The resolver's processes write records into a pipe, which never blocks them; what finds no room
 * is counted there. It is read here whenever there is something in it, while the command runs and
 * at its end, when the resolver is ended and with it the pipe, which stays open for as long as one
 * of the resolver's processes lives. That takes some milliseconds, on a busy machine more, and is
 * waited for; but not for ever, should the resolver hang.
 *
 * Before the command starts, the ruleset was tried by packets that must be refused. They are none
 * of the command's, and are passed over; but where no record of them came, none will come of
 * others. Neither will when the resolver has ended, which the command may have killed: what is told
 * then is not all.
 *
 * Files are written by this process, which is outside and the user's own. By then a confined
 * command may have put anything in their places, a pipe without a reader, say: what wasn't a
 * device or a pipe before is never opened, only replaced.
 */

enum {
	PIPE_BYTES = 1 << 20,
	READ_BYTES = 1 << 16,
	END_MS = 5000,
	SHOWN = 20, /* rows of each kind in the summary */
	TRIAL_US = 1000000,
};

struct run_session {
	const struct run_request *request;
	const struct run_policies *policies;
	int reader;
	int writer;
	struct lines lines;
	struct digest *digest;
	int64_t began;
	bool proven;       /* a record of a refused packet has come */
	bool missing;      /* records: the resolver was gone before it was ended, or memory */
	bool *was_special; /* of each report: it was no file before */
	char *command;
};

/* --- Before --- */

static bool is_wanted(const struct run_request *request)
{
	return !request->flags[RUN_QUIET] || request->flags[RUN_FAIL] ||
	       request->n_lists[RUN_REPORT] > 0 || request->words[RUN_SAVE];
}

static bool is_special(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-+=./:,@%^";

	return *word != '\0' && word[strspn(word, plain)] == '\0';
}

/* As it could be typed. */
static char *join_command(char *const *arguments)
{
	char *text = NULL;
	size_t size;
	FILE *out = memstream_open(&text, &size);

	for (size_t i = 0; out && arguments[i]; i++) {
		bool plain = is_plain(arguments[i]);

		fputs(i > 0 ? " " : "", out);
		fputs(plain ? "" : "'", out);
		for (const char *at = arguments[i]; *at; at++)
			fprintf(out, *at == '\'' ? "'\\''" : "%c", *at);
		fputs(plain ? "" : "'", out);
	}
	if (out && fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int open_pipe(struct run_session *session)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	session->reader = ends[0];
	session->writer = ends[1];
	/* A smaller one is enough where this is too much for the user. */
	(void)fcntl(session->writer, F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

static int prepare(struct run_session *session)
{
	const struct run_request *request = session->request;
	const size_t count = request->n_lists[RUN_REPORT];
	int error = open_pipe(session);

	if (error)
		return error;
	session->command = join_command(request->arguments);
	session->was_special = calloc(count + 1, sizeof(bool));
	if (!session->command || !session->was_special)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		session->was_special[i] = is_special(request->lists[RUN_REPORT][i]);
	return digest_new(&session->digest);
}

int run_session_new(const struct run_request *request, const struct run_policies *policies,
	struct run_session **ret_session)
{
	const char *saved = request->words[RUN_SAVE];
	struct run_session *session = NULL;
	struct stat status;
	int error = 0;

	if (saved && lstat(saved, &status) == 0) {
		run_complain("--save-policy: %s is there already", saved);
		return -EEXIST;
	}
	if (is_wanted(request)) {
		session = calloc(1, sizeof(*session));
		if (session) {
			session->request = request;
			session->policies = policies;
			session->reader = session->writer = -1;
		}
		error = session ? prepare(session) : -ENOMEM;
	}
	if (error) {
		run_complain("%s", strerror(-error));
		run_session_free(session);
		return error;
	}
	*ret_session = session;
	return 0;
}

void run_session_free(struct run_session *session)
{
	if (!session)
		return;
	fd_closep(&session->reader);
	fd_closep(&session->writer);
	digest_free(session->digest);
	free(session->was_special);
	free(session->command);
	free(session);
}

int run_session_writer(const struct run_session *session)
{
	return session ? session->writer : -1;
}

void run_session_begin(struct run_session *session)
{
	if (!session)
		return;
	fd_closep(&session->writer);
	session->began = event_time();
}

/* --- Reading --- */

/* Whether it is to what the ruleset was tried by. */
static bool is_of_trial(const struct run_session *session, const struct record *record)
{
	const struct plan *plan = session->policies->compiled.plan;
	struct inaddr address;

	if (record->kind != RECORD_CONNECTION || record->port != BARRIER_PORT)
		return false;
	for (enum plan_family family = PLAN_IP4; family < PLAN_FAMILIES; family++)
		if (barrier_pick(plan, family, BARRIER_PORT, &address) &&
			inaddr_compare(&address, &record->address) == 0)
			return true;
	return false;
}

/* Whether there was something to try it by. */
static bool was_tried(const struct run_session *session)
{
	const struct plan *plan = session->policies->compiled.plan;
	struct inaddr address;

	return barrier_pick(plan, PLAN_IP4, BARRIER_PORT, &address) ||
	       barrier_pick(plan, PLAN_IP6, BARRIER_PORT, &address);
}

/* Whether the record is none of the command's. */
static bool is_ours(struct run_session *session, const struct record *record)
{
	bool of_trial = is_of_trial(session, record);

	session->proven |= of_trial;
	return record->at < session->began || (of_trial && record->at <= session->began + TRIAL_US);
}

static void take_line(void *context, const char *line, size_t size)
{
	struct run_session *session = context;
	struct record record;

	if (!line || record_read(line, size, &record) != 0) {
		digest_take_line(session->digest, NULL, 0);
		return;
	}
	if (!is_ours(session, &record))
		digest_take(session->digest, &record);
	record_free(&record);
}

static void take(void *context)
{
	struct run_session *session = context;
	static char bytes[READ_BYTES];
	ssize_t got = read(session->reader, bytes, sizeof(bytes));

	if (got > 0)
		lines_take(&session->lines, bytes, (size_t)got, take_line, session);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fd_closep(&session->reader);
}

struct tend_source run_session_source(struct run_session *session)
{
	return (struct tend_source){
		.fd = session ? &session->reader : NULL,
		.take = take,
		.context = session,
	};
}

/* What is left, until the resolver has ended. */
static void drain(struct run_session *session, struct stage *stage)
{
	const struct mono end = mono_add(clock_now(), (struct duration){END_MS});

	stage_finish(stage);
	while (session->reader >= 0) {
		struct pollfd poller = {.fd = session->reader, .events = POLLIN};
		int64_t left = mono_between(clock_now(), end).ms;

		if (left <= 0 || poll(&poller, 1, (int)left) == 0)
			return;
		take(session);
	}
}

/* --- Telling --- */

static const struct {
	const char *suffix;
	int (*write)(const struct rendering *it, FILE *out);
} forms[] = {
	{".json", digest_as_json},
	{".html", digest_as_html},
	{"", digest_as_text},
};

static bool ends_with(const char *text, const char *suffix)
{
	size_t length = strlen(text), size = strlen(suffix);

	return length >= size && strcmp(text + length - size, suffix) == 0;
}

struct job {
	const struct rendering *it;
	int (*write)(const struct rendering *it, FILE *out);
};

static int write_job(const void *context, FILE *out)
{
	const struct job *job = context;

	return job->write(job->it, out);
}

static void write_report(
	const struct run_session *session, const struct rendering *it, size_t index)
{
	const char *path = session->request->lists[RUN_REPORT][index];
	struct job job = {.it = it};
	int error;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !job.write; i++)
		if (ends_with(path, forms[i].suffix))
			job.write = forms[i].write;
	if (session->was_special[index])
		error = output_file(path, write_job, &job);
	else
		error = output_replace(path, write_job, &job);
	if (error)
		run_complain("--report: %s: %s", path, strerror(-error));
}

static void save_policy(const struct run_session *session, const struct rendering *it)
{
	const char *path = session->request->words[RUN_SAVE];
	const struct job job = {it, digest_as_policy};
	int error = path ? output_new(path, write_job, &job) : 0;

	if (error)
		run_complain("--save-policy: %s: %s", path, strerror(-error));
}

static void show_summary(const struct run_session *session, const struct rendering *it)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (session->request->flags[RUN_QUIET])
		return;
	out = memstream_open(&text, &size);
	if (!out)
		return;
	digest_as_summary(it, output_has_colour(STDERR_FILENO), SHOWN, out);
	/* At once, so that it stays together. */
	if (fclose(out) == 0)
		(void)fd_write_all(STDERR_FILENO, text, size);
	free(text);
}

static const char *describe_ending(int status, char out[64])
{
	if (status == RUN_UNKNOWN)
		snprintf(out, 64, "observed from outside");
	else if (WIFEXITED(status))
		snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
	else
		snprintf(out, 64, "signal %d", WTERMSIG(status));
	return out;
}

/* Who is observed from outside has started before, and the ruleset was not tried in the same way.
 */
static bool is_incomplete(const struct run_session *session, int status)
{
	bool unproven = status != RUN_UNKNOWN && was_tried(session) && !session->proven;

	return session->missing || session->reader >= 0 || unproven;
}

static void tell(const struct run_session *session, int status)
{
	char ending[64];
	const struct rendering_about about = {
		.program = run_options.name,
		.command = session->command,
		.ending = describe_ending(status, ending),
		.layers = session->policies->compiled.layers,
		.started = session->began,
		.ended = event_time(),
		.incomplete = is_incomplete(session, status),
	};
	struct rendering *it;
	int error = rendering_make(session->digest, &about, &it);

	if (error) {
		run_complain("cannot tell what was reached: %s", strerror(-error));
		return;
	}
	show_summary(session, it);
	for (size_t i = 0; i < session->request->n_lists[RUN_REPORT]; i++)
		write_report(session, it, i);
	save_policy(session, it);
	rendering_free(it);
}

/* Where records are missing, nobody knows. */
static bool may_have_refusals(const struct run_session *session, int status)
{
	const struct digest_lost *lost = digest_lost(session->digest);

	if (digest_has_refusals(session->digest))
		return true;
	if (!is_incomplete(session, status) &&
		lost->queries + lost->connections + lost->malformed == 0)
		return false;
	run_complain("--fail-on-refusal: records are missing, so that something may have been "
		     "refused");
	return true;
}

bool run_session_finish(struct run_session *session, struct stage *stage, int status)
{
	if (!session)
		return false;
	session->missing = session->reader < 0;
	drain(session, stage);
	session->missing |= digest_finish(session->digest) != 0;
	tell(session, status);
	return session->request->flags[RUN_FAIL] && may_have_refusals(session, status);
}
