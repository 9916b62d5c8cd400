/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-drift.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/compile.h"
#include "src/base/arena.h"
#include "src/base/diag.h"
#include "src/base/memstream.h"
#include "src/learn-logs.h"
#include "src/learn-request.h"
#include "src/learn-tasks.h"
#include "src/options.h"

#define ARENA_MAX ((size_t)8 << 30)
#define TIMES_MAX 1000000000u

enum { TIMES = 3 };

struct request {
	struct learn_request common;
	const char *format;
	uint64_t times;
};

static const struct {
	const char *name;
	int (*write)(const struct drifts *drifts, FILE *out);
} forms[] = {{"text", drift_as_text}, {"json", drift_as_json}, {"sarif", drift_as_sarif}};

static int take_format(void *context, const struct option_row *row, const char *argument);
static int take_times(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	{"format", "FORMAT", "text, json or sarif", take_format, 0, 0},
	{"times", "N", "refused N times is repeatedly, by default 3", take_times, 0, 0},
	LEARN_ROW_DIR,
};

static const char *form_name(size_t index)
{
	return index < sizeof(forms) / sizeof(forms[0]) ? forms[index].name : NULL;
}

static const struct option_values values[] = {
	{"format", NULL, form_name},
};

static const struct command command = {
	.name = "egress-learn drift",
	.about = "Says where POLICY and what the logs have are apart; 1 if anywhere, 3 if that "
		 "can't\n"
		 "be told.",
	.notes = "See egress-learn(1).\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.values = values,
	.n_values = sizeof(values) / sizeof(values[0]),
	.operands = "POLICY LOG...",
};

static int take_format(void *context, const struct option_row *row, const char *argument)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(forms[i].name, argument) == 0) {
			((struct request *)context)->format = argument;
			return 0;
		}
	options_complain(
		&command, "--%s: expected text, json or sarif, not '%s'", row->name, argument);
	return -EINVAL;
}

static int take_times(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (text_to_number(text_of(argument), TIMES_MAX, &request->times) == 0 &&
		request->times > 0)
		return 0;
	options_complain(&command, "--%s: expected a number from 1", row->name);
	return -EINVAL;
}

/* --- The command --- */

/* 0 or -errno; what is wrong with the policy has been said. */
static int load(struct arena *arena, const struct request *request, const char *policy,
	const struct layers **ret_layers)
{
	const struct compile_options options = {
		.policy = policy,
		.profile_dirs = request->common.profile_dirs,
		.n_profile_dirs = request->common.n_profile_dirs,
	};
	struct diag *diag = diag_new(arena);
	int error = diag ? compile_layers(arena, &options, diag, ret_layers) : -ENOMEM;

	if (diag && error)
		diag_print(diag, stderr);
	return error;
}

/* Whether all that the logs have found room: else what was not used can't be told, and what was
 * refused is too little. 0 or -ENOBUFS. */
static int check_room(const struct digest *digest)
{
	uint64_t left_out = 0;

	for (unsigned outcome = 0; outcome < DIGEST_OUTCOMES; outcome++)
		left_out += digest_sum(digest, outcome).records;
	return left_out > 0 ? -ENOBUFS : 0;
}

/* All of it or nothing. 0 or -errno. */
static int put(const struct request *request, const struct drifts *drifts)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = memstream_open(&text, &size);
	int error = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !error; i++)
		if (strcmp(forms[i].name, request->format) == 0)
			error = forms[i].write(drifts, out);
	if (out && fclose(out) != 0)
		error = -ENOMEM;
	if (!error)
		fwrite(text, 1, size, stdout);
	free(text);
	return error;
}

static int run(
	struct arena *arena, const struct request *request, char *const *operands, int n_operands)
{
	struct drifts drifts = {.policy = operands[0]};
	struct digest *digest = NULL;
	const struct layers *layers;
	bool untold = false;
	int error = load(arena, request, operands[0], &layers);
	int status = LEARN_UNREADABLE;

	if (!error && learn_read_logs(&command, operands + 1, n_operands - 1, &digest) < 0)
		return LEARN_UNREADABLE;
	if (!error)
		error = check_room(digest);
	if (!error)
		error = drift_find(arena, layers, digest, request->times, &drifts, &untold);
	if (untold)
		options_complain(&command, "the logs have nothing that was permitted ([audit] "
					   "allowed = true): what was not used can't be told");
	if (!error)
		error = put(request, &drifts);
	if (error && error != -EINVAL)
		options_complain(&command, "%s", strerror(-error));
	if (!error && options_finish_stdout(&command) == 0)
		status = drifts.count > 0 ? LEARN_FAILED : EXIT_SUCCESS;
	digest_free(digest);
	free(drifts.rows);
	return status;
}

int learn_drift(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {.common.command = &command, .format = "text", .times = TIMES};
	int first, operands;
	int error = options_read_operands(&command, argc, argv, &request, &first, &operands);

	if (error)
		return error == -EINVAL ? LEARN_USAGE : error < 0 ? LEARN_UNREADABLE : EXIT_SUCCESS;
	if (operands < 2) {
		options_complain(&command, "a policy and a log are needed");
		return LEARN_USAGE;
	}
	if (arena_new(ARENA_MAX, &arena) < 0) {
		options_complain(&command, "%s", strerror(ENOMEM));
		return LEARN_UNREADABLE;
	}
	return run(arena, &request, argv + first, operands);
}
