/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "src/options.h"

static const struct option_row common[OPTIONS_COMMON] = {
	{"help", NULL, "show this", NULL, 0, 'h'},
	{"version", NULL, "show the version", NULL, 0, 'V'},
};

const struct option_row *options_row(const struct command *command, size_t index)
{
	if (index < command->n_rows)
		return &command->rows[index];
	index -= command->n_rows;
	return index < OPTIONS_COMMON ? &common[index] : NULL;
}
