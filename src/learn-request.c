/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/learn-request.h"

#include <errno.h>
#include <stdio.h>

#include "rules/category.h"
#include "rules/load.h"
#include "src/base/diag.h"

int learn_take_output(void *request, const struct option_row *row, const char *argument)
{
	(void)row;
	((struct learn_request *)request)->output = argument;
	return 0;
}

int learn_take_name(void *request, const struct option_row *row, const char *argument)
{
	(void)row;
	((struct learn_request *)request)->name = argument;
	return 0;
}

int learn_take_yes(void *request, const struct option_row *row, const char *argument)
{
	(void)row;
	(void)argument;
	((struct learn_request *)request)->yes = true;
	return 0;
}

int learn_take_dir(void *request, const struct option_row *row, const char *argument)
{
	struct learn_request *learn = request;

	if (learn->n_profile_dirs == LEARN_DIRS_MAX) {
		options_complain(
			learn->command, "--%s: there are more than %d", row->name, LEARN_DIRS_MAX);
		return -EINVAL;
	}
	learn->profile_dirs[learn->n_profile_dirs++] = argument;
	return 0;
}

int learn_categories(struct arena *arena, const struct learn_request *request,
	const struct categories **ret_categories)
{
	const struct load_options options = {
		.profile_dirs = request->profile_dirs,
		.n_profile_dirs = request->n_profile_dirs,
	};
	struct diag *diag = diag_new(arena);
	int error = diag ? category_load(arena, &options, diag, ret_categories) : -ENOMEM;

	if (diag)
		diag_print(diag, stderr);
	return error;
}
