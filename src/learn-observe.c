/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/learn-logs.h"
#include "src/learn-output.h"
#include "src/learn-request.h"
#include "src/learn-tasks.h"
#include "src/learn/draft.h"
#include "src/options.h"

#define ARENA_MAX ((size_t)2 << 30)

enum { FOLD = 8, FOLD_MAX = 100000 };

struct request {
	struct learn_request common;
	uint64_t fold;
};

static int take_fold(void *context, const struct option_row *row, const char *argument);

static const struct option_row rows[] = {
	LEARN_ROW_OUTPUT,
	{"name", "NAME", "the policy's name; by default \"observed\"", learn_take_name, 0, 0},
	{"fold", "N", "N siblings become a wildcard, by default 8; 0: never", take_fold, 0, 0},
	LEARN_ROW_YES,
	LEARN_ROW_DIR,
};

static const struct command command = {
	.name = "egress-learn observe",
	.about = "Drafts a policy from what was reached, as event logs have it.",
	.notes = "See egress-learn(1).\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.operands = "LOG...",
};

static int take_fold(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	if (text_to_number(text_of(argument), FOLD_MAX, &request->fold) == 0 && request->fold != 1)
		return 0;
	options_complain(&command, "--%s: expected 0, or 2 to %d", row->name, FOLD_MAX);
	return -EINVAL;
}

static int observe(struct arena *arena, const struct request *request, const struct digest *digest)
{
	struct observe observe = {
		.fold = request->fold,
		.name = request->common.name ? request->common.name : "observed",
	};
	struct draft draft;
	int error = learn_categories(arena, &request->common, &observe.categories);

	if (!error)
		error = observe_draft(arena, &observe, digest, &draft);
	if (error) {
		options_complain(&command, "%s", strerror(-error));
		return LEARN_FAILED;
	}
	return learn_write(&request->common, true, &draft);
}

int learn_observe(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {.common.command = &command, .fold = FOLD};
	struct digest *digest;
	int first, operands, status;
	int error = options_read_operands(&command, argc, argv, &request, &first, &operands);

	if (error)
		return error == -EINVAL ? LEARN_USAGE : error < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	if (operands == 0) {
		options_complain(&command, "no log given");
		return LEARN_USAGE;
	}
	if (arena_new(ARENA_MAX, &arena) < 0) {
		options_complain(&command, "%s", strerror(ENOMEM));
		return LEARN_FAILED;
	}
	if (learn_read_logs(&command, argv + first, operands, &digest) < 0)
		return LEARN_FAILED;
	status = observe(arena, &request, digest);
	digest_free(digest);
	return status;
}
