/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/learn-merge.h"
#include "src/learn-request.h"
#include "src/learn-tasks.h"
#include "src/learn/draft.h"
#include "src/options.h"
#include "src/output.h"

#define POLICY_MAX ((size_t)64 << 20)

struct bytes {
	char *text;
	size_t size;
};

static int write_bytes(const void *context, FILE *out)
{
	const struct bytes *bytes = context;

	return fwrite(bytes->text, 1, bytes->size, out) == bytes->size ? 0 : -EIO;
}

static int finish(const struct learn_request *request, int error)
{
	if (error)
		options_complain(
			request->command, "cannot write %s: %s", request->output, strerror(-error));
	return error ? LEARN_FAILED : EXIT_SUCCESS;
}

/* Writes the file, by `write`, whole or not at all, whatever ends the program: it can only do so
 * before or behind it. */
static int write_whole(const struct learn_request *request, const struct bytes *bytes,
	int (*write)(
		const char *path, int (*put)(const void *context, FILE *out), const void *context))
{
	sigset_t ends, before;
	int error;

	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	error = write(request->output, write_bytes, bytes);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return finish(request, error);
}

static int check(const struct learn_request *request, const struct bytes *bytes)
{
	return draft_check(request->output ? request->output : "(draft)", bytes->text, bytes->size,
		request->profile_dirs, request->n_profile_dirs, stderr);
}

static int write_new(const struct learn_request *request, const struct draft *draft)
{
	struct bytes bytes = {NULL, 0};
	int error = draft_text(draft, &bytes.text, &bytes.size);
	int status = LEARN_FAILED;

	if (!error)
		error = check(request, &bytes);
	if (error && error != -EINVAL) {
		options_complain(request->command, "%s", strerror(-error));
	} else if (!error && request->output) {
		status = write_whole(request, &bytes, output_new);
	} else if (!error) {
		write_bytes(&bytes, stdout);
		status = options_finish_stdout(request->command) < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	}
	free(bytes.text);
	return status;
}

/* --- A policy that is there --- */

static bool is_confirmed(const struct learn_request *request)
{
	char answer[16];

	if (request->yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		options_complain(request->command, "%s is as it was: say --yes to have that added",
			request->output);
		return false;
	}
	fprintf(stderr, "Add that to %s? [y/N] ", request->output);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int merge(
	const struct learn_request *request, const struct draft *draft, const struct bytes *old)
{
	const struct merge merge = {
		.file = request->output,
		.text = old->text,
		.size = old->size,
		.profile_dirs = request->profile_dirs,
		.n_profile_dirs = request->n_profile_dirs,
	};
	struct bytes bytes = {NULL, 0};
	int error = merge_make(&merge, draft, stderr, stderr, &bytes.text, &bytes.size);
	int status = LEARN_FAILED;

	if (!error && !bytes.text) {
		options_complain(request->command, "%s lacks nothing", request->output);
		return EXIT_SUCCESS;
	}
	if (!error)
		error = check(request, &bytes);
	if (!error && is_confirmed(request))
		status = write_whole(request, &bytes, output_file);
	else if (error && error != -EINVAL)
		options_complain(request->command, "%s", strerror(-error));
	free(bytes.text);
	return status;
}

int learn_write(const struct learn_request *request, bool merges, const struct draft *draft)
{
	uint8_t *text = NULL;
	struct bytes old = {NULL, 0};
	int error = request->output ? fd_read_file(request->output, POLICY_MAX, &text, &old.size)
				    : -ENOENT;
	int status;

	if (error && error != -ENOENT)
		return finish(request, error);
	if (error || old.size == 0 || !merges) {
		free(text);
		return write_new(request, draft);
	}
	old.text = (char *)text;
	status = merge(request, draft, &old);
	free(text);
	return status;
}
