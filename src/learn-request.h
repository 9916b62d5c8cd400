/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EGRESS_LEARN_REQUEST_H
#define EGRESS_LEARN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "src/options.h"

struct arena;
struct categories;

/* Options that several tasks have. */

#define LEARN_DIRS_MAX 64

/* What they say. A task's own request begins with it: it is what the rows below are given. */
struct learn_request {
	const struct command *command;
	const char *output; /* NULL: standard output */
	const char *name;   /* NULL: what the task makes of it */
	bool yes;
	const char *profile_dirs[LEARN_DIRS_MAX];
	size_t n_profile_dirs;
};

int learn_take_output(void *request, const struct option_row *row, const char *argument);
int learn_take_name(void *request, const struct option_row *row, const char *argument);
int learn_take_yes(void *request, const struct option_row *row, const char *argument);
int learn_take_dir(void *request, const struct option_row *row, const char *argument);

/* clang-format off */
#define LEARN_ROW_OUTPUT \
	{"output", "FILE", "write to FILE, or add to it if it is there", learn_take_output, 0, 'o'}
#define LEARN_ROW_YES {"yes", NULL, "add to FILE without asking", learn_take_yes, 0, 'y'}
#define LEARN_ROW_DIR {"profile-dir", "DIR", "look for profiles in DIR first", learn_take_dir, 0, 0}
/* clang-format on */

/* The categories of well-known names. 0, or -errno; what is wrong with them has been said. */
int learn_categories(struct arena *arena, const struct learn_request *request,
	const struct categories **ret_categories);

#endif
