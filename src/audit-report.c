/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/audit-tasks.h"
#include "src/audit/digest.h"
#include "src/audit/learned.h"
#include "src/audit/rendering.h"
#include "src/audit/tail.h"
#include "src/output.h"

/* Logs that are read as a whole. */
struct reading {
	const struct filter *filter;
	struct digest *digest;
	int64_t first, last; /* of the records that are wanted */
	int error;           /* why a line was not read that may be one; 0 */
};

static void take_line(void *context, const char *line, size_t size)
{
	struct reading *reading = context;
	struct record record;
	int error = line ? record_read(line, size, &record) : -EBADMSG;

	if (error) {
		if (error != -EBADMSG)
			reading->error = error;
		digest_take_line(reading->digest, NULL, 0);
		return;
	}
	if (filter_takes(reading->filter, &record)) {
		digest_take(reading->digest, &record);
		if (record.at < reading->first)
			reading->first = record.at;
		if (record.at > reading->last)
			reading->last = record.at;
	}
	record_free(&record);
}

/* 0, or -errno, which has been said. */
static int read_log(const char *path, struct reading *reading)
{
	struct tail *tail;
	int result = audit_open(path, false, &tail);

	if (result < 0)
		return result;
	do
		result = tail_take(tail, take_line, reading);
	while (result > 0 || (result == 0 && tail_descriptor(tail) >= 0 && !tail_has_ended(tail)));
	if (result >= 0)
		tail_finish(tail, take_line, reading);
	if (result >= 0 && reading->error)
		result = reading->error;
	if (result < 0)
		audit_complain("%s: %s", path, strerror(-result));
	tail_close(tail);
	return result;
}

/* All logs; 0, or -errno, which has been said, and then *reading is to be ended, too. */
static int read_logs(const struct audit_request *request, struct reading *reading)
{
	int error;

	*reading =
		(struct reading){.filter = &request->filter, .first = INT64_MAX, .last = INT64_MIN};
	error = digest_new(&reading->digest);
	if (error) {
		audit_complain("%s", strerror(-error));
		return error;
	}
	for (size_t i = 0; i < request->n_logs && !error; i++)
		error = read_log(request->logs[i], reading);
	if (!error) {
		error = digest_finish(reading->digest);
		if (error)
			audit_complain("%s", strerror(-error));
	}
	return error;
}

/* --- Writing --- */

struct job {
	const void *what;
	int (*write)(const void *what, FILE *out);
};

static int write_job(const void *context, FILE *out)
{
	const struct job *job = context;

	return job->write(job->what, out);
}

/* To where the command line says; the status to end with. */
static int write_out(const struct audit_request *request, const struct job *job)
{
	const char *path = request->words[AUDIT_WORD_OUTPUT];
	int error;

	if (path) {
		error = output_file(path, write_job, job);
	} else {
		error = job->write(job->what, stdout);
		if (!error)
			return options_finish_stdout(&audit_options) == 0 ? EXIT_SUCCESS
									  : AUDIT_EXIT_FAILED;
	}
	if (error)
		audit_complain("%s: %s", path ? path : "standard output", strerror(-error));
	return error ? AUDIT_EXIT_FAILED : EXIT_SUCCESS;
}

/* --- Reports, and tables of sessions --- */

static int as_text(const void *what, FILE *out)
{
	return digest_as_text(what, out);
}

static int as_json(const void *what, FILE *out)
{
	return digest_as_json(what, out);
}

static int as_html(const void *what, FILE *out)
{
	return digest_as_html(what, out);
}

static int sessions_as_text(const void *what, FILE *out)
{
	const struct rendering *it = what;

	if (it->n_sessions == 0)
		fputs("  there are no sessions\n", out);
	digest_as_sessions(it, out == stdout && output_has_colour(STDOUT_FILENO), out);
	return 0;
}

static int sessions_as_json(const void *what, FILE *out)
{
	return digest_as_sessions_json(what, out);
}

static int (*const reports[AUDIT_FORMS])(const void *what, FILE *out) = {
	[AUDIT_TEXT] = as_text,
	[AUDIT_JSON] = as_json,
	[AUDIT_HTML] = as_html,
};

static int (*const session_tables[AUDIT_FORMS])(const void *what, FILE *out) = {
	[AUDIT_TEXT] = sessions_as_text,
	[AUDIT_JSON] = sessions_as_json,
};

static int render(const struct audit_request *request, const struct reading *reading,
	int (*write)(const void *what, FILE *out))
{
	const bool is_empty = reading->first > reading->last;
	const struct rendering_about about = {
		.program = audit_options.name,
		.layers = request->layers,
		.unread = request->unread,
		.started = is_empty ? -1 : reading->first,
		.ended = is_empty ? -1 : reading->last,
	};
	struct rendering *it;
	struct job job = {.write = write};
	int status, error = rendering_make(reading->digest, &about, &it);

	if (error) {
		audit_complain("%s", strerror(-error));
		return AUDIT_EXIT_FAILED;
	}
	job.what = it;
	status = write_out(request, &job);
	rendering_free(it);
	return status;
}

static int read_and_render(
	const struct audit_request *request, int (*write)(const void *what, FILE *out))
{
	struct reading reading;
	int status = AUDIT_EXIT_FAILED;

	if (read_logs(request, &reading) == 0)
		status = render(request, &reading, write);
	digest_free(reading.digest);
	return status;
}

int audit_report(struct audit_request *request)
{
	return read_and_render(request, reports[request->form]);
}

int audit_sessions(struct audit_request *request)
{
	return read_and_render(request, session_tables[request->form]);
}

/* --- Baselines --- */

static int baseline_as_text(const void *what, FILE *out)
{
	learned_as_text(what, out);
	return 0;
}

static int baseline_as_json(const void *what, FILE *out)
{
	return learned_as_json(what, out);
}

static int show_baseline(const struct audit_request *request, const struct reading *reading)
{
	const uint64_t bad = digest_lost(reading->digest)->malformed;
	struct learned learned;
	struct job job = {
		.what = &learned,
		.write = request->form == AUDIT_JSON ? baseline_as_json : baseline_as_text,
	};
	int error = learned_from(digest_sessions(reading->digest), &learned);

	if (error) {
		audit_complain("%s", strerror(-error));
		return AUDIT_EXIT_FAILED;
	}
	if (bad > 0)
		audit_complain("%s: %llu lines could not be read", request->logs[0],
			(unsigned long long)bad);
	return write_out(request, &job);
}

int audit_baseline(struct audit_request *request)
{
	struct reading reading;
	int status = AUDIT_EXIT_FAILED;

	if (read_logs(request, &reading) == 0)
		status = show_baseline(request, &reading);
	digest_free(reading.digest);
	return status;
}
