/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/counter-name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * As refusals' chains are called (rules/refusals.c): identifiers of nft have no ':', and ids no
 * '.'; identifiers begin with a letter, and a profile's name need not.
 */

static const char before_digit[] = "profile..";

static void replace(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

const char *counter_name(const char *id, char out[COUNTER_NAME])
{
	bool is_digit = *id >= '0' && *id <= '9';

	snprintf(out, COUNTER_NAME, "%s%.80s", is_digit ? before_digit : "", id);
	replace(out, ':', '.');
	return out;
}

const char *counter_id(const char *name, char out[COUNTER_ID])
{
	if (strncmp(name, before_digit, strlen(before_digit)) == 0)
		name += strlen(before_digit);
	snprintf(out, COUNTER_ID, "%.80s", name);
	replace(out, '.', ':');
	return out;
}
