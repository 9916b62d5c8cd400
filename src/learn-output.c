/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/fd.h"
#include "src/learn-merge.h"
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

static int finish(const struct learn_output *output, int error)
{
	if (error)
		options_complain(
			output->command, "cannot write %s: %s", output->path, strerror(-error));
	return error ? LEARN_FAILED : EXIT_SUCCESS;
}

static int check(const struct learn_output *output, const struct bytes *bytes)
{
	return draft_check(output->path ? output->path : "(draft)", bytes->text, bytes->size,
		output->profile_dirs, output->n_profile_dirs, stderr);
}

static int write_new(const struct learn_output *output, const struct draft *draft)
{
	struct bytes bytes = {NULL, 0};
	int error = draft_text(draft, &bytes.text, &bytes.size);
	int status = LEARN_FAILED;

	if (!error)
		error = check(output, &bytes);
	if (error && error != -EINVAL) {
		options_complain(output->command, "%s", strerror(-error));
	} else if (!error && output->path) {
		status = finish(output, output_new(output->path, write_bytes, &bytes));
	} else if (!error) {
		write_bytes(&bytes, stdout);
		status = options_finish_stdout(output->command) < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	}
	free(bytes.text);
	return status;
}

/* --- A policy that is there --- */

static bool is_confirmed(const struct learn_output *output)
{
	char answer[16];

	if (output->yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		options_complain(output->command, "%s is as it was: say --yes to have that added",
			output->path);
		return false;
	}
	fprintf(stderr, "Add that to %s? [y/N] ", output->path);
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

static int merge(
	const struct learn_output *output, const struct draft *draft, const struct bytes *old)
{
	const struct merge merge = {
		.file = output->path,
		.text = old->text,
		.size = old->size,
		.profile_dirs = output->profile_dirs,
		.n_profile_dirs = output->n_profile_dirs,
	};
	struct bytes bytes = {NULL, 0};
	int error = merge_make(&merge, draft, stderr, stderr, &bytes.text, &bytes.size);
	int status = LEARN_FAILED;

	if (!error && !bytes.text) {
		options_complain(output->command, "%s lacks nothing", output->path);
		return EXIT_SUCCESS;
	}
	if (!error)
		error = check(output, &bytes);
	if (!error && is_confirmed(output))
		status = finish(output, output_file(output->path, write_bytes, &bytes));
	else if (error && error != -EINVAL)
		options_complain(output->command, "%s", strerror(-error));
	free(bytes.text);
	return status;
}

int learn_write(const struct learn_output *output, const struct draft *draft)
{
	uint8_t *text = NULL;
	struct bytes old = {NULL, 0};
	int error =
		output->path ? fd_read_file(output->path, POLICY_MAX, &text, &old.size) : -ENOENT;
	int status;

	if (error && error != -ENOENT)
		return finish(output, error);
	if (error || old.size == 0 || !output->merges) {
		free(text);
		return write_new(output, draft);
	}
	old.text = (char *)text;
	status = merge(output, draft, &old);
	free(text);
	return status;
}
