/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/arena.h"
#include "src/learn-output.h"
#include "src/learn-request.h"
#include "src/learn/scan-draft.h"
#include "src/learn/scan.h"
#include "src/options.h"

#define ARENA_MAX ((size_t)4 << 30)

struct request {
	struct learn_request common;
	bool all;
	bool quiet;
};

enum { ALL, QUIET };

static int take_flag(void *context, const struct option_row *row, const char *argument)
{
	struct request *request = context;

	(void)argument;
	*(row->value == ALL ? &request->all : &request->quiet) = true;
	return 0;
}

static const struct option_row rows[] = {
	LEARN_ROW_OUTPUT,
	{"name", "NAME", "the policy's name; by default the folder's", learn_take_name, 0, 0},
	{"all", NULL, "look also at what git ignores", take_flag, ALL, 0},
	LEARN_ROW_DIR,
	LEARN_ROW_YES,
	{"quiet", NULL, "no progress, and no figures at the end", take_flag, QUIET, 'q'},
};

static const struct command command = {
	.name = "egress-learn scan",
	.about = "Drafts a policy from what a project declares; nothing of it is executed.",
	.notes = "See egress-learn(1).\n",
	.rows = rows,
	.n_rows = sizeof(rows) / sizeof(rows[0]),
	.operands = "[FOLDER]",
};

/* --- What is said meanwhile --- */

#define PROGRESS_NS 200000000

struct progress {
	struct timespec last;
	bool shown;
};

static void show_progress(void *context, uint64_t files, uint64_t bytes)
{
	struct progress *progress = context;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - progress->last.tv_sec) * 1000000000LL +
			(now.tv_nsec - progress->last.tv_nsec) <
		PROGRESS_NS)
		return;
	progress->last = now;
	progress->shown = true;
	fprintf(stderr, "\r%" PRIu64 " files, %" PRIu64 " MiB read", files, bytes >> 20);
	fflush(stderr);
}

static void say_counts(const struct scan_counts *counts, const struct evidence *evidence)
{
	const struct tree_counts *tree = &counts->tree;

	options_complain(&command,
		"%" PRIu64 " files seen, %" PRIu64 " read; %" PRIu64 " left out as git does",
		tree->files, counts->read, tree->ignored);
	if (tree->unreadable > 0)
		options_complain(&command, "%" PRIu64 " could not be read", tree->unreadable);
	if (tree->too_large > 0)
		options_complain(
			&command, "%" PRIu64 " were too large or too deep", tree->too_large);
	if (counts->malformed > 0)
		options_complain(&command,
			"%" PRIu64 " declarations are not of their format, and were read as text",
			counts->malformed);
	if (evidence_lost(evidence) > 0)
		options_complain(&command,
			"%" PRIu64 " finds had no room: the draft is not complete",
			evidence_lost(evidence));
}

/* --- The scan --- */

static int draft_of(struct arena *arena, const struct request *request, const char *folder,
	const struct categories *categories, struct draft *ret_draft)
{
	struct progress progress = {.shown = false};
	bool shows = !request->quiet && isatty(STDERR_FILENO);
	const struct scan_options options = {
		.folder = folder,
		.all = request->all,
		.categories = categories,
		.progress = shows ? show_progress : NULL,
		.context = &progress,
	};
	char *real = realpath(folder, NULL);
	const char *base = request->common.name ? request->common.name
			   : real               ? strrchr(real, '/') + 1
						: folder;
	char *name = arena_alloc(arena, DRAFT_NAME);
	const char *title = arena_printf(arena, "%s", base);
	struct scan_counts counts;
	struct evidence *evidence;
	int error = name && title ? evidence_new(arena, &evidence) : -ENOMEM;

	if (!error)
		error = scan_tree(&options, evidence, &counts);
	if (progress.shown)
		fputs("\r\033[K", stderr);
	if (!error && !request->quiet)
		say_counts(&counts, evidence);
	if (!error)
		error = scan_draft(arena, evidence,
			&(struct scan_draft_options){title, draft_name(base, name), categories,
				request->common.profile_dirs, request->common.n_profile_dirs},
			ret_draft);
	free(real);
	return error;
}

int learn_scan(int argc, char **argv)
{
	__attribute__((cleanup(arena_freep))) struct arena *arena = NULL;
	struct request request = {.common.command = &command};
	const struct categories *categories;
	const char *folder = ".";
	struct draft draft;
	int first, operands;
	int error = options_read_operands(&command, argc, argv, &request, &first, &operands);

	if (error)
		return error == -EINVAL ? LEARN_USAGE : error < 0 ? LEARN_FAILED : EXIT_SUCCESS;
	if (operands > 1) {
		options_complain(&command, "more than one folder given");
		return LEARN_USAGE;
	}
	if (operands == 1)
		folder = argv[first];
	error = arena_new(ARENA_MAX, &arena);
	if (!error)
		error = learn_categories(arena, &request.common, &categories);
	if (error == -EINVAL)
		return LEARN_FAILED;
	if (!error)
		error = draft_of(arena, &request, folder, categories, &draft);
	if (error) {
		options_complain(&command, "%s: %s", folder, strerror(-error));
		return LEARN_FAILED;
	}
	return learn_write(&request.common, true, &draft);
}
