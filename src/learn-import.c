/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-tasks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/fd.h"
#include "src/base/text.h"
#include "src/learn-output.h"
#include "src/learn-request.h"
#include "src/learn/import.h"
#include "src/options.h"

#define ARENA_MAX ((size_t)1 << 30)
#define FILE_MAX ((size_t)1 << 30)

struct request {
	struct learn_request common;
	const char *format;
};

static int take_format(void *context, const struct option_row *row, const char *argument)
{
	(void)row;
	((struct request *)context)->format = argument;
	return 0;
}

static const struct option_row rows[] = {
	{"import", "FORMAT", "make a policy of FILE, which is another tool's", take_format, 0, 0},
	{"output", "FILE", "write to FILE, which must not be there yet", learn_take_output, 0, 'o'},
	{"name", "NAME", "the policy's name; by default the file's", learn_take_name, 0, 0},
};

static const struct option_values values[] = {
	{"import", NULL, import_format},
};

static const struct command command = {
	.name = "egress-learn",
	.about = "Drafts policies:\n"
		 "  egress-learn scan [FOLDER]          of what a project declares\n"
		 "  egress-learn observe LOG...         of what was reached\n"
		 "  egress-learn --import FORMAT FILE   of another tool's policy\n"
		 "and says where a policy and what happens have drifted apart:\n"
		 "  egress-learn drift POLICY LOG...",
	.notes = "Formats: agentshield, cilium, fence, grith, harden-runner, hosts, list.\n"
		 "Each task has options of its own: egress-learn scan --help.\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
	.task = learn_task,
	.operands = "TASK|FILE",
};

static void say(void *context, const char *message)
{
	const char *file = context;
	char *copy = strdup(message);

	options_complain(&command, "%s: %s", file, copy ? text_clean(copy) : strerror(ENOMEM));
	free(copy);
}

static int explain(const struct request *request, const char *file, int error)
{
	if (error == -ENOENT)
		options_complain(&command, "there is no format '%s'", request->format);
	else if (error == -EBADMSG)
		options_complain(&command, "%s is not in the format %s", file, request->format);
	else
		options_complain(&command, "%s: %s", file, strerror(-error));
	return error == -ENOENT ? LEARN_USAGE : LEARN_FAILED;
}

static int import(struct arena *arena, const struct request *request, char *file)
{
	char *path = realpath(file, NULL);
	const char *slash = strrchr(file, '/');
	const char *base = request->common.name ? request->common.name : slash ? slash + 1 : file;
	char name[DRAFT_NAME];
	uint8_t *bytes = NULL;
	size_t size = 0;
	struct import_options options = {
		.file = slash ? slash + 1 : file, .path = path, .say = say, .context = file};
	struct draft draft;
	int error = path ? fd_read_file(file, FILE_MAX, &bytes, &size) : -errno, status;

	options.name = draft_name(base, name);
	if (error) {
		options_complain(&command, "%s: %s", file, strerror(-error));
		free(path);
		return LEARN_FAILED;
	}
	error = import_read(
		arena, request->format, (struct text){(char *)bytes, size}, &options, &draft);
	if (error)
		status = explain(request, file, error);
	else
		status = learn_write(&request->common, false, &draft);
	free(bytes);
	free(path);
	return status;
}

int learn_import(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {.common.command = &command};
	int first, operands;
	int error = options_read_operands(&command, argc, argv, &request, &first, &operands);

	if (error)
		return error == -EINVAL ? LEARN_USAGE : error < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	if (request.format && operands == 1) {
		if (arena_new(ARENA_MAX, &arena) == 0)
			return import(arena, &request, argv[first]);
		options_complain(&command, "%s", strerror(ENOMEM));
		return LEARN_FAILED;
	}
	if (request.format)
		options_complain(&command, "--import goes with one file");
	else if (operands > 0)
		options_complain(&command, "'%s' is no task", argv[first]);
	else
		options_complain(&command, "no task given");
	fprintf(stderr, "Try 'egress-learn --help'.\n");
	return LEARN_USAGE;
}
